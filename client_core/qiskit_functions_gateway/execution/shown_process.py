"""What ``/proc`` shows of a process that was forked without a program of its own: its command and its environment.

Linux shows the memory in which both were when the program started. A fork writes its own over them, as setproctitle
does, so that it is found like any other process.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOM_VARIABLE = "_QISKIT_FUNCTIONS_ROOM"
"""Makes room in the environment of a program whose forks show their own."""

ROOM = "-" * 16384
"""Two paths of the greatest length that Linux takes, which identify a job's processes, and most environments whole."""


def show_command(command: Iterable[str]) -> None:
    """Show this command; what does not fit is left out."""
    start, end, _, _ = _areas()
    _write(start, end, command)


def show_variables(variables: Mapping[str, str], *, first: Mapping[str, str]) -> None:
    """Show these variables, ``first`` before the others; what does not fit is left out.

    This process must not use those any more with which its program was started.
    """
    _, _, start, end = _areas()
    _write(start, end, [f"{name}={value}" for name, value in {**first, **variables}.items()])


def can_show() -> bool:
    """Return whether Linux shows what is written; it does not in some sandboxes."""
    if sys.platform != "linux" or ROOM_VARIABLE not in os.environ:
        return False
    try:
        _, _, start, end = _areas()
        return (
            end - start >= len(ROOM) and ctypes.string_at(start, end - start) == Path("/proc/self/environ").read_bytes()
        )
    except (OSError, ValueError):
        return False


def _areas() -> tuple[int, int, int, int]:
    """Return the addresses at which command and environment start and end: fields 48 to 51 in proc_pid_stat(5)."""
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    command_start, command_end, variables_start, variables_end = map(int, fields[45:49])
    return command_start, command_end, variables_start, variables_end


def _write(start: int, end: int, texts: Iterable[str]) -> None:
    # The last byte stays zero: else Linux takes the end of a command to be in the environment.
    room, content = end - start - 1, b""
    for text in texts:
        piece = os.fsencode(text) + b"\0"
        if len(content) + len(piece) <= room:
            content += piece
    ctypes.memmove(start, content.ljust(end - start, b"\0"), end - start)
