"""Local paths that come from outside: only under allowed folders, links resolved first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .errors import InputError


def allowed_path(path: Path, folders: Sequence[Path]) -> Path:
    """The path with links resolved, relative ones as seen from the first folder.

    Raises:
        InputError: it leads out of the folders, or is no path.
    """
    if not folders:
        raise InputError("no local folder is allowed here")
    if "\0" in str(path):
        raise InputError("a path cannot hold a NUL character")
    try:
        resolved = (folders[0].expanduser() / path.expanduser()).resolve()
    except (OSError, RuntimeError) as error:  # a home that nobody has, a loop of links
        raise InputError(f"{path} leads nowhere: {error}", next_step="Choose another path.") from error
    if not any(resolved.is_relative_to(folder.expanduser().resolve()) for folder in folders):
        raise InputError(
            f"{path} is outside the allowed folders",
            next_step="Use a relative path, as seen from the first of them, or ask the person to allow its folder.",
        )
    return resolved


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step; see ``replacing``.

    Raises:
        InputError: the file cannot be written; what was there before still is.
    """
    with replacing(path) as file:
        file.write(text.encode("utf-8", "replace"))


@contextmanager
def replacing(path: Path, *, synced: bool = True) -> Iterator[IO[bytes]]:
    """A file to write to that takes the place of ``path`` when the block ends without an error.

    Never half of it is there, also after a crash.

    Args:
        synced: wait for the disk; without it only a crash of this process is survived, not one of the machine.

    Raises:
        InputError: the file cannot be written; what was there before still is.
    """
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{os.urandom(8).hex()}")
        with partial.open("xb") as file:  # with the rights that files have here
            if path.exists():
                shutil.copymode(path, partial)
            yield file
            if synced:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
        partial = None
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be written: {error.strerror or error}", next_step="Choose another file."
        ) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
