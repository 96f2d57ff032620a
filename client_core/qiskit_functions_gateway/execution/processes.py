"""The processes of a job: how they are found and ended."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import psutil

GRACE_SECONDS = 3.0
"""Between asking a process to end and killing it."""

_KILL_SECONDS = 5.0
"""How long killing is repeated, for processes that fork faster than they can be listed."""

_POLL_SECONDS = 0.05

FindProcesses = Callable[[], list[psutil.Process]]


def marked(marks: dict[str, str]) -> list[psutil.Process]:
    """Return all living processes that have these environment variables."""
    found = []
    for process in psutil.process_iter():
        # Another user's process, or one that has ended meanwhile, cannot be asked.
        with suppress(psutil.Error, OSError):
            environment = process.environ()
            if all(environment.get(name) == value for name, value in marks.items()):
                found.append(process)
    return _living(found)


def descendants() -> list[psutil.Process]:
    """Return the living descendants of this process."""
    return _living(psutil.Process().children(recursive=True))


def supervisors(module: str, folder: Path, job_id: str) -> list[psutil.Process]:
    """Return the living supervisors of a job; they are known by their command, since they hide their environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if {module, str(folder), job_id} <= set(process.cmdline()):
                found.append(process)
    return _living(found)


def end_processes(find: FindProcesses) -> None:
    """Ask the processes that ``find`` returns to end, and kill those that live after ``GRACE_SECONDS``.

    No child is reaped here: its exit code is for the thread that waits for it.
    """
    found = find()
    for process in found:
        with suppress(psutil.Error):
            process.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    while found and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        found = find()
    deadline = time.monotonic() + _KILL_SECONDS
    while found and time.monotonic() < deadline:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(_POLL_SECONDS / 10)
        found = find()


def resident_bytes(processes: Iterable[psutil.Process], inherited: int = 0) -> int:
    """Return the sum of their resident memory, in bytes; pages that they share are counted for each.

    Args:
        inherited: how many bytes each may share with the process that it was forked from, without being counted.
    """
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            if inherited:
                memory = process.memory_full_info()
                total += memory.rss - min(inherited, memory.rss - memory.uss)
            else:
                total += process.memory_info().rss
    return total


def reap_adopted(own: int | None = None) -> None:
    """Reap adopted children that have ended, but not ``own``, which another thread waits for."""
    if sys.platform == "linux":
        with suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid != own:
                os.waitpid(ended.si_pid, 0)


def _living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    living = []
    for process in processes:
        with suppress(psutil.Error):  # it has ended meanwhile
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                living.append(process)
    return living
