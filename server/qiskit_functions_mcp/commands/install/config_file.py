"""The settings file of a host: changed as a whole or not at all, with a backup of what it was."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from qiskit_functions_core.errors import InputError
from qiskit_functions_core.local_files import atomic_write

_ATTEMPTS = 5

_PRIVATE = 0o600

_UNCHANGED = "Nothing was changed."


def read_config(file: Path) -> str:
    """Return the file's text, its line ends as they are; empty if there is no file.

    Raises:
        InputError: it cannot be read.
    """
    return _text(file, _content(file))


def change_config(file: Path, change: Callable[[str], str]) -> Path | None:
    """Replace the file's text by what ``change`` makes of it, and return the backup.

    A symbolic link stays one, and the file keeps its permissions; the backup has them too. If the host writes the file
    meanwhile, the change is made again on what it wrote.

    Returns:
        The backup; None if there was no file, or nothing to change.

    Raises:
        InputError: the file cannot be read, changed or written. It is as it was.
    """
    target = file.resolve()
    for _ in range(_ATTEMPTS):
        before = _content(target)
        try:
            after = change(_text(file, before)).encode()
        except InputError as error:
            raise InputError(f"{file}: {error.message}", next_step=error.next_step or _UNCHANGED) from error
        if after == before:
            return None
        backup = target.with_name(f"{target.name}.before-qiskit-functions")
        try:
            if before is not None:
                with atomic_write(backup, mode=stat.S_IMODE(target.stat().st_mode)) as copy:
                    copy.write(before)
            # Hosts keep keys in some of these files, so a new one is for this user alone.
            with atomic_write(target, mode=_PRIVATE if before is None else None) as written:
                written.write(after)
                if _content(target) != before:
                    raise _WrittenMeanwhile
        except _WrittenMeanwhile:
            continue
        except OSError as error:
            raise InputError(f"{file} cannot be written: {error.strerror}", next_step=_UNCHANGED) from error
        return backup if before is not None else None
    raise InputError(f"{file} is being written by another program", next_step=f"{_UNCHANGED} Close it and try again.")


class _WrittenMeanwhile(Exception):
    """Another program has written the file since it was read."""


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", next_step=_UNCHANGED) from error


def _text(file: Path, content: bytes | None) -> str:
    try:
        return (content or b"").decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text", next_step=_UNCHANGED) from error
