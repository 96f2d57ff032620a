"""The gateway's files: what a function reads from its data folder, and what it leaves there."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Literal, TypeVar

import anyio
import anyio.to_thread

from ..errors import GatewayFault, InputError
from ..http.forms import PART_BYTES, FormFile, bytes_in_parts
from ..local_files import open_regular, replacing
from .functions import split_name

if TYPE_CHECKING:
    from ..http.transport import Transport

T = TypeVar("T")

FileScope = Literal["user", "provider"]

Progress = Callable[[int, int | None], Awaitable[None]]
"""Told how many bytes have gone so far, and of how many, where that is known. A repeat begins anew."""

_AHEAD = 2
"""So many parts arrive while one is written."""

_OTHER_CHARACTERS = re.compile(r"[^0-9A-Za-z_.-]|\.\.")


class Files:
    """Files of the functions that the account can run.

    ``function`` is ``title`` or ``provider/title`` everywhere. All of one's own functions share a folder; a
    provider function has one for each user, and with ``scope="provider"`` one for its provider.

    Args:
        drops_characters: whether the gateway looks for a file without the characters that an upload replaces,
            as Qiskit Serverless's does, so that it may find another file.
    """

    def __init__(self, transport: Transport, *, drops_characters: bool) -> None:
        self._transport = transport
        self._drops_characters = drops_characters

    async def list(self, function: str, *, scope: FileScope = "user") -> list[str]:
        """The files' names, sorted; hidden files and folders are not among them."""
        answer = await self._transport.get(_path("", scope), _query(function, scope))
        body = answer.json()
        names = body.get("results") if isinstance(body, dict) else None
        if not isinstance(names, list):
            raise GatewayFault("the gateway answered without a list of files", status=answer.status)
        return sorted(str(name) for name in names)

    async def upload(
        self,
        function: str,
        source: Path | bytes,
        *,
        name: str = "",
        scope: FileScope = "user",
        progress: Progress | None = None,
    ) -> str:
        """Send a file, in place of one of the same name; gives the name that the gateway has stored it under.

        The gateway puts an underscore in place of other characters than letters, digits, ``-``, ``_`` and ``.``;
        only the name that is returned finds the file again.

        Args:
            source: a local file, which is read while it is sent, or the content itself.
            name: the local file's name without one.

        Raises:
            InputError: there is no such file, or it is empty, which gateways refuse.
            BadRequest: the gateway refuses the kind of file.
        """
        wanted = name or (source.name if isinstance(source, Path) else "")
        if not wanted:
            raise InputError("a file needs a name")
        query = _query(function, scope)
        async with _opened(source) as (size, parts):
            file = FormFile("file", wanted, size, _reported(parts, size, progress))
            answer = await self._transport.send_form(_path("upload/", scope), {}, file, query)
        return _stored_name(answer.json())

    async def download(
        self, function: str, name: str, target: Path, *, scope: FileScope = "user", progress: Progress | None = None
    ) -> int:
        """Write a file to ``target``, which is replaced when all of it is there; gives its size in bytes.

        Raises:
            NotFound: there is no such file.
            InputError: ``target`` cannot be written, or the gateway may take the name for another one.
        """
        query = {**_query(function, scope), "file": self._findable(name)}

        # A download can be repeated, so the disk is not waited for: that would cost as much as the transfer.
        async with _in_threads(replacing(target, synced=False)) as file:

            async def fetch() -> int:
                file.seek(0)
                file.truncate()
                async with self._transport.download(_path("download/", scope), query) as download:
                    await _write(_batches(download.parts), file, download.size, progress)
                return file.tell()

            return await self._transport.retrying(fetch)

    async def read(self, function: str, name: str, *, scope: FileScope = "user", limit: int) -> bytes:
        """A file's content.

        Raises:
            NotFound: there is no such file.
            InputError: it has more than ``limit`` bytes.
        """
        query = {**_query(function, scope), "file": self._findable(name)}

        async def fetch() -> bytes:
            content = bytearray()
            async with self._transport.download(_path("download/", scope), query) as download:
                async for part in download.parts:
                    content += part
                    if max(len(content), download.size or 0) > limit:
                        raise InputError(
                            f"{name} has more than {limit} bytes", next_step="Download it to a local file instead."
                        )
            return bytes(content)

        return await self._transport.retrying(fetch)

    async def delete(self, function: str, name: str, *, scope: FileScope = "user") -> None:
        """Delete a file.

        Raises:
            NotFound: there is no such file; some gateways say nothing then.
            InputError: the gateway may take the name for another one.
        """
        query = {**_query(function, scope), "file": self._findable(name)}
        answer = await self._transport.send("DELETE", _path("delete/", scope), None, query)
        if answer.body:
            answer.json()  # a web page is no gateway's word

    def _findable(self, name: str) -> str:
        if not name or name in (".", "..") or re.search(r"[/\\\0]", name):
            raise InputError(f"{name!r} is not a file's name", next_step="Take a name of list_files.")
        if self._drops_characters and _OTHER_CHARACTERS.search(name):
            raise InputError(
                f"the gateway looks for {name!r} without some of its characters, and may find another file",
                next_step="Take the name that upload_file gave; a function can rename its own files.",
            )
        return name


