"""The Tasks extension: a job is a task with the same id, so nothing has to be stored.

https://modelcontextprotocol.github.io/ext-tasks/ (``io.modelcontextprotocol/tasks``). A client that declares the
extension gets a task for a job that has not ended, and polls it; other clients get the tools' usual answers.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolRequestParams,
    CallToolResult,
    ClientCapabilities,
    MissingRequiredClientCapabilityErrorData,
    Notification,
    RequestParams,
)
from pydantic import Field

from qiskit_functions_core import Job, JobStatus
from qiskit_functions_core.errors import QiskitFunctionsError

from .replies.call_results import reply
from .replies.jobs import job_reply, seconds_left, status_text
from .session import Session

if TYPE_CHECKING:
    from qiskit_functions_core import FunctionsClient

IDENTIFIER = "io.modelcontextprotocol/tasks"

POLL_MS = 2_000
"""Jobs take seconds to hours, and each poll is a request to the gateway."""

_AS_TASKS = frozenset({"run_function", "wait_for_job"})

_STATUS = {JobStatus.DONE: "completed", JobStatus.ERROR: "completed", JobStatus.CANCELED: "cancelled"}
"""A failed job is a completed task, whose result says why. The extension reserves "failed" for failed requests."""

Request = ServerRequestContext[Session, Any]


class TaskParams(RequestParams):
    """The params of the extension's methods; a task's id is its job's."""

    task_id: str = Field(alias="taskId")


class UpdateParams(TaskParams):
    """The answers of a client to what a task asked for; a job asks for nothing."""

    input_responses: dict[str, Any] = Field(default_factory=dict, alias="inputResponses")


class TaskNotification(Notification[dict[str, Any], Literal["notifications/tasks"]]):
    """A task that has changed, for a client that listens to it."""

    method: Literal["notifications/tasks"] = "notifications/tasks"


class Tasks(Extension):
    """Serves jobs as tasks to the clients that declare the extension."""

    identifier = IDENTIFIER

    def methods(self) -> tuple[MethodBinding, ...]:
        """Return the extension's methods."""
        return (
            MethodBinding("tasks/get", TaskParams, _get),
            MethodBinding("tasks/cancel", TaskParams, _cancel),
            MethodBinding("tasks/update", UpdateParams, _update),
        )

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: Request, call_next: CallNext
    ) -> HandlerResult:
        """Return a task in place of the answer of a tool that started, or waited for, a job that still runs."""
        answer = await call_next(ctx)
        if params.name not in _AS_TASKS or not _is_declared(ctx) or not isinstance(answer, CallToolResult):
            return answer
        facts = answer.structured_content
        if answer.is_error or not isinstance(facts, dict) or not facts.get("job_id"):
            return answer
        if JobStatus(facts["status"]).is_final:
            return answer
        client = await ctx.lifespan_context.client()
        return {**_task(await client.jobs.get(facts["job_id"])), "resultType": "task"}


def _is_declared(ctx: Request) -> bool:
    capabilities = ctx.session.client_capabilities
    return capabilities is not None and IDENTIFIER in (capabilities.extensions or {})


def require_declaration(ctx: Request) -> None:
    """Do nothing if the client has declared the extension.

    Raises:
        MCPError: it has not (-32021).
    """
    if not _is_declared(ctx):
        needed = ClientCapabilities(extensions={IDENTIFIER: {}})
        data = MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message=f"the client has not declared the extension {IDENTIFIER}",
            data=data.model_dump(by_alias=True, mode="json", exclude_none=True),
        )


async def _get(ctx: Request, params: TaskParams) -> HandlerResult:
    client, job = await job_of_task(ctx, params.task_id)
    return {**await detailed(ctx, client, job), "resultType": "complete"}


async def detailed(ctx: Request, client: FunctionsClient, job: Job) -> dict[str, Any]:
    """Return a job as a task, with its result when it has ended."""
    task = _task(job)
    if task["status"] == "completed":
        budget = ctx.lifespan_context.settings.reply_characters
        result = reply(await job_reply(client, job, budget, result_within=seconds_left(time.monotonic())))
        task["result"] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return task


async def _cancel(ctx: Request, params: TaskParams) -> HandlerResult:
    if ctx.lifespan_context.settings.read_only:
        raise MCPError(code=INVALID_PARAMS, message="this server is read-only and cannot stop jobs")
    client, job = await job_of_task(ctx, params.task_id)
    try:
        await client.jobs.stop(job.id)
    except QiskitFunctionsError as error:
        raise MCPError(code=INVALID_PARAMS, message=error.message) from error
    return {"resultType": "complete"}


async def _update(ctx: Request, params: UpdateParams) -> HandlerResult:
    """Acknowledge the answers and ignore them, as the extension wants it for those that a task does not wait for."""
    await job_of_task(ctx, params.task_id)
    return {"resultType": "complete"}


async def job_of_task(ctx: Request, task_id: str) -> tuple[FunctionsClient, Job]:
    """Return the job that a task stands for.

    Raises:
        MCPError: the client has not declared the extension, or there is no such job.
    """
    require_declaration(ctx)
    try:
        client = await ctx.lifespan_context.client()
        return client, await client.jobs.get(task_id)
    except QiskitFunctionsError as error:
        raise MCPError(code=INVALID_PARAMS, message=error.message) from error


def _task(job: Job) -> dict[str, Any]:
    """Return a job as a task. Gateways do not say when a job last changed, so it counts as updated now."""
    return {
        "taskId": job.id,
        "status": _STATUS.get(job.status, "working"),
        "statusMessage": status_text(job),
        "createdAt": job.created.isoformat(),
        "lastUpdatedAt": datetime.now(UTC).isoformat(),
        "ttlMs": None,
        "pollIntervalMs": POLL_MS,
    }
