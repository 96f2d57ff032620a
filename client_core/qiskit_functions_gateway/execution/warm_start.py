"""Starting jobs warm, as a gateway and its supervisors see it: the warm parent is started, asked, and let go."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import SHUT_WR, SOCK_STREAM, socket
from typing import Self
from zlib import crc32

from qiskit_functions_core.environment import basic_variables

from ..storage.data_folder import DataFolder
from .job_environment import for_supervisor
from .limits import MEBIBYTE, Limits
from .shown_process import ROOM, ROOM_VARIABLE

IS_SUPPORTED = sys.platform == "linux"
"""Windows has no fork; on macOS system libraries do not survive it; and only Linux shows what a fork has become."""

SUPERVISOR = "qiskit_functions_gateway.supervisor"

READY = b"ready\n"
"""What a supervisor writes to its standard output once it holds its lock."""

logger = logging.getLogger(__name__)

_PROGRAM = "qiskit_functions_gateway.execution.warm_parent"

_ANSWER_SECONDS = 5.0
"""How long a warm parent may take to have a job started: a hundred times what it needs. After that the job starts
without it; its lock keeps the supervisor from it that then comes too late."""

_IDLE_SECONDS = 600.0
"""A warm parent goes after the gateway was not used for so long: a person may think for minutes between two calls."""

_PAUSE_SECONDS = 30.0, 600.0
"""Between two starts of a warm parent, at first and at last: one that cannot start costs seconds of a processor."""

_COMMAND_ROOM = 256
"""Characters that the command of a supervisor has more than that of its warm parent: a job's id and its limits."""

MEMINFO = Path("/proc/meminfo")
"""Where Linux says how much memory is available; see proc_meminfo(5)."""

_LEAST_AVAILABLE_BYTES = 512 * MEBIBYTE
"""A simulation takes a few hundred MiB. Where no more is left, the 190 of a warm parent are of more use to it."""


@dataclass(frozen=True)
class MeetingPlace:
    """Where the warm parent of a data folder and of this interpreter is found.

    Attributes:
        socket: where it listens.
        lock: held while it lives.
        log: what it writes.
    """

    socket: Path
    lock: Path
    log: Path

    @classmethod
    def of(cls, folder: DataFolder) -> Self:
        # A checksum is enough to tell interpreters apart; hashlib loads OpenSSL, a tenth of what a job's start costs.
        interpreter = crc32(f"{sys.executable} {sys.prefix} {sys.version}".encode())
        return cls(*(folder.path / f"warm-{interpreter:08x}.{ending}" for ending in ("socket", "lock", "log")))

    @contextmanager
    def address(self) -> Iterator[str]:
        """Give the socket's address, by a descriptor of its folder: an address has at most 107 bytes."""
        folder = os.open(self.socket.parent, os.O_RDONLY)
        try:
            yield f"/proc/self/fd/{folder}/{self.socket.name}"
        finally:
            os.close(folder)


def start_warm(folder: DataFolder, job_id: str, limits: Limits) -> bool:
    """Have the warm parent start a job's supervisor; return False if that did not happen, as where there is none."""
    if not IS_SUPPORTED:
        return False
    from socket import AF_UNIX  # not on Windows

    request = {
        "folder": str(folder.path),
        "job": job_id,
        "limits": limits.as_argument(),
        "variables": for_supervisor(),
    }
    try:
        with socket(AF_UNIX, SOCK_STREAM) as asked, MeetingPlace.of(folder).address() as address:
            asked.settimeout(_ANSWER_SECONDS)
            asked.connect(address)
            asked.sendall(json.dumps(request).encode())
            asked.shutdown(SHUT_WR)
            return asked.recv(len(READY)) == READY
    except OSError:
        return False


def has_memory(meminfo: Path) -> bool:
    """Return whether the machine has memory for a warm parent; True if the file does not say it."""
    with suppress(OSError, ValueError, IndexError), meminfo.open(encoding="ascii") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024 >= _LEAST_AVAILABLE_BYTES
    return True


class WarmParent:
    """The warm parent that a gateway has started, or is about to. Not for several threads at once.

    Args:
        clock: returns monotonic seconds.
        meminfo: what it and the warm parent read to learn how much memory is available.
    """

    def __init__(
        self, folder: DataFolder, clock: Callable[[], float] = time.monotonic, meminfo: Path = MEMINFO
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._meminfo = meminfo
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline = -1
        self._started = -float("inf")
        self._pause = _PAUSE_SECONDS[0]

    def tend(self, idle_seconds: float) -> None:
        """Start the program if it does not run, or let it go; called once a second.

        Args:
            idle_seconds: for how long nothing has used the gateway.
        """
        if idle_seconds > _IDLE_SECONDS:
            self.let_go()
            return
        runs = self._process is not None and self._process.poll() is None
        if IS_SUPPORTED and not runs and self._clock() - self._started > self._pause and has_memory(self._meminfo):
            self._start()

    def let_go(self) -> None:
        """Let the program end, if it runs, when its jobs have ended."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        if self._process is not None:
            # So that it does not stay a zombie when it ends.
            threading.Thread(target=self._process.wait, daemon=True).start()
            self._process = None

    def _start(self) -> None:
        self.let_go()
        first, last = _PAUSE_SECONDS
        has_lived = self._clock() - self._started > 2 * self._pause
        self._pause = first if has_lived else min(2 * self._pause, last)
        self._started = self._clock()
        variables = {**basic_variables(), "PYTHONUNBUFFERED": "1", ROOM_VARIABLE: ROOM}
        command = [sys.executable, "-m", _PROGRAM]
        lifeline, self._lifeline = os.pipe()
        try:
            # Functions get its standard streams as Python has made them, so they are of the kind that theirs are.
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [*command, str(self._folder.path), str(lifeline), str(self._meminfo), ROOM[:_COMMAND_ROOM]],
                cwd="/",  # where there are no modules
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(lifeline,),
                start_new_session=True,
            )
        except OSError as error:
            logger.warning("the warm parent could not be started: %s", error)
            return
        finally:
            os.close(lifeline)
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        self._process.stdout.close()  # it writes to its log
