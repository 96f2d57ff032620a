"""The routes of jobs; those that a function calls while it runs are a group of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .gateway import Gateway, is_json, read_result
from .home import Home
from .http import ApiError, blocking, clean_title, json_body, number_parameter, text_field
from .logs import of_own_function, private_part, public_part, read_log
from .programs import PROVIDERS, described
from .store import ACTIVE, JobFilter, JobRow, Store

SUB_STATUSES = ("MAPPING", "OPTIMIZING_HARDWARE", "WAITING_QPU", "EXECUTING_QPU", "POST_PROCESSING")

_JOB = "/api/v1/jobs/{job_id:lower_uuid}"


def routes(gateway: Gateway) -> list[Route]:
    """What users of the gateway call, without what functions call."""

    def route(path: str, handler: Callable[[Gateway, Request], Awaitable[Response]], method: str = "GET") -> Route:
        async def endpoint(request: Request) -> Response:
            return await handler(gateway, request)

        return Route(path, endpoint, methods=[method])

    return [
        route("/api/v1/jobs", list_jobs),
        route("/api/v1/jobs/provider", list_provider_jobs),
        route(f"{_JOB}/result", get_result),
        route(f"{_JOB}/logs", get_logs),
        route(f"{_JOB}/provider-logs", get_provider_logs),
        route(f"{_JOB}/stop", stop, "POST"),
        route(f"{_JOB}/events", get_events),
        route(f"{_JOB}/runtime_jobs", get_runtime_jobs),
        route(_JOB, get_job),
    ]


def routes_for_functions(home: Home, store: Store) -> list[Route]:
    """What a function calls while it runs; a job's token opens these."""

    def route(path: str, handler: Callable[[Home, Store, Request], Awaitable[Response]], method: str) -> Route:
        async def endpoint(request: Request) -> Response:
            return await handler(home, store, request)

        return Route(f"{_JOB}/{path}", endpoint, methods=[method])

    return [
        route("sub_status", set_sub_status, "PATCH"),
        route("event", add_event, "POST"),
        route("runtime_jobs", add_runtime_job, "POST"),
        route("result", save_result, "POST"),
    ]


async def list_jobs(gateway: Gateway, request: Request) -> Response:
    kind = request.query_params.get("filter", "")
    if kind not in ("", "serverless", "catalog"):
        raise ApiError(400, f'"{kind}" is not a valid choice.')
    provider = request.query_params.get("provider")
    return await _page(gateway, request, kind=kind, provider=provider)


async def list_provider_jobs(gateway: Gateway, request: Request) -> Response:
    provider = request.query_params.get("provider")
    if not provider:
        raise ApiError(400, "'provider' not provided or is not valid")
    if provider not in PROVIDERS:
        raise ApiError(404, f"Provider {provider} doesn't exist.")
    return await _page(gateway, request, kind="", provider=provider)


async def _page(gateway: Gateway, request: Request, *, kind: Any, provider: str | None) -> Response:
    title = clean_title(request.query_params.get("function", ""))
    if title and await blocking(gateway.store.program, title, provider or "") is None:
        name = f"{provider}/{title}" if provider else title
        raise ApiError(404, f"Qiskit Function {name} doesn't exist.")
    limit, offset = number_parameter(request, "limit", 100), number_parameter(request, "offset", 0)
    wanted = JobFilter(
        title=title,
        provider=provider or ("" if title else None),
        kind=kind,
        status=request.query_params.get("status", ""),
        created_after=_moment(request.query_params.get("created_after", "")),
    )
    count, jobs = await blocking(gateway.store.jobs, wanted, limit=limit, offset=offset)
    more, before = bool(limit) and offset + limit < count, offset > 0
    return JSONResponse(
        {
            "count": count,
            "next": _link(request, limit, offset + limit) if more else None,
            "previous": _link(request, limit, max(offset - limit, 0)) if before else None,
            "results": [_listed(job) for job in jobs],
        }
    )


def _link(request: Request, limit: int, offset: int) -> str:
    """The page, with the filters that were given: the real gateway drops them."""
    return str(request.url.include_query_params(limit=limit, offset=offset))


