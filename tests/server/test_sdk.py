"""What the server assumes about the MCP SDK, tested against the installed one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.server import MCPServer, Server
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import (
    CallToolResult,
    EmptyResult,
    InputRequiredResult,
    JSONRPCError,
    JSONRPCRequest,
    SubscribeRequestParams,
    Tool,
)

import qiskit_functions_mcp
from qiskit_functions_mcp.sdk import ToolFailure, lowlevel_server, tool_failure
from support.over_stdio import structured

SOURCE = Path(qiskit_functions_mcp.__file__).parent
SDK = re.compile(r"mcp(_types)?(\.|$)")


class RecordingServer(MCPServer[dict[str, Any]]):
    """Overrides the methods that our server overrides, and records why calls failed."""

    def __init__(self) -> None:
        super().__init__("recording")
        self.failures: list[tuple[ToolFailure, str]] = []

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[dict[str, Any], Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            self.failures.append((tool_failure(error), type(error.__cause__).__name__))
            return CallToolResult(content=[], structured_content={"failed": True})

    async def list_tools(self) -> list[Tool]:
        return [tool.model_copy(update={"description": "overridden"}) for tool in await super().list_tools()]


@pytest.fixture
def server() -> RecordingServer:
    made = RecordingServer()

    @made.tool()
    async def crash() -> dict[str, Any]:
        raise LookupError("a secret")

    @made.tool()
    async def count(number: int, ctx: Context) -> dict[str, Any]:
        return {"number": number, "sent": dict(ctx.request_context.params or {})["arguments"]}

    return made


def sdk_uses(path: Path) -> Iterator[str]:
    """What a module uses of the SDK's private parts."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and SDK.match(node.module or ""):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            yield from (f"{node.lineno}: {name}" for name in names if name.startswith("_"))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if SDK.match(alias.name) and "._" in alias.name:
                    yield f"{node.lineno}: {alias.name}"
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            # A private attribute of one's own class is written self._name or cls._name.
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if not is_own or hasattr(MCPServer("any"), node.attr):
                yield f"{node.lineno}: {node.attr}"


def test_no_other_module_uses_a_private_part_of_the_sdk() -> None:
    found = {
        f"{path.relative_to(SOURCE)}:{use}"
        for path in SOURCE.rglob("*.py")
        if path.name != "sdk.py"
        for use in sdk_uses(path)
    }
    assert found == set()


@pytest.mark.parametrize(
    "line",
    [
        "from mcp.shared._stream_protocols import ReadStream",
        "from mcp.server.mcpserver.resolve import _Pending",
        "import mcp.shared._otel",
        "server._lowlevel_server.run()",
        "self._tool_manager.get_tool('x')",
        "tool.fn_metadata._adapter = None",
    ],
)
def test_such_a_use_is_found(tmp_path: Path, line: str) -> None:
    module = tmp_path / "module.py"
    module.write_text(line)
    assert len(list(sdk_uses(module))) == 1


def test_the_low_level_server_is_the_public_class_and_serves_what_is_added_to_it(server: RecordingServer) -> None:
    lowlevel = lowlevel_server(server)
    assert isinstance(lowlevel, Server)

    async def subscribe(ctx: Any, params: SubscribeRequestParams) -> EmptyResult:
        return EmptyResult()

    before = lowlevel.get_capabilities().resources
    lowlevel.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    after = lowlevel.get_capabilities().resources
    assert before is not None
    assert after is not None
    assert (before.subscribe, after.subscribe) == (False, True), "the capability follows from the handler"


async def test_the_methods_that_our_server_overrides_are_those_that_requests_reach(
    server: RecordingServer, mode: str
) -> None:
    async with Client(server, mode=mode) as client:
        tools = (await client.list_tools()).tools
        failed = await client.call_tool("crash", {})
    assert {tool.description for tool in tools} == {"overridden"}
    assert structured(failed) == {"failed": True}


@pytest.mark.parametrize(
    ("tool", "arguments", "failure"),
    [
        ("no_such_tool", {}, ("unknown_tool", "NoneType")),
        ("count", {"number": "many"}, ("invalid_arguments", "ValidationError")),
        ("crash", {}, ("exception", "LookupError")),
    ],
)
async def test_a_failed_call_says_why_by_its_type_and_cause(
    server: RecordingServer, mode: str, tool: str, arguments: dict[str, Any], failure: tuple[str, str]
) -> None:
    async with Client(server, mode=mode) as client:
        await client.call_tool(tool, arguments)
    assert server.failures == [failure]


async def test_a_tool_can_read_the_arguments_as_the_client_sent_them(server: RecordingServer, mode: str) -> None:
    sent = {"number": "7"}
    async with Client(server, mode=mode) as client:
        assert structured(await client.call_tool("count", sent)) == {"number": 7, "sent": sent}


async def test_the_sdk_still_drops_unknown_arguments_and_so_ours_still_has_to_refuse_them(
    server: RecordingServer, mode: str
) -> None:
    async with Client(server, mode=mode) as client:
        answer = await client.call_tool("count", {"number": 7, "nmuber": 8})
    assert structured(answer)["number"] == 7


async def test_the_sdk_still_reports_a_bad_prompt_in_one_era_only_and_so_ours_still_has_to_check(
    server: RecordingServer,
) -> None:
    for mode in ("auto", "legacy"):
        async with Client(server, mode=mode) as client:
            with pytest.raises(MCPError) as raised:
                await client.get_prompt("no_such_prompt")
        assert ("no_such_prompt" in str(raised.value)) == (mode == "legacy")


async def test_the_sdk_still_refuses_to_initialize_after_a_discovery_and_so_stdio_still_has_to_relay(
    server: RecordingServer,
) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "host", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    initialize = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "host", "version": "1"}}
    requests = [
        JSONRPCRequest(jsonrpc="2.0", id=1, method="server/discover", params={"_meta": meta}),
        JSONRPCRequest(jsonrpc="2.0", id=2, method="initialize", params=initialize),
    ]
    lowlevel = lowlevel_server(server)
    ask_server, asked = anyio.create_memory_object_stream[SessionMessage | Exception](1)
    answer, answers = anyio.create_memory_object_stream[SessionMessage](1)
    replies = []
    async with anyio.create_task_group() as group, answers:
        group.start_soon(lowlevel.run, asked, answer, lowlevel.create_initialization_options())
        for request in requests:
            await ask_server.send(SessionMessage(request))
            replies.append((await answers.receive()).message)
        ask_server.close()
    assert [isinstance(reply, JSONRPCError) for reply in replies] == [False, True]
