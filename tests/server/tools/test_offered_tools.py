"""Which tools a server offers, by the options that it was started with."""

from __future__ import annotations

from mcp import Client
from mcp_types import Tool

from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.settings import Settings
from support.over_stdio import structured


async def offered(settings: Settings, mode: str) -> list[Tool]:
    async with Client(build_server(settings), mode=mode) as client:
        return (await client.list_tools()).tools


async def test_a_read_only_server_offers_only_tools_that_change_nothing(mode: str) -> None:
    tools = await offered(Settings(read_only=True), mode)
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
    assert {"check_run", "get_job_result", "read_file"} <= {tool.name for tool in tools}


async def test_reading_and_writing_are_different_tools_and_reading_says_so(mode: str) -> None:
    tools = await offered(Settings(), mode)
    only_reads = {tool.name: tool.annotations.read_only_hint for tool in tools if tool.annotations}
    for reads, writes in (("get_job_result", "save_job_result"), ("read_file", "download_file")):
        assert (only_reads[reads], only_reads[writes]) == (True, False)


async def test_toolsets_pick_groups_of_tools(mode: str) -> None:
    names = {tool.name for tool in await offered(Settings(toolsets=["jobs"]), mode)}
    assert "wait_for_job" in names
    assert not {"run_function", "list_backends", "list_files"} & names


async def test_a_tool_that_is_not_offered_cannot_be_called(mode: str) -> None:
    async with Client(build_server(Settings(read_only=True)), mode=mode) as client:
        answer = await client.call_tool("run_function", {"function": "examples/vqe"})
    assert answer.is_error
    assert structured(answer)["code"] == "unknown_tool"
