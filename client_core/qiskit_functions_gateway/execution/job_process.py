"""Running one of a job's processes to its end: its output is kept, its limits are watched, nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol

from qiskit_functions_core.errors import EmbeddedGatewayError

from ..storage.logs import BoundedLog
from .lifecycle import Failure, FailureCode, JobStopped
from .prctl import adopt_orphans, prefer_as_victim

if TYPE_CHECKING:
    from .processes import FindProcesses

POLL_SECONDS = 0.2
"""How often it is checked whether a job was stopped or is over its limits."""

_OUTPUT_SECONDS = 5.0
"""How long to wait for the rest of the output once no process of the job is known to live."""

ReasonToEnd = Callable[[], Failure | JobStopped | None]
"""Returns why a process must not go on, or None; called every ``POLL_SECONDS``."""


class Running(Protocol):
    """A process as ``Popen`` has it."""

    @property
    def pid(self) -> int: ...

    @property
    def stdout(self) -> IO[bytes] | None: ...

    def wait(self) -> int: ...


class Outcome(NamedTuple):
    """How a process ended: its exit code, and why it was made to end, if it was."""

    code: int
    reason: Failure | JobStopped | None


def start(
    command: list[str], folder: Path, variables: dict[str, str], *, keep_open: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a process for ``supervise``.

    Args:
        keep_open: a file descriptor that it inherits.

    Raises:
        Failure: it cannot be started.
    """
    adopt_orphans()
    inherited = () if keep_open is None or sys.platform == "win32" else (keep_open,)
    try:
        return subprocess.Popen(  # noqa: S603 - running the user's function is what we are for
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=inherited,
        )
    except (OSError, ValueError) as error:
        raise Failure(FailureCode.CANNOT_START, f"{command[0]} could not be started: {error}") from error


def supervise(process: Running, log: BoundedLog, find_processes: FindProcesses, reason_to_end: ReasonToEnd) -> Outcome:
    """Wait until the process has ended, or end it when there is a reason, with all processes that it leaves behind.

    Args:
        log: gets the output.
        find_processes: returns all living processes that belong to it.
    """
    # psutil is loaded only now, while the process loads what it needs.
    from .processes import end_processes, reap_adopted

    prefer_as_victim(process.pid)
    reader = threading.Thread(target=_copy_output, args=(process, log), daemon=True)
    reader.start()
    has_ended = threading.Event()
    reasons: list[Failure | JobStopped] = []

    def watch() -> None:
        while not has_ended.wait(POLL_SECONDS):
            reap_adopted(process.pid)
            # Asked again the next time if it cannot be told now, as when the database is on a full disk.
            with suppress(EmbeddedGatewayError, OSError):
                if not reasons and (reason := reason_to_end()):
                    reasons.append(reason)
            if reasons:
                end_processes(find_processes)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    code = process.wait()
    has_ended.set()
    watcher.join()
    end_processes(find_processes)  # what is left also holds the output open
    reap_adopted()
    reader.join(_OUTPUT_SECONDS)
    return Outcome(code, reasons[0] if reasons else None)


def _copy_output(process: Running, log: BoundedLog) -> None:
    assert process.stdout is not None  # noqa: S101 - for the type checker
    with process.stdout as output:
        while data := os.read(output.fileno(), 65536):
            log.write(data)
