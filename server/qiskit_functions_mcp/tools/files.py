"""Tools for the files that functions read and write. Their docstrings are their descriptions."""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal

import anyio
from mcp.server.mcpserver.resolve import Resolve
from mcp_types import CallToolResult, ResourceLink
from pydantic import Field

from qiskit_functions_core.errors import InputError
from qiskit_functions_core.local_files import allowed_path

from ..consent import DECLINED, Confirm, Consent, agreed, before_delete
from ..replies.call_results import reply
from ..replies.files import MAX_FILE_BYTES, FileLine, FileList, FileReply
from ..replies.truncation import fitting, offset_of, page
from ..replies.uris import file_uri
from ..session import Ctx, session_of
from .inputs import MAX_NAME, MAX_PATH, Cursor, FunctionName, Limit
from .tool_spec import READ, Hints, ToolSpec

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
    """List the files in a function's data folder: those uploaded for it, and those that it wrote."""
    session = session_of(ctx)
    names = await (await session.client()).files.list(function, scope=scope)
    offset = offset_of(cursor)
    lines = [FileLine(name=name) for name in names[offset : offset + limit]]
    shown, next_cursor = page(lines, offset=offset, total=len(names), budget=session.settings.reply_characters)
    return reply(FileList(files=shown, total=len(names), next_cursor=next_cursor))


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
) -> Annotated[CallToolResult, FileReply]:
    """Put a file into a function's data folder, from a local path or from content, replacing one of the same name.

    The reply has its name there. All functions of this account share one folder.
    """
    if bool(path) == bool(content):
        raise InputError(
            "give exactly one of path and content", next_step="Nothing was uploaded; call again with one of them."
        )
    session = session_of(ctx)
    source = allowed_path(Path(path), session.settings.folders) if path else _decoded(content, encoding)
    client = await session.client()
    stored = await client.files.upload(function, source, name=name, scope=scope, progress=_progress_reporter(ctx))
    wanted = name or Path(path).name
    renamed = None if stored == wanted else f"the gateway stored {wanted!r} as {stored!r}"
    return reply(FileReply(function=function, name=stored, renamed=renamed, next_step="Runs find it under this name."))


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


async def download_file(
    ctx: Ctx,
    function: FunctionName,
    name: FileName,
    path: Annotated[
        str, Field(description="A new local file to write; without it the reply has the content", max_length=MAX_PATH)
    ] = "",
    scope: Scope = "user",
) -> Annotated[CallToolResult, FileReply]:
    """Fetch a file from a function's data folder: into a new local file, or into the reply when it is small."""
    session = session_of(ctx)
    target = allowed_path(Path(path), session.settings.folders) if path else None
    if target and await anyio.Path(target).exists():
        raise InputError(f"{path} already exists", next_step="Choose another path.")
    files = (await session.client()).files
    if target:
        size = await files.download(function, name, target, scope=scope, progress=_progress_reporter(ctx))
        fetched = FileReply(function=function, name=name, size_bytes=size, path=str(target), link=target.as_uri())
    else:
        data = await files.read(function, name, scope=scope, limit=MAX_FILE_BYTES)
        fetched = FileReply(function=function, name=name, size_bytes=len(data))
        _add_content(fetched, data, file_uri(function, name, scope), session.settings.reply_characters)
    # For hosts that attach what is linked. Revisions of the protocol before 2025-06-18 have no such block.
    if fetched.link and ctx.request_context.protocol_version >= "2025-06-18":
        return reply(fetched, ResourceLink(name=fetched.name, uri=fetched.link, size=fetched.size_bytes))
    return reply(fetched)


def _add_content(answer: FileReply, data: bytes, uri: str, budget: int) -> None:
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
        answer.next_step = "Read the resource at link for all of it, or pass path to save it to a local file."


async def delete_file(
    ctx: Ctx,
    function: FunctionName,
    name: FileName,
    scope: Scope = "user",
    confirm: Confirm = "",
    *,
    answer: Annotated[Consent, Resolve(before_delete)],
) -> Annotated[CallToolResult, FileReply]:
    """Delete a file from a function's data folder. This cannot be undone."""
    if not agreed(answer):
        return reply(FileReply(function=function, name=name, declined=DECLINED))
    await (await session_of(ctx).client()).files.delete(function, name, scope=scope)
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
    ToolSpec(upload_file, "Upload a file", Hints(read_only=False, destructive=True, idempotent=True, open_world=True)),
    ToolSpec(
        download_file,
        "Download a file",
        Hints(read_only=False, destructive=False, idempotent=True, open_world=True),
        writes=("path",),
    ),
    ToolSpec(delete_file, "Delete a file", Hints(read_only=False, destructive=True, idempotent=True, open_world=True)),
)
