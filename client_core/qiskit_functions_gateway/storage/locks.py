"""Locks between processes, which the system lets go when their holder dies, however it does.

``filelock`` would do; its import alone is a third of what a job's start costs.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOOK_SECONDS = 0.01


class Busy(Exception):
    """Somebody else held the lock for as long as we would wait."""


@contextmanager
def locked(path: Path, *, timeout: float | None = None) -> Iterator[int]:
    """Hold the lock; gives its file descriptor, which keeps it held in a child that inherits it.

    Args:
        timeout: how long to wait in seconds; none is for ever.

    Raises:
        Busy: it was not to be had in time.
        OSError: there can be no such file.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not _take(descriptor):
            if deadline is not None and time.monotonic() >= deadline:
                raise Busy(path)
            time.sleep(_LOOK_SECONDS)
        yield descriptor
    finally:
        # Closing lets go, unless a child still holds it.
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
