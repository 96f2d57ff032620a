"""Polling that all who wait for a job share: the newest answer about each job, and about the queue."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from ..errors import QiskitFunctionsError
from ..models import Job
from .gateway_errors import may_pass

logger = logging.getLogger(__name__)

_SHORTEST_POLL, _LONGEST_POLL = 0.1, 5.0
"""Seconds between polls: a tenth of the time waited so far, within these bounds."""

_SHORTEST_POLL_HERE = 0.04
"""The same for the gateway of this machine, times the number of jobs that are watched: most of its jobs take less than
half a second, but polls of ten at once would take the processor from them."""

_ANSWER_SECONDS = 1.0
"""What an answer usually takes at most."""

_PATIENCE_SECONDS = 600.0
"""How long a watch goes on while no poll succeeds: a gateway may be upgraded meanwhile."""

_QUEUE_SECONDS = 2.0
"""How old the answer about the queue may be."""


@dataclass
class _Shared:
    """The newest answer about a job.

    Attributes:
        answered: when it came, by the monotonic clock; before the first one, when it was asked for.
        pause: seconds until the next poll.
    """

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    job: Job | None = None
    answered: float = field(default_factory=time.monotonic)
    pause: float = 0.0
    watchers: int = 0


class Polling:
    """Polls no more often for many watchers than for one.

    Args:
        get: looks up a job by its id.
        queued: lists the account's queued jobs.
        is_here: whether the gateway is that of this machine.
    """

    def __init__(
        self, get: Callable[[str], Awaitable[Job]], queued: Callable[[], Awaitable[list[Job]]], *, is_here: bool
    ) -> None:
        self._get = get
        self._queued = queued
        self._is_here = is_here
        self._shared: dict[str, _Shared] = {}
        self._queue_lock = anyio.Lock()
        self._queue: list[Job] = []
        self._queue_asked = -math.inf

    async def recent(self, job_id: str, patience: float = 0.0) -> Job:
        """Return the job as another watcher has just seen it, else as it is now.

        Args:
            patience: how many seconds to go on while the gateway cannot be asked.
        """
        deadline = time.monotonic() + patience
        with self._sharing(job_id) as shared:
            while True:
                try:
                    return await self._no_older_than(shared, job_id, _SHORTEST_POLL)
                except QiskitFunctionsError as error:
                    pause = min(max(patience / 10, _SHORTEST_POLL), _LONGEST_POLL)
                    if not may_pass(error) or time.monotonic() + pause >= deadline:
                        raise
                await anyio.sleep(pause)

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """Give the job now and at each change of its status or sub-status, up to a final one.

        It goes on while the gateway cannot be asked, which may be starting again.
        """
        begun = answered = time.monotonic()
        last: Job | None = None
        with self._sharing(job_id) as shared:
            while True:
                pause = min(max((time.monotonic() - begun) / 10, self._shortest_poll()), _LONGEST_POLL)
                shared.pause = pause
                try:
                    job = await self._no_older_than(shared, job_id, pause)
                except QiskitFunctionsError as error:
                    if not may_pass(error) or time.monotonic() - answered > _PATIENCE_SECONDS:
                        raise
                    logger.debug("job %s cannot be read now (%s)", job_id, error.code)
                    await anyio.sleep(pause)
                    continue
                answered = time.monotonic()
                if last is None or (job.status, job.sub_status) != (last.status, last.sub_status):
                    yield job
                if job.status.is_final:
                    return
                last = job
                await anyio.sleep(pause)

    def silence(self, job_id: str) -> float:
        """Return for how many seconds polls of a job have had no answer; 0 if one came when it was due."""
        shared = self._shared.get(job_id)
        age = time.monotonic() - shared.answered if shared else 0.0
        return age if shared and age > 2 * shared.pause + _ANSWER_SECONDS else 0.0

    async def place_in_queue(self, job: Job) -> int:
        """Return the job's place among the account's queued jobs; the first one is 1."""
        async with self._queue_lock:
            is_known = any(other.id == job.id for other in self._queue)
            if not is_known or time.monotonic() - self._queue_asked > _QUEUE_SECONDS:
                self._queue = await self._queued()
                self._queue_asked = time.monotonic()
        return 1 + sum(other.created < job.created for other in self._queue)

    def _shortest_poll(self) -> float:
        return min(_SHORTEST_POLL_HERE * len(self._shared), _SHORTEST_POLL) if self._is_here else _SHORTEST_POLL

    @contextmanager
    def _sharing(self, job_id: str) -> Iterator[_Shared]:
        shared = self._shared.setdefault(job_id, _Shared())
        shared.watchers += 1
        try:
            yield shared
        finally:
            shared.watchers -= 1
            if not shared.watchers:
                self._shared.pop(job_id, None)

    async def _no_older_than(self, shared: _Shared, job_id: str, age: float) -> Job:
        async with shared.lock:
            has_ended = shared.job is not None and shared.job.status.is_final
            if shared.job is None or (not has_ended and time.monotonic() - shared.answered > age / 2):
                shared.job = await self._get(job_id)
                shared.answered = time.monotonic()
            return shared.job
