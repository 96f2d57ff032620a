"""Locks between processes, which the system releases when the process that holds them dies.

``filelock`` would do; its import alone is a third of what a job's start costs.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_SECONDS = 0.01


class Busy(OSError):
    """Another process held the lock until the timeout."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EWOULDBLOCK, "another process holds the lock", str(path))


@contextmanager
def locked(path: Path, *, timeout: float) -> Iterator[int]:
    """Hold a lock; give its file descriptor, which keeps the lock held in a child that inherits it.

    Args:
        path: the lock file, which is created if it is missing.
        timeout: how many seconds to wait. There is always a limit: the process that holds the lock may be suspended.

    Raises:
        Busy: another process held the lock until the timeout.
        OSError: the file cannot be created.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + timeout
        while not take(descriptor):
            if time.monotonic() >= deadline:
                raise Busy(path)
            time.sleep(_POLL_SECONDS)
        yield descriptor
    finally:
        # This releases the lock, unless a child holds it too.
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def take(descriptor: int) -> bool:
        """Lock an open file for as long as it is open; return False if another process has locked it."""
        # Windows lets no other process read a byte that is locked, so it is one behind the content.
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    def take(descriptor: int) -> bool:
        """Lock an open file for as long as it is open; return False if another process has locked it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
