"""Jobs' logs: written within a bound, and read by the job's user and its function's provider."""

from __future__ import annotations

import codecs
import io
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from qiskit_functions_core.local_files import atomic_write, open_regular

if TYPE_CHECKING:
    from .data_folder import JobFolder

_CUT_NOTICE = "[older lines were cut: this log keeps the last {} MB]\n"
_PUBLIC, _PRIVATE = "[PUBLIC] ", "[PRIVATE] "

_WORK = f"{os.sep}work{os.sep}"
"""How the path of ``JobFolder.work`` ends."""

_PIECE_BYTES = 65536

LogView = Literal["all", "public", "private"]
"""Which lines of a log: all of them, those that the user of a provider's function may read, or the others. They come
without the prefixes that say so."""

_LONGEST_LINE = 65536
"""How many bytes are dropped at most so that a shortened log begins with a whole line."""


class BoundedLog:
    """Appends to a log, which can be read at any time and never grows beyond one and a half times its bound.

    Several threads may write. A full disk raises nothing: the function goes on, and its log lacks some output.

    Args:
        max_bytes: how much of the end is kept. It is cut to this at the end, and meanwhile when it is half as much
            again, because each cut copies the log.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size

    def write(self, data: bytes) -> None:
        with self._lock, suppress(OSError, ValueError):  # a closed file is a ValueError
            self._file.write(data)
            self._size += len(data)
            if self._size > self._max_bytes * 3 // 2:
                self._cut()

    def add_message(self, text: str) -> None:
        with self._lock, suppress(OSError):
            append_message(self._path, text)
            self._size = self._path.stat().st_size

    def close(self) -> None:
        with self._lock, suppress(OSError):
            if self._size > self._max_bytes:
                self._cut()
            self._file.close()

    def _cut(self) -> None:
        with self._path.open("rb") as whole, atomic_write(self._path, synced=False) as kept:
            _copy_end(whole, kept, self._max_bytes)
        self._file.close()
        self._file = self._path.open("ab", buffering=0)
        self._size = self._max_bytes


def append_message(path: Path, text: str) -> None:
    """Add a line of the gateway's own to a log, which users and providers may read.

    Raises:
        OSError: the log cannot be written.
    """
    with path.open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        separator = "" if size == 0 or file.read(1) == b"\n" else "\n"
        file.write(f"{separator}{_PUBLIC}{text}\n".encode())


def replace_log(path: Path, output: str, messages: Iterable[str], max_bytes: int) -> None:
    """Replace a log by a function's output, kept elsewhere, and lines of the gateway's own.

    Raises:
        OSError: the log cannot be written.
    """
    lines = "".join(f"{_PUBLIC}{message}\n" for message in messages)
    separator = "\n" if output and lines and not output.endswith("\n") else ""
    with atomic_write(path, synced=False) as file:
        _copy_end(io.BytesIO(f"{output}{separator}{lines}".encode()), file, max_bytes)


def _copy_end(log: BinaryIO, target: BinaryIO, max_bytes: int) -> None:
    """Copy a log, or the last lines of it that fit, after a line that says so."""
    if log.seek(0, os.SEEK_END) > max_bytes:
        log.seek(-max_bytes, os.SEEK_END)
        if not log.readline(_LONGEST_LINE).endswith(b"\n"):
            log.seek(-max_bytes, os.SEEK_END)
        target.write(_CUT_NOTICE.format(f"{max_bytes / 1024**2:g}").encode())
    else:
        log.seek(0)
    shutil.copyfileobj(log, target)


def read_log(folder: JobFolder, view: LogView) -> Iterator[str] | None:
    """Yield a job's log so far, in pieces that may end within a line; return None if there is none.

    Bytes that are not UTF-8 become replacement characters. Tracebacks name the function's files as its author does,
    without the folder of this machine.
    """
    try:
        return _pieces(open_regular(folder.log), folder, view)
    except OSError:
        return None


def _pieces(file: BinaryIO, folder: JobFolder, view: LogView) -> Iterator[str]:
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    is_start, is_shown = True, True
    with file:
        left = os.fstat(file.fileno()).st_size  # it may grow meanwhile
        # Only a line feed ends a line, as it does for the programs that write logs.
        while line := file.readline(min(left, _PIECE_BYTES)):
            left -= len(line)
            text = decode(line, final=not left)
            if is_start:
                is_public = text.startswith(_PUBLIC)
                is_shown = view == "all" or is_public == (view == "public")
                text = text.removeprefix(_PUBLIC if view != "private" else "")
                text = text.removeprefix(_PRIVATE if view != "public" else "")
            is_start = line.endswith(b"\n")
            if is_shown:
                yield _without_folder(text, folder)


def last_lines(folder: JobFolder, count: int) -> list[str]:
    """Return the last lines of a job's log, those of them that are within its last 64 KiB."""
    try:
        with open_regular(folder.log) as file:
            file.seek(max(os.fstat(file.fileno()).st_size - _PIECE_BYTES, 0))
            text = file.read(_PIECE_BYTES).decode(errors="replace")
    except OSError:
        return []
    return _without_folder(text, folder).splitlines()[-count:]


def _without_folder(text: str, folder: JobFolder) -> str:
    if _WORK not in text:
        return text
    for work in {folder.work, folder.work.resolve()}:  # Python follows links to where it runs
        text = text.replace(f"{work}{os.sep}.{os.sep}", "").replace(f"{work}{os.sep}", "")
    return text
