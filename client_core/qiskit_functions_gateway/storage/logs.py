"""A job's log: written within a bound, read by those who may."""

from __future__ import annotations

import io
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .data_folder import JobFolder

_CUT = "[older lines were cut: this log keeps the last {} MB]\n"
_PUBLIC, _PRIVATE = "[PUBLIC] ", "[PRIVATE] "

_LONGEST_LINE = 65536
"""What is cut off at most so that a log begins with a whole line."""


class BoundedLog:
    """Appends to a log; readable at any time, never longer than one and a half times the bound.

    Safe to be written by several threads. Nothing is raised when the disk is full: a function goes on, and
    what could not be written is missing.

    Args:
        max_bytes: how much is kept; the oldest is cut first, rarely and much at once.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size
        self._in_line = False

    def write(self, data: bytes) -> None:
        with self._lock, suppress(OSError, ValueError):  # a closed file is a ValueError
            self._file.write(data)
            self._size += len(data)
            self._in_line = not data.endswith(b"\n")
            if self._size > self._max_bytes * 3 // 2:
                self._cut()

    def say(self, text: str) -> None:
        """A line of the gateway's own, which users and providers may read, on a line of its own."""
        before = "\n" if self._in_line else ""
        self.write(f"{before}{_PUBLIC}{text}\n".encode())

    def close(self) -> None:
        with self._lock, suppress(OSError):
            if self._size > self._max_bytes:
                self._cut()
            self._file.close()

    def _cut(self) -> None:
        shorter = self._path.with_suffix(".cut")
        with self._path.open("rb") as whole, shorter.open("wb") as kept:
            whole.seek(-self._max_bytes, os.SEEK_END)
            if not whole.readline(_LONGEST_LINE).endswith(b"\n"):
                whole.seek(-self._max_bytes, os.SEEK_END)
            notice = _CUT.format(f"{self._max_bytes / 1024**2:g}").encode()
            kept.write(notice)
            shutil.copyfileobj(whole, kept)
            self._size = kept.tell() - len(notice)
        self._file.close()
        shorter.replace(self._path)
        self._file = self._path.open("ab", buffering=0)


def read_log(folder: JobFolder) -> str | None:
    """The text so far; none when there is no log. Bytes that are no text are shown as replacements.

    A traceback names the function's files as its author does, not by where they lay here.
    """
    try:
        text = folder.log.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return None
    for work in {folder.work, folder.work.resolve()}:  # Python follows links to where it runs
        text = text.replace(f"{work}{os.sep}.{os.sep}", "").replace(f"{work}{os.sep}", "")
    return text


def of_own_function(log: str) -> str:
    """Everything, without the prefixes that tell public lines from private ones."""
    return "".join(line.removeprefix(_PUBLIC).removeprefix(_PRIVATE) for line in _lines(log))


def public_part(log: str) -> str:
    """What the user of a provider's function may read."""
    return "".join(line.removeprefix(_PUBLIC) for line in _lines(log) if line.startswith(_PUBLIC))


def private_part(log: str) -> str:
    """The rest, for the provider."""
    return "".join(line.removeprefix(_PRIVATE) for line in _lines(log) if not line.startswith(_PUBLIC))


def _lines(log: str) -> Iterator[str]:
    """With their ends; no other character than a line feed ends one, as it is for whoever wrote them."""
    return iter(io.StringIO(log, newline="\n"))
