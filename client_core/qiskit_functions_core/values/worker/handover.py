"""Files that two processes hand over to each other, and files that appear only when they are whole."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

from ...concurrency import run_in_thread
from ...errors import InputError

_PREFIX = "qiskit-functions-values-"

_ABANDONED_SECONDS = 3_600
"""A folder lives as long as one download (10 minutes), its turn and one task (40 s): an older one belongs to a process
that was killed."""


class Handover:
    """A folder for the files of one task, which only this user can open; made when it is needed, removed at the end."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder:
            await _remove(self._folder)

    def path(self, name: str) -> Path:
        """Return the path of one of the files."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        return self._folder / name

    def write(self, name: str, content: bytes) -> Path:
        """Write one of the files, and return its path. It blocks."""
        path = self.path(name)
        write_private(path, content)
        return path


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only this user can read."""
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb"
    ) as file:
        file.write(content)


def remove_abandoned() -> None:
    """Remove the folders of processes that ended without doing so."""
    with suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            with suppress(OSError):
                status = folder.lstat()
                is_ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
                if is_ours and time.time() - status.st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def new_file(target: Path) -> AsyncIterator[Path]:
    """Yield a path for another process to write to, and move that file to ``target`` when the block ends well.

    It lies beside ``target``, so that moving it is one step, and nothing is left of it after an error.

    Raises:
        InputError: ``target`` exists, or it cannot be written.
    """
    folder = await run_in_thread(partial(_folder_beside, target))
    try:
        yield folder / target.name
        await run_in_thread(partial(_move, folder / target.name, target))
    finally:
        await _remove(folder)


def _folder_beside(target: Path) -> Path:
    _refuse_existing(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
    except OSError as error:
        raise _unwritable(target, error) from error


def _move(source: Path, target: Path) -> None:
    _refuse_existing(target)
    try:
        source.rename(target)
    except OSError as error:
        raise _unwritable(target, error) from error


def _refuse_existing(target: Path) -> None:
    if target.exists():
        raise InputError(f"{target.name} exists; it is not overwritten.", next_step="Choose another file name.")


def _unwritable(target: Path, error: OSError) -> InputError:
    return InputError(f"{target.name} cannot be written: {error.strerror or error}", next_step="Choose another file.")


async def _remove(folder: Path) -> None:
    with anyio.CancelScope(shield=True):
        await run_in_thread(partial(shutil.rmtree, folder, ignore_errors=True))
