"""Replies about jobs."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import anyio
from pydantic import BaseModel, Field

from qiskit_functions_core import Job, JobStatus
from qiskit_functions_core.errors import QiskitFunctionsError

from .truncation import Bounded, Listing, cut_start

if TYPE_CHECKING:
    from qiskit_functions_core import FunctionsClient
    from qiskit_functions_core.serverless.jobs import Failure

_QUEUE_SECONDS = 1.0
"""The place in the queue is worth no longer wait."""

_NEXT_STEPS = {
    JobStatus.DONE: "Read the result with get_job_result.",
    JobStatus.ERROR: "Fix what the failure says; get_job_logs has the whole log.",
    JobStatus.CANCELED: "It was stopped; get_job_logs has what it wrote.",
}
_STILL_RUNNING = "The job has not ended yet: call wait_for_job. Do not run the function again."


class FailureReply(BaseModel):
    message: str = Field(description="written by the function")
    source: str = Field(description="where it was found: error events or logs")

    @classmethod
    def of(cls, failure: Failure, budget: int) -> FailureReply:
        """Return a failure, with the end of its message if the whole would take more than half of the budget."""
        return cls(message=cut_start(failure.message, budget // 2), source=failure.source)


class EventLine(BaseModel):
    type: str
    created: datetime
    data: str


class RuntimeJobLine(BaseModel):
    runtime_job: str
    runtime_session: str | None = None


class JobLine(BaseModel):
    job_id: str
    function: str | None = None
    status: JobStatus
    sub_status: str | None = None
    created: datetime

    @classmethod
    def of(cls, job: Job, function: str | None = None) -> JobLine:
        """Return a job's line in a list; ``function`` is its function where the gateway does not say."""
        return cls(
            job_id=job.id,
            function=job.function or function,
            status=job.status,
            sub_status=None if job.status.is_final else job.sub_status,
            created=job.created,
        )


class JobList(Listing):
    jobs: list[JobLine]


class JobReply(JobLine, Bounded):
    queue_position: int | None = Field(default=None, description="among this account's own jobs; 1 is next")
    failure: FailureReply | None = None
    events: list[EventLine] | None = None
    runtime_jobs: list[RuntimeJobLine] | None = None
    next_step: str = ""


class RunReply(Bounded):
    """A job that was started, or why none was."""

    job_id: str | None = None
    function: str
    status: JobStatus | None = None
    sub_status: str | None = None
    created: datetime | None = None
    queue_position: int | None = None
    failure: FailureReply | None = None
    warnings: list[str] | None = None
    declined: str | None = Field(default=None, description="set if the person said no and nothing was done")
    next_step: str = ""


class StopReply(JobLine):
    message: str = Field(description="what the gateway did")
    cancelled: list[str] | None = Field(default=None, description="Qiskit Runtime jobs and sessions ended with it")
    problems: list[str] | None = Field(default=None, description="what could not be read or ended, and why")
    log_tail: str = Field(description="the end of the job's log")


async def job_reply(client: FunctionsClient, job: Job, budget: int, *, function: str | None = None) -> JobReply:
    """Return a job, with its place in the queue, and the reason if it failed."""
    line = JobLine.of(job, function)
    reply = JobReply(**line.model_dump(), next_step=_NEXT_STEPS.get(job.status, _STILL_RUNNING))
    reply.queue_position = await queue_position(client, job)
    if job.status is JobStatus.ERROR:
        failure = await client.jobs.failure(job)
        reply.failure = FailureReply.of(failure, budget)
        if reply.failure.message != failure.message:
            reply.left_out = "the beginning of the failure; get_job_logs may have it"
    return reply


async def queue_position(client: FunctionsClient, job: Job) -> int | None:
    """Return the job's place in the queue, or None if it is not known within a second.

    The place is not worth failing a call or delaying it.
    """
    with anyio.move_on_after(_QUEUE_SECONDS), suppress(QiskitFunctionsError):
        return await client.jobs.queue_position(job)
    return None


def status_text(job: Job) -> str:
    """Return the job's status, with its sub-status while it runs."""
    return f"{job.status}: {job.sub_status}" if job.sub_status and not job.status.is_final else str(job.status)
