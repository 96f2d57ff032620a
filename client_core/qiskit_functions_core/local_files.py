"""Local files: paths from outside, checked against allowed folders; opened without waiting, replaced in one step."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import EmbeddedGatewayError, InputError


def allowed_path(path: Path, folders: Sequence[Path]) -> Path:
    """Return the path with links resolved; a relative path starts at the first folder.

    Args:
        path: a path that a caller named.
        folders: where it may lead.

    Raises:
        InputError: no folder is allowed, the path leads out of them, or no file can have it.
    """
    if not folders:
        raise InputError("no local folder is allowed here")
    if "\0" in str(path):
        raise InputError("a path cannot hold a NUL character")
    shown = f"{str(path)[:200]!r}"
    try:
        resolved = (folders[0].expanduser() / path.expanduser()).resolve()
        # What no file can have is refused here: a name that is too long, or half of a surrogate pair.
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            resolved.lstat()
    except (OSError, RuntimeError, ValueError) as error:  # also the home of an unknown user, or a loop of links
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise InputError(f"{shown} leads nowhere: {reason}", next_step="Choose another path.") from error
    if not any(resolved.is_relative_to(folder.expanduser().resolve()) for folder in folders):
        raise InputError(
            f"{shown} is outside the allowed folders",
            next_step="Use a path relative to the first of them, or ask the person to allow its folder.",
        )
    return resolved


def refuse_foreign_folder(folder: Path) -> None:
    """Refuse a folder, for programs and secrets of the user, that another user could have prepared or can change.

    A folder that is not there yet is fine. On Windows, where folders of users are private, nothing is checked.

    Raises:
        EmbeddedGatewayError: it, or something in it, is another user's, can be written by others, or is a link.
    """
    if sys.platform == "win32":
        return
    try:
        problem = _foreign_part(folder, os.getuid())
    except FileNotFoundError:
        return
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        raise EmbeddedGatewayError(
            f"the data folder {folder} cannot be used: {problem}",
            next_step="Ask the person to find out who made it, to take others' permissions to write away (chmod go-w), "
            "or to set QISKIT_FUNCTIONS_HOME to another folder.",
        )


def _foreign_part(folder: Path, user: int) -> str:
    """Say what is not the user's alone; empty if nothing is."""
    if folder.lstat().st_uid != user or folder.stat().st_uid != user:
        return "it belongs to another user"
    if folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "other users can write in it"
    problem = ""
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # another process has removed it meanwhile
            facts, name = path.lstat(), path.name
            if stat.S_ISLNK(facts.st_mode):
                problem = f"{name} in it is a link"
            elif facts.st_uid != user:
                problem = f"{name} in it belongs to another user"
            elif facts.st_mode & stat.S_IWOTH:
                problem = f"other users can write {name} in it"
    return problem


def open_regular(path: Path, *, follow_links: bool = True) -> BinaryIO:
    """Open a regular file for reading, and never wait for one that is something else, such as a pipe.

    Args:
        path: the file.
        follow_links: False refuses a symbolic link, for folders in which other programs write.

    Raises:
        OSError: it cannot be read, or is not a regular file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # Windows lacks one or the other
    if not follow_links:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags)
    try:
        # Checked on what was opened: the path may lead elsewhere a moment later.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


@contextmanager
def atomic_write(
    path: Path, *, mode: int | None = None, synced: bool = True, overwrite: bool = True
) -> Iterator[BinaryIO]:
    """Give a new file to write to; it takes the place of ``path`` when the block ends without an error.

    The content goes to a hidden file beside it that is renamed at the end, so that no reader ever sees half of it,
    also after a crash. Folders that are missing are made.

    Args:
        path: the file to create or replace.
        mode: its permissions, such as ``0o600`` for what holds secrets. None keeps those of the file that is
            replaced; a new file gets the usual ones.
        synced: wait for the disk; without it only a crash of this process is survived, not one of the machine.
        overwrite: False refuses to take the place of a file, also of one that was made meanwhile.

    Raises:
        OSError: the file cannot be written; what was there before still is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.urandom(8).hex()}")
    descriptor = os.open(
        partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666 if mode is None else mode
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is None and path.exists():
                shutil.copymode(path, partial)
            yield file
            if synced:
                file.flush()
                os.fsync(file.fileno())
        if not overwrite and os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "it exists", str(path))
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def replacing(path: Path, *, synced: bool = True, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Give a file as ``atomic_write`` does, for a path that a caller chose.

    Raises:
        InputError: the file cannot be written; what was there before still is.
    """
    try:
        with atomic_write(path, synced=synced, overwrite=overwrite) as file:
            yield file
    except (OSError, UnicodeEncodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        raise InputError(f"{path.name[:200]} cannot be written: {reason}", next_step="Choose another file.") from error
