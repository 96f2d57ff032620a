"""Serving over stdio, for hosts that discover before they initialize, and with an answer to every request.

The SDK lets the first request of a connection decide its protocol era. Some hosts send ``server/discover`` to learn
what a server speaks, and then ``initialize`` on the same pipe, which the SDK refuses with -32022. Here a discovery is
answered on a connection of its own and decides nothing.

The SDK logs a line that it cannot read, such as one with half of a surrogate pair or a number of thousands of digits,
and the client would wait without end. Here it is answered with an error.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from typing import Any

import anyio
from anyio.abc import ObjectReceiveStream
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
)
from pydantic import ValidationError

logger = logging.getLogger(__name__)

_METHOD = re.compile(r'"method"\s*:')
_ID = re.compile(r'"id"\s*:\s*(-?\d{1,18}|"[^"\\]{0,200}")\s*[,}]')
"""The id of a request, in a line that is no JSON. Clients write it before the parameters, so the first one counts."""


async def serve_stdio(server: Server[Any]) -> None:
    """Serve until stdin ends, or the host has gone and reads no more."""
    try:
        await _serve(server)
    except* BrokenPipeError:
        # What is still to be flushed at the end of the process goes nowhere, instead of raising once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        logger.info("the host has closed the pipe that it reads the answers from")


async def _serve(server: Server[Any]) -> None:
    async with stdio_server() as (incoming, outgoing):
        await server.run(_Incoming(server, incoming, outgoing), outgoing, server.create_initialization_options())


class _Incoming(ObjectReceiveStream[SessionMessage | Exception]):
    """What the host sends, without what is answered here."""

    def __init__(self, server: Server[Any], incoming: Any, outgoing: Any) -> None:
        # The SDK gives its streams no public type.
        self._server = server
        self._incoming = incoming
        self._outgoing = outgoing
        self._era_is_open = True

    async def receive(self) -> SessionMessage | Exception:
        while True:
            item: SessionMessage | Exception = await self._incoming.receive()
            if (answer := await self._answer(item)) is not None:
                await self._outgoing.send(answer)
            elif not isinstance(item, Exception):
                return item

    async def aclose(self) -> None:
        await self._incoming.aclose()

    async def _answer(self, item: SessionMessage | Exception) -> SessionMessage | None:
        if isinstance(item, Exception):
            return _answer_to_unreadable(item)
        if _is_request_without_id(item.message):
            return _error(None, INVALID_REQUEST, "A request's id is a string or an integer.")
        if isinstance(item.message, JSONRPCRequest):
            if self._era_is_open and item.message.method == "server/discover":
                return await _answer_alone(self._server, item)
            self._era_is_open = False
        return None


def _is_request_without_id(message: JSONRPCMessage) -> bool:
    """Return whether it has the id of no request, such as null or 1e400, which the SDK takes for a notification."""
    return isinstance(message, JSONRPCNotification) and not message.method.startswith("notifications/")


def _error(identifier: str | int | None, code: int, message: str) -> SessionMessage:
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=identifier, error=ErrorData(code=code, message=message)))


def _answer_to_unreadable(error: Exception) -> SessionMessage | None:
    """Return the error response to a line that is no message; None to one that may be a response or a notification.

    Args:
        error: pydantic's, which has the line, or what JSON it holds.
    """
    problem = error.errors(include_url=False)[0] if isinstance(error, ValidationError) else None
    # An error must not answer what may be the response to a request of ours.
    if problem is None or (isinstance(problem["input"], dict) and {"result", "error"} & problem["input"].keys()):
        return None
    is_json = problem["type"] != "json_invalid"
    line = "" if is_json else str(problem["input"])
    if is_json:
        found = problem["input"].get("id") if isinstance(problem["input"], dict) else None
        identifier = found if isinstance(found, str | int) and not isinstance(found, bool) else None
    else:
        if not _METHOD.search(line):
            return None
        match = _ID.search(line)
        identifier = json.loads(match[1]) if match else None
    code, what = (INVALID_REQUEST, "not a JSON-RPC message") if is_json else (PARSE_ERROR, "not readable JSON")
    return _error(identifier, code, f"The message is {what}: {problem['msg']}")


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
