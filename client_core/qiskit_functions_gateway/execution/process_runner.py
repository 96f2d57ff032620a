"""Jobs as processes of this machine, each owned by a supervisor that outlives the process that started it.

Gateways call ``dispatch``, and so do supervisors that end: a queue is worked off even if no gateway runs.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from ..storage.data_folder import DataFolder
from ..storage.database import Database, JobRow
from ..storage.job_states import ACTIVE, STARTED, JobStatus
from ..storage.locks import Busy, locked
from ..storage.results import keep_result
from .job_environment import marks
from .lifecycle import Failure, FailureCode, JobLifecycle
from .limits import Limits

logger = logging.getLogger(__name__)

READY = b"ready\n"
"""What a supervisor writes to its standard output once it holds its lock."""

_READY_SECONDS = 30.0
"""How long a supervisor may take to hold its lock: a hundred times what it needs. Other jobs wait for it meanwhile."""

_STOP_SECONDS = 15.0
"""How long a stop waits for the supervisor, which gives the function 3 s to end before it kills it."""

_MAX_STARTS = 3
"""A job fails after so many supervisors that died before its function ran: they would always die."""


class ProcessRunner:
    """Starts and stops jobs, and takes back those whose supervisors died. Blocking: call it from a thread."""

    def __init__(self, data_folder: DataFolder, database: Database, limits: Limits) -> None:
        self._data_folder = data_folder
        self._database = database
        self._limits = limits
        self._lifecycle = JobLifecycle(data_folder, database)

    def dispatch(self) -> None:
        """Take back jobs whose supervisor died, then start those that wait, oldest first."""
        if not self._database.jobs_in(ACTIVE):
            return
        with locked(self._data_folder.dispatch_lock):
            for job in self._database.jobs_in(STARTED):
                with suppress(Busy), locked(self._lock_of(job.id), timeout=0):
                    self._take_back(job.id)
            free = self._limits.max_jobs - len(self._database.jobs_in(STARTED))
            for job in self._database.jobs_in({JobStatus.QUEUED})[: max(free, 0)]:
                if self._lifecycle.schedule(job.id):
                    self._start(job)

    def stop(self, job_id: str) -> bool:
        """Stop a job; return when its processes have ended, with False if it was not active."""
        if not self._lifecycle.stop(job_id):
            return False
        job = self._database.job(job_id)
        assert job is not None, "jobs are never deleted"  # noqa: S101 - for the type checker
        try:
            # The supervisor sees the status, ends the function and lets go of its lock.
            with locked(self._lock_of(job_id), timeout=_STOP_SECONDS):
                self._clear_up(job)
        except Busy:
            self._clear_up(job)
        return True

    def _start(self, job: JobRow) -> None:
        folder = self._data_folder.job(job.id)
        command = [sys.executable, "-m", "qiskit_functions_gateway.supervisor"]
        with folder.supervisor_log.open("ab") as log:
            supervisor = subprocess.Popen(  # noqa: S603 - our own module
                [*command, str(self._data_folder.path), job.id, self._limits.as_argument()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        # So that it does not stay a zombie when it ends; a thread that waits costs less than polling.
        threading.Thread(target=supervisor.wait, daemon=True).start()
        too_late = threading.Timer(_READY_SECONDS, supervisor.kill)
        too_late.start()
        assert supervisor.stdout is not None  # noqa: S101 - for the type checker
        with supervisor.stdout:
            if supervisor.stdout.readline() != READY:
                logger.error("the supervisor of job %s did not start, see %s", job.id, folder.supervisor_log)
        too_late.cancel()

    def _lock_of(self, job_id: str) -> Path:
        folder = self._data_folder.job(job_id)
        folder.path.mkdir(parents=True, exist_ok=True)
        return folder.lock

    def _take_back(self, job_id: str) -> None:
        """Queue a job without a supervisor again if its function has not run yet, else record that it has failed."""
        job = self._database.job(job_id)
        if job is None or job.status not in STARTED:
            return  # it has ended since it was listed
        self._clear_up(job)
        if job.status == JobStatus.PENDING and self._database.times_scheduled(job.id) < _MAX_STARTS:
            self._lifecycle.put_back(job.id)
        else:
            message = "The job's supervisor died before the job had ended; the job was ended too."
            self._lifecycle.fail(job.id, Failure(FailureCode.SUPERVISOR_DIED, message))

    def _clear_up(self, job: JobRow) -> None:
        """Do what a supervisor that has died could not do."""
        from .processes import end_processes, marked  # psutil would slow down the start of supervisors

        end_processes(lambda: marked(marks(self._data_folder, job)))
        keep_result(self._data_folder, job, only_if_json=True)
        shutil.rmtree(self._data_folder.job(job.id).work, ignore_errors=True)
