"""What every route needs: authentication, the real gateway's forms of errors, and its methods."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, ParamSpec, Protocol, TypeVar

import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from qiskit_functions_core.errors import EmbeddedGatewayError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_NOT_FOUND_PAGE = """
<!doctype html>
<html lang="en">
<head>
  <title>Not Found</title>
</head>
<body>
  <h1>Not Found</h1><p>The requested resource was not found on this server.</p>
</body>
</html>
"""

_SHOWABLE = frozenset({"*/*", "application/*", "application/json", "text/*", "text/html"})
"""The types that a caller may accept; a browser gets JSON too, where the real gateway has a page."""


class Json(JSONResponse):
    """JSON in ASCII, because lone surrogates, which a caller can send as JSON escapes, cannot be encoded as UTF-8."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


class ApiError(Exception):
    """An error that is answered as ``{"message": …}``."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, **more}


class _Refused(HTTPException):
    """An error that is answered as ``{"detail": …}``, as the real gateway does before it reads the request."""


class Keys(Protocol):
    """The tokens that open routes.

    Attributes:
        token: opens every route; None where only functions call.
    """

    @property
    def token(self) -> str | None: ...

    def job_token(self, job_id: str) -> str | None:
        """Return the token of a job, or None if there is no such job."""


K = TypeVar("K", bound=Keys)

Handler = Callable[[K, Request], Awaitable[Response]]


async def blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that waits for a disk in a thread."""
    return await anyio.to_thread.run_sync(partial(function, *args, **kwargs))


async def json_of(function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Response:
    """Answer with what a function returns, made to JSON in the same thread: a log of 50 MB would delay all callers."""
    return await blocking(lambda: Json(function(*args, **kwargs)))


def resource(
    context: K, path: str, for_jobs: Mapping[str, Handler[K]] = MappingProxyType({}), **for_users: Handler[K]
) -> Route:
    """Return a route under ``/api/v1/``, with a handler for each method.

    Args:
        for_jobs: handlers that the job's own token opens too.
        for_users: handlers that only the gateway's token opens.
    """
    handlers = {**for_users, **for_jobs}

    async def endpoint(request: Request) -> Response:
        if request.method == "OPTIONS":
            return HTMLResponse(headers={"Allow": ", ".join([*handlers, "OPTIONS"])})
        await _authenticate(context, request, by_job=request.method in for_jobs)
        accepted = request.headers.get("accept", "*/*").split(",")
        types = {part.partition(";")[0].strip().lower() for part in accepted}
        if not types & _SHOWABLE and not request.scope["path"].endswith("/download"):
            raise _Refused(406, "Could not satisfy the request Accept header.")
        return await handlers["GET" if request.method == "HEAD" else request.method](context, request)

    return Route(f"/api/v1/{path}", endpoint, methods=[*handlers, "OPTIONS"])


async def _authenticate(keys: Keys, request: Request, *, by_job: bool) -> None:
    """Check the token, which is the last word of the header, whatever the scheme is; compared in constant time."""
    given = request.headers.get("authorization")
    if given is None:
        raise _unauthorized("Authorization token was not provided.")
    token = given.split(" ")[-1]
    if keys.token is not None and _same(token, keys.token):
        return
    expected = await blocking(keys.job_token, request.path_params["job_id"]) if by_job else None
    if expected is None or not _same(token, expected):
        raise _unauthorized("Authorization token is not valid.")


def _unauthorized(detail: str) -> _Refused:
    return _Refused(401, detail, {"WWW-Authenticate": "Bearer"})


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


class AnySlash:
    """Treats a path with one slash at its end as one without, instead of redirecting."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"][:-1]}
        await self._app(scope, receive, send)


async def _on_api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - what this handler is registered for
    return Json(error.body, error.status)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    if error.status_code == HTTPStatus.NOT_FOUND:
        return HTMLResponse(_NOT_FOUND_PAGE, 404)
    if isinstance(error, _Refused):
        return Json({"detail": error.detail}, error.status_code, error.headers)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return Json({"message": f'Method "{request.method}" not allowed.'}, 405, error.headers)
    return Json({"message": error.detail}, error.status_code, error.headers)


async def _on_storage_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, EmbeddedGatewayError)  # noqa: S101 - as above
    logger.error("%s", error.message)
    return Json({"message": error.message}, 503)


async def _on_disconnect(_: Request, __: Exception) -> Response:
    """End quietly when the caller has gone in the middle of its request."""
    return Response(status_code=400)


async def _on_fault(_: Request, __: Exception) -> Response:
    """Answer for a defect of this gateway, which uvicorn logs."""
    return Json({"message": "Internal server error"}, 500)


HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    ApiError: _on_api_error,
    HTTPException: _on_http_error,
    EmbeddedGatewayError: _on_storage_error,
    ClientDisconnect: _on_disconnect,
    Exception: _on_fault,
}
