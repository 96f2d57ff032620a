"""The gateway's jobs: list them, wait for them, read their results and logs, stop them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from uuid import UUID

import anyio

from ..concurrency import gather, run_in_thread
from ..errors import (
    Forbidden,
    GatewayFault,
    InputError,
    NotFound,
    QiskitFunctionsError,
    ResultNotReady,
    ValueTooCostly,
)
from ..job_texts import LogPart, LogQuery, StoredKind, StoredText, read_log, unwrapped
from ..models import Job, JobEvent, JobPage, JobStatus, JobUsage, RuntimeJob, RuntimeJobState, parsed, parsed_list
from ..values.result_query import ResultQuery
from ..values.worker.handover import Handover
from ..values.worker.worker import ReadResult, Worker
from .functions import Kind, filters_of, split_name
from .gateway_errors import may_have_happened, not_found_advice
from .gateway_traits import ELSEWHERE, GatewayTraits
from .job_failures import diagnose
from .job_polling import Polling

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..http.answers import Answer
    from ..http.transport import Transport
    from ..platforms.platform import Platform

T = TypeVar("T")

_NO_RESULT = {
    JobStatus.DONE: ("the function ended without saving one", "Let the function call save_result()."),
    JobStatus.ERROR: ("it failed before it saved one", "Find out why with get_job and get_job_logs."),
    JobStatus.CANCELED: (
        "it was stopped before it saved one",
        "Run the function again if it is still wanted.",
    ),
}

_NO_SERVICE = "QiskitRuntimeService not found, cannot stop runtime jobs."
"""What the gateway says without a token in the request; the runtime jobs are stopped here."""

_WHAT_CAN_BE_SAVED = (
    "Let the function save a dictionary of JSON values, NumPy arrays and Qiskit objects. Objects of other classes, and "
    "NumPy's own booleans, have to be converted first: bool(x), float(x), x.tolist(), vars(x); the result of an "
    "Executor with [dict(item) for item in result], of a primitive on top of it with "
    "PrimitiveResult([type(pub)(pub.data) for pub in result])."
)
"""``QiskitObjectsEncoder`` of qiskit_serverless is ``RuntimeEncoder``, which knows these."""

_MOST_RUNTIME_JOBS = 20
"""How many are asked for their state, with two requests each; functions start one or a few."""

_STOPPED_AGAIN = "Serverless job was running and has been stopped."

LogScope = Literal["user", "provider"]
JobScope = Literal["own", "provider"]

_FAILURE_CHARACTERS = 100_000
"""The most characters of a log that explain a failure: 20 lines of 5,000."""

_LARGEST = 2**31 - 1
"""Of a limit or an offset, which gateways keep in 32 bits."""

_NO_LOG = "No logs yet."
"""What gateways say instead of a log that they do not have, also of a job that has ended."""

_MOST_QUEUED = 100
"""How many queued jobs are read: twice what a gateway lets one account have."""


@dataclass(frozen=True)
class Failure:
    """Why a job failed.

    Attributes:
        message: the function's own error events, else the exception of the log's last traceback, else its last line.
        source: where the message was found.
        context: the function's own lines that led there, the innermost last; of a log without a traceback, the lines
            before the last one.
        causes: the exceptions that led to the message's, the first cause last.
        advice: what to do about it; empty for a failure that is not known here.
    """

    message: str
    source: Literal["events", "logs", "nothing"]
    context: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    advice: str = ""


@dataclass(frozen=True)
class Stopped:
    """A job after the request to stop it.

    Attributes:
        message: what the gateway says that it did.
        logs: the job's log, read after its end too, for what the function wrote last; some gateways forget it then,
            and what was read before the stop is returned.
        cancelled: ids of the Qiskit Runtime jobs and sessions that were ended with it.
        problems: what could not be read or ended, and why; the gateway accepted the stop itself.
    """

    job: Job
    message: str
    logs: str
    cancelled: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Jobs:
    """The jobs that the account may see.

    Args:
        platform: where the Qiskit Runtime jobs of a stopped job are cancelled; None leaves them running.
        gateway: what the gateway does differently from others.
        worker: where large results and logs are read; None starts one when it is needed.
    """

    def __init__(
        self,
        transport: Transport,
        platform: Platform | None = None,
        worker: Worker | None = None,
        gateway: GatewayTraits = ELSEWHERE,
    ) -> None:
        self._transport = transport
        self._gateway = gateway
        self._worker = worker or Worker()
        self._platform = platform
        self._polling = Polling(self.get, self._queued, is_here=gateway.runs_code_here)
        self._providers: dict[str, str | None] = {}

    async def page(
        self,
        *,
        function: str = "",
        provider: str = "",
        kind: Kind = "all",
        status: JobStatus | None = None,
        created_after: datetime | None = None,
        scope: JobScope = "own",
        limit: int = 20,
        offset: int = 0,
    ) -> JobPage:
        """Return a part of the listing, newest first.

        Args:
            function: only jobs of this function, ``title`` or ``provider/title``.
            provider: only jobs of this provider's functions.
            kind: only jobs of the account's own functions, or of those of providers.
            status: only jobs in this status.
            created_after: only jobs created at this time or later.
            scope: the account's own jobs, or those of all users of its provider's function, which must be named.
            limit: how many jobs, 1 or more.
            offset: how many of the newest jobs to skip.

        Raises:
            InputError: the filters contradict each other; nothing was sent.
            NotFound: there is no such function or provider.
        """
        if not (1 <= limit <= _LARGEST and 0 <= offset <= _LARGEST):
            raise InputError(f"a page needs a limit from 1 and an offset from 0, both up to {_LARGEST}")
        named = _function_filter(function, provider, scope)
        # By its title alone, gateways also list the jobs of a provider's function of that title.
        kind = "own" if "function" in named and "provider" not in named and kind == "all" else kind
        params: dict[str, str | int] = {**filters_of(kind), "limit": limit, "offset": offset, **named}
        if status:
            params["status"] = status.on_gateway
        if created_after:
            try:
                params["created_after"] = created_after.astimezone(UTC).isoformat()
            except (OverflowError, OSError, ValueError):
                raise InputError(f"{created_after} is too close to the first or last year that there can be") from None
        with not_found_advice("Choose a name from list_functions; a provider's function is provider/title."):
            answer = await self._transport.get("jobs/" if scope == "own" else "jobs/provider/", params)
        listed = parsed(JobPage, answer.json())
        # Listings have a provider's id only. A single job's answer has the name, so one job of each provider is read.
        for provider_id, job_id in {job.provider_id: job.id for job in listed.jobs if job.provider_id}.items():
            if provider_id not in self._providers:
                with suppress(QiskitFunctionsError):  # the list is of use without it
                    self._providers[provider_id] = named.get("provider") or (await self.get(job_id)).provider
        jobs = [
            job.model_copy(update={"provider": job.provider or self._providers.get(job.provider_id or "")})
            for job in listed.jobs
        ]
        return listed.model_copy(update={"jobs": jobs})

    async def all(
        self,
        *,
        function: str = "",
        provider: str = "",
        kind: Kind = "all",
        status: JobStatus | None = None,
        created_after: datetime | None = None,
        scope: JobScope = "own",
        page_size: int = 100,
    ) -> AsyncIterator[Job]:
        """Give every job that ``page`` would list, newest first and each once, fetched page by page.

        The pages are counted here: the gateway's own links to them lack the filters.
        """
        seen: set[str] = set()
        offset = 0
        while True:
            page = await self.page(
                function=function,
                provider=provider,
                kind=kind,
                status=status,
                created_after=created_after,
                scope=scope,
                limit=page_size,
                offset=offset,
            )
            for job in page.jobs:
                # A job that was created meanwhile has moved the others to later pages.
                if job.id not in seen:
                    seen.add(job.id)
                    yield job
            offset += len(page.jobs)
            if not page.jobs or offset >= page.total:
                return

    async def get(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            NotFound: there is no such job, or it belongs to another account.
        """
        with not_found_advice("Take a job_id from list_jobs; the jobs of other accounts cannot be seen."):
            answer = await self._transport.get(f"jobs/{checked_id(job_id)}/")
        job = parsed(Job, answer.json())
        if job.id != checked_id(job_id):  # from a proxy's cache, or from another server
            raise GatewayFault("the gateway answered with another job", status=answer.status, next_step="Ask again.")
        return job

    async def recent(self, job_id: str, *, patience: float = 0.0) -> Job:
        """Return a job as another caller that waits for it has just seen it, else as ``get`` does.

        Args:
            patience: how many seconds to go on asking while the gateway does not answer, such as while it is started
                again.
        """
        return await self._polling.recent(checked_id(job_id), patience)

    async def queue_position(self, job: Job) -> int | None:
        """Return the job's place among the account's queued jobs; 1 is started first. None if it is not queued.

        No gateway tells the order among accounts.
        """
        return await self._polling.place_in_queue(job) if job.status is JobStatus.QUEUED else None

    async def _queued(self) -> list[Job]:
        return (await self.page(status=JobStatus.QUEUED, limit=_MOST_QUEUED)).jobs

    async def events(self, job_id: str, *, errors_only: bool = False) -> list[JobEvent]:
        """Return what happened to the job, newest first; of a very long history, the newest 1,000 at most."""
        params = {"type": "ERROR"} if errors_only else {}
        async with self._stored(f"jobs/{checked_id(job_id)}/events/", "events", params) as (answer, stored):
            events = await self._worker.newest_events(stored) if stored.file else answer.json()
        return parsed_list(JobEvent, events)

    async def runtime_jobs(self, job_id: str, *, session: str = "") -> list[RuntimeJob]:
        """Return the Qiskit Runtime jobs that the function started, or only those of one session."""
        answer = (await self._transport.get(f"jobs/{checked_id(job_id)}/runtime_jobs/")).json()
        jobs = parsed_list(RuntimeJob, answer.get("runtime_jobs") if isinstance(answer, dict) else None)
        return [job for job in jobs if session in ("", job.runtime_session)]

    async def runtime_sessions(self, job_id: str) -> list[str]:
        """Return the ids of the Qiskit Runtime sessions that the function opened, sorted."""
        jobs = await self.runtime_jobs(job_id)
        return sorted({job.runtime_session for job in jobs if job.runtime_session})

    async def result(self, job_id: str, *, limit: int | None = None) -> str:
        """Return the saved result as the function encoded it: usually JSON, but it can be any text.

        Args:
            limit: bytes that the gateway's answer may have; None for as many as any answer may.

        Raises:
            ResultNotReady: there is no result, yet or ever.
            ValueTooCostly: it is larger than ``limit``.
        """
        async with self._stored_result(job_id) as stored:
            size = (await run_in_thread(stored.file.stat)).st_size if stored.file else 0
            if limit is not None and size > limit:
                raise ValueTooCostly(
                    f"the result of job {job_id} has {size:,} bytes, more than {limit:,}",
                    reason="size",
                    next_step="get_job_result shows parts of it, or saves it to a file.",
                )
            if stored.file and not stored.is_bare:
                return (await self._worker.read_log(stored, LogQuery())).text
            return await run_in_thread(stored.read)

    async def read_result(
        self,
        job_id: str,
        query: ResultQuery = ResultQuery(),  # noqa: B008 - frozen
        *,
        save_to: Path | None = None,
    ) -> ReadResult:
        """Summarise the saved result, or a part of it, in the worker process; draw it and save it if asked.

        Nothing of the result is decoded in this process, and one that takes too much does no harm here.
        ``values.Result(await jobs.result(job_id))`` does the same in this process, without limits.

        Args:
            query: which part, and how.
            save_to: a new file to write the part to, in the format that its ending names.

        Raises:
            ResultNotReady: there is no result, yet or ever.
            InputError: there is nothing at the query's pointer, it cannot be drawn, or it cannot be saved there.
            ValueTooCostly: reading it takes too much CPU, memory or time.
        """

        async def arguments() -> str:
            with suppress(QiskitFunctionsError):  # a result is of use without the names in them
                return await self._encoded_arguments(job_id)
            return ""

        async with self._stored_result(job_id) as stored:
            read = await self._worker.read_result(
                stored, query, save_to=save_to, arguments=arguments if self._gateway.runs_code_here else None
            )
        is_null = any(part.kind == "null" or _holds_null(part.value) for part in read.summary.parts)
        if is_null and (lost := await self._said_while_saving(job_id, "UserWarning: Callable ")):
            told = f"save_result wrote null for what it could not write; the log says: {lost.partition('Warning: ')[2]}"
            read.summary.note = f"{read.summary.note} {told}" if read.summary.note else told
        return read

    @asynccontextmanager
    async def _stored_result(self, job_id: str) -> AsyncIterator[StoredText]:
        async with self._stored(f"jobs/{checked_id(job_id)}/result/", "result") as (answer, stored):
            if not answer.body and not answer.file:
                status = (await self.get(job_id)).status
                reason, next_step = _NO_RESULT.get(
                    status, (f"it is {status}", "Wait for it with wait_for_job; do not run it again.")
                )
                refusal = "not json serializable|Error saving results"
                if status is JobStatus.DONE and (said := await self._said_while_saving(job_id, refusal)):
                    reason = f"save_result refused the value; the log says: {said.removeprefix('WARNING:root:')}"
                    next_step = _WHAT_CAN_BE_SAVED
                raise ResultNotReady(f"job {job_id} has no result: {reason}", next_step=next_step)
            yield stored

    async def _said_while_saving(self, job_id: str, pattern: str) -> str:
        """Return the last line that ``save_result`` of qiskit_serverless logged about what it could not write."""
        try:
            return (await self.log_part(job_id, LogQuery(include=pattern, tail=1, characters=500))).text
        except QiskitFunctionsError:
            return ""

    @asynccontextmanager
    async def _stored(
        self, path: str, kind: StoredKind, params: Mapping[str, str] | None = None
    ) -> AsyncIterator[tuple[Answer, StoredText]]:
        """Read what a job left; a large body lies in a file until the block ends."""
        async with Handover() as files:
            answer = await self._transport.get(path, params, large_to=lambda: files.path("body"))
            text = None
            if answer.file is None and kind != "events":
                # Bare text from an object store, or the field of the gateway's own JSON.
                is_bare = answer.redirected or not answer.body
                text = answer.body.decode(errors="replace") if is_bare else unwrapped(answer.json(), kind)
            yield answer, StoredText(kind, text, answer.file, is_bare=answer.redirected)

    async def logs(
        self, job_id: str, *, scope: LogScope = "user", include: str = "", exclude: str = "", tail: int | None = None
    ) -> str:
        """Return the log so far; empty if there is none.

        Args:
            scope: what users see, or what a provider function logs for its provider.
            include: only lines in which this regular expression is found; empty for all.
            exclude: no lines in which this regular expression is found; empty for none.
            tail: only so many lines, from the end of what is left; None for all.

        Raises:
            InputError: a regular expression is not one, or has look-around or back-references.
            ValueTooCostly: reading it takes too much CPU, memory or time.
        """
        return (await self.log_part(job_id, LogQuery(include, exclude, tail), scope=scope)).text

    async def log_part(self, job_id: str, query: LogQuery, *, scope: LogScope = "user") -> LogPart:
        """Read the part of the log that the query asks for; a large log is read in the worker process.

        Args:
            query: which lines, and how many.
            scope: what users see, or what a provider function logs for its provider.

        Raises:
            InputError: a regular expression in the query is not one.
            ValueTooCostly: reading it takes too much CPU, memory or time.
        """
        name = "logs" if scope == "user" else "provider-logs"
        async with self._stored(f"jobs/{checked_id(job_id)}/{name}/", "logs") as (_, stored):
            if stored.file:
                return await self._worker.read_log(stored, query)
            text = "" if stored.text == _NO_LOG and not stored.is_bare else stored.text or ""
            return await run_in_thread(partial(read_log, text, query))

    async def failure(self, job: Job) -> Failure:
        """Return why this job failed: its error events, else the last error lines of its log."""
        is_here = self._gateway.runs_code_here
        errors = await self.events(job.id, errors_only=True)
        if errors:
            text = "\n".join(_event_text(event) for event in reversed(errors))
            found = diagnose(text, is_on_this_machine=is_here)
            if not found.frames:
                return Failure(text, "events", advice=found.advice)
            return Failure(found.message, "events", found.frames, found.causes, found.advice)
        text = await self._error_lines(job.id, "user")
        if not text and job.provider:
            try:
                text = await self._error_lines(job.id, "provider")
            except (Forbidden, NotFound):
                text = ""  # only the provider may read that log
        if not text:
            return Failure("the job left neither an error event nor a log", "nothing")
        found = diagnose(text, is_on_this_machine=is_here)
        context = found.frames or tuple(text.splitlines()[:-1])
        return Failure(found.message, "logs", context, found.causes, found.advice)

    async def elapsed_seconds(self, job: Job) -> float | None:
        """Return the seconds from the job's creation until its end, or until now; None if the end is not known."""
        until = datetime.now(UTC)
        if job.status.is_final:
            changes = [event.created for event in await self.events(job.id) if event.event_type == "STATUS_CHANGE"]
            if not changes:
                return None
            until = max(changes)
        # The gateway's clock may be ahead of this one.
        return max((until - job.created).total_seconds(), 0.0)

    async def runtime_job_states(self, jobs: Sequence[RuntimeJob]) -> list[RuntimeJobState | None]:
        """Return how far these Qiskit Runtime jobs are, in their order; None for those that cannot be read."""
        platform = self._platform

        async def state(job: RuntimeJob) -> RuntimeJobState | None:
            with suppress(QiskitFunctionsError):
                return await platform.runtime_job(job.runtime_job) if platform else None
            return None

        return await gather(partial(state, job) for job in jobs)

    async def seconds_used(self, job: Job) -> float | None:
        """Return the seconds of quota that the job has used; None where that is not known, or not yet.

        On this machine they are in the gateway's ledger; on IBM Quantum they are those of the function's Qiskit
        Runtime jobs.
        """
        if self._gateway.runs_code_here:
            answer = await self._transport.get(f"jobs/{checked_id(job.id)}/usage/")
            return parsed(JobUsage, answer.json()).usage_seconds
        if self._platform is None:
            return None
        runtime_jobs = await self.runtime_jobs(job.id)
        states = await self.runtime_job_states(runtime_jobs[:_MOST_RUNTIME_JOBS])
        seconds = [state.quantum_seconds if state else None for state in states]
        if not seconds or len(runtime_jobs) > len(seconds) or None in seconds:
            return None
        return sum(filter(None, seconds))

    async def arguments(self, job_id: str) -> dict[str, Any] | None:
        """Return what the job was given, encoded; None where that is not known, as at gateways elsewhere."""
        if not self._gateway.runs_code_here:
            return None
        text = await self._encoded_arguments(job_id)
        arguments = await run_in_thread(partial(json.loads, text)) if text else None
        return arguments if isinstance(arguments, dict) else None

    async def _encoded_arguments(self, job_id: str) -> str:
        answer = await self._transport.get(f"jobs/{checked_id(job_id)}/arguments/")
        return unwrapped(answer.json(), "arguments")

    async def _error_lines(self, job_id: str, scope: LogScope) -> str:
        query = LogQuery(characters=_FAILURE_CHARACTERS, only_error=True)
        return (await self.log_part(job_id, query, scope=scope)).text

    async def stop(self, job_id: str, *, log_lines: int | None = None) -> Stopped:
        """Stop the job, and end its Qiskit Runtime jobs and sessions; a job that has ended stays as it is.

        They are ended by this client: the gateway would need the account's token in the request's body for it.

        Args:
            log_lines: how many lines of the log to return, from its end; None for all.
        """
        problems: list[str] = []
        before = await _or_problem(lambda: self.logs(job_id, tail=log_lines), "", "its log", problems)
        # "null" hands over no Qiskit Runtime account; some gateways refuse a request without the field.
        with may_have_happened("the job may have been stopped", f"Look with get_job at {job_id}, and stop it again."):
            answer = await self._transport.send("POST", f"jobs/{checked_id(job_id)}/stop/", {"service": "null"})
        # Read after the stop, so that none is started later.
        none: list[RuntimeJob] = []
        jobs = await _or_problem(lambda: self.runtime_jobs(job_id), none, "its runtime jobs", problems)
        cancelled = await self._end(jobs, problems)
        job, message = await self.get(job_id), _message(answer)
        after = await _or_problem(lambda: self.logs(job_id, tail=log_lines), "", "its log", [])
        # A log that was forgotten is empty; one that could not be read is, too.
        logs = after or before
        if message is None and not job.status.is_final:
            problems.append(f"the gateway did not say that it stops the job, which is still {job.status}")
        return Stopped(job, message or "", logs, tuple(cancelled), tuple(problems))

    async def _end(self, jobs: list[RuntimeJob], problems: list[str]) -> list[str]:
        """Close each session, which cancels its jobs, cancel the other jobs, and return the ids of what was ended."""
        platform, cancelled = self._platform, list[str]()
        if platform is None or not jobs:
            return cancelled
        ends: dict[str, Callable[[str], Awaitable[bool]]] = {
            job.runtime_session or job.runtime_job: platform.close_session
            if job.runtime_session
            else platform.cancel_runtime_job
            for job in jobs
        }

        async def end(name: str, how: Callable[[str], Awaitable[bool]]) -> None:
            if await _or_problem(lambda: how(name), False, f"runtime job or session {name}", problems):
                cancelled.append(name)

        async with anyio.create_task_group() as group:
            for name, how in ends.items():
                group.start_soon(end, name, how)
        return sorted(cancelled)

    def watch(self, job_id: str) -> AsyncIterator[Job]:
        """Give the job now and at each change of its status or sub-status, up to a final one.

        All watchers of a job share its polling. While the gateway does not answer, such as while it is started again,
        the watch goes on; after ten minutes it raises the error.
        """
        return self._polling.watch(checked_id(job_id))

    def silence(self, job_id: str) -> float:
        """Return for how many seconds the gateway has not answered a watch of the job; 0 if it does."""
        return self._polling.silence(job_id)

    async def wait(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Wait for the job's end, and return the job.

        Args:
            timeout: seconds; None waits without a limit.

        Raises:
            TimeoutError: the job has not ended by then, as far as the gateway could be asked; it goes on.
            InputError: the time-out is not a number of seconds.
        """
        if timeout is not None and not timeout >= 0:
            raise InputError("a time-out is a number of seconds, 0 or more, or None")
        with anyio.fail_after(timeout):
            async for job in self.watch(job_id):
                if job.status.is_final:
                    return job
        raise AssertionError("unreachable: a watch ends with a final status")


def checked_id(job_id: str) -> str:
    """Return the id in lower case; the gateway answers anything but a lower-case UUID with a web page.

    Raises:
        InputError: it is not a UUID.
    """
    try:
        return str(UUID(job_id))
    except ValueError:
        raise InputError(
            f"{job_id[:100]!r} is not a job id", next_step="Take a job_id from run_function or list_jobs."
        ) from None


def _function_filter(function: str, provider: str, scope: JobScope) -> dict[str, str]:
    if not function and not provider:
        if scope == "provider":
            raise InputError(
                "the jobs of all users can be listed for a provider's function only, which must be named",
                next_step="Give function as provider/title.",
            )
        return {}
    owner, title = split_name(function) if function else (None, "")
    if owner and provider and owner != provider:
        raise InputError(f"{function!r} is not a function of {provider!r}", next_step="Name one of them.")
    owner = owner or provider
    if scope == "provider" and not owner:
        raise InputError(f"{function!r} has no provider", next_step="Give function as provider/title.")
    wanted = {"function": title, "provider": owner}
    return {key: value for key, value in wanted.items() if value}


async def _or_problem(ask: Callable[[], Awaitable[T]], otherwise: T, what: str, problems: list[str]) -> T:
    try:
        return await ask()
    except QiskitFunctionsError as error:
        problems.append(f"{what}: {error.message}")
        return otherwise


def _holds_null(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(item is None or _holds_null(item) for item in (value.values() if isinstance(value, dict) else value))
    return False


def _event_text(event: JobEvent) -> str:
    code, message = event.data.get("code"), event.data.get("message") or event.data.get("exception")
    details = event.data.get("args")
    return f"[{code}] {message}" + (f" {details}" if details else "")


def _message(answer: Answer) -> str | None:
    """Return the gateway's message; None if the answer is not the gateway's, such as a proxy's page."""
    try:
        body = answer.json() if answer.body else {}
    except GatewayFault:
        return None
    if not isinstance(body, dict):
        return None
    message = " ".join(str(body.get("message") or "").replace(_NO_SERVICE, "").split())
    # It says the same twice of a job that was running.
    return message.removesuffix(_STOPPED_AGAIN).strip() if message.startswith("Job has been stopped.") else message
