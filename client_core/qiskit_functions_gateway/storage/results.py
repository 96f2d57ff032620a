"""Saved results, which are moved out of reach of other functions."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from pathlib import Path

from qiskit_functions_core.local_files import open_regular

from .data_folder import DataFolder
from .database import JobRow
from .job_states import JobStatus


def result_of(data_folder: DataFolder, job: JobRow) -> str | None:
    """Return the result that the job has saved, or None.

    While the function runs or is being stopped, it may be in the middle of writing the file, so only a complete JSON
    text counts. Once it has ended by itself, the result may be any text.
    """
    if (kept := _read(data_folder.job(job.id).result)) is not None:
        return kept
    saved = _read(data_folder.function_data(job.provider, job.title).result(job.id))
    if saved is None or job.status in (JobStatus.SUCCEEDED, JobStatus.FAILED) or is_json(saved):
        return saved
    return None


def keep_result(data_folder: DataFolder, job: JobRow, *, only_if_json: bool) -> None:
    """Move a saved result from the function's DATA_PATH, where other functions can change it, to the job's folder.

    Args:
        only_if_json: discard a result that is not valid JSON, because its function may have been killed meanwhile.
    """
    saved = data_folder.function_data(job.provider, job.title).result(job.id)
    # The function may have put a link, a pipe or a folder there.
    with suppress(OSError):
        if saved.is_symlink() or not saved.is_file() or (only_if_json and not is_json(saved.read_bytes())):
            saved.unlink()
        else:
            saved.replace(data_folder.job(job.id).result)


def is_json(text: str | bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError, MemoryError):
        return False
    return True


def _read(path: Path) -> str | None:
    try:
        with (
            open_regular(path, follow_links=False) as file,
            io.TextIOWrapper(file, encoding="utf-8", errors="replace") as text,
        ):
            return text.read()
    except OSError:
        return None
