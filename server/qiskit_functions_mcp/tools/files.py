"""Tools for the files that functions read and write. Their docstrings are their descriptions."""

from __future__ import annotations

import hashlib
import shutil
import time
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal, TypeVar

import anyio.to_thread
from mcp_types import CallToolResult, ResourceLink
from pydantic import Field

from qiskit_functions_core.errors import InputError, NotFound
from qiskit_functions_core.local_files import allowed_path, open_regular, replacing
from qiskit_functions_core.models import StoredFile

from ..consent.agreement import AFTER_A_NO, DECLINED, Confirm, new_local_file, person_agrees
from ..consent.asking import local_folders
from ..folders import RESULTS, WriteTarget
from ..replies.call_results import reply
from ..replies.files import MAX_FILE_BYTES, FileContent, FileLine, FileList, FileReply
from ..replies.truncation import fitting, offset_of, page
from ..replies.uris import file_uri
from ..session import Ctx, session_of
from .inputs import MAX_NAME, MAX_PATH, Cursor, FunctionName, Limit
from .tool_spec import READ, Hints, ToolSpec

T = TypeVar("T")

_REPORT_SECONDS = 1.0
"""Between two progress reports."""

Scope = Annotated[
    Literal["user", "provider"],
    Field(description="user: what its runs see; provider: the folder of your own provider function"),
]
FileName = Annotated[str, Field(description="A file's name as list_files shows it", max_length=MAX_NAME)]
Encoding = Literal["text", "base64"]


async def list_files(
    ctx: Ctx, function: FunctionName, scope: Scope = "user", limit: Limit = 100, cursor: Cursor = ""
) -> Annotated[CallToolResult, FileList]:
    """List the files in a function's data folder: those uploaded for it, and those that it wrote.

    Sizes and times are there where the gateway tells them.
    """
    session = session_of(ctx)
    files = await (await session.client()).files.details(function, scope=scope)
    offset = offset_of(cursor)
    lines = [
        FileLine(name=file.name, size_bytes=file.size, modified=file.modified and file.modified.isoformat())
        for file in files[offset : offset + limit]
    ]
    shown, next_cursor = page(lines, offset=offset, total=len(files), budget=session.settings.reply_characters)
    return reply(FileList(files=shown, total=len(files), next_cursor=next_cursor))


async def upload_file(
    ctx: Ctx,
    function: FunctionName,
    name: Annotated[
        str, Field(description="Its name there; by default the local file's name", max_length=MAX_NAME)
    ] = "",
    path: Annotated[str, Field(description="A local file to send", max_length=MAX_PATH)] = "",
    content: Annotated[str, Field(description="Instead of path: the content itself, at most 3 MiB")] = "",
    encoding: Annotated[Encoding, Field(description="base64: content is base64-encoded bytes")] = "text",
    scope: Scope = "user",
    confirm: Confirm = "",
) -> Annotated[CallToolResult, FileReply]:
    """Put a file into a function's data folder, from a local path or from content.

    The reply has its name there, and says whether it replaced one; the person is asked before that. All functions of
    this account share one folder.
    """
    if bool(path) == bool(content):
        raise InputError(
            "give exactly one of path and content", next_step="Nothing was uploaded; call again with one of them."
        )
    source = allowed_path(Path(path), await local_folders(ctx)) if path else _decoded(content, encoding)
    files = (await session_of(ctx).client()).files
    wanted = name or Path(path).name
    there = await files.find(function, wanted, scope=scope) if wanted else None
    digest = ""
    if there:
        digest, size = await anyio.to_thread.run_sync(_digest, source)
        question = f"Replace the file {there.name!r}{_of_size(there)} of {function!r} by one of {size} bytes?"
        if not await person_agrees(ctx, question, confirm, f"replace {_identity(there)} by {digest}"):
            return reply(FileReply(function=function, name=there.name, declined=DECLINED, next_step=AFTER_A_NO))
    progress = _progress_reporter(ctx)
    # What was agreed to is sent, not what the path leads to by then.
    stored = await files.upload(function, source, name=name, scope=scope, progress=progress, sha256=digest)
    renamed = None if stored == wanted else f"the gateway stored {wanted!r} as {stored!r}"
    return reply(
        FileReply(
            function=function,
            name=stored,
            renamed=renamed,
            replaced=there is not None,
            next_step="Runs find it under this name.",
        )
    )


