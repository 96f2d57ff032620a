"""The server as an assistant starts it: a subprocess, spoken to over stdio."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, TextContent

from .warm import start_warm_in

IDLE = "QISKIT_FUNCTIONS_GATEWAY_IDLE_SECONDS"
WARM = "QISKIT_FUNCTIONS_WARM_JOBS"
"""A client over stdio passes on what it is told to, and nothing else."""


@asynccontextmanager
async def assistant(home: Path, mode: str = "auto", **environ: str) -> AsyncIterator[Assistant]:
    """An MCP client of a new server that keeps its data in ``home``."""
    start_warm_in(home)
    passed_on = {name: os.environ[name] for name in (IDLE, WARM) if name in os.environ}
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "qiskit_functions_mcp", "--channel", "local", "--home", str(home), "--allow-dir", str(home.parent)],
        # What is asked, and when, has tests of its own.
        env={"QISKIT_FUNCTIONS_CONSENT": "never", **passed_on, **environ},
    )
    async with Client(parameters, mode=mode) as client:
        yield Assistant(client)


class Assistant:
    """Calls tools as a model does, and reads what a model reads."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.heard: list[str] = []

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        return await self.client.call_tool(tool, arguments, progress_callback=self._hear)

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured answer of a call that succeeds."""
        answer = await self.call(tool, **arguments)
        assert not answer.is_error, answer
        return structured(answer)

    async def refused(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The error of a call that fails; it must be the same as text."""
        answer = await self.call(tool, **arguments)
        assert answer.is_error, answer
        error = structured(answer)
        assert error["message"]
        assert error["code"] in text_of(answer)
        return error

    async def run(self, function: str, **arguments: Any) -> dict[str, Any]:
        """A job of the function, when it has ended."""
        job = await self.ask("run_function", function=function, arguments=arguments, wait_seconds=50)
        while job["status"] not in ("DONE", "ERROR", "CANCELED"):
            job = await self.ask("wait_for_job", job_id=job["job_id"])
        return job

    async def log(self, job_id: str, **arguments: Any) -> str:
        return text_of(await self.call("get_job_logs", job_id=job_id, **arguments))

    async def job_count(self) -> int:
        return int((await self.ask("list_jobs"))["total"])

    async def _hear(self, progress: float, total: float | None, message: str | None) -> None:
        self.heard.append(message or "")


def structured(answer: CallToolResult) -> dict[str, Any]:
    assert isinstance(answer.structured_content, dict), answer
    return answer.structured_content


def text_of(answer: CallToolResult) -> str:
    return "\n".join(block.text for block in answer.content if isinstance(block, TextContent))
