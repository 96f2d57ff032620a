"""The routes of jobs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, Self, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..storage.database import JobFilter, JobRow
from ..storage.job_states import JobStatus
from ..storage.logs import LogView, read_log
from ..storage.results import is_json, open_result, pieces_of
from . import request_fields as fields
from . import serializers as shapes
from .context import Gateway
from .functions import check_provider, unknown
from .job_calls import CALLS, JOB, event_type, find
from .large_text import json_with_text
from .request_fields import clean_name
from .routing import ApiError, Json, blocking, json_of, resource

PAGE = 100
"""How many jobs a listing has by default."""

_NOT_FLEETS = {"fleet_id": None, "compute_profile": None, "business_model": "SUBSIDIZED"}
"""What the real gateway answers for every job that runs on Ray."""


def routes(gateway: Gateway) -> list[Route]:
    """All under ``/api/v1/jobs``, with what functions call."""
    return [
        resource(gateway, "jobs", GET=list_jobs),
        resource(gateway, "jobs/provider", GET=list_provider_jobs),
        resource(gateway, JOB, GET=get_job),
        resource(gateway, f"{JOB}/result", CALLS["result"], GET=get_result),
        resource(gateway, f"{JOB}/logs", GET=get_logs),
        resource(gateway, f"{JOB}/provider-logs", GET=get_provider_logs),
        resource(gateway, f"{JOB}/events", GET=get_events),
        resource(gateway, f"{JOB}/event", CALLS["event"]),
        resource(gateway, f"{JOB}/runtime_jobs", CALLS["runtime_jobs"], GET=get_runtime_jobs),
        resource(gateway, f"{JOB}/sub_status", CALLS["sub_status"]),
        resource(gateway, f"{JOB}/stop", POST=stop),
        resource(gateway, f"{JOB}/usage", GET=get_usage),
        resource(gateway, f"{JOB}/arguments", GET=get_arguments),
    ]


@dataclass(frozen=True)
class _Query:
    """The query of a listing; it is checked as a whole before anything is looked up."""

    title: str
    provider: str
    kind: str
    status: str
    created_after: str
    limit: int
    offset: int

    @classmethod
    def of(cls, request: Request) -> Self:
        query = fields.query(request)
        kind = query.choice("filter", ("serverless", "catalog"))
        return cls(
            title=clean_name(query.optional("function", longest=fields.MAX_NAME) or ""),
            provider=clean_name(query.optional("provider", longest=fields.MAX_NAME) or ""),
            kind=kind,
            status=clean_name(query.optional("status") or ""),
            created_after=query.moment("created_after"),
            limit=query.integer("limit", PAGE),
            offset=query.integer("offset", 0),
        )

    @property
    def filter(self) -> JobFilter:
        return JobFilter(
            title=self.title,
            # A title without a provider is one of the user's own functions.
            provider=self.provider or ("" if self.title else None),
            kind=cast(Literal["", "serverless", "catalog"], self.kind),
            status=self.status,
            created_after=self.created_after,
        )


async def list_jobs(gateway: Gateway, request: Request) -> Response:
    wanted = _Query.of(request)
    if wanted.title and await blocking(gateway.database.program, wanted.title, wanted.provider) is None:
        raise unknown(wanted.title)
    return await _page(gateway, request, wanted, {"compute_profile": None})


async def list_provider_jobs(gateway: Gateway, request: Request) -> Response:
    wanted = _Query.of(request)
    if not wanted.provider:
        raise ApiError(400, "'provider' not provided or is not valid")
    check_provider(gateway, wanted.provider)
    if wanted.title and await blocking(gateway.database.program, wanted.title, wanted.provider) is None:
        raise unknown(wanted.title, wanted.provider)
    return await _page(gateway, request, wanted, {})


async def _page(gateway: Gateway, request: Request, wanted: _Query, more: dict[str, Any]) -> Response:
    limit, offset = wanted.limit, wanted.offset
    count, jobs = await blocking(gateway.database.jobs, wanted.filter, limit=limit, offset=offset)
    is_last = not limit or offset + limit >= count
    return Json(
        {
            "count": count,
            "next": None if is_last else _link(request, limit, offset + limit),
            "previous": _link(request, limit, max(offset - limit, 0)) if offset else None,
            "results": [{**shapes.listed_job(job), **more} for job in jobs],
        }
    )


def _link(request: Request, limit: int, offset: int) -> str:
    """Return the URL of a page, with the filters, which the real gateway drops."""
    url = request.url.replace(path=f"{request.url.path}/")
    return str(url.include_query_params(limit=limit, offset=offset))


async def get_job(gateway: Gateway, request: Request) -> Response:
    with_result = fields.query(request).boolean("with_result", default=False)
    job = await find(gateway, request)
    if not with_result:
        return Json({**shapes.job(job), **_NOT_FLEETS})
    program = await blocking(gateway.database.program, job.title, job.provider)
    shown = {**shapes.whole_job(job, program), **_NOT_FLEETS}
    result = await blocking(open_result, gateway.data_folder, job)
    if result is None:
        return Json({**shown, "result": None})
    return await json_with_text(shown, "result", pieces_of(result))


async def get_result(gateway: Gateway, request: Request) -> Response:
    result = await blocking(open_result, gateway.data_folder, await find(gateway, request))
    return Response(status_code=204) if result is None else await json_with_text({}, "result", pieces_of(result))


async def get_logs(gateway: Gateway, request: Request) -> Response:
    job = await find(gateway, request)
    return await _log(gateway, job, "public" if job.provider else "all")


async def get_provider_logs(gateway: Gateway, request: Request) -> Response:
    job = await find(gateway, request)
    if not job.provider:
        raise ApiError(403, f"You don't have access to job [{job.id}]")
    return await _log(gateway, job, "private")


async def _log(gateway: Gateway, job: JobRow, view: LogView) -> Response:
    log = await blocking(read_log, gateway.data_folder.job(job.id), view)
    if log is None:
        return Json({"logs": "No logs yet." if job.status == JobStatus.QUEUED else ""})
    return await json_with_text({}, "logs", log)


async def stop(gateway: Gateway, request: Request) -> Response:
    service = (await fields.body(request)).optional("service")
    if service and not is_json(service):
        raise ApiError(400, "'service' is not the JSON of a QiskitRuntimeService.")
    job = await find(gateway, request)
    stopped = await blocking(gateway.runner.stop, job.id)
    gateway.wake()
    said = [
        "Job has been stopped." if stopped else "Job already in terminal state.",
        _of_runtime_jobs(bool(service and json.loads(service)), await blocking(gateway.database.runtime_jobs, job.id)),
        *(["Serverless job was running and has been stopped."] if stopped and job.status == JobStatus.RUNNING else []),
    ]
    return Json({"message": " ".join(said)})


def _of_runtime_jobs(has_service: bool, runtime_jobs: list[dict[str, str | None]]) -> str:
    """Say why runtime jobs go on: they belong to an account that this gateway does not know."""
    if not has_service:
        return "QiskitRuntimeService not found, cannot stop runtime jobs."
    if not runtime_jobs:
        return "No active runtime job ID associated with this serverless job ID."
    names = ", ".join(str(job["runtime_job"]) for job in runtime_jobs)
    return f"This gateway cancels no runtime jobs: [{names}]."


async def get_events(gateway: Gateway, request: Request) -> Response:
    name = fields.query(request).optional("type")
    wanted = event_type(name) if name else None
    job = await find(gateway, request)
    return await json_of(gateway.database.events, job.id, wanted)


async def get_usage(gateway: Gateway, request: Request) -> Response:
    """Answer what the job has used of this machine's quota, which no other gateway tells."""
    job = await find(gateway, request)
    return Json({"usage_seconds": await blocking(gateway.database.seconds_used, job.id)})


async def get_arguments(gateway: Gateway, request: Request) -> Response:
    """Answer what the job was given, which no other gateway tells; null where it was not kept."""
    job = await find(gateway, request)
    return await json_of(lambda: {"arguments": _arguments(gateway, job)})


def _arguments(gateway: Gateway, job: JobRow) -> str | None:
    try:
        return gateway.data_folder.job(job.id).arguments.read_text("utf-8")
    except OSError:
        return None


async def get_runtime_jobs(gateway: Gateway, request: Request) -> Response:
    job = await find(gateway, request)
    return Json({"runtime_jobs": await blocking(gateway.database.runtime_jobs, job.id)})
