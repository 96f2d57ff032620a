"""The gateway's files: those in a function's data folder, which the function reads and writes too."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Literal, TypeVar

import anyio
import anyio.to_thread

from ..errors import GatewayFault, InputError, NotFound
from ..http.forms import PART_BYTES, FormFile, bytes_in_parts
from ..local_files import open_regular, replacing
from ..models import StoredFile, parsed_list
from .functions import split_name
from .gateway_errors import may_have_happened
from .gateway_traits import GatewayTraits

if TYPE_CHECKING:
    from ..http.transport import Transport

T = TypeVar("T")

FileScope = Literal["user", "provider"]

Progress = Callable[[int, int | None], Awaitable[None]]
"""Called with the bytes transferred so far and the total, which is None where it is not known; a retry starts at 0."""

_AHEAD = 2
"""How many parts arrive while one is written."""

_KEPT_FREE = 16 * 1024 * 1024
"""Bytes of a disk that a download leaves free, since other programs need some."""

_LONGEST_NAME = 255
"""Bytes, as file systems have it."""

_OTHER_CHARACTERS = re.compile(r"[^0-9A-Za-z_.-]|\.\.")


class Files:
    """Files of the functions that the account can run.

    ``function`` is always ``title`` or ``provider/title``. An account's own functions share one folder; a provider's
    function has a folder for each user, and with ``scope="provider"`` one for its provider.

    Args:
        traits: whether the gateway looks for a file without the characters that an upload replaces,
            as Qiskit Serverless's does, so that it may find another file.
    """

    def __init__(self, transport: Transport, traits: GatewayTraits) -> None:
        self._transport = transport
        self._traits = traits

    async def list(self, function: str, *, scope: FileScope = "user") -> list[str]:
        """Return the files' names, sorted, without hidden files and folders.

        Raises:
            NotFound: there is no such function.
        """
        return [file.name for file in await self.details(function, scope=scope)]

    async def details(self, function: str, *, scope: FileScope = "user") -> Sequence[StoredFile]:
        """Return the files as ``list`` does, with their sizes and times where the gateway tells them.

        Raises:
            NotFound: there is no such function.
        """
        query = _query(function, scope) | ({"details": "true"} if self._traits.runs_code_here else {})
        answer = await self._transport.get(_path("", scope), query)
        body = answer.json()
        names = body.get("results") if isinstance(body, dict) else None
        if not isinstance(names, list):
            raise GatewayFault("the gateway answered without a list of files", status=answer.status)
        files = parsed_list(StoredFile, body.get("files") or [{"name": str(name)} for name in names])
        return sorted(files, key=lambda file: file.name)

    async def find(self, function: str, name: str, *, scope: FileScope = "user") -> StoredFile | None:
        """Return the file that has this name, or would be replaced by an upload under it; None if there is none.

        Raises:
            NotFound: there is no such function.
        """
        names = {name, stored_name(name)}
        found = [file for file in await self.details(function, scope=scope) if file.name in names]
        if found or not name.startswith("."):
            return found[0] if found else None
        # Hidden files are not listed.
        query = {**_query(function, scope), "file": stored_name(name)}
        try:
            async with self._transport.download(_path("download/", scope), query) as download:
                return StoredFile(name=stored_name(name), size=download.size)
        except NotFound:
            return None

    async def upload(
        self,
        function: str,
        source: Path | bytes,
        *,
        name: str = "",
        scope: FileScope = "user",
        progress: Progress | None = None,
        sha256: str = "",
    ) -> str:
        """Send a file, in place of one of the same name, and return the name under which the gateway stored it.

        The gateway replaces characters other than letters, digits, ``-``, ``_`` and ``.`` with an underscore; only the
        returned name finds the file again.

        Args:
            source: a local file, which is read while it is sent, or the content itself.
            name: by default the local file's name.
            sha256: of the content that is meant, in hexadecimal digits; with another one, the request breaks off before
                its end. Empty takes the content as it is.

        Raises:
            InputError: the file cannot be read, has changed, or is empty, which gateways refuse.
            BadRequest: the gateway refuses that kind of file.
        """
        wanted = name or (source.name if isinstance(source, Path) else "")
        if not wanted:
            raise InputError("a file needs a name")
        if len(wanted.encode(errors="replace")) > _LONGEST_NAME:
            raise InputError(f"a file's name has at most {_LONGEST_NAME} bytes")
        query = _query(function, scope)
        async with _opened(source, sha256) as (size, parts):
            if not size:
                raise InputError("the file is empty, and gateways refuse empty files")
            file = FormFile("file", wanted, size, _reported(parts, size, progress))
            may_be_there = f"{wanted} may be there, whole or cut off, or as it was before"
            with may_have_happened(may_be_there, "Look with list_files, and upload it again, which replaces it."):
                answer = await self._transport.send_form(_path("upload/", scope), {}, file, query)
        return _name_in(answer.json())

    async def download(
        self,
        function: str,
        name: str,
        target: Path,
        *,
        scope: FileScope = "user",
        progress: Progress | None = None,
        overwrite: bool = True,
    ) -> int:
        """Download a file to ``target``, which is replaced once all of it is there, and return its size in bytes.

        Args:
            overwrite: False refuses to replace a file, also one that was made meanwhile.

        Raises:
            NotFound: there is no such file.
            InputError: ``target`` cannot be written, the disk has no room for it, or the gateway may take the name for
                another one.
        """
        query = {**_query(function, scope), "file": self._findable(name)}

        # Not synced: a download can be repeated, and waiting for the disk would take as long as the transfer.
        async with _in_threads(replacing(target, synced=False, overwrite=overwrite)) as file:

            async def fetch() -> int:
                file.seek(0)
                file.truncate()
                async with self._transport.download(_path("download/", scope), query) as download:
                    if download.size:
                        await anyio.to_thread.run_sync(_refuse_full_disk, target.parent, download.size)
                    await _write(_batches(download.parts), file, target.parent, download.size, progress)
                return file.tell()

            return await self._transport.retrying(fetch)

    async def read(self, function: str, name: str, *, scope: FileScope = "user", limit: int) -> bytes:
        """Return a file's content.

        Args:
            limit: the largest size to read, in bytes.

        Raises:
            NotFound: there is no such file.
            InputError: it is larger.
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
            NotFound: there is no such file; some gateways do not say so.
            InputError: the gateway may take the name for another one.
        """
        query = {**_query(function, scope), "file": self._findable(name)}
        with may_have_happened(f"{name} may have been deleted", "Look with list_files."):
            answer = await self._transport.send("DELETE", _path("delete/", scope), None, query)
        if answer.body:
            answer.json()  # raises for a proxy's web page, which is not a confirmation

    def _findable(self, name: str) -> str:
        is_long = len(name.encode(errors="replace")) > _LONGEST_NAME
        if not name or is_long or name in (".", "..") or re.search(r"[/\\\0]", name):
            raise InputError(f"{name[:100]!r} is not a file's name", next_step="Take a name from list_files.")
        if self._traits.drops_characters and _OTHER_CHARACTERS.search(name):
            raise InputError(
                f"the gateway looks for {name!r} without some of its characters, and may find another file",
                next_step="Take the name that upload_file gave; a function can rename its own files.",
            )
        return name


def stored_name(name: str) -> str:
    """Return the name that gateways give to an upload under this one, where it is not too long for them."""
    return re.sub(r"[^0-9A-Za-z_.-]+", "_", name.replace("..", "_"))


def _path(action: str, scope: FileScope) -> str:
    return f"files/{'provider/' if scope == 'provider' else ''}{action}"


def _query(function: str, scope: FileScope) -> dict[str, str]:
    provider, title = split_name(function)
    if scope == "provider" and not provider:
        raise InputError(
            f"{function!r} has no provider, so it has no provider's files", next_step="Name it as provider/title."
        )
    return {"function": title} | ({"provider": provider} if provider else {})


def _name_in(answer: object) -> str:
    """Return the name in the answer to an upload: the end of a path on the server (Ray), or all of it (Fleets)."""
    message = answer.get("message") if isinstance(answer, dict) else None
    if not isinstance(message, str) or not message:
        raise GatewayFault(
            "the gateway took the file but does not say under which name it is stored",
            status=200,
            next_step="Look for it with list_files.",
        )
    return PurePosixPath(message).name


@asynccontextmanager
async def _opened(source: Path | bytes, sha256: str) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
    """Give the size of what is to be sent, and its parts; the last part only if the digest is the right one."""
    if isinstance(source, bytes):
        yield len(source), bytes_in_parts(source)
        return
    try:
        file = await anyio.to_thread.run_sync(open_regular, source)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{source} cannot be read: {getattr(error, 'strerror', None) or error}",
            next_step="Name a file that exists.",
        ) from error
    with file:
        size = os.fstat(file.fileno()).st_size
        yield size, _read(file, size, sha256)


async def _read(file: IO[bytes], left: int, sha256: str) -> AsyncIterator[bytes]:
    """Give the first ``left`` bytes, also of a file that grows."""
    digest = hashlib.sha256()
    while left:
        part = await anyio.to_thread.run_sync(file.read, min(left, PART_BYTES))
        if not part:
            raise InputError("the file became shorter while it was sent", next_step="Send it again.")
        left -= len(part)
        if sha256:
            await anyio.to_thread.run_sync(digest.update, part)
            if not left and digest.hexdigest() != sha256:
                raise InputError("the file was changed meanwhile; it was not stored", next_step="Send it again.")
        yield part


async def _batches(parts: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Collect the small parts that a network gives until they are worth a call in a thread; they are not copied."""
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
    batches: AsyncIterator[list[bytes]], file: IO[bytes], folder: Path, size: int | None, progress: Progress | None
) -> None:
    """Write each batch in a thread while the next ones arrive."""
    send, receive = anyio.create_memory_object_stream[list[bytes]](_AHEAD)

    async def write() -> None:
        async for batch in receive:
            await anyio.to_thread.run_sync(_append, file, folder, batch)
            if progress:
                await progress(file.tell(), size)

    # The stream stays open when writing fails, so that it is that error which ends both.
    async with receive, send:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(write)
                async for batch in batches:
                    await send.send(batch)
                send.close()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None


def _append(file: IO[bytes], folder: Path, batch: list[bytes]) -> None:
    # A server can send without an end, or not say how much is to come.
    _refuse_full_disk(folder, sum(map(len, batch)))
    file.writelines(batch)


def _refuse_full_disk(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size + _KEPT_FREE > free:
        raise InputError(
            f"the disk of {folder} has {free:,} bytes free, too few for this file",
            next_step="Ask the person to make room, or choose a folder on another disk.",
        )


async def _reported(parts: AsyncIterator[bytes], size: int | None, progress: Progress | None) -> AsyncIterator[bytes]:
    done = 0
    async for part in parts:
        yield part
        done += len(part)
        if progress:
            await progress(done, size)


@asynccontextmanager
async def _in_threads(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave in threads a context manager that waits for the disk."""
    value = await anyio.to_thread.run_sync(manager.__enter__)
    try:
        yield value
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(manager.__exit__, type(error), error, error.__traceback__)
        raise
    with anyio.CancelScope(shield=True):
        await anyio.to_thread.run_sync(manager.__exit__, None, None, None)
