"""The gateway as an ASGI application."""

from __future__ import annotations

from importlib.metadata import version

from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import jobs, programs
from .gateway import Gateway
from .home import Home
from .http import HANDLERS, Authentication, blocking
from .store import Store


class _LowerUuid(StringConvertor):
    """A job's id; the gateway knows it in lower case only, and answers all else with a web page."""

    regex = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


register_url_convertor("lower_uuid", _LowerUuid())


def whole_gateway(gateway: Gateway, token: str) -> Starlette:
    """Everything, for whoever holds the gateway's token."""

    async def usage(_: Request) -> Response:
        return JSONResponse(await blocking(_usage, gateway))

    return _application(
        [
            Route("/version/", _version),
            Route("/liveness/", _alive),
            Route("/readiness/", _alive),
            Route("/api/v1/dependencies-versions", _no_dependencies),
            Route("/api/v1/instances/usage", usage),
            *programs.routes(gateway),
            *jobs.routes(gateway),
            *jobs.routes_for_functions(gateway.home, gateway.store),
        ],
        gateway.store,
        token,
    )


def calls_home(home: Home, store: Store) -> Starlette:
    """What a supervisor answers its function, which holds a job's token."""
    return _application(jobs.routes_for_functions(home, store), store, None)


def _application(routes: list[Route], store: Store, token: str | None) -> Starlette:
    def job_token(job_id: str) -> str | None:
        job = store.job(job_id)
        return job.token if job else None

    return Starlette(
        routes=routes,
        middleware=[Middleware(Authentication, token=token, job_token=job_token)],
        exception_handlers=HANDLERS,
    )


def _usage(gateway: Gateway) -> dict[str, float | bool | None]:
    """In the words of IBM Quantum's ``GET /api/v1/instances/usage``, which a local account asks here."""
    consumed, limit = gateway.store.seconds_used(), gateway.usage_limit_seconds
    usage: dict[str, float | bool | None] = {"usage_consumed_seconds": round(consumed, 3), "usage_limit_seconds": limit}
    if limit is None:
        return {**usage, "usage_limit_reached": False}
    remaining = max(limit - consumed, 0.0)
    return {**usage, "usage_remaining_seconds": round(remaining, 3), "usage_limit_reached": remaining == 0}


async def _version(_: Request) -> Response:
    return JSONResponse({"version": f"qiskit-functions-mcp {version('qiskit-functions-mcp')}"})


async def _alive(_: Request) -> Response:
    return JSONResponse({"status": "alive"})


async def _no_dependencies(_: Request) -> Response:
    return JSONResponse([])