def _moment(text: str) -> str:
    """A time as the store writes it."""
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise ApiError(
            400,
            "Datetime has wrong format. Use one of these formats instead: "
            "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].",
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def get_job(gateway: Gateway, request: Request) -> Response:
    with_result = request.query_params.get("with_result", "false").lower()
    if with_result not in ("true", "false", "1", "0"):
        raise ApiError(400, "Must be a valid boolean.")
    job = await find(gateway.store, request)
    extra = {"fleet_id": None, "compute_profile": None, "business_model": "SUBSIDIZED"}
    if with_result in ("false", "0"):
        return JSONResponse({**_listed(job), **extra})
    program = await blocking(gateway.store.program, job.title, job.provider)
    shown = described(program) if program else {}
    shown.pop("version", None), shown.pop("runner", None), shown.pop("arguments_schema", None)
    result = await blocking(read_result, gateway.home, job)
    return JSONResponse({**_listed(job), "result": result, "program": shown, **extra})


async def get_result(gateway: Gateway, request: Request) -> Response:
    result = await blocking(read_result, gateway.home, await find(gateway.store, request))
    return Response(status_code=204) if result is None else JSONResponse({"result": result})


async def get_logs(gateway: Gateway, request: Request) -> Response:
    job = await find(gateway.store, request)
    return await _logs(gateway, job, public_part if job.provider else of_own_function)


async def get_provider_logs(gateway: Gateway, request: Request) -> Response:
    job = await find(gateway.store, request)
    if not job.provider:
        raise ApiError(403, f"You don't have access to job [{job.id}]")
    return await _logs(gateway, job, private_part)


async def _logs(gateway: Gateway, job: JobRow, part: Callable[[str], str]) -> Response:
    log = await blocking(read_log, gateway.home.job(job.id).log)
    if log is None:
        return JSONResponse({"logs": "" if job.status in ("PENDING", "RUNNING") else "No logs yet."})
    return JSONResponse({"logs": part(log)})


async def stop(gateway: Gateway, request: Request) -> Response:
    service = text_field(await json_body(request), "service", blank=True)
    if service and not is_json(service):
        raise ApiError(400, "'service' is not the JSON of a QiskitRuntimeService.")
    job = await find(gateway.store, request)
    no_runtime = "QiskitRuntimeService not found, cannot stop runtime jobs."
    if not await blocking(gateway.runner.stop, job.id):
        return JSONResponse({"message": f"Job already in terminal state. {no_runtime}"})
    gateway.wake()
    ran = " Serverless job was running and has been stopped." if job.status == "RUNNING" else ""
    return JSONResponse({"message": f"Job has been stopped. {no_runtime}{ran}"})


async def get_events(gateway: Gateway, request: Request) -> Response:
    wanted = request.query_params.get("type", "")
    if wanted and wanted.upper() != "ERROR":
        raise ApiError(400, "Type is not valid. Valid types: ['ERROR']")
    job = await find(gateway.store, request)
    return JSONResponse(await blocking(gateway.store.events, job.id, wanted.upper()))


async def get_runtime_jobs(gateway: Gateway, request: Request) -> Response:
    job = await find(gateway.store, request)
    return JSONResponse({"runtime_jobs": await blocking(gateway.store.runtime_jobs, job.id)})


async def set_sub_status(_: Home, store: Store, request: Request) -> Response:
    """``qiskit_serverless.update_status`` sends a form, others JSON."""
    body = await _form_or_json(request)
    if "sub_status" in body and body["sub_status"] is None:
        raise ApiError(400, "'sub_status' cannot be null")
    if body.get("sub_status") not in SUB_STATUSES:
        raise ApiError(400, "'sub_status' not provided or is not valid")
    job = await find(store, request)
    if not await blocking(store.set_sub_status, job.id, body["sub_status"]):
        status = (await find(store, request)).status
        raise ApiError(403, f"Cannot update 'sub_status' when is not in active status. (Currently {status})")
    return JSONResponse({"job": _listed(await find(store, request))})


async def _form_or_json(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").startswith("application/json"):
        return await json_body(request)
    return dict(await request.form())


async def add_event(_: Home, store: Store, request: Request) -> Response:
    body = await json_body(request)
    if str(body.get("type", "")).upper() != "ERROR":
        raise ApiError(400, "Type is not valid. Valid types: ['ERROR']")
    for name in ("code", "message", "exception"):
        if name not in body:
            raise ApiError(400, f"'{name}' not provided or is not valid")
    job = await find(store, request)
    if job.status not in ACTIVE:
        raise ApiError(403, "You can create events on active jobs only")
    data = {"args": body.get("args"), "code": str(body["code"])}
    data |= {name: None if body[name] is None else str(body[name]) for name in ("message", "exception")}
    await blocking(store.add_error, job.id, data)
    return Response(status_code=200)


async def add_runtime_job(_: Home, store: Store, request: Request) -> Response:
    body = await json_body(request)
    runtime_job = text_field(body, "runtime_job", required=True) or ""
    session = body.get("runtime_session")
    job = await find(store, request)
    added = await blocking(store.add_runtime_job, job.id, runtime_job, None if session is None else str(session))
    if added:
        message = f"RuntimeJob object [{runtime_job}] created for serverless job id [{job.id}]."
    else:
        message = f"Failed to create RuntimeJob object [{runtime_job}] for job id [{job.id}]. It already exists."
    return JSONResponse({"message": message})


async def save_result(home: Home, store: Store, request: Request) -> Response:
    body = await json_body(request)
    result = text_field(body, "result", required=True, blank=True) or ""
    job = await find(store, request)
    await blocking(_write_result, home, job, result)
    return JSONResponse({**_listed(job), "result": result})


def _write_result(home: Home, job: JobRow, result: str) -> None:
    folder = home.job(job.id)
    folder.path.mkdir(parents=True, exist_ok=True)
    partial = folder.result.with_suffix(".partial")
    partial.write_text(result, encoding="utf-8")
    partial.replace(folder.result)


async def find(store: Store, request: Request) -> JobRow:
    job_id = str(request.path_params["job_id"])
    job = await blocking(store.job, job_id)
    if job is None:
        raise ApiError(404, f"Job [{job_id}] not found")
    return job


def _listed(job: JobRow) -> dict[str, Any]:
    provider = {"provider": job.provider} if job.provider else {}
    return {
        "id": job.id,
        "status": job.status,
        "program": {"id": job.program_id, "title": job.title, **provider},
        "created": job.created,
        "sub_status": job.sub_status,
    }
