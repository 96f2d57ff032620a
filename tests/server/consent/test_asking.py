"""What a host declares decides how it is asked, and what it answers is not trusted, in both protocol eras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp_types import ErrorData, JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.sdk import lowlevel_server
from qiskit_functions_mcp.settings import Settings

UPLOAD = {"title": "asked", "source": "print('hello')\n"}
INFO = {"name": "host", "version": "1"}


async def called(
    home: Path,
    mode: str,
    capabilities: dict[str, Any],
    tool: str,
    arguments: dict[str, Any],
    *answers: dict[str, Any] | ErrorData,
) -> tuple[dict[str, Any], list[str]]:
    """What a call answers to a host that says just this, and what the host was asked by requests of the server.

    Args:
        answers: what the host answers, one after the other.
    """
    lowlevel, replies = lowlevel_server(build_server(Settings(channel="local", home=home))), iter(answers)
    asked: list[str] = []
    result: dict[str, Any] = {}
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": INFO,
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    }
    initialize = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": INFO}
    async with (
        create_client_server_memory_streams() as ((heard, said), (server_reads, server_writes)),
        anyio.create_task_group() as group,
    ):
        group.start_soon(lowlevel.run, server_reads, server_writes, lowlevel.create_initialization_options())

        async def say(message: JSONRPCRequest | JSONRPCNotification | JSONRPCResponse | JSONRPCError) -> None:
            await said.send(SessionMessage(message))

        call = {"name": tool, "arguments": arguments}
        if mode == "legacy":
            await say(JSONRPCRequest(jsonrpc="2.0", id=1, method="initialize", params=initialize))
            await heard.receive()
            await say(JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized"))
        else:
            call["_meta"] = meta
        await say(JSONRPCRequest(jsonrpc="2.0", id=2, method="tools/call", params=call))
        while not result:
            received = await heard.receive()
            assert isinstance(received, SessionMessage)
            message = received.message
            if isinstance(message, JSONRPCRequest):
                asked.append(message.method)
                if isinstance(reply := next(replies), ErrorData):
                    await say(JSONRPCError(jsonrpc="2.0", id=message.id, error=reply))
                else:
                    await say(JSONRPCResponse(jsonrpc="2.0", id=message.id, result=reply))
            elif isinstance(message, JSONRPCResponse):
                result = message.result
            else:
                assert isinstance(message, JSONRPCNotification)
        group.cancel_scope.cancel()
    return result, asked


@pytest.mark.parametrize(
    ("elicitation", "is_asked"),
    [({}, True), ({"form": {}}, True), ({"form": {}, "url": {}}, True), ({"url": {}}, False), (None, False)],
)
async def test_only_a_host_that_shows_forms_is_asked_with_one(
    tmp_path: Path, mode: str, elicitation: dict[str, Any] | None, is_asked: bool
) -> None:
    capabilities = {} if elicitation is None else {"elicitation": elicitation}
    result, asked = await called(tmp_path, mode, capabilities, "upload_function", UPLOAD, {"action": "decline"})
    if mode == "legacy":
        assert asked == ["elicitation/create"] * is_asked
        assert ("declined" in result["structuredContent"]) == is_asked
    else:
        assert ("inputRequests" in result) == is_asked
    if not is_asked:
        assert result["structuredContent"]["code"] == "consent_needed"


async def test_an_answer_that_cannot_be_read_is_not_a_yes(tmp_path: Path) -> None:
    result, _ = await called(
        tmp_path, "legacy", {"elicitation": {}}, "upload_function", UPLOAD, {"action": "of course"}
    )
    assert result["structuredContent"]["code"] == "consent_needed"


@pytest.mark.parametrize("answer", [{}, {"roots": [{"uri": 1}]}, ErrorData(code=-32603, message="no workspace")])
async def test_a_host_that_fails_to_tell_its_roots_allows_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any] | ErrorData
) -> None:
    monkeypatch.chdir("/")
    upload = {"title": "asked", "file": "f.py"}
    result, asked = await called(tmp_path, "legacy", {"roots": {}}, "upload_function", upload, answer)
    assert asked == ["roots/list"]
    assert "no local folder is allowed" in result["structuredContent"]["message"]
