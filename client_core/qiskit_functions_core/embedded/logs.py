"""A job's log: written within a bound, read by those who may."""

from __future__ import annotations

from pathlib import Path

MAX_BYTES = 50 * 1024 * 1024
"""What the gateway of Qiskit Serverless keeps; the oldest is cut first."""

_SLACK = MAX_BYTES // 2
"""How far the file may grow beyond that before it is cut, so that cutting stays rare."""

_CUT = b"[older lines were cut: this log keeps the last 50 MB]\n"
_PUBLIC, _PRIVATE = "[PUBLIC] ", "[PRIVATE] "


class BoundedLog:
    """Appends to a log; readable at any time, never much longer than the bound."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._size += len(data)
        if self._size > MAX_BYTES + _SLACK:
            self._cut()

    def close(self) -> None:
        if self._size > MAX_BYTES + len(_CUT):
            self._cut()
        self._file.close()

    def _cut(self) -> None:
        self._file.close()
        with self._path.open("rb") as whole:
            whole.seek(-MAX_BYTES, 2)
            whole.readline()
            tail = whole.read()
        shorter = self._path.with_suffix(".cut")
        shorter.write_bytes(_CUT + tail)
        shorter.replace(self._path)
        self._file = self._path.open("ab", buffering=0)
        self._size = len(_CUT) + len(tail)


def read_log(path: Path) -> str | None:
    """The text so far; none when there is no log. Bytes that are no text are shown as replacements."""
    try:
        return path.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return None


def of_own_function(log: str) -> str:
    """Everything, without the prefixes that tell public lines from private ones."""
    return "".join(line.removeprefix(_PUBLIC).removeprefix(_PRIVATE) for line in log.splitlines(keepends=True))


def public_part(log: str) -> str:
    """What the user of a provider's function may read."""
    lines = log.splitlines(keepends=True)
    return "".join(line.removeprefix(_PUBLIC) for line in lines if line.startswith(_PUBLIC))


def private_part(log: str) -> str:
    """The rest, for the provider."""
    lines = log.splitlines(keepends=True)
    return "".join(line.removeprefix(_PRIVATE) for line in lines if not line.startswith(_PUBLIC))
