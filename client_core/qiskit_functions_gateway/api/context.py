"""What the routes share."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qiskit_functions_core.errors import EmbeddedGatewayError

from ..execution.runner import Runner
from ..storage.data_folder import DataFolder
from ..storage.database import Database, JobRow
from ..storage.results import read_saved


@dataclass(frozen=True)
class Context:
    """What is kept of functions and jobs, and who may see it.

    Attributes:
        token: opens everything; none where only jobs call, with tokens of their own.
    """

    data_folder: DataFolder
    database: Database
    token: str | None

    def job_token(self, job_id: str) -> str | None:
        job = self.database.job(job_id)
        return job.token if job else None

    def save_result(self, job: JobRow, result: str) -> None:
        """Keep it, in place of one that the job saved before."""
        with storing(self.data_folder):
            _write(self.data_folder.job(job.id).result, result)

    def result(self, job: JobRow) -> str | None:
        """What the job saved, or none.

        While the function runs, or is being stopped, it may be in the middle of writing, so only a whole JSON text
        counts then.
        """
        kept, fresh = self.data_folder.job(job.id).result, self.data_folder.data(job.provider, job.title).result(job.id)
        for path in (kept, fresh):
            text = read_saved(path)
            if text is not None:
                return text if path is kept or job.status in ("SUCCEEDED", "FAILED") or is_json(text) else None
        return None


@dataclass(frozen=True)
class Gateway(Context):
    """One gateway over a data folder.

    Attributes:
        wake: start what waits in the queue, soon.
        usage_limit_seconds: the user's quota; none is unlimited.
        max_file_bytes: of an uploaded file. The real gateway has no limit of its own; this one keeps a mistake
            from filling the disk.
    """

    runner: Runner
    wake: Callable[[], None]
    usage_limit_seconds: float | None = None
    max_file_bytes: int = 2 * 1024**3

    def save_arguments(self, job_id: str, arguments: str) -> None:
        """Keep them for a job that is about to be made, so that no job is without."""
        with storing(self.data_folder):
            _write(self.data_folder.job(job_id).arguments, arguments)

    def drop_arguments(self, job_id: str) -> None:
        """The job was not made."""
        shutil.rmtree(self.data_folder.job(job_id).path, ignore_errors=True)


@contextmanager
def storing(data_folder: DataFolder) -> Iterator[None]:
    """Raises EmbeddedGatewayError, which names the data folder, when it cannot be written."""
    try:
        yield
    except OSError as error:
        raise EmbeddedGatewayError(f"the data folder {data_folder.path} cannot be written: {error.strerror}") from error


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _write(path: Path, text: str) -> None:
    """All of it, or what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
