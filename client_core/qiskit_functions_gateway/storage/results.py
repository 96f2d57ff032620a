"""Saved results, taken out of reach of other functions."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from .data_folder import DataFolder
from .database import JobRow


def read_saved(path: Path) -> str | None:
    """The text of a file that a function may have made, or put anything else in its place; none if it did."""
    if path.is_symlink() or not path.is_file():
        return None
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def keep_result(data_folder: DataFolder, job: JobRow, *, only_if_whole: bool) -> None:
    """Move what the job saved from its function's own folder, where later functions could change it.

    Args:
        only_if_whole: drop a result that is no JSON, because its function was killed while it saved it.
    """
    saved = data_folder.data(job.provider, job.title).result(job.id)
    # What is there was made by the function, which may have put anything in its place.
    with suppress(OSError):
        if saved.is_symlink() or not saved.is_file() or (only_if_whole and not _is_whole(saved)):
            saved.unlink()
        else:
            saved.replace(data_folder.job(job.id).result)


def _is_whole(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError, MemoryError):
        return False
    return True
