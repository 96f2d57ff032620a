"""What a data folder holds and how much of it is not needed any more; it is removed only when a person asks for it.

A gateway and jobs may use the folder at the same time: what is removed is locked, or known to no other process.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from qiskit_functions_core.errors import EmbeddedGatewayError

from .data_folder import DataFolder
from .database import Database, EndedJob
from .locks import Busy, locked
from .removal import remove_tree

Kind = Literal["jobs", "environments", "artifacts", "uploads", "files", "database"]

_SETTLED_SECONDS = 3600.0
"""How old a file must be that is only renamed, or only then referred to, by what made it; that takes milliseconds."""

_JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PARTIAL = re.compile(r"\.[0-9a-f]{16}|\.probe-[0-9a-f]{8}")
"""Names that ``atomic_write`` and ``DataFolder.prepare`` give to files for a moment."""


@dataclass(frozen=True)
class Item:
    """Something that can be removed.

    Attributes:
        bytes: that it takes on the disk.
        used: when it was used last; of a job, when it ended.
        remove: removes it, and returns False if it is in use after all.
    """

    kind: Kind
    name: str
    bytes: int
    used: datetime
    remove: Callable[[], bool]


@dataclass(frozen=True)
class Contents:
    """What a data folder holds.

    Attributes:
        counts: how many jobs, environments, artifacts, uploads and files of functions there are.
        sizes: bytes on the disk.
        items: what can be removed, least recently used first. Neither active jobs with their environments nor files
            of functions are among them.
    """

    counts: dict[Kind, int]
    sizes: dict[Kind, int]
    items: list[Item]

    @property
    def total(self) -> int:
        """All bytes on the disk."""
        return sum(self.sizes.values())


def contents(data_folder: DataFolder, database: Database) -> Contents:
    """Look at a data folder. Blocking: it takes the size of every file.

    Raises:
        EmbeddedGatewayError: the database cannot be read.
    """
    ended, active = database.ended_jobs(), database.active_ids()
    jobs = [_job_item(data_folder, database, job) for job in ended]
    environments = list(_environments(data_folder, database))
    artifacts = _sized_files(data_folder.artifacts)
    in_use = database.artifacts_in_use()
    uploads = _sized_files(data_folder.uploads)
    job_bytes = sum(item.bytes for item in jobs) + sum(_size(data_folder.job(job_id).path) for job_id in active)
    files = [path for path in _tree(data_folder.path / "data") if not _is_of_job(path)]
    items = [
        *(item for item in environments if item.name not in _environments_in_use(data_folder, active)),
        *(_artifact(data_folder, database, path) for path, _ in artifacts if path.name not in in_use),
        *(Item("uploads", path.name, size, _changed(path), _remover(path)) for path, size in uploads),
        *jobs,
    ]
    return Contents(
        counts={
            "jobs": len(ended) + len(active),
            "environments": len(environments),
            "artifacts": len(artifacts),
            "uploads": len(uploads),
            "files": len(files),
            "database": 1,
        },
        sizes={
            "jobs": job_bytes,
            "environments": sum(item.bytes for item in environments),
            "artifacts": sum(size for _, size in artifacts),
            "uploads": sum(size for _, size in uploads),
            "files": sum(map(_size, files)),
            "database": sum(map(_size, data_folder.path.glob(f"{data_folder.database_file.name}*"))),
        },
        items=sorted(items, key=lambda item: item.used),
    )


def select(
    found: Contents, *, older_than: timedelta | None = None, max_bytes: int | None = None, now: datetime | None = None
) -> list[Item]:
    """Return what is to be removed; nothing if neither age nor size is given.

    Uploads that were broken off and artifacts that no function has any more are of no use at any age.

    Args:
        older_than: jobs that ended, and environments that were used last, before so long.
        max_bytes: of the whole folder: jobs and environments go, least recently used first, until it is as small.
    """
    if older_than is None and max_bytes is None:
        return []
    now = now or datetime.now(UTC)
    chosen: list[Item] = []
    others: list[Item] = []
    for item in found.items:
        is_useless = item.kind in ("uploads", "artifacts")
        is_old = older_than is not None and now - item.used >= older_than
        (chosen if is_useless or is_old else others).append(item)
    left = found.total - sum(item.bytes for item in chosen)
    for item in others:
        if max_bytes is None or left <= max_bytes:
            break
        chosen.append(item)
        left -= item.bytes
    return chosen


def remove(database: Database, items: Iterable[Item]) -> list[Item]:
    """Remove these, and return those that were not in use after all.

    Raises:
        EmbeddedGatewayError: the database cannot be written.
    """
    removed = [item for item in items if item.remove()]
    if any(item.kind == "jobs" for item in removed):
        database.compact()
    return removed


def job_folders(data_folder: DataFolder) -> list[str]:
    """Return the ids of the jobs that have a folder, for ``sweep``."""
    return [path.name for path in (data_folder.path / "jobs").iterdir() if _JOB_ID.fullmatch(path.name)]


def sweep(data_folder: DataFolder, database: Database, job_ids: Iterable[str]) -> None:
    """Remove what processes left that were killed or had no room: partial files, folders that belong to no job.

    Nothing is raised: what cannot be removed now can be at the next start.

    Args:
        job_ids: those that have a folder, found before jobs could be submitted: a job has a folder before it is in the
            database.
    """
    with suppress(OSError, EmbeddedGatewayError):
        for path, _ in _sized_files(data_folder.uploads):
            _remover(path)()
        for folder in (data_folder.path, data_folder.artifacts):
            for path in folder.iterdir():
                if _PARTIAL.fullmatch(path.name) and _is_settled(path):
                    path.unlink(missing_ok=True)
        for path in data_folder.environments.glob("*.lock"):
            environment = path.with_suffix("")
            with suppress(Busy), locked(path, timeout=0):
                if environment.is_dir() and not (environment / "made").exists():
                    remove_tree(environment)
        for job_id in job_ids:
            with suppress(OSError):
                _sweep_job(data_folder, database, job_id)


def _sweep_job(data_folder: DataFolder, database: Database, job_id: str) -> None:
    folder = data_folder.job(job_id)
    job = database.job(job_id)
    if job and job.status.is_active:
        return
    partial = [path for path in folder.path.iterdir() if _PARTIAL.fullmatch(path.name)]
    left = [folder.work, folder.stop_request, *partial]
    if job and not any(map(os.path.lexists, left)):
        return
    # A supervisor has the lock until nothing is left to do.
    with suppress(Busy), locked(folder.lock, timeout=0):
        if database.job(job_id) is None:
            _remove_data(data_folder.path / "data", job_id)
            remove_tree(folder.path)
        for path in left:
            if path.is_dir():
                remove_tree(path)
            else:
                path.unlink(missing_ok=True)


def _job_item(data_folder: DataFolder, database: Database, job: EndedJob) -> Item:
    folder, data = data_folder.job(job.id), data_folder.function_data(job.provider, job.title)
    files = [path for path in (data.arguments(job.id), data.result(job.id)) if os.path.lexists(path)]

    def remove_it() -> bool:
        folder.path.mkdir(parents=True, exist_ok=True)
        with suppress(Busy), locked(folder.lock, timeout=0):
            if not database.forget_job(job.id):
                return False
            for path in files:
                remove_tree(path)
            remove_tree(folder.path)
            return True
        return False

    return Item("jobs", job.id, _size(folder.path) + sum(map(_size, files)), _moment(job.ended), remove_it)


def _environments(data_folder: DataFolder, database: Database) -> Iterator[Item]:
    for path in data_folder.environments.glob("*/"):
        marker = path / "made"

        def remove_it(path: Path = path, marker: Path = marker) -> bool:
            with suppress(Busy), locked(path.with_suffix(".lock"), timeout=0):
                if path.name in _environments_in_use(data_folder, database.active_ids()):
                    return False
                marker.unlink(missing_ok=True)  # from here on it is not complete, if this process is killed
                remove_tree(path)
                return True
            return False

        used = _changed(marker if marker.exists() else path)
        yield Item("environments", path.name, _size(path), used, remove_it)


def _environments_in_use(data_folder: DataFolder, active: Iterable[str]) -> set[str]:
    names = set()
    for job_id in active:
        with suppress(OSError):
            names.add(data_folder.job(job_id).environment.read_text())
    return names


def _artifact(data_folder: DataFolder, database: Database, path: Path) -> Item:
    def remove_it() -> bool:
        # An upload puts the file in its place before the function refers to it.
        return _is_settled(path) and database.if_unused(path.name, lambda: path.unlink(missing_ok=True))

    return Item("artifacts", path.name, _size(path), _changed(path), remove_it)


def _remover(upload: Path) -> Callable[[], bool]:
    def remove_it() -> bool:
        with suppress(OSError), locked(upload, timeout=0):  # what receives it has its lock
            upload.unlink()
            return True
        return False

    return remove_it


def _remove_data(data: Path, job_id: str) -> None:
    for pattern in (f"user/*/{job_id}.json", f"providers/*/*/*/{job_id}.json"):
        for path in data.glob(pattern):
            if _is_of_job(path):
                remove_tree(path)


def _is_of_job(path: Path) -> bool:
    return path.parent.name in ("arguments", "results") and bool(_JOB_ID.fullmatch(path.stem))


def _is_settled(path: Path) -> bool:
    """Return whether the file is not just being made; a clock may have been set back, or forth, since."""
    try:
        return abs(time.time() - path.stat().st_mtime) > _SETTLED_SECONDS
    except OSError:
        return False


def _changed(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (OSError, OverflowError, ValueError):
        return datetime.now(UTC)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _sized_files(folder: Path) -> list[tuple[Path, int]]:
    try:
        return [(path, _size(path)) for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return []


def _tree(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)


def _size(path: Path) -> int:
    """Return the bytes that a file or a folder takes on the disk, without following links; 0 if it is gone."""
    try:
        facts = path.lstat()
    except OSError:
        return 0
    own = getattr(facts, "st_blocks", None)
    size = facts.st_size if own is None else own * 512
    if not path.is_dir() or path.is_symlink():
        return size
    return size + sum(map(_size, _tree(path)))
