"""The gateway as an ASGI application."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import distributions, version

from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..storage.data_folder import DataFolder
from ..storage.database import Database
from . import job_calls as calls
from .context import Context, Gateway
from .routing import HANDLERS, AnySlash, Json, blocking, resource


class _LowerUuid(StringConvertor):
    """An id: the real gateway knows it in lower case only, and answers everything else with a web page."""

    regex = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


register_url_convertor("lower_uuid", _LowerUuid())


def gateway_app(gateway: Gateway) -> Starlette:
    """Return the whole API, for callers with the gateway's token."""
    # Supervisors, which have to start fast, need this module for ``calls_home_app`` only.
    from . import files, job_data, jobs
    from . import functions as programs

    return _application(
        [
            Route("/version", _version),
            Route("/liveness", _alive),
            Route("/readiness", _alive),
            resource(gateway, "dependencies-versions", GET=_dependencies),
            resource(gateway, "instances/usage", GET=_usage),
            *programs.routes(gateway),
            *jobs.routes(gateway),
            *job_data.routes(gateway),
            *files.routes(gateway),
        ]
    )


def calls_home_app(data_folder: DataFolder, database: Database) -> Starlette:
    """Return the routes that a supervisor serves to its function, which has its job's token."""
    return _application(calls.routes(Context(data_folder, database, token=None)))


def _application(routes: Sequence[Route]) -> Starlette:
    app = Starlette(routes=routes, middleware=[Middleware(AnySlash)], exception_handlers=HANDLERS)
    app.router.redirect_slashes = False
    return app


async def _usage(gateway: Gateway, _: Request) -> Response:
    """Answer in the form of IBM Quantum's ``GET /api/v1/instances/usage``."""
    consumed, limit = await blocking(gateway.database.seconds_used), gateway.usage_limit_seconds
    usage: dict[str, float | bool | None] = {"usage_consumed_seconds": round(consumed, 3), "usage_limit_seconds": limit}
    if limit is None:
        return Json({**usage, "usage_limit_reached": False})
    remaining = max(limit - consumed, 0.0)
    return Json({**usage, "usage_remaining_seconds": round(remaining, 3), "usage_limit_reached": remaining == 0})


async def _dependencies(_: Gateway, __: Request) -> Response:
    """Answer with the packages that are installed for functions; uploads may name others too."""

    def installed() -> list[str]:
        return sorted({f"{found.metadata['Name']}=={found.version}" for found in distributions()}, key=str.lower)

    return Json(await blocking(installed))


async def _version(request: Request) -> Response:
    # A client can rely on Idempotency-Key only where it knows that the gateway honours it, and that no proxy on the way
    # leaves it out.
    key = request.headers.get("idempotency-key")
    return Json(
        {"version": f"qiskit-functions-mcp {version('qiskit-functions-mcp')}", "idempotency_key": True},
        headers={"Idempotency-Key": key} if key else None,
    )


async def _alive(_: Request) -> Response:
    return Json({"status": "alive"})
