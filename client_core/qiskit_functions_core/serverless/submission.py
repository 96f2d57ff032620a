"""The request that starts a job and may cost quota: never sent twice, and its job is found if the answer is lost."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import anyio

from ..errors import (
    GatewayError,
    GatewayFault,
    GatewayTimeout,
    GatewayUnreachable,
    QiskitFunctionsError,
    SubmissionUnknown,
)
from ..http.transport import Transport
from ..models import Function, Job, parsed
from .jobs import Jobs

logger = logging.getLogger(__name__)

_CLOCK_SLACK = timedelta(seconds=2)
"""The gateway tells its time to the second, and the clocks of its servers differ a little."""

_ANSWER_SLACK = timedelta(minutes=5)
"""The clocks of a gateway and of the proxy that dates its answers differ by less; a replayed answer is older."""

_LOOKS = (0.0, 0.25, 0.75)
"""The pauses before each look for a lost job, as parts of ``Timeouts.late``."""


@dataclass(frozen=True)
class Submission:
    """A job that was started.

    Attributes:
        warnings: those of pre-flight, and how the job was found if the answer was lost.
    """

    job: Job
    warnings: list[str] = field(default_factory=list)


class Submissions:
    """Starts jobs, and keeps count of the requests that may have started one.

    If an answer is lost, its job is the only new job of its function. That holds only while no other request for that
    function is open, so after a request whose job was not found, no later one is identified either.
    """

    def __init__(self, transport: Transport, jobs: Jobs) -> None:
        self._transport = transport
        self._jobs = jobs
        self._known: set[str] = set()
        self._open: Counter[str] = Counter()

    async def submit(self, name: str, function: Function, body: dict[str, Any], warnings: list[str]) -> Submission:
        """Send the request for a run of ``name``, once.

        Args:
            function: what the gateway has under that name.
            body: the request's JSON.
            warnings: those of pre-flight.

        Raises:
            GatewayUnreachable, GatewayError: nothing was submitted.
            SubmissionUnknown: the answer was lost and the job could not be identified.
        """
        self._open[name] += 1
        # Before the request, by the gateway's own clock.
        now = self._transport.server_now()
        since = now - _CLOCK_SLACK if now else None
        try:
            job = await self._start(function, since, body)
        except GatewayUnreachable:
            self._open[name] -= 1
            raise
        except (GatewayTimeout, GatewayError) as error:
            # A proxy that answers 408 may have passed the request on, too.
            is_lost = isinstance(error, GatewayTimeout | GatewayFault) or error.status == HTTPStatus.REQUEST_TIMEOUT
            if not is_lost:
                await self._check_refusal(name, since, error)
                self._open[name] -= 1
                raise
            logger.warning("the answer to a run of %s was lost (%s); looking for its job", name, error.code)
            job = await self._find(name, since, error)
            found = f"The gateway's answer was lost; {job.id}, the only new job of {name}, is taken to be this run's."
            warnings = [*warnings, found]
        except anyio.get_cancelled_exc_class():
            logger.warning("a run of %s was cancelled while it was submitted; a job may have started", name)
            raise
        self._known.add(job.id)
        self._open[name] -= 1
        return Submission(job, warnings)

    async def _start(self, function: Function, since: datetime | None, body: dict[str, Any]) -> Job:
        answer = await self._transport.send("POST", "programs/run/", body)
        content = answer.json()
        job = parsed(Job, content)
        program = content.get("program")
        program_id = program.get("id") if isinstance(program, dict) else program
        is_other = function.id is not None and program_id != function.id
        # The answer came from a proxy's cache, or belongs to another request.
        if is_other or job.id in self._known or (since and job.created < since - _ANSWER_SLACK):
            raise GatewayFault("the gateway answered the run with another job", status=answer.status)
        return job

    async def _check_refusal(self, name: str, since: datetime | None, refusal: Exception) -> None:
        """Look for a new job: the refusal may come from a proxy, although the gateway has started the job.

        Raises:
            SubmissionUnknown: there is a new job.
        """
        try:
            candidates = await self._new_jobs(name, since) if since else []
        except QiskitFunctionsError:
            return  # as after a refused token
        if candidates:
            raise _unknown(name, candidates) from refusal

    async def _find(self, name: str, since: datetime | None, cause: Exception) -> Job:
        candidates: list[Job] = []
        with anyio.move_on_after(self._transport.timeouts.total):
            for look in _LOOKS:
                await anyio.sleep(look * self._transport.timeouts.late)
                try:
                    candidates = await self._new_jobs(name, since)
                except QiskitFunctionsError:
                    continue  # the gateway that lost the answer may need a moment
                if since and len(candidates) == 1 and self._open[name] == 1:
                    return candidates[0]
        raise _unknown(name, candidates) from cause

    async def _new_jobs(self, name: str, since: datetime | None) -> list[Job]:
        """Return the function's jobs that no known request started, newest first; without a clock, its newest ones."""
        page = await self._jobs.page(function=name, created_after=since)
        title = name.rpartition("/")[2]
        return [
            job
            for job in page.jobs
            if job.id not in self._known
            and job.function_title in (None, title)
            and (since is None or job.created >= since)
        ]


def _unknown(name: str, candidates: list[Job]) -> SubmissionUnknown:
    return SubmissionUnknown(
        f"the gateway gave no usable answer to the run of {name}; a job may or may not have started",
        candidates=[job.id for job in candidates],
        next_step="Do not resubmit before you have checked list_jobs for a new job of this function.",
    )
