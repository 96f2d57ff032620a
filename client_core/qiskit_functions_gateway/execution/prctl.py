"""What a process of ours asks of Linux for itself, with prctl(2); elsewhere nothing."""

from __future__ import annotations

import sys
from contextlib import suppress

_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent has ended, instead of init, so that they are found."""
    _set(_PR_SET_CHILD_SUBREAPER, 1)


def hide_from_functions() -> None:
    """Keep environment and memory of this process from other processes of the same user, such as functions.

    Without it, a function could read them from ``/proc``; a program that is started from here is not hidden.
    """
    _set(_PR_SET_DUMPABLE, 0)


def _set(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes  # only here: the other platforms have no use for it

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
