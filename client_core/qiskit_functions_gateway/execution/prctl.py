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


def show_to_others() -> None:
    """Undo ``hide_from_functions``, which a fork inherits."""
    _set(_PR_SET_DUMPABLE, 1)


def prefer_as_victim(pid: int) -> None:
    """Make Linux kill the function rather than its supervisor when memory runs out."""
    if sys.platform == "linux":
        with suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "w") as file:  # noqa: PTH123 - no path of ours
            file.write("1000")


def _set(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes  # only here: the other platforms have no use for it

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
