"""Our client on a gateway of a test, and a gateway that only notes what it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qiskit_functions_core import Account, Channel, FunctionsClient
from qiskit_functions_core.http.transport import RetryPolicy

from .serving import serving
from .still_gateway import TOKEN

METHODS = ["GET", "POST", "DELETE", "PATCH"]


@asynccontextmanager
async def client_of(host: str, token: str = TOKEN, **options: Any) -> AsyncIterator[FunctionsClient]:
    """A client of a self-hosted gateway."""
    account = Account(channel=Channel.LOCAL, host=host, token=SecretStr(token))
    async with FunctionsClient(account, **{"retries": RetryPolicy(base=0.01), **options}) as client:
        yield client


@dataclass
class Asked:
    """A request as the gateway has read it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    form: dict[str, str | Sent] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """A file of a form."""

    name: str
    content: bytes


async def _read(value: str | UploadFile) -> str | Sent:
    return value if isinstance(value, str) else Sent(value.filename or "", await value.read())


@dataclass
class InTurn:
    answers: list[Any]


@dataclass
class By:
    make: Callable[[Asked], Any]


@dataclass
class NotingGateway:
    """Answers by method and path under ``/api/v1/``, and notes what it was asked.

    Attributes:
        answers: JSON or a response, ``InTurn`` for one after another, ``By`` for one made out of the request.
    """

    answers: dict[str, Any]
    host: str = ""
    asked: list[Asked] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        path = request.url.path.removeprefix("/api/v1/")
        asked = Asked(request.method, path, dict(request.query_params), dict(request.headers), await request.body())
        if "form" in asked.headers.get("content-type", ""):
            async with request.form() as form:
                asked.form = {name: await _read(value) for name, value in form.items()}
        self.asked.append(asked)
        answer = self.answers[f"{asked.method} {path}"]
        if isinstance(answer, InTurn):
            answer = answer.answers.pop(0)
        if isinstance(answer, By):
            answer = answer.make(asked)
        return answer if isinstance(answer, Response) else JSONResponse(answer)

    def paths(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.asked]


@contextmanager
def noting_gateway(answers: dict[str, Any], tls: tuple[Path, Path] | None = None) -> Iterator[NotingGateway]:
    gateway = NotingGateway(answers)
    with serving(Starlette(routes=[Route("/{path:path}", gateway.__call__, methods=METHODS)]), tls) as host:
        gateway.host = host
        yield gateway
