"""The processes of a job: how they are found and ended."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import psutil

GRACE_SECONDS = 3.0
"""Between asking a process to end and killing it."""

_KILL_SECONDS = 5.0
"""How long killing is repeated, for processes that fork faster than they can be listed."""

_POLL_SECONDS = 0.05

FindProcesses = Callable[[], list[psutil.Process]]


def marked(marks: dict[str, str]) -> list[psutil.Process]:
    """Return all living processes that have these environment variables."""
    return _living(process for process in psutil.process_iter() if _has(process, marks))


def descendants() -> list[psutil.Process]:
    """Return the living descendants of this process."""
    return _living(psutil.Process().children(recursive=True))


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


def resident_bytes(processes: Iterable[psutil.Process]) -> int:
    """Return the sum of their resident memory; pages that they share are counted for each."""
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def reap_adopted(own: int | None = None) -> None:
    """Reap adopted children that have ended, but not ``own``, which another thread waits for."""
    if sys.platform == "linux":
        with suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid != own:
                os.waitpid(ended.si_pid, 0)


def prefer_as_victim(pid: int) -> None:
    """Make Linux kill the function rather than its supervisor when memory runs out."""
    if sys.platform == "linux":
        with suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "w") as file:  # noqa: PTH123 - no path of ours
            file.write("1000")


def _has(process: psutil.Process, marks: dict[str, str]) -> bool:
    try:
        environment = process.environ()
    except (psutil.Error, OSError):
        return False  # another user's, or it has ended
    return all(environment.get(name) == value for name, value in marks.items())


def _living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if not _is_dead(process)]


def _is_dead(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True
