"""Serving over stdio, for hosts that ask before they greet.

The SDK lets a connection's first request decide its protocol era. Some hosts send ``server/discover`` to
find out what a server speaks and then ``initialize`` on the same pipe, which the SDK refuses. Here a
discovery is answered by itself and decides nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCRequest

from .session import Session

Incoming = SessionMessage | Exception


async def serve(server: Server[Session]) -> None:
    """Serve until stdin ends."""
    async with stdio_server() as (incoming, outgoing), _after_discoveries(server, incoming, outgoing) as rest:
        await _run(server, rest, outgoing)


@asynccontextmanager
async def _after_discoveries(
    server: Server[Session], incoming: ReadStream[Incoming], outgoing: WriteStream[SessionMessage]
) -> AsyncIterator[MemoryObjectReceiveStream[Incoming]]:
    """Answer discoveries; then everything from the first other request on."""
    send, rest = anyio.create_memory_object_stream[Incoming]()

    async def relay() -> None:
        deciding = False
        async with send:
            async for item in incoming:
                request = item.message if isinstance(item, SessionMessage) else None
                if not deciding and isinstance(request, JSONRPCRequest) and request.method == "server/discover":
                    await _answer_alone(server, item, outgoing)
                    continue
                deciding = deciding or isinstance(request, JSONRPCRequest)
                await send.send(item)

    async with anyio.create_task_group() as group:
        group.start_soon(relay)
        yield rest
        group.cancel_scope.cancel()


async def _answer_alone(server: Server[Session], item: Incoming, outgoing: WriteStream[SessionMessage]) -> None:
    """One request on a connection of its own."""
    ask, asked = anyio.create_memory_object_stream[Incoming](1)
    answer, answers = anyio.create_memory_object_stream[SessionMessage](1)
    async with anyio.create_task_group() as group, answers:
        group.start_soon(_run, server, asked, answer)
        await ask.send(item)
        await outgoing.send(await answers.receive())
        ask.close()


async def _run(server: Server[Session], incoming: ReadStream[Incoming], outgoing: WriteStream[SessionMessage]) -> None:
    await server.run(incoming, outgoing, server.create_initialization_options())
