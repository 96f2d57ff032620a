"""Waiting for a job, with progress reported to the client."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from qiskit_functions_core import Job
from qiskit_functions_core.errors import QiskitFunctionsError

from ..replies.jobs import queue_position, status_text
from ..session import Ctx

if TYPE_CHECKING:
    from qiskit_functions_core import FunctionsClient

_REPORT_SECONDS = 1.0
"""Between two progress reports; a client that receives none may give up."""


class SubmittedJobNotFollowed(QiskitFunctionsError):
    """A call failed after it had submitted a job; ``code`` is that of the cause."""

    def __init__(self, job_id: str, cause: QiskitFunctionsError) -> None:
        super().__init__(
            f"job {job_id} was submitted, but then it could not be followed: {cause.message}",
            next_step=f"Do not run it again; call wait_for_job with {job_id}.",
            submitted="yes",
        )
        self.code = cause.code
        self.person = cause.person


@dataclass(frozen=True)
class Waited:
    """What a wait saw.

    Attributes:
        job: as the gateway described it last.
        silence: for how many seconds the gateway had not answered at the end of the wait; 0 if it did.
    """

    job: Job
    silence: float = 0.0


async def wait_for_end(ctx: Ctx, client: FunctionsClient, job: Job, seconds: float) -> Waited:
    """Return the job as it is when it ends, or after ``seconds`` if it runs longer.

    Raises:
        QiskitFunctionsError: the job can no longer be read.
    """
    newest, silence, failures = job, 0.0, list[QiskitFunctionsError]()

    async def watch() -> None:
        nonlocal newest
        try:
            async for changed in client.jobs.watch(job.id):
                newest = changed
        except QiskitFunctionsError as error:
            failures.append(error)
        group.cancel_scope.cancel()

    # The first report names the job, for a client that gives up waiting.
    begun, id_once = time.monotonic(), f" (job {job.id})"
    with anyio.move_on_after(seconds):
        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            while True:
                waited = time.monotonic() - begun
                silence = client.jobs.silence(job.id)
                place = None if silence else await queue_position(client, newest)
                queued = f", number {place} of your own" if place else ""
                unanswered = f", no answer from the gateway for {silence:.0f} s" if silence else ""
                message = f"{status_text(newest)}{queued}{unanswered} after {waited:.0f} s{id_once}"
                await ctx.report_progress(waited, seconds, message)
                id_once = ""
                await anyio.sleep(_REPORT_SECONDS)
    if failures:
        raise failures[0]
    return Waited(newest, 0.0 if newest.status.is_final else silence)
