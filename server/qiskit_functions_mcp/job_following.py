"""A job while it runs, told to the client, and as a reply."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import anyio

from qiskit_functions_core import Job, JobStatus
from qiskit_functions_core.errors import QiskitFunctionsError

from .replies import FailureReply, JobLine, JobReply
from .session import Ctx

if TYPE_CHECKING:
    from qiskit_functions_core import FunctionsClient

_TICK = 1.0
"""Seconds between two progress reports; a client that hears nothing may give up."""

_NEXT_STEPS = {
    JobStatus.DONE: "Read the result with get_job_result.",
    JobStatus.ERROR: "Mend what the failure says; get_job_logs has the whole log.",
    JobStatus.CANCELED: "It was stopped; get_job_logs has what it wrote.",
}
_STILL_RUNNING = "The job has not ended yet: call wait_for_job. Do not run the function again."


async def follow(ctx: Ctx, client: FunctionsClient, job: Job, seconds: float) -> Job:
    """The job when it ends or the time is up, with progress reported on the way.

    Raises:
        QiskitFunctionsError: the job cannot be read any more.
    """
    newest, failures = [job], []

    async def watch() -> None:
        try:
            async for newer in client.jobs.watch(job.id):
                newest.append(newer)
        except QiskitFunctionsError as error:
            failures.append(error)
        group.cancel_scope.cancel()

    # Told once, for those who give up waiting.
    begun, which = time.monotonic(), f" (job {job.id})"
    with anyio.move_on_after(seconds):
        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            while True:
                waited = time.monotonic() - begun
                place = await place_in_queue(client, newest[-1])
                queued = f", number {place} of your own" if place else ""
                told = f"{describe(newest[-1])}{queued} after {waited:.0f} s{which}"
                await ctx.report_progress(waited, seconds, told)
                which = ""
                await anyio.sleep(_TICK)
    if failures:
        raise failures[0]
    return newest[-1]


async def place_in_queue(client: FunctionsClient, job: Job) -> int | None:
    """Nice to know, and no reason for a call to fail or to take longer."""
    with anyio.move_on_after(_TICK), suppress(QiskitFunctionsError):
        return await client.jobs.queue_position(job)
    return None


@contextmanager
def already_submitted(job: Job) -> Iterator[None]:
    """What fails in here failed after a job was started, and must say so."""
    try:
        yield
    except QiskitFunctionsError as error:
        error.submitted = "yes"
        error.message = f"job {job.id} was submitted, but then it could not be followed: {error.message}"
        error.next_step = f"Do not run it again; call wait_for_job with {job.id}."
        raise


def describe(job: Job) -> str:
    return f"{job.status}: {job.sub_status}" if job.sub_status and not job.status.is_final else str(job.status)


async def job_reply(client: FunctionsClient, job: Job, budget: int, *, function: str | None = None) -> JobReply:
    """The job, and for a failed one why."""
    answer = JobReply(**JobLine.of(job, function).model_dump(), next_step=_NEXT_STEPS.get(job.status, _STILL_RUNNING))
    answer.queue_position = await place_in_queue(client, job)
    if job.status is JobStatus.ERROR:
        failure = await client.jobs.failure(job)
        answer.failure = FailureReply.of(failure, budget)
        if answer.failure.message != failure.message:
            answer.left_out = "the beginning of the failure; get_job_logs may have it"
    return answer
