"""Programs that tests start, and how they end: gateways, found by the file in their data folder, and any others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from qiskit_functions_core.serverless.local_gateway import RunningGateway, find_gateway

HOSTS = "QISKIT_FUNCTIONS_TEST_HOSTS"
"""The environment variable with the folder of MCP hosts' programs, which .ci/hosts sets."""

WITHOUT_CAPABILITIES = [
    sys.executable,
    "-c",
    "import ctypes, os, sys\n"
    "for capability in (19, 21, 38): ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])",
]
"""Before a command: not even root may read all of /proc then. It loses from its bounding set CAP_SYS_PTRACE,
CAP_SYS_ADMIN and CAP_PERFMON."""

_END_SECONDS = 30.0


def end_gateways(folders: Iterable[Path]) -> None:
    """Kill the gateways that serve these data folders: to end as told takes them half a second, for late requests."""
    for folder in folders:
        if gateway := find_gateway(folder):
            end(gateway, signal.SIGKILL)


def end(gateway: RunningGateway, number: int = signal.SIGTERM) -> None:
    """Send a signal to a gateway, and wait until its process is gone."""
    with suppress(ProcessLookupError):  # it has ended by itself
        os.kill(gateway.pid, number)
    give_up = time.monotonic() + _END_SECONDS
    while is_alive(gateway.pid):
        assert time.monotonic() < give_up, f"the gateway with process {gateway.pid} does not end"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def command_of(process: psutil.Process) -> str:
    """Return its command line; nothing if it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def gateways_under(folder: Path) -> list[Path]:
    """Return the data folders at or below a folder that say a gateway serves them."""
    return [file.parent for depth in ("", "*/", "*/*/") for file in folder.glob(f"{depth}gateway.json")]


def end_with_children(process: subprocess.Popen[Any]) -> None:
    """Kill a program and all that it has started and not let go of, and wait until they are gone."""
    with suppress(psutil.NoSuchProcess):
        program = psutil.Process(process.pid)
        family = [program, *program.children(recursive=True)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()
        psutil.wait_procs(family, _END_SECONDS)
