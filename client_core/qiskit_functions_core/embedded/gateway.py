"""What the routes share."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from .home import Home
from .runners.process import ProcessRunner
from .store import JobRow, ProgramRow, Store


@dataclass(frozen=True)
class Gateway:
    """One gateway over a data folder.

    Attributes:
        wake: start what waits in the queue, soon.
        usage_limit_seconds: the user's quota; none is unlimited.
    """

    home: Home
    store: Store
    runner: ProcessRunner
    wake: Callable[[], None]
    usage_limit_seconds: float | None = None

    def write_arguments(self, program: ProgramRow, job_id: str, arguments: str) -> None:
        path = self.home.data(program.provider, program.title).arguments(job_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(arguments, encoding="utf-8")


def read_result(home: Home, job: JobRow) -> str | None:
    """What the job saved, or none.

    While the function runs it may be in the middle of writing, so only a whole JSON text counts then.
    """
    kept, fresh = home.job(job.id).result, home.data(job.provider, job.title).result(job.id)
    for path in (kept, fresh):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        return text if path is kept or job.status != "RUNNING" or is_json(text) else None
    return None


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
