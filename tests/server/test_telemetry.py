"""The SDK's spans and the core's are one trace, without arguments; in a process of its own, as set-up is once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import anyio.to_thread
from starlette.responses import Response

from support.clients import noting_gateway
from support.traced import PREAMBLE, REPORT

_TRACED = """
from mcp import Client
from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.settings import Settings
async def main():
    async with Client(build_server(Settings(host=sys.argv[1])), mode=sys.argv[2]) as client:
        assert not (await client.call_tool("list_functions", {"query": "the-argument"})).is_error
        assert (await client.call_tool("get_function", {"function": "the-argument"})).is_error
anyio.run(main)
"""


async def test_a_tools_call_and_the_gateways_calls_in_it_are_one_trace(mode: str) -> None:
    answers = {"GET programs/": [], "GET programs/get_by_title/the-argument/": Response(status_code=404)}
    with noting_gateway(answers) as gateway:
        environment = {**os.environ, "QISKIT_FUNCTIONS_TOKEN": "t"}
        command = [sys.executable, "-c", f"{PREAMBLE}{_TRACED}{REPORT}", gateway.host, mode]

        def run() -> list[dict[str, Any]]:
            return list(json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout))

        spans = await anyio.to_thread.run_sync(run)
    for tool, call in (("list_functions", "function.list"), ("get_function", "function.get_by_title")):
        (outer,) = [s for s in spans if (s["name"], s["kind"]) == (f"tools/call {tool}", "SpanKind.SERVER")]
        inner = next(span for span in spans if span["name"] == call)
        assert inner["parent_id"] == outer["context"]["span_id"]
        assert inner["context"]["trace_id"] == outer["context"]["trace_id"]
    assert "the-argument" not in json.dumps(spans)