def _decoded(content: str, encoding: Encoding) -> bytes:
    try:
        data = content.encode() if encoding == "text" else b64decode(content, validate=True)
    except (Base64Error, ValueError) as error:
        raise InputError(f"the content is not {encoding}: {error}") from None
    if len(data) > MAX_FILE_BYTES:
        raise InputError(
            f"the content has {len(data)} bytes; a message holds at most {MAX_FILE_BYTES}",
            next_step="Write it to a local file and pass its path.",
        )
    return data


def _digest(source: Path | bytes) -> tuple[str, int]:
    """Return the SHA-256 of what is to be sent, and its size in bytes."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest(), len(source)
    digest, size = hashlib.sha256(), 0
    try:
        with open_regular(source) as file:
            while part := file.read(1024**2):
                digest.update(part)
                size += len(part)
        return digest.hexdigest(), size
    except OSError as error:
        raise InputError(
            f"{source} cannot be read: {error.strerror or error}", next_step="Name a file that exists."
        ) from error


def _of_size(file: StoredFile) -> str:
    return "" if file.size is None else f" ({file.size} bytes)"


def _identity(file: StoredFile) -> str:
    """Return what tells a stored file from a later one of the same name, as far as the gateway says it."""
    return f"{file.name} {file.size} {file.modified}"


async def read_file(
    ctx: Ctx, function: FunctionName, name: FileName, scope: Scope = "user"
) -> Annotated[CallToolResult, FileContent]:
    """Show the content of a small file of a function's data folder: text, or base64. Writes nothing."""
    session = session_of(ctx)
    data = await (await session.client()).files.read(function, name, scope=scope, limit=MAX_FILE_BYTES)
    fetched = FileContent(function=function, name=name, size_bytes=len(data))
    _add_content(fetched, data, file_uri(function, name, scope), session.settings.reply_characters)
    return _linked(ctx, fetched)


async def download_file(
    ctx: Ctx,
    function: FunctionName,
    name: FileName,
    path: Annotated[
        str,
        Field(
            description=f"The new local file, by default name. A relative path starts in {RESULTS}/, where data files "
            "are written without a question",
            max_length=MAX_PATH,
        ),
    ] = "",
    scope: Scope = "user",
    confirm: Confirm = "",
) -> Annotated[CallToolResult, FileReply]:
    """Save a file of a function's data folder as a new local file. To see its content, use read_file.

    The person is asked about a path elsewhere and about whatever could be code or configuration.
    """
    target = await new_local_file(ctx, path or name)
    session = session_of(ctx)
    files = (await session.client()).files
    progress = _progress_reporter(ctx)

    async def fetch(file: Path) -> int:
        return await files.download(function, name, file, scope=scope, progress=progress, overwrite=False)

    size = await write_if_agreed(ctx, target, f"the file {name!r} of {function!r}", confirm, fetch)
    if size is None:
        return reply(FileReply(function=function, name=name, declined=DECLINED, next_step=AFTER_A_NO))
    path_uri = target.path.as_uri()
    return _linked(ctx, FileReply(function=function, name=name, size_bytes=size, path=str(target.path), link=path_uri))


