"""The Tasks extension: a job is a task, under its own id, so there is nothing to store.

https://modelcontextprotocol.github.io/ext-tasks/ (``io.modelcontextprotocol/tasks``). A client that declares it
gets a task for a run that goes on, and polls it; all others get the tools' own answers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, CallToolResult, RequestParams
from pydantic import Field

from qiskit_functions_core import Job, JobStatus
from qiskit_functions_core.errors import QiskitFunctionsError

from .replies.call_results import reply
from .replies.jobs import job_reply, status_text
from .session import Session

if TYPE_CHECKING:
    from qiskit_functions_core import FunctionsClient

IDENTIFIER = "io.modelcontextprotocol/tasks"

POLL_MS = 2_000
"""Jobs take seconds to hours; a poll costs a request to the gateway."""

_AS_TASKS = frozenset({"run_function", "wait_for_job"})

_STATUS = {JobStatus.DONE: "completed", JobStatus.ERROR: "completed", JobStatus.CANCELED: "cancelled"}
"""A job that failed is a task that completed: its answer tells why. "failed" is for requests that failed."""

Request = ServerRequestContext[Session, Any]


class TaskParams(RequestParams):
    """Which task.

    Attributes:
        task_id: a job's id.
    """

    task_id: str = Field(alias="taskId")


class Tasks(Extension):
    """Runs as tasks, for clients that declare the extension."""

    identifier = IDENTIFIER

    def methods(self) -> tuple[MethodBinding, ...]:
        return (
            MethodBinding("tasks/get", TaskParams, _get),
            MethodBinding("tasks/cancel", TaskParams, _cancel),
            MethodBinding("tasks/update", TaskParams, _update),
        )

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: Request, call_next: CallNext
    ) -> HandlerResult:
        answer = await call_next(ctx)
        if params.name not in _AS_TASKS or not _declared(ctx) or not isinstance(answer, CallToolResult):
            return answer
        facts = answer.structured_content
        if answer.is_error or not isinstance(facts, dict) or not facts.get("job_id"):
            return answer
        if JobStatus(facts["status"]).is_final:
            return answer
        client = await ctx.lifespan_context.client()
        return {**_task(await client.jobs.get(facts["job_id"])), "resultType": "task"}


def _declared(ctx: Request) -> bool:
    capabilities = ctx.session.client_capabilities
    return bool(capabilities and IDENTIFIER in (capabilities.extensions or {}))


async def _get(ctx: Request, params: TaskParams) -> HandlerResult:
    client, job = await _job(ctx, params.task_id)
    task = _task(job)
    if task["status"] == "completed":
        budget = ctx.lifespan_context.settings.reply_characters
        told = reply(await job_reply(client, job, budget))
        task["result"] = told.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {**task, "resultType": "complete"}


async def _cancel(ctx: Request, params: TaskParams) -> HandlerResult:
    if ctx.lifespan_context.settings.read_only:
        raise MCPError(code=INVALID_PARAMS, message="this server is read-only: it stops no jobs")
    client, job = await _job(ctx, params.task_id)
    try:
        await client.jobs.stop(job.id)
    except QiskitFunctionsError as error:
        raise MCPError(code=INVALID_PARAMS, message=error.message) from error
    return {"resultType": "complete"}


async def _update(ctx: Request, params: TaskParams) -> HandlerResult:
    await _job(ctx, params.task_id)
    raise MCPError(code=INVALID_PARAMS, message="a job waits for no input")


async def _job(ctx: Request, task_id: str) -> tuple[FunctionsClient, Job]:
    try:
        client = await ctx.lifespan_context.client()
        return client, await client.jobs.get(task_id)
    except QiskitFunctionsError as error:
        raise MCPError(code=INVALID_PARAMS, message=error.message) from error


def _task(job: Job) -> dict[str, Any]:
    """The state now, which is also when it was last looked at: gateways do not say when it last changed."""
    return {
        "taskId": job.id,
        "status": _STATUS.get(job.status, "working"),
        "statusMessage": status_text(job),
        "createdAt": job.created.isoformat(),
        "lastUpdatedAt": datetime.now(UTC).isoformat(),
        "ttlMs": None,
        "pollIntervalMs": POLL_MS,
    }
