"""Saved results, which are moved out of reach of other functions; they may be larger than memory."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from qiskit_functions_core.local_files import open_regular

from .data_folder import DataFolder
from .database import JobRow
from .job_states import JobStatus

_PARSED_BYTES = 1024**2
"""Up to this size a text is parsed to find out whether it is JSON; that takes some ten times its size in memory."""

_CHUNK_BYTES = 1024**2

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+("?)', re.DOTALL)
_REST_OF_STRING = re.compile(rb'(?:[^"\\]|\\.)*+', re.DOTALL)


def open_result(data_folder: DataFolder, job: JobRow) -> BinaryIO | None:
    """Open the result that the job has saved; return None if there is none.

    While the function runs or is being stopped, it may be in the middle of writing the file, so only a whole JSON
    text counts. Once it has ended by itself, the result may be any text.
    """
    with suppress(OSError):
        return open_regular(data_folder.job(job.id).result, follow_links=False)
    try:
        saved = open_regular(data_folder.function_data(job.provider, job.title).result(job.id), follow_links=False)
    except OSError:
        return None
    if job.status in (JobStatus.SUCCEEDED, JobStatus.FAILED) or _is_whole(saved):
        saved.seek(0)
        return saved
    saved.close()
    return None


def pieces_of(result: BinaryIO) -> Iterator[str]:
    """Yield a result in pieces and close it; bytes that are not UTF-8 become replacement characters."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    with result:
        while chunk := result.read(_CHUNK_BYTES):
            yield decode(chunk)
        yield decode(b"", final=True)


def keep_result(data_folder: DataFolder, job: JobRow, *, only_if_whole: bool) -> int | None:
    """Move a saved result from the function's DATA_PATH, where other functions can change it, to the job's folder.

    Args:
        only_if_whole: discard a result that is not whole JSON, because its function may have been killed meanwhile.

    Returns:
        The bytes of a result that was kept and is not whole JSON; else None.
    """
    saved = data_folder.function_data(job.provider, job.title).result(job.id)
    # The function may have put a link, a pipe or a folder there.
    with suppress(OSError):
        if saved.is_symlink() or not saved.is_file():
            saved.unlink()
            return None
        with open_regular(saved, follow_links=False) as file:
            broken_bytes = None if _is_whole(file) else os.fstat(file.fileno()).st_size
        if broken_bytes is not None and only_if_whole:
            saved.unlink()
            return None
        saved.replace(data_folder.job(job.id).result)
        return broken_bytes
    return None


def is_json(text: str | bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError, MemoryError):
        return False
    return True


def _is_whole(file: BinaryIO) -> bool:
    """Return whether a file is JSON to its end; of a large one only whether its strings and brackets are closed."""
    if os.fstat(file.fileno()).st_size <= _PARSED_BYTES:
        return is_json(file.read(_PARSED_BYTES + 1))
    depth, in_string, last = 0, False, b""
    while chunk := file.read(_CHUNK_BYTES):
        if b"\0" in chunk:  # a hole in the file, where the disk was full
            return False
        backslashes = len(chunk) - len(chunk.rstrip(b"\\"))
        if backslashes % 2:
            chunk += file.read(1)  # what it escapes
        if in_string:
            match = _REST_OF_STRING.match(chunk)
            chunk = chunk[match.end() if match else 0 :]
            if not chunk:
                continue
            in_string, chunk = False, chunk[1:]
        # Of a string that is closed a quotation mark is left, and of one that goes on in the next chunk nothing.
        outside, strings = _STRING.subn(rb"\1", chunk)
        in_string = strings != outside.count(b'"')
        depth += sum(map(outside.count, (b"{", b"["))) - sum(map(outside.count, (b"}", b"]")))
        if depth < 0:
            return False
        last = outside.rstrip()[-1:] or last
    return depth == 0 and not in_string and last in (b"}", b"]", b'"')
