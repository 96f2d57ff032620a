"""Serving over stdio, for hosts that discover before they initialize.

The SDK lets the first request of a connection decide its protocol era. Some hosts send ``server/discover`` to learn
what a server speaks, and then ``initialize`` on the same pipe, which the SDK refuses with -32022. Here a discovery is
answered on a connection of its own and decides nothing.
"""

from __future__ import annotations

from typing import Any

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCRequest


async def serve_stdio(server: Server[Any]) -> None:
    """Serve until stdin ends."""
    send, rest = anyio.create_memory_object_stream[SessionMessage | Exception]()
    async with stdio_server() as (incoming, outgoing):

        async def relay() -> None:
            era_is_open = True
            async with send:
                async for item in incoming:
                    if isinstance(item, SessionMessage) and isinstance(item.message, JSONRPCRequest):
                        if era_is_open and item.message.method == "server/discover":
                            await outgoing.send(await _answer_alone(server, item))
                            continue
                        era_is_open = False
                    await send.send(item)

        async with anyio.create_task_group() as group:
            group.start_soon(relay)
            await server.run(rest, outgoing, server.create_initialization_options())
            group.cancel_scope.cancel()


async def _answer_alone(server: Server[Any], request: SessionMessage) -> SessionMessage:
    """Answer a request on a connection that ends with it."""
    ask, asked = anyio.create_memory_object_stream[SessionMessage | Exception](1)
    answer, answers = anyio.create_memory_object_stream[SessionMessage](1)
    async with anyio.create_task_group() as group, answers:
        group.start_soon(server.run, asked, answer, server.create_initialization_options())
        await ask.send(request)
        reply = await answers.receive()
        ask.close()
    return reply
