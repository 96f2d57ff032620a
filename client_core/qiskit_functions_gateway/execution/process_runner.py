"""Jobs as processes of this machine, each owned by a supervisor that outlives the process that started it.

Gateways call ``dispatch``, and so do supervisors that end: a queue is worked off even if no gateway runs.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from qiskit_functions_core.errors import EmbeddedGatewayError

from ..storage.data_folder import DataFolder
from ..storage.database import Database, JobRow
from ..storage.job_states import ACTIVE, STARTED, JobStatus
from ..storage.locks import Busy, locked
from ..storage.removal import remove_tree
from ..storage.results import keep_result
from .job_environment import for_supervisor, marks
from .lifecycle import Failure, FailureCode, JobLifecycle
from .limits import Limits
from .warm_start import READY, SUPERVISOR, start_warm

logger = logging.getLogger(__name__)

_READY_SECONDS = 30.0
"""How long a supervisor may take to hold its lock: a hundred times what it needs. Other jobs wait for it meanwhile."""

_DISPATCH_LOCK_SECONDS = 5.0
"""How long another process may start jobs before this one starts some too. Usually it takes less; it may also be
suspended, and then others must not wait for it."""

_STOP_SECONDS = 15.0
"""How long a stop waits for the supervisor, which gives the function 3 s to end before it kills it."""

_KILLED_SECONDS = 5.0
"""How long a supervisor that was killed may take to let go of its lock."""

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
        try:
            with locked(self._data_folder.dispatch_lock, timeout=_DISPATCH_LOCK_SECONDS):
                self._work_off(STARTED)
        except Busy:
            # A pending job without a supervisor may be one that the holder of the lock is starting.
            self._work_off({JobStatus.RUNNING})

    def _work_off(self, may_be_lost: Collection[JobStatus]) -> None:
        """Take back jobs in these statuses whose supervisor died, and start what waits.

        It is safe without a lock: each step first changes a job's status, or has the lock of the job.
        """
        for job in self._database.jobs_in(may_be_lost):
            with suppress(Busy), locked(self._lock_of(job.id), timeout=0):
                self._take_back(job.id)
        queued = self._database.jobs_in({JobStatus.QUEUED})
        for job in queued:
            if self._data_folder.job(job.id).stop_request.exists():
                self._lifecycle.stop(job.id)
        free = self._limits.max_jobs - len(self._database.jobs_in(STARTED))
        for job in queued[: max(free, 0)]:
            if self._lifecycle.schedule(job.id, most_started=self._limits.max_jobs):
                self._start(job)

    def stop(self, job_id: str) -> bool:
        """Stop a job; return when its processes have ended, with False if it was not active.

        If the disk is full, the processes are ended first, and the job's status changes when it can be written.
        """
        is_recorded = True
        try:
            if not self._lifecycle.stop(job_id):
                return False
        except EmbeddedGatewayError:
            is_recorded = False
        job = self._database.job(job_id)
        if job is None:
            return is_recorded  # it was pruned meanwhile, or there is none
        if not is_recorded:
            if job.status.is_finished:
                return False
            with suppress(EmbeddedGatewayError):  # not even that: the processes are ended below
                self._lifecycle.request_stop(job_id)
        try:
            # The supervisor sees it, ends the function and lets go of its lock.
            with locked(self._lock_of(job_id), timeout=_STOP_SECONDS):
                self._clear_up(job)
        except Busy:
            self._clear_up(job)
            self._kill_supervisor(job_id)
        if not is_recorded:
            with suppress(EmbeddedGatewayError):
                self._lifecycle.stop(job_id)
        return True

    def _start(self, job: JobRow) -> None:
        folder = self._data_folder.job(job.id)
        command = [sys.executable, "-m", SUPERVISOR]
        folder.path.mkdir(parents=True, exist_ok=True)
        # To make an environment takes longer than a start, and takes variables that a warm parent should not hold.
        if job.dependencies == "[]" and start_warm(self._data_folder, job.id, self._limits):
            return
        with folder.supervisor_log.open("ab") as log:
            supervisor = subprocess.Popen(  # noqa: S603 - our own module
                [*command, str(self._data_folder.path), job.id, self._limits.as_argument()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=for_supervisor(),
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
        if self._data_folder.job(job_id).stop_request.exists():
            self._lifecycle.stop(job_id)
        elif job.status == JobStatus.PENDING and self._database.times_scheduled(job.id) < _MAX_STARTS:
            self._lifecycle.put_back(job.id)
        else:
            message = "The job's supervisor died before the job had ended; the job was ended too."
            self._lifecycle.fail(job.id, Failure(FailureCode.SUPERVISOR_DIED, message))

    def _clear_up(self, job: JobRow) -> None:
        """Do what a supervisor that has died could not do."""
        from .processes import end_processes, marked  # psutil would slow down the start of supervisors

        end_processes(lambda: marked(marks(self._data_folder, job)))
        keep_result(self._data_folder, job, only_if_whole=True)
        remove_tree(self._data_folder.job(job.id).work)

    def _kill_supervisor(self, job_id: str) -> None:
        """End a supervisor that does not react, as one that is suspended."""
        from .processes import supervisors  # as above

        for supervisor in supervisors(SUPERVISOR, self._data_folder.path, job_id):
            supervisor.kill()
        with suppress(Busy), locked(self._lock_of(job_id), timeout=_KILLED_SECONDS):
            pass
