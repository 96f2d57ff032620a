"""Forms with a file, which goes to disk as it comes in and is never held in memory."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from ..storage.data_folder import DataFolder
from .context import storing
from .request_fields import MAX_BODY_BYTES, Fields, body, chunks, media_type
from .routing import ApiError, blocking

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_START_BYTES = 2048

_ABANDONED_SECONDS = 24 * 3600.0
"""No upload takes longer; what is older was left by a gateway that was killed."""


@dataclass(frozen=True)
class Received:
    """A file on disk, which is not yet where it belongs.

    Attributes:
        data_folder: the data folder that it is in.
        name: as the sender calls it, without any directory.
        start: its first bytes, which tell its kind.
    """

    data_folder: DataFolder
    name: str
    path: Path
    size: int
    sha256: str
    start: bytes

    def move(self, target: Path) -> None:
        """Put it there at once, in place of what was there. Blocking.

        Raises:
            EmbeddedGatewayError: the target cannot be written.
        """
        with storing(self.data_folder):
            target.parent.mkdir(parents=True, exist_ok=True)
            self.path.replace(target)


@asynccontextmanager
async def received(
    request: Request, data_folder: DataFolder, field: str, *, most: int
) -> AsyncIterator[tuple[Fields, Received | None]]:
    """The fields of a body, and the file in its field; unless it was moved, that is gone afterwards.

    Raises:
        ApiError: the body is malformed, or the file larger than ``most`` bytes.
    """
    if media_type(request) != "multipart/form-data":
        yield await body(request), None
        return
    form = _Form(request, _File(data_folder, most), field)
    try:
        async for chunk in chunks(request, most + MAX_BODY_BYTES):
            await blocking(form.write, chunk)
        yield await blocking(form.finish)
    finally:
        form.file.discard()


def discard_abandoned(data_folder: DataFolder) -> None:
    """Remove what gateways left that were killed in the middle of an upload."""
    with suppress(OSError):
        for path in _folder(data_folder).iterdir():
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                path.unlink()


def _folder(data_folder: DataFolder) -> Path:
    return data_folder.path / "uploads"


class _File:
    """A file that is written bit by bit. Blocking."""

    def __init__(self, data_folder: DataFolder, most: int) -> None:
        self._data_folder = data_folder
        self._path = _folder(data_folder) / secrets.token_hex(16)
        self._most = most
        self._file: BinaryIO | None = None
        self._name = ""
        self._start = b""
        self._digest = hashlib.sha256()
        self.size = 0

    def begin(self, name: str) -> None:
        if self._file:
            raise ApiError(400, "Only one file can be uploaded at a time.")
        self._name = name
        with storing(self._data_folder):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("xb")

    def write(self, data: bytes) -> None:
        assert self._file  # noqa: S101 - a part has begun
        self.size += len(data)
        if self.size > self._most:
            raise ApiError(413, f"The file is larger than {self._most} bytes.")
        self._start = self._start or data[:_START_BYTES]
        self._digest.update(data)
        with storing(self._data_folder):
            self._file.write(data)

    def finish(self) -> Received | None:
        if not self._file:
            return None
        with storing(self._data_folder):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        return Received(self._data_folder, self._name, self._path, self.size, self._digest.hexdigest(), self._start)

    def discard(self) -> None:
        if self._file:
            self._file.close()
            self._path.unlink(missing_ok=True)


class _Form:
    """A multipart form while it comes in. Blocking.

    Files in other fields than the one that is asked for are left out.
    """

    def __init__(self, request: Request, file: _File, file_field: str) -> None:
        self.file = file
        self._file_field = file_field
        self._fields: dict[str, bytearray] = {}
        self._header = self._disposition = b""
        self._write: Callable[[bytes], object] = _ignore
        self._size = 0
        self._whole = False
        boundary = parse_options_header(request.headers["content-type"])[1].get(b"boundary")
        if not boundary:
            raise _malformed("it has no boundary")
        callbacks: MultipartCallbacks = {
            "on_header_field": self._on_header_name,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_part,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }
        self._parser = MultipartParser(boundary, callbacks)

    def write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(str(error)) from None
        if self._size - self.file.size > MAX_BODY_BYTES:
            raise ApiError(413, f"The form is larger than {MAX_BODY_BYTES} bytes, its file apart.")

    def finish(self) -> tuple[Fields, Received | None]:
        if not self._whole:
            raise _malformed("it breaks off")
        try:
            fields = {name: value.decode() for name, value in self._fields.items()}
        except UnicodeDecodeError:
            raise _malformed("a field is not UTF-8") from None
        return Fields(fields, form=True), self.file.finish()

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end].lower()

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        if self._header == b"content-disposition":
            self._disposition += data[start:end]

    def _on_header_end(self) -> None:
        self._header = b""

    def _on_part(self) -> None:
        options = parse_options_header(self._disposition)[1]
        self._disposition = b""
        name = options.get(b"name", b"").decode(errors="replace")
        # Browsers of old sent whole paths.
        file_name = re.split(r"[/\\]", options.get(b"filename", b"").decode(errors="replace"))[-1]
        if b"filename" not in options:
            self._write = self._fields.setdefault(name, bytearray()).extend
        elif name == self._file_field and file_name not in ("", ".", ".."):
            self.file.begin(file_name)
            self._write = self.file.write
        else:
            self._write = _ignore

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._write(data[start:end])

    def _on_part_end(self) -> None:
        self._write = _ignore

    def _on_end(self) -> None:
        self._whole = True


def _ignore(_: bytes) -> None:
    pass


def _malformed(why: str) -> ApiError:
    return ApiError(400, f"Multipart form parse error - {why}")
