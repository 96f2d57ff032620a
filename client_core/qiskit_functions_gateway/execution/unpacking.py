"""Unpacking archives that may be hostile."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, cast

from ..storage.data_folder import DataFolder
from ..storage.database import JobRow
from ..storage.removal import remove_tree
from .lifecycle import Failure, FailureCode

MAX_UNPACKED_BYTES = 1024**3
MAX_MEMBERS = 10_000
"""The most that an artifact of 50 MB may unpack to: enough for a program, too little for an archive bomb."""

_MAX_READ_BYTES = 1024**2
"""The most that is read at once. Contents are copied in small pieces; only a forged header needs more, in memory."""


_LONGEST_REASON = 500
"""How many characters of a name or a reason are shown: a header can hold a megabyte."""


class CannotUnpack(Exception):
    """It is not an archive, or one that only an attacker makes; the message is for the job's user."""


def unpack_function(data_folder: DataFolder, job: JobRow, target: Path) -> None:
    """Unpack the job's artifact into an empty folder, in place of one that a killed process has left.

    Raises:
        Failure: there is no artifact, it cannot be unpacked, or it lacks the entry point.
    """
    remove_tree(target)
    if not job.artifact:
        message = "The function was uploaded without an artifact, so there is nothing to run."
        raise Failure(FailureCode.CANNOT_START, message)
    try:
        unpack(data_folder.artifacts / job.artifact, target)
    except CannotUnpack as error:
        raise Failure(FailureCode.CANNOT_START, str(error)) from error
    if not (target / job.entrypoint).is_file():
        message = f"The artifact has no {job.entrypoint}, which is the function's entry point."
        raise Failure(FailureCode.CANNOT_START, message)


def unpack(archive: Path, target: Path) -> None:
    """Unpack an archive, within bounds, without devices, and without a file outside of ``target`` or through a link.

    The ``data`` filter of tarfile (PEP 706) does most of it. Paths through a link of the archive are refused as well,
    because links could deceive that filter in some versions of Python (CVE-2025-4517).

    Raises:
        CannotUnpack: some of it may have been written.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        with _opened(archive) as content, tarfile.open(fileobj=content, mode="r:") as members:
            _extract(members, target)
    except CannotUnpack:
        raise
    except Exception as error:  # tarfile raises whatever a header leads to: OverflowError, KeyError, zlib.error, …
        raise CannotUnpack(f"The artifact cannot be unpacked: {str(error)[:_LONGEST_REASON]}") from error


def _extract(members: tarfile.TarFile, target: Path) -> None:
    count = size = 0
    links: set[tuple[str, ...]] = set()
    for member in members:
        if member.size < 0:
            raise CannotUnpack("The artifact cannot be unpacked: a file in it has a negative size.")
        count, size = count + 1, size + member.size
        if count > MAX_MEMBERS or size > MAX_UNPACKED_BYTES:
            raise _too_much()
        if _parts(member.name)[:1] == (".git",):
            continue  # Ray leaves the repository out too, which may be larger than the program
        for name in (member.name, member.linkname if member.islnk() else ""):
            parts = _parts(name)
            if ".." in parts or any(parts[:length] in links for length in range(1, len(parts) + 1)):
                raise CannotUnpack(
                    f"The artifact cannot be unpacked: {name[:_LONGEST_REASON]!r} leads out of it, or through a link."
                )
        if member.issym():
            links.add(_parts(member.name))
        members.extract(member, target, filter="data")


def _too_much() -> CannotUnpack:
    return CannotUnpack("The artifact unpacks to too much: more than 10,000 files or 1 GiB.")


def _parts(name: str) -> tuple[str, ...]:
    """Return the parts of a path for comparison, as file systems do it that ignore case."""
    return tuple(part.casefold() for part in PurePosixPath(name).parts if part != "/")


def _opened(archive: Path) -> _Bounded:
    """Open an archive of any type that tarfile opens, but with every decompressor within the bounds."""
    with archive.open("rb") as file:
        beginning = file.read(6)
    if beginning.startswith(b"\x1f\x8b"):
        return _Bounded(cast(IO[bytes], gzip.open(archive)))
    if beginning.startswith(b"BZh"):
        return _Bounded(bz2.open(archive))
    if beginning.startswith(b"\xfd7zXZ\x00"):
        return _Bounded(lzma.open(archive))
    return _Bounded(archive.open("rb"))


class _Bounded(io.RawIOBase):
    """The archive's content; raises CannotUnpack if there is too much of it."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content

    def close(self) -> None:
        self._content.close()
        super().close()

    def read(self, size: int = -1) -> bytes:
        if size > _MAX_READ_BYTES or size < 0:
            raise CannotUnpack("The artifact cannot be unpacked: a header in it is larger than any real one.")
        data = self._content.read(size)
        self._check(self._content.tell())
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            self._check(offset)
        return self._content.seek(offset, whence)

    def tell(self) -> int:
        return self._content.tell()

    def seekable(self) -> bool:
        return True

    @staticmethod
    def _check(position: int) -> None:
        # Headers and padding come on top of the contents, at most 2 KiB a member.
        if position > MAX_UNPACKED_BYTES + 2048 * MAX_MEMBERS:
            raise _too_much()
