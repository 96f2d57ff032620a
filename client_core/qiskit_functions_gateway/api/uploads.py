"""Forms with a file, which goes to disk as it comes in and is never held in memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from ..storage.data_folder import DataFolder
from ..storage.incoming import IncomingFile
from .request_fields import MAX_BODY_BYTES, Fields, body, chunks, media_type
from .routing import ApiError, blocking

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_START_BYTES = 2048

_MAX_DISPOSITION_BYTES = 16 * 1024
"""Of the header with a part's names, each of which a file system takes up to 255 bytes of."""


@dataclass(frozen=True)
class UploadedFile:
    """A file that was received, and is yet to be moved to its place.

    Attributes:
        name: as the sender calls it, without any directory.
        start: its first bytes, which tell its type.
    """

    name: str
    content: IncomingFile
    start: bytes


@asynccontextmanager
async def uploaded(
    request: Request, data_folder: DataFolder, field: str, *, max_bytes: int
) -> AsyncIterator[tuple[Fields, UploadedFile | None]]:
    """Give the fields of a body, and the file in the field ``field``; a file that the block does not move is discarded.

    Raises:
        ApiError: the body is malformed, or the file is larger than ``max_bytes``.
    """
    if media_type(request) != "multipart/form-data":
        yield await body(request), None
        return
    form = _Form(request, data_folder, field, max_bytes)
    try:
        async for chunk in chunks(request, max_bytes + MAX_BODY_BYTES):
            await blocking(form.write, chunk)
        yield form.fields(), form.file()
    finally:
        form.close()


class _Form:
    """A multipart form while it comes in. Blocking.

    Files in other fields than ``file_field`` are ignored.
    """

    def __init__(self, request: Request, data_folder: DataFolder, file_field: str, max_bytes: int) -> None:
        self._data_folder = data_folder
        self._file_field = file_field
        self._max_bytes = max_bytes
        self._file: IncomingFile | None = None
        self._file_name = ""
        self._file_start = b""
        self._fields: dict[str, bytearray] = {}
        self._header = self._disposition = b""
        self._write: Callable[[bytes], object] = _ignore
        self._size = 0
        self._is_complete = False
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
        if self._size - (self._file.size if self._file else 0) > MAX_BODY_BYTES:
            raise ApiError(413, f"The form is larger than {MAX_BODY_BYTES} bytes, its file apart.")

    def fields(self) -> Fields:
        """Raises: ApiError: the form breaks off, or a field is not UTF-8."""
        if not self._is_complete:
            raise _malformed("it breaks off")
        try:
            return Fields({name: value.decode() for name, value in self._fields.items()}, form=True)
        except UnicodeDecodeError:
            raise _malformed("a field is not UTF-8") from None

    def file(self) -> UploadedFile | None:
        return UploadedFile(self._file_name, self._file, self._file_start) if self._file else None

    def close(self) -> None:
        if self._file:
            self._file.discard()

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end].lower()

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        if self._header == b"content-disposition":
            self._disposition += data[start:end]
            if len(self._disposition) > _MAX_DISPOSITION_BYTES:
                raise _malformed("a header of a part is too long")

    def _on_header_end(self) -> None:
        self._header = b""

    def _on_part(self) -> None:
        options = parse_options_header(self._disposition)[1]
        self._disposition = b""
        name = options.get(b"name", b"").decode(errors="replace").strip()
        # Old browsers send whole paths.
        file_name = re.split(r"[/\\]", options.get(b"filename", b"").decode(errors="replace"))[-1]
        if b"filename" not in options:
            self._write = self._fields.setdefault(name, bytearray()).extend
        elif name == self._file_field and file_name not in ("", ".", ".."):
            if self._file:
                raise ApiError(400, "Only one file can be uploaded at a time.")
            self._file_name, self._file = file_name, IncomingFile(self._data_folder)
            self._write = self._write_file
        else:
            self._write = _ignore

    def _write_file(self, data: bytes) -> None:
        assert self._file  # noqa: S101 - its part has begun
        if self._file.size + len(data) > self._max_bytes:
            raise ApiError(413, f"The file is larger than {self._max_bytes} bytes.")
        self._file_start = self._file_start or data[:_START_BYTES]
        self._file.write(data)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._write(data[start:end])

    def _on_part_end(self) -> None:
        self._write = _ignore

    def _on_end(self) -> None:
        self._is_complete = True


def _ignore(_: bytes) -> None:
    pass


def _malformed(why: str) -> ApiError:
    return ApiError(400, f"Multipart form parse error - {why}")
