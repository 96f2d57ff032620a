"""Clients that others have written, running a real job through the server.

The packages come from npm into the user's cache, once a version. A machine without Node.js skips these tests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from platformdirs import user_cache_path

CLIENT = Path(__file__).parent / "foreign" / "client.mjs"
SDK = "@modelcontextprotocol/sdk@1.32.2"
INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
INSPECTOR_MAIN = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"

TOOL_FAILED = 5
"""The Inspector's exit code for an answer that is an error."""

NODE, NPM = shutil.which("node"), shutil.which("npm")
pytestmark = pytest.mark.skipif(not (NODE and NPM), reason="there is no Node.js with npm on this machine")


def installed(package: str) -> Path:
    """A folder whose ``node_modules`` has the package."""
    folder = user_cache_path("qiskit-functions-mcp-tests") / package.replace("/", "-")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        done = folder / "done"
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
            output(str(NPM), "install", *quiet, "--prefix", str(folder), package)
            done.touch()
    return folder


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def server(folder: Path, *options: str) -> list[str]:
    """The command that starts it."""
    home = ["--home", str(folder / "home")]
    return [sys.executable, "-m", "qiskit_functions_mcp", "--channel", "local", *home, *options]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the TypeScript SDK's client saw."""
    command = server(tmp_path_factory.mktemp("session"))
    return dict(json.loads(output(str(NODE), str(CLIENT), str(installed(SDK)), *command)))


def test_the_typescript_sdk_runs_a_job_and_asks_the_person(session: dict[str, Any]) -> None:
    assert session["server"] == "qiskit-functions"
    assert "run_function" in session["tools"]
    question, for_the_session = session["questions"]
    assert "double" in question
    assert "session" in for_the_session
    assert session["uploaded"]["name"] == "double"
    assert session["job"]["status"] == "DONE"
    assert session["progress"]
    assert session["result"]["parts"][0]["value"] == {"doubled": 42}
    assert session["log"].endswith("doubling 21")


def test_the_typescript_sdk_shows_the_model_a_failed_call(session: dict[str, Any]) -> None:
    """It checks the answers of failed calls against the output schema as well, and hides what does not fit."""
    assert session["refused"]["isError"] is True
    assert session["refused"]["structuredContent"]["code"] == "not_found"


class Inspector:
    """Its command line; each call starts a server of its own over the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._main = installed(INSPECTOR) / INSPECTOR_MAIN

    def __call__(self, method: str, *options: str) -> subprocess.CompletedProcess[str]:
        target = server(self.folder, "--consent", "never")
        command = [str(NODE), str(self._main), "--cli", *target, "--method", method, *options]
        # It keeps a catalogue of servers in the user's folder.
        environ = os.environ | {"HOME": str(self.folder), "MCP_CATALOG_PATH": str(self.folder / "mcp.json")}
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environ)

    def call(self, tool: str, **arguments: Any) -> tuple[int, dict[str, Any]]:
        """Its exit code, and the structured answer."""
        given = [
            f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in arguments.items()
        ]
        options = [option for pair in given for option in ("--tool-arg", pair)]
        done = self("tools/call", "--tool-name", tool, *options)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)["structuredContent"]


@pytest.fixture
def inspector(tmp_path: Path) -> Inspector:
    return Inspector(tmp_path)


def test_the_inspector_finds_no_fault_with_the_schemas(inspector: Inspector) -> None:
    done = inspector("tools/list", "--strict")
    assert done.returncode == 0, done.stderr
    assert "0 errors" in done.stderr
    assert len(json.loads(done.stdout)["tools"]) == 19


def test_the_inspector_runs_a_job(inspector: Inspector) -> None:
    source = "import os, pathlib\npathlib.Path(os.environ['RESULTS_PATH']).write_text('{\"answer\": 42}')\n"
    assert inspector.call("upload_function", title="answers", source=source)[0] == 0
    code, job = inspector.call("run_function", function="answers", wait_seconds=50)
    assert (code, job["status"]) == (0, "DONE")
    code, result = inspector.call("get_job_result", job_id=job["job_id"])
    assert (code, result["parts"][0]["value"]) == (0, {"answer": 42})


def test_the_inspector_ends_with_its_code_for_a_failed_call(inspector: Inspector) -> None:
    code, error = inspector.call("get_function", function="no-such-function")
    assert (code, error["code"]) == (TOOL_FAILED, "not_found")
