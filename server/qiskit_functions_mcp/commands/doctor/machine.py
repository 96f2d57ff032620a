"""The gateway of this machine: its folder, what is in it, its locks, and a job that really runs."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from qiskit_functions_core.accounts.account import Account
from qiskit_functions_core.client import FunctionsClient
from qiskit_functions_core.concurrency import run_in_thread
from qiskit_functions_core.models import JobStatus
from qiskit_functions_core.platforms.local_packages import local_packages_command
from qiskit_functions_core.serverless.local_gateway import default_data_folder, find_gateway
from qiskit_functions_gateway.storage.data_folder import DataFolder
from qiskit_functions_gateway.storage.database import Database
from qiskit_functions_gateway.storage.locks import Busy, locked
from qiskit_functions_gateway.storage.pruning import Contents, contents

from ...settings import Settings
from ..prune import shown
from .findings import Finding, Level, outcome

_JOB_SECONDS = 60.0
"""A job takes two seconds, and several times that on a machine that is busy or has just started."""

_SIZE_SECONDS = 30.0
"""It looks at every file, of which old folders have a hundred thousand."""

_LOCK_SECONDS = 5.0
"""Processes hold these locks for milliseconds."""

_LITTLE_SPACE, _NO_SPACE = 1024**3, 100 * 1024**2
"""Bytes: an environment with a function's dependencies takes some hundred MiB, and a result a few."""

_LARGE = 5 * 1024**3
"""Bytes; what a year of daily use leaves without large results is well below it."""

_FUNCTION = "examples/sampler"

_ARGUMENTS = {
    "circuit": {"$circuit": 'OPENQASM 3.0; include "stdgates.inc"; qubit q; bit c; h q; c = measure q;'},
    "shots": 100,
    "backend_name": "fake_manila",
}


async def check_machine(settings: Settings, worst: Level) -> list[Finding]:
    """Return whether functions can run on this machine.

    Args:
        worst: the level of what does not work: a warning where the account is for another gateway.
    """
    folder = DataFolder((settings.home or default_data_folder()).absolute())
    found = await outcome(partial(_folder, folder), "the data folder", within=_SIZE_SECONDS, worst=worst)
    if any(finding.level == worst for finding in found):
        return found
    checks = {
        "a job": (partial(_job, settings), _JOB_SECONDS),
        "the size of the data folder": (partial(_size, folder), _SIZE_SECONDS),
    }
    for what, (check, seconds) in checks.items():  # the first one makes what the second one measures
        found += await outcome(check, what, within=seconds, worst=worst)
    return found


async def _folder(folder: DataFolder) -> list[Finding]:
    await run_in_thread(folder.prepare)
    free = shutil.disk_usage(folder.path).free
    level: Level = "error" if free < _NO_SPACE else "warning" if free < _LITTLE_SPACE else "ok"
    found = [Finding(level, f"{folder.path} can be used; the disk has {shown(free)} left")]
    paths = (folder.path / "token.lock", folder.dispatch_lock)
    held = [problem for path in paths for problem in await run_in_thread(partial(_lock, path))]
    return [*found, *(held or [Finding("ok", "its locks can be taken")])]


def _lock(path: Path) -> list[Finding]:
    try:
        with locked(path, timeout=_LOCK_SECONDS):
            return []
    except Busy:
        message = f"a process has held {path} for more than {_LOCK_SECONDS:g} s"
        return [Finding("error", message, f"Find it with `lsof {path}`; if it is suspended, continue or end it.")]
    except OSError as error:
        message = f"{path} cannot be locked: {error.strerror}"
        return [Finding("error", message, "Set QISKIT_FUNCTIONS_HOME to a folder on a local disk.")]


async def _job(settings: Settings) -> list[Finding]:
    if command := local_packages_command():
        return [Finding("error", "no job can run without qiskit-serverless", f"Run: {command}")]
    account = Account.local("the doctor")
    async with FunctionsClient(
        account, home=settings.home, local_usage_limit=settings.local_usage_limit_seconds
    ) as client:
        running = find_gateway(settings.home or default_data_folder())
        found = [Finding("warning", client.notice)] if client.notice else []
        if running:
            found.append(Finding("ok", f"its gateway is process {running.pid}, version {running.version}"))
        started = time.monotonic()
        job = (await client.run(_FUNCTION, _ARGUMENTS)).job
        ended = await client.jobs.wait(job.id)
        if ended.status is JobStatus.DONE:
            seconds = time.monotonic() - started
            return [*found, Finding("ok", f"a job of {_FUNCTION} ran to its end in {seconds:.1f} s ({job.id})")]
        failure = await client.jobs.failure(ended)
        return [
            *found,
            Finding("error", f"a job of {_FUNCTION} ended as {ended.status}: {failure.message}", failure.advice),
        ]


async def _size(folder: DataFolder) -> list[Finding]:
    def measured() -> Contents:
        with closing(Database(folder.database_file)) as database:
            return contents(folder, database)

    found = await run_in_thread(measured)
    parts = ", ".join(f"{number:,} {kind}" for kind, number in found.counts.items() if kind != "database" and number)
    is_large = found.total > _LARGE
    return [
        Finding(
            "warning" if is_large else "ok",
            f"it holds {shown(found.total)}{f' ({parts})' if parts else ''}",
            "`qiskit-functions-mcp prune` removes what is old." if is_large else "",
        )
    ]
