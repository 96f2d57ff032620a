"""What the routes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..execution.runner import Runner
from ..storage.data_folder import DataFolder
from ..storage.database import Database
from ..storage.examples import PROVIDER


@dataclass(frozen=True)
class Context:
    """What the routes that functions call need.

    Attributes:
        token: opens every route; None where only functions call, with the tokens of their jobs.
    """

    data_folder: DataFolder
    database: Database
    token: str | None

    def job_token(self, job_id: str) -> str | None:
        """Return the job's token, or None if there is no such job."""
        job = self.database.job(job_id)
        return job.token if job else None


@dataclass(frozen=True)
class Gateway(Context):
    """What all routes of a gateway need.

    Attributes:
        wake: makes the runner look at the queue soon.
        usage_limit_seconds: the user's quota of function time; None is unlimited.
        providers: those for which the user of this machine may upload functions.
        max_file_bytes: of an uploaded file. The real gateway has no limit of its own; this one keeps a mistake
            from filling the disk.
    """

    runner: Runner
    wake: Callable[[], None]
    usage_limit_seconds: float | None = None
    providers: frozenset[str] = frozenset({PROVIDER})
    max_file_bytes: int = 2 * 1024**3
