"""The gateway's jobs: follow them, read what they left, stop them."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from uuid import UUID

import anyio

from .errors import Forbidden, InputError, NotFound, ResultNotReady
from .functions import split_name
from .models import Job, JobEvent, JobPage, JobStatus, RuntimeJob

if TYPE_CHECKING:
    from .transport import Answer, Transport

_NO_RESULT = {
    JobStatus.DONE: ("the function ended without saving one", "Let the function call save_result()."),
    JobStatus.ERROR: ("it failed before it saved one", "Find out why with get_job and get_job_logs."),
    JobStatus.CANCELED: (
        "it was stopped before it saved one",
        "Run the function again if it is still wanted.",
    ),
}

LogScope = Literal["user", "provider"]

_SHORTEST_POLL, _LONGEST_POLL = 0.1, 5.0
"""Seconds. A tenth of the time waited so far, between these bounds."""

_ERROR_LINES = 20
"""Enough for a Python traceback's last frames and its message."""


@dataclass(frozen=True)
class Failure:
    """Why a job failed.

    Attributes:
        message: the function's own error events, else the end of the log from the last traceback on.
        source: where that was found.
    """

    message: str
    source: Literal["events", "logs", "nothing"]


@dataclass(frozen=True)
class Stopped:
    """A job after the request to stop it.

    Attributes:
        message: what the gateway says that it did.
        logs: the job's log, read before the stop, because some gateways forget it then.
    """

    job: Job
    message: str
    logs: str


@dataclass
class _Shared:
    """The newest answer about a job, for all who wait for it."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    job: Job | None = None
    asked: float = 0.0
    watchers: int = 0


class Jobs:
    """Jobs that the account may see."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._shared: dict[str, _Shared] = {}

    async def page(
        self,
        *,
        function: str = "",
        status: JobStatus | None = None,
        created_after: datetime | None = None,
        scope: Literal["own", "provider"] = "own",
        limit: int = 20,
        offset: int = 0,
    ) -> JobPage:
        """A part of the listing, newest first.

        Args:
            function: ``title`` or ``provider/title``.
            scope: own jobs, or all jobs of one's provider function.
        """
        params: dict[str, str | int] = {"limit": limit, "offset": offset}
        if function:
            provider, title = split_name(function)
            params |= {"function": title} | ({"provider": provider} if provider else {})
        if status:
            params["status"] = status.on_gateway
        if created_after:
            params["created_after"] = created_after.isoformat()
        answer = await self._transport.get("jobs/" if scope == "own" else "jobs/provider/", params)
        return JobPage.model_validate(answer.json())

    async def get(self, job_id: str) -> Job:
        """Raises NotFound for a job that does not exist or is someone else's."""
        answer = await self._transport.get(f"jobs/{checked_id(job_id)}/")
        return Job.model_validate(answer.json())

    async def events(self, job_id: str, *, errors_only: bool = False) -> list[JobEvent]:
        """What happened to the job, newest first."""
        params = {"type": "ERROR"} if errors_only else {}
        answer = await self._transport.get(f"jobs/{checked_id(job_id)}/events/", params)
        return [JobEvent.model_validate(event) for event in answer.json()]

    async def runtime_jobs(self, job_id: str) -> list[RuntimeJob]:
        """The Qiskit Runtime jobs that the function started."""
        answer = await self._transport.get(f"jobs/{checked_id(job_id)}/runtime_jobs/")
        return [RuntimeJob.model_validate(item) for item in answer.json()["runtime_jobs"]]

    async def result(self, job_id: str) -> str:
        """The saved result as the function encoded it: usually JSON, but it can be any text.

        Raises:
            ResultNotReady: there is none, yet or for good.
        """
        answer = await self._transport.get(f"jobs/{checked_id(job_id)}/result/")
        if not answer.body:
            raise await self._no_result(job_id)
        return _stored_text(answer, "result")

    async def _no_result(self, job_id: str) -> ResultNotReady:
        status = (await self.get(job_id)).status
        reason, next_step = _NO_RESULT.get(status, (f"it is {status}", "Wait for the job; do not run it again."))
        return ResultNotReady(f"job {job_id} has no result: {reason}", next_step=next_step)

    async def logs(self, job_id: str, *, scope: LogScope = "user") -> str:
        """The log so far, as text; empty when there is none."""
        name = "logs" if scope == "user" else "provider-logs"
        return _stored_text(await self._transport.get(f"jobs/{checked_id(job_id)}/{name}/"), "logs")

    async def failure(self, job: Job) -> Failure:
        """Why this job failed: its error events, else the last error lines of its log."""
        errors = await self.events(job.id, errors_only=True)
        if errors:
            return Failure("\n".join(_event_text(event) for event in reversed(errors)), "events")
        text = _error_lines(await self.logs(job.id))
        if not text and job.provider:
            try:
                text = _error_lines(await self.logs(job.id, scope="provider"))
            except (Forbidden, NotFound):
                text = ""  # the provider keeps its log to itself
        return Failure(text, "logs") if text else Failure("the job left neither an error event nor a log", "nothing")

    async def stop(self, job_id: str) -> Stopped:
        """Stop the job; one that has ended stays as it is."""
        logs = await self.logs(job_id)
        # "null": there is no Qiskit Runtime account to hand over; some gateways refuse an absent field.
        answer = await self._transport.send("POST", f"jobs/{checked_id(job_id)}/stop/", {"service": "null"})
        message = answer.json().get("message", "") if answer.body else ""
        return Stopped(await self.get(job_id), message, logs)

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """The job now and at each change of its status or sub-status, up to a final one.

        All watchers of one job share its polling.
        """
        shared = self._shared.setdefault(checked_id(job_id), _Shared())
        shared.watchers += 1
        begun = time.monotonic()
        last: Job | None = None
        try:
            while True:
                pause = min(max((time.monotonic() - begun) / 10, _SHORTEST_POLL), _LONGEST_POLL)
                job = await self._no_older_than(shared, job_id, pause)
                if last is None or (job.status, job.sub_status) != (last.status, last.sub_status):
                    yield job
                if job.status.is_final:
                    return
                last = job
                await anyio.sleep(pause)
        finally:
            shared.watchers -= 1
            if not shared.watchers:
                self._shared.pop(job_id, None)

    async def _no_older_than(self, shared: _Shared, job_id: str, age: float) -> Job:
        async with shared.lock:
            if shared.job is None or time.monotonic() - shared.asked > age / 2:
                shared.job = await self.get(job_id)
                shared.asked = time.monotonic()
            return shared.job

    async def wait(self, job_id: str, *, timeout: float | None = None) -> Job:
        """The job when it has ended.

        Args:
            timeout: seconds; none waits for ever.

        Raises:
            TimeoutError: it is still running then. The job goes on.
        """
        with anyio.fail_after(timeout):
            async for job in self.watch(job_id):
                if job.status.is_final:
                    return job
        raise AssertionError("unreachable: a watch ends with a final status")


