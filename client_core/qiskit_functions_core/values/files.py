"""``$file``: values from files below the allowed folders."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import InputError
from ..local_files import allowed_path
from . import openqasm
from .payloads import Payloads, load_qpy

if TYPE_CHECKING:
    from .place import Place


def read_file(name: str, place: Place) -> Any:
    """The circuit, array or JSON value of a file; several circuits of one QPY file come as a list.

    Raises:
        LiteralError: the file is not below an allowed folder, too large, or not what its name says.
    """
    path = _find(name, place)
    read = _READERS.get(path.suffix.lower())
    if read is None:
        place.fail(f"{path.name!r} does not end in {', '.join(_READERS)}.")
    with _open(path, place) as file:
        try:
            return read(file, place)
        except openqasm.OpenQASMError as error:
            place.fail(f"{path.name}: {error}", error.next_step)
        except ValueError as error:
            place.fail(f"{path.name}: {error}", "Check that the file is whole and is what its name says.")


def _find(name: str, place: Place) -> Path:
    """The real path; one message for all that must not be read, so that it does not tell what exists."""
    if not place.folders:
        place.fail(
            "no folder is opened for reading here.",
            "Write the circuit or the numbers into the arguments with $circuit or $array.",
        )
    try:
        path = allowed_path(Path(name), place.folders)
        if path.is_file():
            return path
    except (InputError, OSError):  # outside, or a name that no file can have
        pass
    shown = ", ".join(str(folder) for folder in place.folders)
    return place.fail(f"{name!r} is no file below {shown}.", "Give a path inside these folders.")


def _open(path: Path, place: Place) -> BinaryIO:
    try:
        file = path.open("rb")
    except OSError as error:
        place.fail(f"{path.name} cannot be read: {error.strerror}.", "Use a file that can be read.")
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_size > place.limits.max_file:
        file.close()
        place.fail(f"{path.name} is larger than {place.limits.max_file:,} bytes.", "Use a smaller file.")
    return file


def _qasm(file: BinaryIO, place: Place) -> Any:
    return openqasm.load(file.read().decode(), place.limits)


def _qpy(file: BinaryIO, place: Place) -> Any:
    if len(data := file.read(place.limits.max_qpy + 1)) > place.limits.max_qpy:
        raise ValueError(f"more than {place.limits.max_qpy:,} bytes of QPY")
    circuits = load_qpy(data, place.limits)
    return circuits[0] if len(circuits) == 1 else circuits


def _npy(file: BinaryIO, place: Place) -> Any:
    return Payloads(place.limits).npy_file(file)


def _json(file: BinaryIO, _: Place) -> Any:
    try:
        return json.loads(file.read())
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


_READERS: dict[str, Callable[[BinaryIO, Place], Any]] = {
    ".qasm": _qasm,
    ".qpy": _qpy,
    ".npy": _npy,
    ".json": _json,
}
