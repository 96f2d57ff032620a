"""Replies about jobs."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from pydantic import BaseModel, Field

from qiskit_functions_core import Job, JobStatus
from qiskit_functions_core.errors import QiskitFunctionsError, ResultNotReady
from qiskit_functions_core.values.result_query import ResultQuery

from .truncation import Bounded, Listing, cut, text_of

_CALL_SECONDS = 57.0
"""Many clients give a call up after 60 s."""

_LEAST_SECONDS = 5.0
"""In which most results can be read, even after a wait that has taken nearly all of the time."""

if TYPE_CHECKING:
    from qiskit_functions_core import FunctionsClient
    from qiskit_functions_core.serverless.jobs import Failure

T = TypeVar("T")

_QUEUE_SECONDS = 1.0
"""The place in the queue is worth no longer wait."""

_TIMES_SECONDS = 5.0
"""Nor are the elapsed seconds and those used, which take several requests on IBM Quantum."""

_RESULT_CHARACTERS = 6_000
"""Of a result's summary beside the job: enough for most results, and a third of the longest reply."""

_LEAST_RESULT_CHARACTERS = 2_000
"""A summary's least budget."""

_NEXT_STEPS = {
    JobStatus.QUEUED: "It waits for its turn: call wait_for_job. Do not run the function again.",
    JobStatus.INITIALIZING: "It is being started: call wait_for_job. Do not run the function again.",
    JobStatus.RUNNING: "It has not ended: call wait_for_job, or read in its log with get_job_logs how far it is. "
    "Do not run the function again.",
    JobStatus.DONE: "Read the result with get_job_result.",
    JobStatus.ERROR: "Correct what the failure says; get_job_logs has the whole log.",
    JobStatus.CANCELED: "It was stopped. Some gateways then drop the log, whose end is in the reply of stop_job.",
}
_RESULT_IS_WHOLE = "Tell the person the result: it is complete here."
_RESULT_CAN_BE_DRAWN = " get_job_result can draw it with view=plot."
_DRAWN = {"sampler_pub", "estimator_pub", "pub", "counts", "distribution", "array", "circuit"}
"""Kinds of parts of which a picture mostly says more than the summary."""

_RESULT_IS_CUT = "Read more of the result with get_job_result and the pointers in it."


