"""A job's life from the queue to its end: every change of status, with its event and its line in the job's log."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum

from qiskit_functions_core.errors import EmbeddedGatewayError

from ..storage.data_folder import DataFolder
from ..storage.database import Database, Idempotency, JobRow, ProgramRow
from ..storage.job_states import ACTIVE, EventContext, EventOrigin, JobStatus
from ..storage.logs import append_message

_RETRY_SECONDS = 1.0


class FailureCode(StrEnum):
    """Why the gateway ended a job, as the job's ERROR event says it."""

    CANNOT_START = "CANNOT_START"
    DEPENDENCIES = "DEPENDENCIES"
    TIME_LIMIT = "TIME_LIMIT"
    MEMORY_LIMIT = "MEMORY_LIMIT"
    KILLED = "KILLED"
    SUPERVISOR_DIED = "SUPERVISOR_DIED"
    ENDED = "ENDED"
    GONE = "GONE"
    CLUSTER = "CLUSTER"
    CLUSTER_GONE = "CLUSTER_GONE"
    LOST = "LOST"
    DISK_FULL = "DISK_FULL"
    RESULT_CUT_OFF = "RESULT_CUT_OFF"


class JobStopped(Exception):
    """The job was stopped by its user, so nothing more is to be done for it."""


class Failure(Exception):
    """The job fails for a reason that the gateway knows, unlike an error of its function.

    Attributes:
        message: the reason, for the job's user.
        excerpt: the lines of the job's log that explain it, for those who read only the event.
    """

    def __init__(self, code: FailureCode, message: str, excerpt: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.excerpt = excerpt


class JobLifecycle:
    """Changes the statuses of jobs. Blocking: call it from a thread.

    A job goes from QUEUED to PENDING (and back, when it has to be started again), RUNNING, and SUCCEEDED or FAILED;
    it can fail or be stopped in any status before these. Each method but ``queue`` returns False and changes nothing
    if the job does not have the status that it needs: of two changes at the same time, only one happens.

    Args:
        patience: for how many seconds the end of a job is tried again when the database cannot be written,
            as on a full disk.

    Raises:
        EmbeddedGatewayError: the data folder cannot be written; by every method.
    """

    def __init__(self, data_folder: DataFolder, database: Database, *, patience: float = 0.0) -> None:
        self._data_folder = data_folder
        self._database = database
        self._patience = patience

    def queue(
        self,
        program: ProgramRow,
        job_id: str,
        arguments: str,
        *,
        most_active: int,
        instance: str = "local",
        idempotency: Idempotency | None = None,
    ) -> JobRow | None:
        """Create a job, with its arguments as JSON; return None if ``most_active`` jobs are active already.

        If this request has created a job before, return that one.

        Args:
            instance: the one that the user has named, which the function sees.

        Raises:
            KeyUsedOtherwise: another request has used the key.
        """
        job = None
        try:
            # The arguments come first: no other process sees a job that lacks them.
            self._data_folder.write_text(self._data_folder.job(job_id).arguments, arguments)
            job = self._database.create_job(
                program, job_id, most_active=most_active, instance=instance, idempotency=idempotency
            )
        finally:
            if job is None or job.id != job_id:
                shutil.rmtree(self._data_folder.job(job_id).path, ignore_errors=True)
        return job

    def schedule(self, job_id: str, *, most_started: int | None = None) -> bool:
        """Take the job from the queue, before a process or a cluster gets it.

        Args:
            most_started: leave it there if so many jobs have left the queue and not ended; None is unlimited.
        """
        return self._database.change_status(
            job_id,
            JobStatus.PENDING,
            after={JobStatus.QUEUED},
            context=EventContext.SCHEDULE_JOBS,
            most_started=most_started,
        )

    def put_back(self, job_id: str) -> bool:
        """Return the job to the queue because its function has not run yet."""
        return self._database.change_status(job_id, JobStatus.QUEUED, after={JobStatus.PENDING})

    def start(self, job_id: str) -> bool:
        """Record that the job's function runs."""
        return self._database.change_status(job_id, JobStatus.RUNNING, after={JobStatus.PENDING})

    def succeed(self, job_id: str, flaw: Failure | None = None, *, seconds: float | None = None) -> bool:
        """Record that the function has ended without an error, and how many seconds it has used, if given.

        Args:
            flaw: what is wrong with it, such as a result that was cut off; it becomes an ERROR event.
        """
        if flaw:
            self._say(job_id, flaw)
        return self._end(job_id, JobStatus.SUCCEEDED, flaw, seconds)

    def fail(self, job_id: str, failure: Failure | None = None, *, seconds: float | None = None) -> bool:
        """Record that the job has failed.

        Args:
            failure: the gateway's reason; None if the function itself ended with an error.
            seconds: how long the function has run; None leaves the ledger as it is.
        """
        if failure:
            self._say(job_id, failure)
        return self._end(job_id, JobStatus.FAILED, failure, seconds)

    def stop(self, job_id: str, *, seconds: float | None = None) -> bool:
        """Record that the user has stopped the job; its processes are still to be ended, unless ``seconds`` is given.

        Args:
            seconds: how long the function has run; None leaves the ledger as it is.
        """
        return self._when_it_can_be(
            lambda: self._database.change_status(
                job_id,
                JobStatus.STOPPED,
                after=ACTIVE,
                origin=EventOrigin.API,
                context=EventContext.STOP_JOB,
                seconds=seconds,
            )
        )

    def request_stop(self, job_id: str) -> None:
        """Have the job stopped though the database cannot be written; it is recorded when it can be."""
        with self._data_folder.writing():
            self._data_folder.job(job_id).stop_request.touch()

    def is_to_be_stopped(self, job_id: str) -> bool:
        """Return whether the user has stopped the job, also if that could not be recorded yet."""
        if self._data_folder.job(job_id).stop_request.exists():
            return True
        job = self._database.job(job_id)
        return job is not None and job.status == JobStatus.STOPPED

    def stopped_by_cluster(self, job_id: str, *, seconds: float | None = None) -> bool:
        """Record that the job was stopped in the cluster, by other means than this gateway."""
        return self._end(job_id, JobStatus.STOPPED, None, seconds)

    def _end(self, job_id: str, status: JobStatus, failure: Failure | None, seconds: float | None) -> bool:
        error: dict[str, object] | None = None
        if failure:
            message = f"{failure.message}\n{failure.excerpt}".rstrip()
            error = {"code": failure.code, "message": message, "exception": "GatewayError", "args": None}
        return self._when_it_can_be(
            lambda: self._database.change_status(job_id, status, after=ACTIVE, error=error, seconds=seconds)
        )

    def _say(self, job_id: str, failure: Failure) -> None:
        """Add a line to the job's log, before the status changes, so that the log is complete by then."""
        with suppress(OSError):
            append_message(self._data_folder.job(job_id).log, failure.message)

    def _when_it_can_be(self, record: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return record()
            except EmbeddedGatewayError:
                if time.monotonic() >= deadline or not self._data_folder.database_file.exists():
                    raise
                time.sleep(_RETRY_SECONDS)
