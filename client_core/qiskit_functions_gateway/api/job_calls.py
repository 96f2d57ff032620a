"""The routes that a function calls while it runs, with its job's own token."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..storage.database import MOST_RUNTIME_JOBS, JobRow
from ..storage.job_states import EventType
from . import request_fields as fields
from . import serializers as shapes
from .context import Context
from .routing import ApiError, Handler, Json, blocking, resource

JOB = "jobs/{job_id:lower_uuid}"

_MAX_ARGS_DEPTH = 100
"""Of an event's JSON: one as deep as Python can just read would make every listing of the job's events fail."""

SUB_STATUSES = ("MAPPING", "OPTIMIZING_HARDWARE", "WAITING_QPU", "EXECUTING_QPU", "POST_PROCESSING")


async def set_sub_status(context: Context, request: Request) -> Response:
    body = await fields.body(request)
    sub_status = _sub_status(body.values.get("sub_status", ...))
    job = await find(context, request)
    if not await blocking(context.database.set_sub_status, job.id, sub_status):
        status = (await find(context, request)).status
        raise ApiError(403, f"Cannot update 'sub_status' when is not in active status. (Currently {status})")
    return Json({"job": shapes.job(await find(context, request))})


def _sub_status(value: Any) -> str:
    if value is None:
        raise ApiError(400, "'sub_status' cannot be null")
    if value == "":
        raise ApiError(400, "'sub_status' cannot be blank")
    if value not in SUB_STATUSES:
        raise ApiError(400, "'sub_status' not provided or is not valid")
    return str(value)


async def add_event(context: Context, request: Request) -> Response:
    body = await fields.body(request)
    event_type(body.text("type"))
    data = {name: body.text(name) for name in ("exception", "code", "message")}
    args = body.values.get("args")
    if fields.is_nested_deeper(args, _MAX_ARGS_DEPTH):
        raise ApiError(400, f"'args' is nested deeper than {_MAX_ARGS_DEPTH} levels.")
    job = await find(context, request)
    if job.status.is_finished:
        raise ApiError(403, "You can create events on active jobs only")
    await blocking(context.database.add_error, job.id, {"args": args, **data})
    return Response(status_code=200)


def event_type(name: str) -> EventType:
    """Return the only type that a caller may name."""
    if name.upper() != EventType.ERROR:
        raise ApiError(400, "Type is not valid. Valid types: ['ERROR']")
    return EventType.ERROR


async def add_runtime_job(context: Context, request: Request) -> Response:
    body = await fields.body(request)
    runtime_job = body.text("runtime_job", longest=fields.MAX_NAME)
    session = body.optional("runtime_session", null=True, blank=True, longest=fields.MAX_NAME)
    job = await find(context, request)
    if await blocking(context.database.add_runtime_job, job.id, runtime_job, session):
        return Json({"message": f"RuntimeJob object [{runtime_job}] created for serverless job id [{job.id}]."})
    problem = f"Failed to create RuntimeJob object [{runtime_job}] for job id [{job.id}]."
    return Json({"message": f"{problem} Error: it already exists, or the job has {MOST_RUNTIME_JOBS} already."})


async def save_result(context: Context, request: Request) -> Response:
    result = (await fields.body(request)).text("result")
    job = await find(context, request)
    # In place of a result that the job has saved before.
    await blocking(context.data_folder.write_text, context.data_folder.job(job.id).result, result)
    program = await blocking(context.database.program, job.title, job.provider)
    return Json({**shapes.whole_job(job, program), "result": result})


async def find(context: Context, request: Request) -> JobRow:
    job_id = str(request.path_params["job_id"])
    job = await blocking(context.database.job, job_id)
    if job is None:
        raise ApiError(404, f"Job [{job_id}] not found")
    return job


CALLS: dict[str, dict[str, Handler[Context]]] = {
    "sub_status": {"PATCH": set_sub_status},
    "event": {"POST": add_event},
    "runtime_jobs": {"POST": add_runtime_job},
    "result": {"POST": save_result},
}
"""The handlers by the last part of the path, and by the method."""


def routes(context: Context) -> list[Route]:
    return [resource(context, f"{JOB}/{name}", calls) for name, calls in CALLS.items()]
