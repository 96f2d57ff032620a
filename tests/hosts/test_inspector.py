"""The MCP Inspector's command line, which judges schemas more strictly than hosts do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.programs import HOSTS

IS_ERROR = 5
"""The exit code of a call that the server answers with an error."""


@pytest.fixture(params=["legacy", "modern"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def inspect(folder: Path, era: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Let it start a server with its data in the folder, and ask for one thing."""
    server = [sys.executable, "-m", "qiskit_functions_mcp", "--channel", "local", "--home", str(folder / "data")]
    command = [f"{os.environ[HOSTS]}/mcp-inspector", "--cli", *server, "--protocol-era", era, "--format", "json"]
    environ = {**os.environ, "HOME": str(folder)}
    return subprocess.run([*command, *arguments], env=environ, capture_output=True, text=True, timeout=100, check=False)


def result(answer: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return dict(json.loads(answer.stdout)["result"])


def test_it_finds_no_fault_in_the_tools(era: str, tmp_path: Path) -> None:
    answer = inspect(tmp_path, era, "--method", "tools/list", "--strict")
    assert answer.returncode == 0, answer.stderr
    assert "run_function" in [tool["name"] for tool in result(answer)["tools"]]


def test_it_finds_the_page_of_the_tools_that_follow_a_job(era: str, tmp_path: Path) -> None:
    answer = inspect(tmp_path, era, "--method", "tools/list", "--app-info", "--advertise-apps")
    assert answer.returncode == 0, answer.stderr
    probed = [json.loads(line) for line in answer.stdout.splitlines()]
    opening = {one["toolName"] for one in probed if one.get("resourceMimeType") == "text/html;profile=mcp-app"}
    assert opening == {"run_function", "wait_for_job", "get_job", "get_job_result"}


def test_it_calls_a_tool_and_tells_an_error(era: str, tmp_path: Path) -> None:
    answer = inspect(tmp_path, era, "--method", "tools/call", "--tool-name", "list_functions")
    assert answer.returncode == 0, answer.stderr
    assert result(answer)["structuredContent"]["total"]
    failure = inspect(
        tmp_path, era, "--method", "tools/call", "--tool-name", "get_function", "--tool-arg", "function=missing"
    )
    assert failure.returncode == IS_ERROR, failure.stderr