async def write_if_agreed(
    ctx: Ctx, target: WriteTarget, what: str, confirm: str, fetch: Callable[[Path], Awaitable[T]]
) -> T | None:
    """Write a new local file and return what ``fetch`` returns; None if the person was asked and said no.

    Args:
        target: where, as ``new_local_file`` allows it.
        what: what is written there, for the question.
        confirm: the token that the call was given.
        fetch: writes the content to the path that it is given, which has the ending of the target.
    """
    if not target.needs_consent or session_of(ctx).settings.consent == "never":
        return await fetch(target.path)
    # Fetched first, because the person agrees to this content.
    with TemporaryDirectory(prefix="qiskit-functions-") as folder:
        held = Path(folder, f"file{target.path.suffix}")
        fetched = await fetch(held)
        digest, size = await anyio.to_thread.run_sync(_digest, held)
        question = f"Save {what} ({size} bytes) as {target.path}? {target.needs_consent}"
        if not await person_agrees(ctx, question, confirm, f"write {target.path} {digest}"):
            return None
        await anyio.to_thread.run_sync(_copy, held, target.path)
    return fetched


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as file, replacing(target, synced=False, overwrite=False) as copy:
        shutil.copyfileobj(file, copy)


def _linked(ctx: Ctx, fetched: FileContent | FileReply) -> CallToolResult:
    """Return a reply with a block for hosts that attach what is linked. Revisions before 2025-06-18 have no such."""
    if fetched.link and ctx.request_context.protocol_version >= "2025-06-18":
        return reply(fetched, ResourceLink(name=fetched.name, uri=fetched.link, size=fetched.size_bytes))
    return reply(fetched)


def _add_content(answer: FileContent, data: bytes, uri: str, budget: int) -> None:
    """Add as much of the content as fits, as text; as base64 only if all of it fits. Add a link if not all does."""
    try:
        text, answer.encoding = data.decode(), "text"
    except UnicodeDecodeError:
        text, answer.encoding = b64encode(data).decode(), "base64"
    shown = text[: fitting(text, budget - 1_000)]
    answer.content = shown if answer.encoding == "text" or shown == text else None
    if shown != text:
        answer.link = uri
        answer.left_out = f"{len(text) - len(answer.content or '')} of {len(text)} characters"
        answer.next_step = "Read the resource at link for all of it, or save it with download_file."


async def delete_file(
    ctx: Ctx, function: FunctionName, name: FileName, scope: Scope = "user", confirm: Confirm = ""
) -> Annotated[CallToolResult, FileReply]:
    """Delete a file from a function's data folder. This cannot be undone, so the person is asked first."""
    files = (await session_of(ctx).client()).files
    if session_of(ctx).settings.consent != "never":
        there = await files.find(function, name, scope=scope)
        if there is None:
            raise NotFound(f"there is no file {name!r}", status=404, next_step="Choose a name from list_files.")
        question = f"Delete the file {there.name!r}{_of_size(there)} of {function!r} for good?"
        if not await person_agrees(ctx, question, confirm, f"delete {_identity(there)}"):
            return reply(FileReply(function=function, name=name, declined=DECLINED, next_step=AFTER_A_NO))
    await files.delete(function, name, scope=scope)
    return reply(FileReply(function=function, name=name, next_step="It was deleted; runs no longer find it."))


def _progress_reporter(ctx: Ctx) -> Callable[[int, int | None], Awaitable[None]]:
    """Return a callback that reports bytes moved, at most once a second."""
    last = 0.0

    async def report(done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= _REPORT_SECONDS or done == total:
            last = time.monotonic()
            await ctx.report_progress(done, total, f"{done / 1024**2:.1f} MiB")

    return report


TOOLS = (
    ToolSpec(list_files, "List files", READ),
    ToolSpec(read_file, "Read a file", READ),
    ToolSpec(upload_file, "Upload a file", Hints(read_only=False, destructive=True, idempotent=True, open_world=True)),
    ToolSpec(
        download_file,
        "Download a file",
        Hints(read_only=False, destructive=False, idempotent=True, open_world=True),
    ),
    ToolSpec(delete_file, "Delete a file", Hints(read_only=False, destructive=True, idempotent=True, open_world=True)),
)
