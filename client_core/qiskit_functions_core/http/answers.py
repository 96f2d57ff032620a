"""What a server answered, and which error an answer is: each shape of the gateway, IBM Quantum, IAM, and proxies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from ..errors import (
    BadRequest,
    Forbidden,
    FunctionDisabled,
    GatewayError,
    GatewayFault,
    NotFound,
    TooManyRequests,
    Unauthorized,
)
from .redaction import redact

NOT_A_GATEWAY = "Check that the host is a Qiskit Serverless gateway and that no proxy answers in its place."

_MAX_MESSAGE = 2000
"""Characters of an error's text; the gateway's own are a sentence."""

_MAX_PAGE = 100_000
"""Bytes of a web page in which words are looked for."""

_REQUEST_IDS = ("x-request-id", "x-correlation-id", "x-global-transaction-id", "transaction-id", "cf-ray")
"""What gateways, IBM Cloud and the proxies before them call a request."""


@dataclass(frozen=True)
class Answer:
    """A response read whole.

    Attributes:
        headers: by names in any case.
        server: what errors call who answered.
        redirected: whether it came from the object store that the gateway pointed to.
        secrets: texts that must be in no error.
    """

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    server: str = "the gateway"
    redirected: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def json(self) -> Any:
        """Raises GatewayFault when the body is not JSON, or not the gateway's own."""
        if self.redirected:
            raise self._fault("redirected to another place instead of answering")
        if not self.body:
            raise self._fault(f"answered {self.status} with nothing where something was expected")
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise self._fault(f"answered {self.status} with no JSON: {self._excerpt()!r}") from None

    def error(self) -> GatewayError:
        """What this answer, which is no success, means."""
        text, path = _own_words(self.body)
        message = text or f"{self.server} or a proxy answered {self.status}: {self._excerpt() or 'no text'}"
        return _error_class(self.status)(
            redact(message, self.secrets)[:_MAX_MESSAGE],
            status=self.status,
            request_id=self._request_id(),
            retry_after=_retry_after(self.headers.get("retry-after", ""), date_of(self.headers)),
            path=path,
            next_step=_next_step(self.status, is_own=bool(text)),
        )

    def _fault(self, what: str) -> GatewayFault:
        return GatewayFault(
            redact(f"{self.server} {what}", self.secrets),
            status=self.status,
            request_id=self._request_id(),
            next_step=NOT_A_GATEWAY,
        )

    def _request_id(self) -> str:
        given = next((self.headers[name] for name in _REQUEST_IDS if self.headers.get(name)), "")
        return redact(given, self.secrets)[:100]

    def _excerpt(self, length: int = 200) -> str:
        """The start of the body as one line, without HTML tags."""
        text = redact(self.body[:_MAX_PAGE].decode(errors="replace"), self.secrets)
        return " ".join(re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", text, flags=re.S).split())[:length]


def _own_words(body: bytes) -> tuple[str, list[str | int] | None]:
    """The message in any of the JSON error shapes, and the path of a schema violation; empty for a web page."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return "", None
    if not isinstance(content, dict):
        return "", None
    errors = content.get("errors")  # a list in IBM Quantum's REST API
    first = errors[0] if isinstance(errors, list) and errors else None
    places = (content, content.get("error"), first)
    texts = (_message(place) for place in places if place)
    path = content.get("path")
    return next(filter(None, texts), ""), path if isinstance(path, list) else None


def _message(place: Any) -> str:
    """``message`` and ``error``: the gateway; ``detail``: its authentication; ``errorMessage``: IAM."""
    if isinstance(place, str):
        return place
    names = ("message", "detail", "errorMessage", "error") if isinstance(place, dict) else ()
    return next((place[name] for name in names if isinstance(place.get(name), str)), "")


_BY_STATUS: dict[int, type[GatewayError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    423: FunctionDisabled,
    429: TooManyRequests,
}

_NEXT_STEPS = {
    401: "Ask the person to check the token, the instance and the channel; a token is never passed to a tool.",
    403: "Ask the person whether this account may see it.",
    404: "Check the name or id against the listing.",
    413: "Send less; large data belongs in a file.",
    423: "Ask the function's provider; until then choose another function.",
    429: "Wait for running jobs to end, or try again later.",
}


def _error_class(status: int) -> type[GatewayError]:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status < HTTPStatus.BAD_REQUEST:
        return GatewayFault
    return _BY_STATUS.get(status, BadRequest)


def _next_step(status: int, *, is_own: bool) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "Try again later; the fault is on the gateway's side."
    if not is_own and status not in (401, 429):
        return NOT_A_GATEWAY
    return _NEXT_STEPS.get(status, "Correct the input that the message names.")


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """The server's clock now, to the second; an answer out of a cache says how old it is (RFC 9111, 5.1)."""
    then, age = _date(headers.get("date", "")), headers.get("age", "")
    return then + timedelta(seconds=int(age)) if then and re.fullmatch(r"[0-9]{1,9}", age) else then


def _retry_after(value: str, now: datetime | None) -> float | None:
    """Retry-After as seconds or as a date (RFC 9110, 10.2.3), which is read by the server's own clock."""
    if value.isascii() and value.isdigit():
        return float(value)
    then = _date(value)
    return None if then is None else max(0.0, (then - (now or datetime.now(UTC))).total_seconds())


def _date(value: str) -> datetime | None:
    try:
        then = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    return then if then.tzinfo else None  # "-0000" names no zone