def checked_id(job_id: str) -> str:
    """The gateway knows lower-case UUIDs only, and answers anything else with a web page.

    Raises:
        InputError: no UUID.
    """
    try:
        return str(UUID(job_id))
    except ValueError:
        raise InputError(
            f"{job_id!r} is not a job id", next_step="Take the job_id of run_function or list_jobs."
        ) from None


def filter_lines(text: str, *, include: str = "", exclude: str = "") -> str:
    """The lines in which ``include`` is found and ``exclude`` is not.

    Args:
        include, exclude: regular expressions; empty ones filter nothing.

    Raises:
        InputError: not a regular expression.
    """
    try:
        wanted, unwanted = re.compile(include), re.compile(exclude)
    except re.error as error:
        raise InputError(f"not a regular expression: {error}") from None
    lines = text.splitlines()
    return "\n".join(line for line in lines if wanted.search(line) and not (exclude and unwanted.search(line)))


def _stored_text(answer: Answer, key: Literal["result", "logs"]) -> str:
    """Bare text from an object store, or the field of the gateway's own JSON; empty when there is nothing."""
    if answer.redirected or not answer.body:
        return answer.body.decode(errors="replace")
    value = answer.json().get(key)
    return value if isinstance(value, str) else ""


def _event_text(event: JobEvent) -> str:
    code, message = event.data.get("code"), event.data.get("message") or event.data.get("exception")
    details = event.data.get("args")
    return f"[{code}] {message}" + (f" {details}" if details else "")


def _error_lines(log: str) -> str:
    """From the last traceback on, else the last lines."""
    lines = log.rstrip().splitlines()
    starts = [number for number, line in enumerate(lines) if "Traceback (most recent call last)" in line]
    tail = lines[starts[-1] :] if starts else lines
    return "\n".join(tail[-_ERROR_LINES:])
