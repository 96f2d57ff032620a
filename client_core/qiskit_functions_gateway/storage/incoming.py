"""Files that are received, which are written as they come in and put in their place once they are complete."""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path

from .data_folder import DataFolder
from .locks import take


class IncomingFile:
    """A file in the data folder's ``uploads``. Blocking; every method raises EmbeddedGatewayError if it cannot write.

    It is not written beside its target, which may be a folder that functions list. It is locked until it is in its
    place: one that is not was left by a gateway that was killed.

    Attributes:
        size: in bytes, so far.
    """

    def __init__(self, data_folder: DataFolder) -> None:
        self._data_folder = data_folder
        self._path = data_folder.uploads / secrets.token_hex(16)
        self._digest = hashlib.sha256()
        self.size = 0
        with data_folder.writing():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("xb")
            take(self._file.fileno())

    def write(self, data: bytes) -> None:
        with self._data_folder.writing():
            self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the content so far, in hexadecimal."""
        return self._digest.hexdigest()

    def move(self, target: Path) -> None:
        """Put the file in its place, instead of the file that is there."""
        with self._data_folder.writing():
            self._file.flush()
            os.fsync(self._file.fileno())
            if sys.platform == "win32":  # where an open file cannot be renamed
                self._file.close()
            target.parent.mkdir(parents=True, exist_ok=True)
            self._path.replace(target)
            self._file.close()

    def discard(self) -> None:
        """Remove the file, unless it was moved."""
        with suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)
