"""What every route needs: who may call it, its input checked, its errors in the gateway's shapes."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from qiskit_functions_core.errors import EmbeddedGatewayError

P = ParamSpec("P")
T = TypeVar("T")

MAX_JSON_BYTES = 2_621_440
"""Django's ``DATA_UPLOAD_MAX_MEMORY_SIZE``; artifacts do not count."""

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


class ApiError(Exception):
    """An answer that is no success, as ``{"message": …}``."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, **more}


async def blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what waits for a disk in a thread."""
    return await anyio.to_thread.run_sync(partial(function, *args, **kwargs))


class Authentication:
    """The gateway's token opens everything, a job's token its own job's routes; compared in constant time.

    Args:
        token: the gateway's; none where only jobs call.
        job_token: the token of a job, or none for no such job.
    """

    def __init__(self, app: ASGIApp, token: str | None, job_token: Callable[[str], str | None]) -> None:
        self._app = app
        self._token = token
        self._job_token = job_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            # Optional under /api/, and never a redirect.
            scope["path"] = scope["path"].removesuffix("/")
            problem = await self._problem(Request(scope))
            if problem:
                answer = JSONResponse({"detail": problem}, 401, {"WWW-Authenticate": "Bearer"})
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _problem(self, request: Request) -> str | None:
        given = request.headers.get("authorization")
        if given is None:
            return "Authorization token was not provided."
        token = given.split(" ")[-1]
        if self._token is not None and _same(token, self._token):
            return None
        job = re.match(r"/api/v1/jobs/([0-9a-f-]{36})(?=/|$)", request.url.path)
        expected = await blocking(self._job_token, job[1]) if job else None
        return None if expected and _same(token, expected) else "Authorization token is not valid."


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


async def on_api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - what this handler is registered for
    return JSONResponse(error.body, error.status)


async def on_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    if error.status_code == 404:  # noqa: PLR2004
        return HTMLResponse(_NOT_FOUND_PAGE, 404)
    return JSONResponse({"message": error.detail}, error.status_code, error.headers)


async def on_storage_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, EmbeddedGatewayError)  # noqa: S101 - as above
    return JSONResponse({"message": error.message}, 503)


HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    ApiError: on_api_error,
    HTTPException: on_http_error,
    EmbeddedGatewayError: on_storage_error,
}


async def json_body(request: Request) -> dict[str, Any]:
    """The body as an object; an absent body is an empty one."""
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > MAX_JSON_BYTES:
            raise ApiError(413, f"The body is larger than {MAX_JSON_BYTES} bytes.")
    if not chunks:
        return {}
    try:
        body = json.loads(bytes(chunks))
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise ApiError(400, "The body must be a JSON object.")
    return body


def text_field(body: dict[str, Any], name: str, *, required: bool = False, blank: bool = False) -> str | None:
    """A field that must be a text, with the gateway's words when it is not.

    Args:
        blank: whether it may be empty.
    """
    if name not in body:
        if required:
            raise ApiError(400, "This field is required.")
        return None
    value = body[name]
    if value is None:
        raise ApiError(400, "This field may not be null.")
    if not isinstance(value, str):
        raise ApiError(400, "Not a valid string.")
    if not value and not blank:
        raise ApiError(400, "This field may not be blank.")
    return value


def number_parameter(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError:
        raise ApiError(400, "A valid integer is required.") from None
    if number < 0:
        raise ApiError(400, "Ensure this value is greater than or equal to 0.")
    return number


def clean_title(text: str) -> str:
    """The gateway drops all other characters of a title without a word."""
    return re.sub(r"[^A-Za-z0-9_/-]", "", text)
