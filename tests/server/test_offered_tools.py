"""Which tools a server offers, as it was started."""

from __future__ import annotations

import pytest
from mcp import Client
from mcp_types import Tool

from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.settings import Settings
from support.over_stdio import structured


async def offered(settings: Settings) -> list[Tool]:
    async with Client(build_server(settings)) as client:
        return (await client.list_tools()).tools


async def test_a_read_only_server_offers_only_tools_that_change_nothing() -> None:
    tools = await offered(Settings(read_only=True))
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
    assert {"check_run", "get_job_result"} <= {tool.name for tool in tools}


async def test_toolsets_pick_groups_of_tools() -> None:
    names = {tool.name for tool in await offered(Settings(toolsets=["jobs"]))}
    assert "wait_for_job" in names
    assert not {"run_function", "list_backends", "list_files"} & names


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_tool_that_is_not_offered_cannot_be_called(mode: str) -> None:
    async with Client(build_server(Settings(read_only=True)), mode=mode) as client:
        answer = await client.call_tool("run_function", {"function": "examples/vqe"})
    assert answer.is_error
    assert structured(answer)["code"] == "unknown_tool"
