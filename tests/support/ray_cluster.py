"""A real Ray cluster of one node, started for tests and surely stopped after them."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket

import httpx
import psutil
import pytest

from qiskit_functions_gateway.execution.processes import end_processes

START_TIMEOUT = 10
"""Seconds after which Ray gives up a job that found no processor: 900 unless it is told otherwise."""


@contextmanager
def ray_cluster() -> Iterator[str]:
    """The address of its Jobs API, which asks for a token that the environment has meanwhile."""
    # Ray keeps sockets there, whose paths may be no longer than 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        address = f"127.0.0.1:{free_port()}"
        with (folder / "output").open("wb") as output:
            command = _command(folder, address)
            node = subprocess.Popen(command, env=_environment(folder), stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_for(f"http://{address}/api/version", node, folder)
            yield f"http://{address}"
        finally:
            _stop(node, folder)
    shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _command(folder: Path, address: str) -> list[str]:
    host, _, port = address.partition(":")
    return [
        *(str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--disable-usage-stats"),
        *(
            f"--temp-dir={folder / 't'}",
            "--num-cpus=2",
            "--object-store-memory=100000000",
            "--node-ip-address=127.0.0.1",
        ),
        *("--include-dashboard=true", f"--dashboard-host={host}", f"--dashboard-port={port}"),
        *(f"--port={free_port()}", f"--dashboard-agent-listen-port={free_port()}"),
        *(f"--ray-client-server-port={free_port()}", "--min-worker-port=0", "--max-worker-port=0"),
    ]


def _environment(folder: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "LANG")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
        "HOME": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_JOB_START_TIMEOUT_SECONDS": str(START_TIMEOUT),
    }


def _wait_for(url: str, node: subprocess.Popen[bytes], folder: Path) -> None:
    headers = {"Authorization": f"Bearer {os.environ['RAY_AUTH_TOKEN']}"}
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and node.poll() is None:
        try:
            if httpx.get(url, headers=headers, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"Ray did not start: {(folder / 'output').read_text()}")


def _stop(node: subprocess.Popen[bytes], folder: Path) -> None:
    """Its own processes end with it; what is left by then is killed, and nothing may be left after that."""
    try:
        family = psutil.Process(node.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []

    def left() -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if process in family or _is_about(process, folder)]

    node.terminate()
    node.wait()
    end_processes(lambda: [process for process in left() if _lives(process)])
    assert [process for process in left() if _lives(process)] == []


def _is_about(process: psutil.Process, folder: Path) -> bool:
    try:
        return str(folder) in f"{process.cmdline()} {process.environ().get('HOME')}"
    except (psutil.Error, OSError):
        return False


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