class FailureReply(BaseModel):
    message: str = Field(description="the last line: the exception, or what the function reported")
    context: list[str] | None = None
    causes: list[str] | None = None
    source: str = Field(description="events, logs or nothing")

    @classmethod
    def of(cls, failure: Failure, budget: int) -> tuple[FailureReply, bool]:
        """Return a failure that takes at most half of the budget, and whether something of it is left out."""
        room = budget // 2
        message = cut(failure.message, room // 2)
        lines = (cut(line, room // 8) for line in (*reversed(failure.context), *failure.causes))
        kept = list[str]()
        for line in lines:
            room -= len(line) + 10
            if room < len(message):
                break
            kept.append(line)
        context = kept[: len(failure.context)][::-1]
        causes = kept[len(failure.context) :]
        is_cut = message != failure.message or len(kept) < len(failure.context) + len(failure.causes)
        return cls(message=message, context=context or None, causes=causes or None, source=failure.source), is_cut


class EventLine(BaseModel):
    type: str
    created: datetime
    data: str


class RuntimeJobLine(BaseModel):
    runtime_job: str
    runtime_session: str | None = None
    status: str | None = None
    reason: str | None = None
    quantum_seconds: float | None = None


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


class _Followed(Bounded):
    """What is known of a job beside its line."""

    queue_position: int | None = Field(default=None, description="among this account's own jobs; 1 is next")
    elapsed_seconds: float | None = Field(default=None, description="since its creation, until its end")
    seconds_used: float | None = Field(default=None, description="of the quota")
    failure: FailureReply | None = None
    result: dict[str, Any] | None = Field(default=None, description="its summary, as get_job_result gives it")
    no_result: str | None = Field(default=None, description="why a job that is DONE has none")
    next_step: str = ""


class JobReply(_Followed, JobLine):
    events: list[EventLine] | None = None
    runtime_jobs: list[RuntimeJobLine] | None = None


class _Started(BaseModel):
    """The line of a job that may not have been started."""

    job_id: str | None = None
    function: str
    status: JobStatus | None = None
    sub_status: str | None = None
    created: datetime | None = None


class RunReply(_Followed, _Started):
    """A job that was started, or why none was."""

    warnings: list[str] | None = None
    declined: str | None = Field(default=None, description="set if the person said no and nothing was done")


class SavedReply(BaseModel):
    job_id: str
    path: str | None = Field(default=None, description="the local file that was written")
    saved: str | None = Field(default=None, description="what was written, and its bytes")
    declined: str | None = Field(default=None, description="set if the person said no")
    next_step: str


class StopReply(JobLine):
    message: str = Field(description="what the gateway did")
    cancelled: list[str] | None = Field(default=None, description="Qiskit Runtime jobs and sessions ended with it")
    problems: list[str] | None = Field(default=None, description="what could not be read or ended, and why")
    log_tail: str = Field(description="the end of the job's log")


def seconds_left(begun: float) -> float:
    """Return how long the rest of a call may take, in seconds.

    Args:
        begun: when the call began, by ``time.monotonic``.
    """
    return max(_CALL_SECONDS - (time.monotonic() - begun), _LEAST_SECONDS)


async def job_reply(
    client: FunctionsClient,
    job: Job,
    budget: int,
    *,
    function: str | None = None,
    result_within: float | None = None,
    silence: float = 0.0,
) -> JobReply:
    """Return a job: its place in the queue, its times, and when it has ended, why it failed or what it saved.

    Args:
        function: its function, where the gateway does not say.
        result_within: seconds that reading the result may take; None does not read it.
        silence: for how many seconds the gateway has not answered; the job may have ended meanwhile.
    """
    line = JobLine.of(job, function)
    unanswered = f"The gateway has not answered for {silence:.0f} s; this is what it said before. " if silence else ""
    reply = JobReply(**line.model_dump(), next_step=f"{unanswered}{_NEXT_STEPS[job.status]}")

    async def add_times() -> None:
        elapsed = await _within(_TIMES_SECONDS, lambda: client.jobs.elapsed_seconds(job))
        reply.elapsed_seconds = None if elapsed is None else round(elapsed, 1)

    async def add_use() -> None:
        used = await _within(_TIMES_SECONDS, lambda: client.jobs.seconds_used(job)) if job.status.is_final else None
        reply.seconds_used = None if used is None else round(used, 2)

    async def add_end() -> None:
        if job.status is JobStatus.ERROR:
            await _add_failure(reply, client, job, budget)
        elif job.status is JobStatus.DONE and result_within is not None:
            room = max(min(_RESULT_CHARACTERS, budget // 3), _LEAST_RESULT_CHARACTERS)
            await add_result(reply, client, job.id, room=room, most=budget // 2, within=result_within)

    try:
        async with anyio.create_task_group() as group:
            for add in (add_times, add_use, add_end):
                group.start_soon(add)
            reply.queue_position = await queue_position(client, job)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return reply


async def _add_failure(reply: JobReply, client: FunctionsClient, job: Job, budget: int) -> None:
    failure = await client.jobs.failure(job)
    reply.failure, is_cut = FailureReply.of(failure, budget)
    if is_cut:
        reply.left_out = "a part of the failure; get_job_logs may have it"
    if failure.advice:
        reply.next_step = failure.advice
    elif failure.source == "nothing":
        reply.next_step = 'get_job with include=["events"] shows when it ended; let the function print what it does.'


async def add_result(
    reply: JobReply,
    client: FunctionsClient,
    job_id: str,
    *,
    room: int,
    within: float,
    rows: int | None = None,
    most: int | None = None,
) -> None:
    """Add to a reply the summary of the result that its job saved, or why there is none.

    Args:
        room: characters of the summary's JSON, 2,000 at least.
        within: seconds that reading it may take.
        rows: of each of its parts; None for as many as is usual.
        most: characters of a summary that still goes into the reply; None for any.
    """
    try:
        with anyio.fail_after(within):
            query = ResultQuery(limit=rows, budget=room)
            summary = (await client.jobs.read_result(job_id, query)).summary
    except ResultNotReady as error:
        # It is done and yet has none: the function saved none.
        reply.no_result, reply.next_step = error.message, error.next_step
        return
    except TimeoutError:
        reply.left_out = f"the result, which could not be read within {within:.0f} s"
        return
    except QiskitFunctionsError as error:
        reply.left_out = f"the result: {cut(error.message, 500)}"
        return
    if most is not None and len(text_of(summary)) > most:
        reply.left_out = "the result"
        return
    reply.result = summary.model_dump(mode="json", exclude_none=True)
    if summary.truncated or summary.omitted_parts:
        reply.next_step = _RESULT_IS_CUT
        return
    can_be_drawn = any(part.kind in _DRAWN for part in summary.parts)
    reply.next_step = _RESULT_IS_WHOLE + (_RESULT_CAN_BE_DRAWN if can_be_drawn else "")


async def queue_position(client: FunctionsClient, job: Job) -> int | None:
    """Return the job's place in the queue, or None if it is not known within a second.

    The place is not worth failing a call or delaying it.
    """
    return await _within(_QUEUE_SECONDS, lambda: client.jobs.queue_position(job))


async def _within(seconds: float, ask: Callable[[], Awaitable[T | None]]) -> T | None:
    """Return the answer, or None if there is none in time, or only an error."""
    with anyio.move_on_after(seconds), suppress(QiskitFunctionsError):
        return await ask()
    return None


def status_text(job: Job) -> str:
    """Return the job's status, with its sub-status while it runs."""
    return f"{job.status}: {job.sub_status}" if job.sub_status and not job.status.is_final else str(job.status)
