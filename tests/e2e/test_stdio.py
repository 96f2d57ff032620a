"""The pipe itself: what hosts do with it, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "host", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "host", "version": "1"}}


class Host:
    """A client that writes and reads lines, and notes every byte of stdout.

    Args:
        era: the handshake first (legacy), or the envelope with each call (auto).
    """

    def __init__(self, process: subprocess.Popen[bytes], era: str = "legacy") -> None:
        self.process = process
        self.lines: list[bytes] = []
        self._is_legacy = era == "legacy"

    def ask(self, number: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self.tell(method, params, id=number)
        while True:
            answer = self._line()
            if answer.get("id") == number:
                return answer

    def tell(self, method: str, params: dict[str, Any], **more: Any) -> None:
        assert self.process.stdin
        message = {"jsonrpc": "2.0", "method": method, "params": params, **more}
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def call(self, number: int, tool: str, **arguments: Any) -> dict[str, Any]:
        params: dict[str, Any] = {"name": tool, "arguments": arguments}
        if not self._is_legacy:
            params["_meta"] = ENVELOPE
        return dict(self.ask(number, "tools/call", params)["result"]["structuredContent"])

    def initialize(self) -> None:
        if not self._is_legacy:
            return
        assert self.ask(1, "initialize", INITIALIZE)["result"]["serverInfo"]["name"] == "qiskit-functions"
        self.tell("notifications/initialized", {})

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        self.lines.append(line)
        return dict(json.loads(line))


@pytest.fixture(params=["auto", "legacy"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    command = [
        sys.executable,
        "-m",
        "qiskit_functions_mcp",
        "--channel",
        "local",
        "--consent",
        "never",
        "--home",
        str(tmp_path / "home"),
    ]
    with (
        (tmp_path / "stderr.txt").open("wb") as stderr,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr) as process,
    ):
        yield Host(process, request.param)
        process.kill()


def test_a_host_may_discover_first_and_initialize_then(host: Host) -> None:
    found = host.ask(1, "server/discover", {"_meta": ENVELOPE})["result"]
    assert "2026-07-28" in found["supportedVersions"]
    assert host.ask(2, "initialize", INITIALIZE)["result"]["protocolVersion"] == "2025-11-25"
    host.tell("notifications/initialized", {})
    assert host.ask(3, "tools/list", {})["result"]["tools"]


def test_a_host_may_discover_and_stay_in_the_new_era(host: Host) -> None:
    host.ask(1, "server/discover", {"_meta": ENVELOPE})
    assert host.ask(2, "tools/list", {"_meta": ENVELOPE})["result"]["tools"]


def test_every_byte_on_stdout_is_protocol_also_when_functions_print(host: Host) -> None:
    host.initialize()
    noisy = "import os, sys, warnings\nprint('out')\nos.write(1, b'raw\\n')\nwarnings.warn('careful')\n"
    host.call(2, "upload_function", title="noisy", source=noisy)
    job = host.call(3, "run_function", function="noisy", arguments={"a": {"$complex": [0, 1]}}, wait_seconds=50)
    assert job["status"] == "DONE"
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in host.lines)


def test_one_line_a_call_goes_to_stderr_without_arguments(host: Host, tmp_path: Path) -> None:
    host.initialize()
    host.call(2, "get_function", function="secret-of-mine")
    assert host.process.stdin
    host.process.stdin.close()
    host.process.wait(10)
    log = (tmp_path / "stderr.txt").read_text()
    assert "get_function not_found in " in log
    assert "secret-of-mine" not in log


@pytest.mark.parametrize("ending", ["eof", "interrupt", "terminate"])
def test_it_ends_when_asked_to_and_leaves_a_running_job_alone(host: Host, tmp_path: Path, ending: str) -> None:
    host.initialize()
    gate = tmp_path / "gate"
    source = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)\n"
    host.call(2, "upload_function", title="patient", source=source)
    job_id = host.call(3, "run_function", function="patient")["job_id"]
    assert host.process.stdin
    if ending == "eof":
        host.process.stdin.close()
    else:
        host.process.send_signal(signal.SIGINT if ending == "interrupt" else signal.SIGTERM)
    host.process.wait(10)
    gate.touch()
    command = [*host.process.args] if isinstance(host.process.args, list) else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as again:
        later = Host(again)
        later.initialize()
        assert later.call(2, "wait_for_job", job_id=job_id)["status"] == "DONE"
        again.kill()
