"""The routes of files: a function's DATA_PATH for its users, and a folder for its provider."""

from __future__ import annotations

import mimetypes
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from qiskit_functions_core.local_files import open_regular

from . import request_fields as fields
from .context import Gateway
from .functions import check_provider, unknown
from .request_fields import clean_name
from .routing import ApiError, Json, blocking, resource
from .uploads import uploaded

_MAX_NAME = 255
"""The longest name that file systems accept, in bytes."""

_CHUNK_BYTES = 256 * 1024

_TYPES = mimetypes.MimeTypes()
"""Python's own table, so that a file has the same type on every machine."""

_REFUSED_STARTS = (
    *(b"#!", b"%PDF-", b"\x7fELF"),
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*"),
)
"""Scripts, documents, programs and pictures, which the real gateway refuses too."""

_DOS_HEADER_BYTES = 64
"""A file of Windows or DOS is at least as long; a shorter one that begins with MZ is data, also to libmagic."""


def routes(gateway: Gateway) -> list[Route]:
    """All under ``/api/v1/files``."""
    return [
        resource(gateway, "files", GET=list_files),
        resource(gateway, "files/upload", POST=upload),
        resource(gateway, "files/download", GET=download),
        resource(gateway, "files/delete", DELETE=delete),
        resource(gateway, "files/provider", GET=list_files),
        resource(gateway, "files/provider/upload", POST=upload),
        resource(gateway, "files/provider/download", GET=download),
        resource(gateway, "files/provider/delete", DELETE=delete),
    ]


async def list_files(gateway: Gateway, request: Request) -> Response:
    """Answer with the names of the files, without hidden files and folders.

    With ``details`` in the query, which the real gateway does not know, it has their sizes and times as well.
    """
    files = await blocking(_listed, await _folder(gateway, request))
    names = {"results": [file["name"] for file in files]}
    return Json(names | {"files": files} if fields.query(request).optional("details") else names)


async def upload(gateway: Gateway, request: Request) -> Response:
    """Answer with the path, which ends with the name that the file has here."""
    folder = await _folder(gateway, request)
    async with uploaded(request, gateway.data_folder, "file", max_bytes=gateway.max_file_bytes) as (_, file):
        if file is None:
            raise ApiError(400, "A file should be uploaded.")
        is_program = file.start.startswith(b"MZ") and file.content.size >= _DOS_HEADER_BYTES
        if not file.content.size or is_program or file.start.startswith(_REFUSED_STARTS):
            raise ApiError(400, "Uploaded file is not a valid type.")
        target = folder / stored_name(file.name)
        if target.name in ("arguments", "results") or await blocking(target.is_dir):
            raise ApiError(400, f"'file': {target.name} is a folder of the function's.")
        await blocking(file.content.move, target)
    return Json({"message": target.as_posix()})


async def download(gateway: Gateway, request: Request) -> Response:
    folder, name = await _folder(gateway, request), _wanted(request)
    opened = await blocking(_open, folder, name)
    if opened is None:
        raise _missing()
    return _Download(*opened)


async def delete(gateway: Gateway, request: Request) -> Response:
    folder, name = await _folder(gateway, request), _wanted(request)
    if not await blocking(_delete, gateway, folder, name):
        raise _missing()
    return Json({"message": "Requested file was deleted."})


def stored_name(name: str) -> str:
    """Return the name of an uploaded file here: ``..`` and runs of other characters become an underscore.

    Names that are too long for file systems lose the end of their stem.
    """
    cleaned = re.sub(r"[^0-9A-Za-z_.-]+", "_", name.replace("..", "_"))
    if len(cleaned) <= _MAX_NAME:
        return cleaned
    ending = PurePosixPath(cleaned).suffix[: _MAX_NAME - 1]
    return cleaned[: _MAX_NAME - len(ending)] + ending


async def _folder(gateway: Gateway, request: Request) -> Path:
    """Return the folder that the query names.

    For users it is DATA_PATH: one folder for all of their own functions, and one for each provider function.
    """
    query = fields.query(request)
    for_provider = "/files/provider" in request.scope["path"]
    title = clean_name(query.text("function", longest=fields.MAX_NAME))
    read_provider = query.text if for_provider else query.optional
    provider = clean_name(read_provider("provider", longest=fields.MAX_NAME) or "")
    if for_provider:
        check_provider(gateway, provider)
    if await blocking(gateway.database.program, title, provider) is None:
        raise unknown(title, provider if for_provider else "")
    if for_provider:
        return gateway.data_folder.provider_files(provider, title)
    return gateway.data_folder.function_data(provider, title).path


def _wanted(request: Request) -> str:
    """Return the name of the file that the query names, without leading slashes."""
    return fields.query(request).text("file").lstrip("/")


def _missing() -> ApiError:
    return ApiError(404, "Requested file was not found.")


def _listed(folder: Path) -> list[dict[str, str | int]]:
    """Return name, size in bytes and time of change of each file, sorted by name."""
    files: list[dict[str, str | int]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # deleted meanwhile
                    if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        modified = datetime.fromtimestamp(status.st_mtime, UTC).isoformat()
                        files.append({"name": entry.name, "size": status.st_size, "modified": modified})
    except FileNotFoundError:
        return []
    return sorted(files, key=lambda file: str(file["name"]))


def _paths(folder: Path, name: str) -> list[Path]:
    """Return where a file of this name may be: under the name itself, and under that which an upload gives it."""
    if re.search(r"[/\\\0]", name) or name in ("", ".", ".."):
        return []
    names = dict.fromkeys((name, stored_name(name)))
    return [folder / candidate for candidate in names if len(os.fsencode(candidate)) <= _MAX_NAME]


def _open(folder: Path, name: str) -> tuple[BinaryIO, str] | None:
    """Return the file and the name that it has."""
    for path in _paths(folder, name):
        with suppress(OSError):
            return open_regular(path, follow_links=False), path.name
    return None


def _delete(gateway: Gateway, folder: Path, name: str) -> bool:
    for path in _paths(folder, name):
        with gateway.data_folder.writing(), suppress(FileNotFoundError):
            if not path.is_dir():
                path.unlink()
                return True
    return False


class _Download(StreamingResponse):
    """A file as it was at the time of the request, also if it grows or is replaced meanwhile."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        size = os.fstat(file.fileno()).st_size
        super().__init__(
            self._chunks(size),
            headers={
                "Content-Type": _TYPES.guess_type(name)[0] or "application/octet-stream",
                "Content-Length": str(size),
                "Content-Disposition": f"attachment; filename={stored_name(name)}",
                "X-Content-Type-Options": "nosniff",
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)

    async def _chunks(self, left: int) -> AsyncIterator[bytes]:
        while left and (chunk := await blocking(self._file.read, min(left, _CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk
