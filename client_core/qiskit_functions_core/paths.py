"""Local paths that come from outside: only under allowed folders, links resolved first."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from .errors import InputError


def allowed_path(path: Path, folders: Sequence[Path]) -> Path:
    """The path with links resolved, relative ones as seen from the first folder.

    Raises:
        InputError: it leads out of the folders.
    """
    if not folders:
        raise InputError("no local folder is allowed here")
    if "\0" in str(path):
        raise InputError("a path cannot hold a NUL character")
    resolved = (folders[0] / path.expanduser()).resolve()
    if not any(resolved.is_relative_to(folder.resolve()) for folder in folders):
        raise InputError(
            f"{path} is outside the allowed folders",
            next_step="Use a path under the server's working directory, or ask the person to allow its folder.",
        )
    return resolved


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step: never half of it is there, also after a crash.

    Raises:
        InputError: the file cannot be written; what was there before still is.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            partial = Path(file.name)
            file.write(text)
        partial.replace(path)
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be written: {error.strerror}", next_step="Choose another file."
        ) from error
