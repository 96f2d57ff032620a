"""``$file``: values from files below the allowed folders."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import InputError
from ...local_files import allowed_path, open_regular
from .. import openqasm
from ..families.arrays import file_chunks, read_npy
from ..families.circuits import load_qpy
from ..families.unpacking import Unpacker
from .context import LiteralContext, kind_of

_ENDINGS = (".qasm", ".qpy", ".npy", ".json")


def read_file(name: Any, _: dict[str, Any], context: LiteralContext) -> Any:
    """Return the circuit, array or JSON value of a file; several circuits of one QPY file come as a list.

    Raises:
        LiteralError: the file is not below an allowed folder, too large, or not what its name says.
    """
    if not isinstance(name, str):
        context.fail(f"a file is given by its path, not by {kind_of(name)}.")
    path = _find(name, context)
    ending = path.suffix.lower()
    if ending not in _ENDINGS:
        context.fail(f"{path.name!r} does not end in {', '.join(_ENDINGS)}.")
    with _open(path, context) as file:
        try:
            return _read(file, ending, context)
        except openqasm.OpenQASMError as error:
            context.fail(f"{path.name}: {error}", error.next_step)
        except ValueError as error:
            context.fail(f"{path.name}: {error}", "Check that the file is whole and is what its name says.")


def _find(name: str, context: LiteralContext) -> Path:
    """Return the real path; one message for all that must not be read, so that it does not tell what exists."""
    if not context.folders:
        context.fail(
            "no folder is opened for reading here.",
            "Write the circuit or the numbers into the arguments with $circuit or $array.",
        )
    try:
        path = allowed_path(Path(name), context.folders)
        if path.is_file():
            return path
    except (InputError, OSError):  # outside, or a name that no file can have
        pass
    shown = ", ".join(str(folder) for folder in context.folders)
    return context.fail(f"{name!r} is not a file below {shown}.", "Give a path inside these folders.")


def _open(path: Path, context: LiteralContext) -> BinaryIO:
    try:
        file = open_regular(path)
    except OSError as error:
        context.fail(f"{path.name} cannot be read: {error.strerror}.", "Use a file that can be read.")
    if os.fstat(file.fileno()).st_size > context.limits.max_file:
        file.close()
        context.fail(f"{path.name} is larger than {context.limits.max_file:,} bytes.", "Use a smaller file.")
    return file


def _read(file: BinaryIO, ending: str, context: LiteralContext) -> Any:
    if ending == ".qasm":
        return openqasm.load(file.read().decode(), context.limits)
    if ending == ".qpy":
        circuits = load_qpy(file.read())
        return circuits[0] if len(circuits) == 1 else circuits
    if ending == ".npy":
        return read_npy(file_chunks(file), Unpacker(context.limits))
    try:
        return json.loads(file.read())
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
