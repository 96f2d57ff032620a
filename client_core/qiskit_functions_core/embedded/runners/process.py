"""Jobs as processes of this machine, each owned by a supervisor that outlives whoever started it.

``dispatch`` is called by gateways and by supervisors that end, so a queue drains without any gateway.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from filelock import FileLock, Timeout

from qiskit_functions_core.embedded.home import Home
from qiskit_functions_core.embedded.store import ACTIVE, JobRow, Store

logger = logging.getLogger(__name__)

STARTED = ("PENDING", "RUNNING")

READY = b"ready\n"
"""What a supervisor says once it holds its lock."""

JOB_VARIABLE = "ENV_JOB_ID_GATEWAY"
"""Marks every process of a job, also one that left the process tree."""

GRACE_SECONDS = 3.0
"""Between asking a process to end and killing it."""

_STOP_SECONDS = 15.0
"""How long a stop waits for the supervisor, which needs the grace and a moment."""


class ProcessRunner:
    """Starts, gives up and stops jobs. Blocking: call it from a thread.

    Args:
        max_jobs: how many jobs run at once on this data folder.
    """

    def __init__(self, home: Home, store: Store, *, max_jobs: int) -> None:
        self._home = home
        self._store = store
        self._max_jobs = max_jobs

    def dispatch(self) -> None:
        """Give up jobs whose supervisor died, then start those that wait, oldest first."""
        if not self._store.jobs_in(ACTIVE):
            return
        with FileLock(self._home.dispatch_lock):
            for job in self._store.jobs_in(STARTED):
                if not self._is_supervised(job.id):
                    self._give_up(job)
            free = self._max_jobs - len(self._store.jobs_in(STARTED))
            for job in self._store.jobs_in(("QUEUED",))[: max(free, 0)]:
                if self._store.move(job.id, "PENDING", since=("QUEUED",), origin="SCHEDULER", context="SCHEDULE_JOBS"):
                    self._start(job)

    def stop(self, job_id: str) -> bool:
        """End a job with all of its processes; tells whether it was active. Returns when they are gone."""
        if not self._store.move(job_id, "STOPPED", since=ACTIVE, origin="API", context="STOP_JOB"):
            return False
        # The supervisor sees the status, ends the function and lets go of its lock.
        with suppress(Timeout), self._once_unsupervised(job_id, _STOP_SECONDS):
            pass
        end_processes(processes_of(job_id))
        return True

    def _start(self, job: JobRow) -> None:
        folder = self._home.job(job.id)
        folder.path.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "qiskit_functions_core.embedded.supervisor"]
        with folder.supervisor_log.open("ab") as log:
            supervisor = subprocess.Popen(  # noqa: S603 - our own module
                [*command, str(self._home.path), job.id, str(self._max_jobs)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert supervisor.stdout is not None  # noqa: S101 - for the type checker
        with supervisor.stdout:
            if supervisor.stdout.readline() != READY:
                logger.error("the supervisor of job %s did not start, see %s", job.id, folder.supervisor_log)
        _forget(supervisor)

    def _is_supervised(self, job_id: str) -> bool:
        try:
            with self._once_unsupervised(job_id, 0):
                return False
        except Timeout:
            return True

    @contextmanager
    def _once_unsupervised(self, job_id: str, timeout: float) -> Iterator[None]:
        folder = self._home.job(job_id)
        folder.path.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.lock, timeout=timeout, poll_interval=0.02):
            yield

    def _give_up(self, job: JobRow) -> None:
        end_processes(processes_of(job.id))
        keep_result(self._home, job)
        if self._store.move(job.id, "FAILED", since=STARTED, origin="SCHEDULER", context="UPDATE_JOB_STATUS"):
            message = "The job's supervisor died before the job had ended; the job was ended too."
            self._store.add_error(job.id, error_data("SUPERVISOR_DIED", message), origin="SCHEDULER")


def error_data(code: str, message: str) -> dict[str, object]:
    """The data of an ERROR event that the gateway itself writes."""
    return {"code": code, "message": message, "exception": None, "args": None}


def keep_result(home: Home, job: JobRow) -> None:
    """Take a saved result out of the function's own folder, where later functions could change it."""
    with suppress(FileNotFoundError):
        home.data(job.provider, job.title).result(job.id).replace(home.job(job.id).result)


def processes_of(job_id: str) -> list[psutil.Process]:
    """All processes that carry the job's mark."""
    return [process for process in psutil.process_iter() if _mark(process) == job_id]


def _mark(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(JOB_VARIABLE)
    except (psutil.Error, OSError):
        return None  # somebody else's, or gone already


def end_processes(processes: list[psutil.Process]) -> None:
    """Ask them to end, and kill those that have not after the grace."""
    for process in processes:
        with suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=GRACE_SECONDS)
    for process in stubborn:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=GRACE_SECONDS)


_supervisors: list[subprocess.Popen[bytes]] = []


def _forget(supervisor: subprocess.Popen[bytes]) -> None:
    """Let it go its way; those that have ended meanwhile are reaped, so that they are no zombies."""
    _supervisors[:] = [other for other in (*_supervisors, supervisor) if other.poll() is None]
