"""Tools that follow jobs, read their results and logs, and stop them. Their docstrings are their descriptions."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from mcp_types import CallToolResult
from pydantic import Field

from qiskit_functions_core import JobStatus
from qiskit_functions_core.errors import InputError
from qiskit_functions_core.job_texts import LogQuery
from qiskit_functions_core.values.result_query import ResultQuery

from ..consent.agreement import AFTER_A_NO, DECLINED, Confirm, new_local_file
from ..folders import RESULTS
from ..replies.call_results import image_block, reply, text_reply
from ..replies.jobs import (
    EventLine,
    JobLine,
    JobList,
    JobReply,
    RuntimeJobLine,
    SavedReply,
    StopReply,
    job_reply,
    seconds_left,
)
from ..replies.truncation import cut, cut_start, offset_of, page, text_of
from ..replies.uris import SCHEME
from ..session import Ctx, session_of
from ..ui import OPENS_PAGE
from .files import write_if_agreed
from .inputs import MAX_NAME, MAX_PATH, AnyIfEmpty, Cursor, JobId, Limit, OneOrMore, WaitSeconds
from .tool_spec import READ, Hints, ToolSpec
from .waiting import Waited, wait_for_end

_MOST_STATES = 20
"""Of runtime jobs, which take two requests each; the others are shown without their state."""


ResultPath = Annotated[
    str,
    Field(
        description="JSON pointer to a part that the summary names: /result/pub_results/0/data/c", max_length=MAX_PATH
    ),
]


async def list_jobs(
    ctx: Ctx,
    function: Annotated[
        str, Field(description="Only jobs of this function, for example examples/vqe", max_length=MAX_NAME)
    ] = "",
    status: Annotated[
        Literal["any", "QUEUED", "INITIALIZING", "RUNNING", "DONE", "ERROR", "CANCELED"],
        AnyIfEmpty,
        Field(description="Only jobs in this status"),
    ] = "any",
    created_after: Annotated[
        str, Field(description="ISO 8601 time, for example 2026-11-22T08:00:00Z", max_length=MAX_NAME)
    ] = "",
    scope: Annotated[
        Literal["own", "provider"], Field(description="provider: all jobs of your own provider function")
    ] = "own",
    limit: Limit = 20,
    cursor: Cursor = "",
) -> Annotated[CallToolResult, JobList]:
    """List this account's jobs, newest first: function, status, time. Look here before you run something again."""
    session = session_of(ctx)
    offset = offset_of(cursor)
    found = await (await session.client()).jobs.page(
        function=function,
        status=None if status == "any" else JobStatus(status),
        created_after=_time(created_after),
        scope=scope,
        limit=limit,
        offset=offset,
    )
    lines = [JobLine.of(job, function or None) for job in found.jobs]
    shown, next_cursor = page(lines, offset=offset, total=found.total, budget=session.settings.reply_characters)
    return reply(JobList(jobs=shown, total=found.total, next_cursor=next_cursor))


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.astimezone()
    except (ValueError, OverflowError, OSError):  # the last two for times that this machine's zone does not have
        raise InputError(f"{text!r} is not an ISO 8601 time", next_step="Write it as 2026-11-22T08:00:00Z.") from None


async def get_job(
    ctx: Ctx,
    job_id: JobId,
    include: Annotated[
        list[Literal["events", "runtime_jobs"]],
        OneOrMore,
        Field(description='More to read: ["events", "runtime_jobs"]'),
    ] = [],  # noqa: B006 - only read; a factory would make the schema say "required"
) -> Annotated[CallToolResult, JobReply]:
    """Show one job: status, sub_status and, if it failed, the reason that the function gave."""
    session = session_of(ctx)
    client, budget = await session.client(), session.settings.reply_characters
    answer = await job_reply(client, await client.jobs.get(job_id), budget)
    if "events" in include:
        events = [
            EventLine(type=event.event_type, created=event.created, data=cut(json.dumps(event.data), 1_000))
            for event in await client.jobs.events(job_id)
        ]
        answer.events, rest = page(events, offset=0, total=len(events), budget=budget - len(text_of(answer)))
        older = f"{len(events) - int(rest)} older events" if rest else None
        answer.left_out = ", ".join(filter(None, (answer.left_out, older))) or None
    if "runtime_jobs" in include:
        jobs = await client.jobs.runtime_jobs(job_id)
        states = await client.jobs.runtime_job_states(jobs[:_MOST_STATES])
        facts = [state.model_dump() if state else {} for state in states] + [{}] * len(jobs[_MOST_STATES:])
        lines = [RuntimeJobLine(**job.model_dump(), **more) for job, more in zip(jobs, facts, strict=True)]
        room = budget - len(text_of(answer))
        answer.runtime_jobs, rest = page(lines, offset=0, total=len(lines), budget=room)
        left_out = f"{len(lines) - int(rest)} runtime jobs" if rest else None
        answer.left_out = ", ".join(filter(None, (answer.left_out, left_out))) or None
    return reply(answer)


async def wait_for_job(
    ctx: Ctx, job_id: JobId, timeout_seconds: WaitSeconds = 45
) -> Annotated[CallToolResult, JobReply]:
    """Wait until a job has ended, at most timeout_seconds; then show its result's summary, or why it failed.

    If it is still running, call this again; do not run the function again. Cancelling this call does not stop
    the job; stop_job does.
    """
    begun, session = time.monotonic(), session_of(ctx)
    client = await session.client()
    waited = Waited(await client.jobs.recent(job_id, patience=timeout_seconds))
    if not waited.job.status.is_final:
        left = max(timeout_seconds - (time.monotonic() - begun), 0)
        waited = await wait_for_end(ctx, client, waited.job, left)
    budget = session.settings.reply_characters
    return reply(await job_reply(client, waited.job, budget, result_within=seconds_left(begun), silence=waited.silence))


