"""The request that starts a job and may cost quota: a job is claimed only if it is certainly this request's."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import uuid4

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

_KEY = "Idempotency-Key"
"""A header that the gateway of this project honours: requests with the same key start one job
(draft-ietf-httpapi-idempotency-key-header)."""


@dataclass(frozen=True)
class Submission:
    """A job that was started.

    Attributes:
        warnings: those of pre-flight, and how the job was found if the answer was lost.
    """

    job: Job
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Request:
    """A request for a run.

    Attributes:
        key: identifies it to a gateway that honours keys.
        by_server: when it was sent by the gateway's clock, as the answers before it told it; None without one.
        sent: the same by the monotonic clock of this process.
    """

    name: str
    function: Function
    body: dict[str, Any]
    key: str
    by_server: datetime | None
    sent: float


class Submissions:
    """Starts jobs.

    A gateway that honours ``Idempotency-Key`` is asked again with the same key if the answer is lost, and so tells for
    certain which job it started. On any other, new jobs of the function may be another program's: they are named, and
    none is claimed. No clock decides alone, since each may be set or be wrong.
    """

    def __init__(self, transport: Transport, jobs: Jobs) -> None:
        self._transport = transport
        self._jobs = jobs
        self._known: set[str] = set()

    async def submit(self, name: str, function: Function, body: dict[str, Any], warnings: list[str]) -> Submission:
        """Start a run of ``name``.

        Args:
            function: what the gateway has under that name.
            body: the request's JSON.
            warnings: those of pre-flight.

        Raises:
            GatewayUnreachable, GatewayError: nothing was submitted.
            SubmissionUnknown: the answer was lost, and the gateway cannot tell which job it was for.
        """
        request = _Request(name, function, body, str(uuid4()), self._transport.server_now(), time.monotonic())
        try:
            try:
                job = await self._start(request)
            except (GatewayTimeout, GatewayError) as error:
                # A proxy that says no may have passed the request on. The gateway's own no stands, whatever its clock
                # says, unless every clock calls a job new.
                is_proxys = isinstance(error, GatewayError) and not error.from_gateway
                if not _is_lost(error) and not await self._new_jobs(request, by_any_clock=is_proxys):
                    raise
                logger.warning("the answer to a run of %s was lost (%s); looking for its job", name, error.code)
                job = await self._find(request, error)
                found = f"The gateway's answer was lost; asked again for the same request, it named {job.id}."
                warnings = [*warnings, found]
        except anyio.get_cancelled_exc_class():
            logger.warning("a run of %s was cancelled while it was submitted; a job may have started", name)
            raise
        self._known.add(job.id)
        return Submission(job, warnings)

    async def _start(self, request: _Request, *, again: bool = False) -> Job:
        """Send the request, and return the job of a usable answer.

        Args:
            again: the gateway honours keys, so it says whose request it answers.

        Raises:
            GatewayFault: the answer is of another job.
        """
        answer = await self._transport.send("POST", "programs/run/", request.body, headers={_KEY: request.key})
        content = answer.json()
        job = parsed(Job, content)
        echo = answer.headers.get(_KEY.lower())
        program = content.get("program")
        program_id = program.get("id") if isinstance(program, dict) else program
        is_other = (request.function.id is not None and program_id != request.function.id) or job.id in self._known
        # A proxy's cache may have answered, or another request's answer came.
        if is_other or ((echo or again) and echo != request.key) or not (echo or await self._is_recent(job, request)):
            raise GatewayFault("the gateway answered the run with another job", status=answer.status)
        return job

    async def _is_recent(self, job: Job, request: _Request) -> bool:
        """Return whether a job is not older than the request, by some clock that can be trusted."""
        if request.by_server is None or job.created >= request.by_server - _ANSWER_SLACK:
            return True
        # That clock was wrong, or has been set back since, or the answer is a replayed one. This answer is fresh.
        with anyio.move_on_after(self._transport.timeouts.total):
            try:
                await self._jobs.get(job.id)
            except QiskitFunctionsError:
                return False
        now = self._transport.server_now()
        clocks = [datetime.now(UTC), *([now] if now else [])]
        return any(job.created >= clock - _ANSWER_SLACK for clock in clocks)

    async def _find(self, request: _Request, cause: Exception) -> Job:
        """Ask again with the same key where that is honoured; elsewhere wait for the request to arrive.

        Raises:
            SubmissionUnknown: the gateway does not tell which job it started.
        """
        candidates: list[str] = []
        honours_keys: bool | None = None
        with anyio.move_on_after(self._transport.timeouts.total):
            for look in _LOOKS:
                await anyio.sleep(look * self._transport.timeouts.late)
                candidates = await self._new_jobs(request, by_any_clock=True) or candidates
                try:
                    if honours_keys is None:
                        honours_keys = await self._honours_keys(request)
                    if honours_keys:
                        return await self._start(request, again=True)
                except (GatewayUnreachable, GatewayTimeout, GatewayError) as error:
                    # Also a refusal: the lost request may still be on its way, and be accepted.
                    logger.debug("the gateway does not tell the job (%s)", error.code)
        likely = f"; {candidates[0]} is the likely one" if candidates else ""
        raise SubmissionUnknown(
            f"the gateway gave no usable answer to the run of {request.name}; a job may or may not have started"
            f"{likely}",
            candidates=candidates,
            next_step="Do not resubmit before you have checked list_jobs for a new job of this function; another "
            "program of this account may have started it.",
        ) from cause

    async def _honours_keys(self, request: _Request) -> bool:
        """Return whether the gateway honours keys, and received this one: a proxy may leave unknown headers out."""
        answer = await self._transport.send("GET", "../../version/", None, headers={_KEY: request.key})
        said = answer.json()
        is_honoured = isinstance(said, dict) and said.get("idempotency_key") is True
        return is_honoured and answer.headers.get(_KEY.lower()) == request.key

    async def _new_jobs(self, request: _Request, *, by_any_clock: bool) -> list[str]:
        """Return the ids of the function's jobs that may be the request's, the likely one first.

        It is empty if the gateway does not list them.

        Args:
            by_any_clock: whether it is enough that one clock calls a job new; else all must.
        """
        try:
            page = await self._jobs.page(function=request.name)
        except QiskitFunctionsError:
            return []  # such as after a refused token
        elapsed, now = timedelta(seconds=time.monotonic() - request.sent), self._transport.server_now()
        starts = [start for start in (request.by_server, now - elapsed if now else None) if start]
        here = datetime.now(UTC) - elapsed
        title = request.name.rpartition("/")[2]
        new: dict[str, timedelta] = {}
        for job in page.jobs:
            if job.id in self._known or job.function_title not in (None, title):
                continue
            # One from the future was created before the clock was set back.
            fits = [-_CLOCK_SLACK <= job.created - start <= elapsed + _CLOCK_SLACK for start in (*starts, here)]
            if by_any_clock:
                is_later = (job.created - start >= -_CLOCK_SLACK for start in starts)
                is_new = not starts or any(is_later) or any(fits)
            else:
                is_new = bool(starts) and all(fits[:-1])
            if is_new:
                new[job.id] = min(abs(job.created - start) for start in (*starts, here))
        return sorted(new, key=new.__getitem__)


def _is_lost(error: GatewayTimeout | GatewayError) -> bool:
    """Whether a job may have started although the answer is an error."""
    # A proxy that answers 408 may have passed the request on, too.
    return isinstance(error, GatewayTimeout | GatewayFault) or error.status == HTTPStatus.REQUEST_TIMEOUT
