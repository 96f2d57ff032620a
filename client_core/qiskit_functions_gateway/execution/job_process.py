"""Running one of a job's processes to its end: its output kept, its limits watched, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qiskit_functions_core.errors import EmbeddedGatewayError

from ..storage.logs import BoundedLog

if TYPE_CHECKING:
    from .processes import Look

LOOK_SECONDS = 0.2
"""Between two looks at whether a job was stopped or is over its limits."""

_OUTPUT_SECONDS = 5.0
"""How long output is waited for once nothing of the job is known to live any more."""


class Failure(Exception):
    """The job fails, for a reason of the gateway's; the message is for its user.

    Attributes:
        excerpt: of the log, for those who read the event alone.
    """

    def __init__(self, code: str, message: str, excerpt: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.excerpt = excerpt


ReasonToEnd = Callable[[], Failure | None]
"""Why a process may not go on, if so; asked a few times a second."""


class Ended(NamedTuple):
    """How a process ended: its exit code, and why we ended it if we did."""

    code: int
    failure: Failure | None


def start(
    command: list[str], folder: Path, variables: dict[str, str], *, keep_open: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a process for ``attend``.

    Args:
        keep_open: a file descriptor that it inherits.

    Raises:
        Failure: it cannot be started.
    """
    _adopt_orphans()
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
        raise Failure("CANNOT_START", f"{command[0]} could not be started: {error}") from error


def attend(process: subprocess.Popen[bytes], log: BoundedLog, living: Look, reason_to_end: ReasonToEnd) -> Ended:
    """Wait until it has ended, by itself or for a reason, and end what it leaves behind.

    Args:
        living: finds all processes that belong to it.
    """
    # Loaded only now: the process loads its own things meanwhile.
    from .processes import end_processes, prefer_as_victim, reap_adopted

    prefer_as_victim(process.pid)
    reader = threading.Thread(target=_copy, args=(process, log), daemon=True)
    reader.start()
    watch = _Watch(process.pid, living, reason_to_end)
    watch.start()
    code = process.wait()
    watch.end()
    # What is left holds the output open, and is no use to anybody any more.
    end_processes(living)
    reap_adopted()
    reader.join(_OUTPUT_SECONDS)
    return Ended(code, watch.failure)


def _adopt_orphans() -> None:
    """On Linux, let processes whose parent ended come to us instead of to init (prctl(2))."""
    if sys.platform == "linux":
        import ctypes

        pr_set_child_subreaper = 36
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


class _Watch:
    """Ends a process and all that belongs to it as soon as there is a reason, in a thread."""

    def __init__(self, pid: int, living: Look, reason_to_end: ReasonToEnd) -> None:
        self._pid = pid
        self._living = living
        self._reason_to_end = reason_to_end
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failure: Failure | None = None

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        from .processes import end_processes, reap_adopted

        while not self._over.wait(LOOK_SECONDS):
            reap_adopted(self._pid)
            # Whoever cannot be asked now, as a database on a full disk, is asked again.
            with suppress(EmbeddedGatewayError, OSError):
                self.failure = self.failure or self._reason_to_end()
            if self.failure:
                end_processes(self._living)


def _copy(process: subprocess.Popen[bytes], log: BoundedLog) -> None:
    assert process.stdout is not None  # noqa: S101 - for the type checker
    with process.stdout as output:
        while data := os.read(output.fileno(), 65536):
            log.write(data)