async def get_job_result(
    ctx: Ctx,
    job_id: JobId,
    path: ResultPath = "",
    offset: Annotated[int, Field(ge=0, le=10**9, description="Number of entries to skip")] = 0,
    limit: Annotated[int, Field(ge=0, le=10_000, description="Maximum number of entries; 0: what fits")] = 0,
    view: Annotated[
        Literal["summary", "plot"],
        Field(description="plot: add a picture of counts, expectation values, a sweep, an array or a circuit"),
    ] = "summary",
    theme: Annotated[Literal["light", "dark"], Field(description="Background of the picture")] = "light",
) -> CallToolResult:
    """Summarise the result that a job saved.

    The summary has counts of every register, expectation values with standard errors, arrays and circuits, and says
    what it leaves out; path selects a part. view=plot also draws it.
    """
    session = session_of(ctx)
    query = ResultQuery(
        path,
        offset,
        limit or None,
        budget=session.settings.reply_characters - 1_000,
        draw=theme if view == "plot" else None,
    )
    read = await (await session.client()).jobs.read_result(job_id, query)
    summary, picture = read.summary, read.picture
    summary.picture = picture.caption if picture else None
    # A host that is given structured content may show the model nothing else, and so no picture.
    return text_reply(text_of(summary), image_block(picture.data, picture.mime_type)) if picture else reply(summary)


async def save_job_result(
    ctx: Ctx,
    job_id: JobId,
    to: Annotated[
        str,
        Field(
            description=f"The new local file. A relative path starts in {RESULTS}/, where data files are written "
            "without a question. .json (encoded), .csv (counts, expectation values), .npy (arrays), .qasm or .qpy "
            "(circuits), .svg or .png (a picture)",
            max_length=MAX_PATH,
        ),
    ],
    path: ResultPath = "",
    confirm: Confirm = "",
) -> Annotated[CallToolResult, SavedReply]:
    """Save a job's result, or the part of it at path, as a new local file in the format that its ending names.

    The person is asked about a path elsewhere and about whatever could be code or configuration.
    """
    target = await new_local_file(ctx, to)
    jobs = (await session_of(ctx).client()).jobs

    async def fetch(file: Path) -> str:
        read = await jobs.read_result(job_id, ResultQuery(path, budget=2_000), save_to=file)
        return (read.saved or "").replace(str(file), str(target.path))

    part = f"the part {path} of the result" if path else "the result"
    saved = await write_if_agreed(ctx, target, f"{part} of job {job_id}", confirm, fetch)
    if saved is None:
        return reply(SavedReply(job_id=job_id, declined=DECLINED, next_step=AFTER_A_NO))
    return reply(
        SavedReply(job_id=job_id, path=str(target.path), saved=saved, next_step="Tell the person where it is.")
    )


async def get_job_logs(
    ctx: Ctx,
    job_id: JobId,
    scope: Annotated[
        Literal["user", "provider"], Field(description="provider: a provider function's private log")
    ] = "user",
    include: Annotated[str, Field(description="Only lines that match this regular expression", max_length=1_000)] = "",
    exclude: Annotated[str, Field(description="No lines that match this regular expression", max_length=1_000)] = "",
    tail_lines: Annotated[int, Field(ge=1, le=10_000, description="Maximum number of lines, from the end")] = 200,
) -> CallToolResult:
    """Show the end of a job's log as text, also while it runs. Filter it with regular expressions."""
    session = session_of(ctx)
    query = LogQuery(include, exclude, tail_lines, characters=session.settings.reply_characters - 500)
    part = await (await session.client()).jobs.log_part(job_id, query, scope=scope)
    head = f"log of job {job_id}, written by the function"
    if part.left_out or part.characters_left_out:
        more = f"narrow it with include and exclude, or read the resource {SCHEME}/jobs/{job_id}/logs"
        more = more if part.characters_left_out else "tail_lines shows more"
        head += f" (truncated: {part.left_out} lines before these; {more})"
    return text_reply(f"{head}:\n{part.text}" if part.text else f"job {job_id} has no matching log lines")


async def stop_job(ctx: Ctx, job_id: JobId) -> Annotated[CallToolResult, StopReply]:
    """Stop a job and show the end of its log. A job that has already ended is not changed."""
    session = session_of(ctx)
    stopped = await (await session.client()).jobs.stop(job_id, log_lines=20)
    room = min(4_000, session.settings.reply_characters // 4)
    return reply(
        StopReply(
            **JobLine.of(stopped.job).model_dump(),
            message=cut(stopped.message, min(1_000, room)),
            cancelled=list(stopped.cancelled)[:50] or None,
            problems=[cut(problem, room // 10) for problem in stopped.problems[:5]] or None,
            log_tail=cut_start(stopped.logs, room),
        )
    )


TOOLS = (
    ToolSpec(list_jobs, "List jobs", READ),
    ToolSpec(get_job, "Get a job", READ, OPENS_PAGE),
    ToolSpec(wait_for_job, "Wait for a job", READ, OPENS_PAGE),
    ToolSpec(get_job_result, "Get a job's result", READ, OPENS_PAGE),
    ToolSpec(
        save_job_result,
        "Save a job's result",
        Hints(read_only=False, destructive=False, idempotent=True, open_world=True),
    ),
    ToolSpec(get_job_logs, "Get a job's log", READ),
    ToolSpec(stop_job, "Stop a job", Hints(read_only=False, destructive=True, idempotent=True, open_world=True)),
)