def _path(action: str, scope: FileScope) -> str:
    return f"files/{'provider/' if scope == 'provider' else ''}{action}"


def _query(function: str, scope: FileScope) -> dict[str, str]:
    provider, title = split_name(function)
    if scope == "provider" and not provider:
        raise InputError(
            f"{function!r} has no provider, so it has no files of one", next_step="Name it as provider/title."
        )
    return {"function": title} | ({"provider": provider} if provider else {})


def _stored_name(answer: object) -> str:
    """The end of a path on the server (Ray), or a bare name (Fleets)."""
    message = answer.get("message") if isinstance(answer, dict) else None
    if not isinstance(message, str) or not message:
        raise GatewayFault(
            "the gateway took the file but does not say under which name",
            status=200,
            next_step="Look for it with list_files.",
        )
    return PurePosixPath(message).name


@asynccontextmanager
async def _opened(source: Path | bytes) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
    """The size of what is to be sent, and its parts."""
    if isinstance(source, bytes):
        yield _not_empty(len(source)), bytes_in_parts(source)
        return
    try:
        file = await anyio.to_thread.run_sync(open_regular, source)
    except OSError as error:
        raise InputError(
            f"{source} cannot be read: {error.strerror or error}", next_step="Name a file that is there."
        ) from error
    with file:
        size = _not_empty(os.fstat(file.fileno()).st_size)
        yield size, _read(file, size)


def _not_empty(size: int) -> int:
    if not size:
        raise InputError("the file is empty, and gateways refuse empty files")
    return size


async def _read(file: IO[bytes], left: int) -> AsyncIterator[bytes]:
    """As much as there was in the beginning, also of a file that grows."""
    while left:
        part = await anyio.to_thread.run_sync(file.read, min(left, PART_BYTES))
        if not part:
            raise InputError("the file became shorter while it was sent", next_step="Send it again.")
        left -= len(part)
        yield part


async def _batches(parts: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """The small parts of a network, as many at a time as are worth a thread's while; never copied together."""
    batch: list[bytes] = []
    size = 0
    async for part in parts:
        batch.append(part)
        size += len(part)
        if size >= PART_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _write(
    batches: AsyncIterator[list[bytes]], file: IO[bytes], size: int | None, progress: Progress | None
) -> None:
    """Write in threads while the next batches arrive."""
    send, receive = anyio.create_memory_object_stream[list[bytes]](_AHEAD)

    async def write() -> None:
        async with receive:
            async for batch in receive:
                await anyio.to_thread.run_sync(file.writelines, batch)
                if progress:
                    await progress(file.tell(), size)

    try:
        async with anyio.create_task_group() as group, send:
            group.start_soon(write)
            async for batch in batches:
                await send.send(batch)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _reported(parts: AsyncIterator[bytes], size: int | None, progress: Progress | None) -> AsyncIterator[bytes]:
    done = 0
    async for part in parts:
        yield part
        done += len(part)
        if progress:
            await progress(done, size)


@asynccontextmanager
async def _in_threads(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """A context manager that waits for the disk when it is entered and left."""
    value = await anyio.to_thread.run_sync(manager.__enter__)
    try:
        yield value
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(manager.__exit__, type(error), error, error.__traceback__)
        raise
    with anyio.CancelScope(shield=True):
        await anyio.to_thread.run_sync(manager.__exit__, None, None, None)
