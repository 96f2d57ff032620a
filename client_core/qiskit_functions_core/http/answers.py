"""An answer read whole: its JSON, or the error it stands for, from the gateway, IBM Quantum, IAM and proxies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ..errors import (
    NOT_A_GATEWAY,
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

_MAX_MESSAGE = 2000
"""Characters of an error's text; the gateway's own are a sentence."""

MAX_ERROR_BYTES = 64 * 1024
"""Of the body of an error, which is a sentence or a proxy's page; the rest is not read."""

_MAX_JSON_BYTES = 16 * 1024 * 1024
_MAX_JSON_VALUES = 500_000
"""Of an answer that is parsed in this process. The longest listings have some thousand entries; each value takes about
a hundred bytes of memory, however short its text. Results and logs are parsed in the worker process."""

_TAG = re.compile(r"<[^<>]*>")

_MAX_DATE = 64
"""Characters of a header that can be a date; a date has 29."""

_REQUEST_IDS = ("x-request-id", "x-correlation-id", "x-global-transaction-id", "transaction-id", "cf-ray")
"""Headers in which gateways, IBM Cloud and the proxies before them send a request's id."""


@dataclass(frozen=True)
class Answer:
    """A response with its whole body.

    Attributes:
        headers: by names in any case.
        server: what errors call the server that answered.
        redirected: whether it came from the object store that the gateway pointed to.
        secrets: texts that must not appear in an error.
        file: where a large body is, if the reader wanted it in a file; ``body`` is empty then.
    """

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    server: str = "the gateway"
    redirected: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)
    file: Path | None = None

    def json(self) -> Any:
        """Return the decoded body.

        Raises:
            GatewayFault: the body is not JSON, or not the gateway's own.
        """
        if self.redirected:
            raise self._fault("redirected to another place instead of answering")
        if not self.body:
            raise self._fault(f"answered {self.status} with an empty body")
        # Before it is parsed: 60 MB of "{}" would take gigabytes.
        most_values = sum(map(self.body.count, (b",", b"[", b"{"))) if len(self.body) > _MAX_JSON_VALUES else 0
        if len(self.body) > _MAX_JSON_BYTES or most_values > _MAX_JSON_VALUES:
            raise self._fault(f"answered {self.status} with JSON that is too large to be read here")
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise self._fault(f"answered {self.status} with something that is not JSON: {self._excerpt()!r}") from None

    def error(self) -> GatewayError:
        """Return the error that this answer, whose status is not a success, stands for."""
        text, path = _message_and_path(self.body)
        message = text or f"{self.server} or a proxy answered {self.status}: {self._excerpt() or 'no text'}"
        if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.status < HTTPStatus.BAD_REQUEST:
            kind: type[GatewayError] = GatewayFault
        else:
            kind = _BY_STATUS.get(self.status, BadRequest)
        if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            next_step = "Try again later; the fault is on the gateway's side."
        elif not text and self.status not in (401, 429):  # which proxies send for the same reasons
            next_step = NOT_A_GATEWAY
        else:
            next_step = _NEXT_STEPS.get(self.status, "Correct the input that the message names.")
        return kind(
            redact(message, self.secrets)[:_MAX_MESSAGE],
            status=self.status,
            request_id=self._request_id(),
            retry_after=_retry_after(self.headers.get("retry-after", ""), date_of(self.headers)),
            path=path,
            from_gateway=bool(text),
            next_step=next_step,
        )

    def _fault(self, what: str) -> GatewayFault:
        return GatewayFault(
            redact(f"{self.server} {what}", self.secrets),
            status=self.status,
            request_id=self._request_id(),
            from_gateway=False,
            next_step=NOT_A_GATEWAY,
        )

    def _request_id(self) -> str:
        given = next((self.headers[name] for name in _REQUEST_IDS if self.headers.get(name)), "")
        return redact(given, self.secrets)[:100]

    def _excerpt(self, length: int = 200) -> str:
        """Return the start of the body as one line, without HTML tags."""
        text = redact(self.body[:MAX_ERROR_BYTES].decode(errors="replace"), self.secrets)
        for element in ("script", "style"):
            before, *parts = text.split(f"<{element}")
            text = " ".join([before, *(part.partition(f"</{element}>")[2] for part in parts)])
        return " ".join(_TAG.sub(" ", text).split())[:length]


def _message_and_path(body: bytes) -> tuple[str, list[str | int] | None]:
    """Return an error's message, in any of the JSON shapes, and the path of a schema violation; empty for a page."""
    if len(body) > MAX_ERROR_BYTES:
        return "", None
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return "", None
    if not isinstance(content, dict):
        return "", None
    errors = content.get("errors")  # a list in IBM Quantum's REST API
    first = errors[0] if isinstance(errors, list) and errors else None
    messages = (_message(value) for value in (content, content.get("error"), first) if value)
    path = content.get("path")
    return next(filter(None, messages), ""), path if isinstance(path, list) else None


def _message(value: Any) -> str:
    """``message`` and ``error``: the gateway; ``detail``: its authentication; ``errorMessage``: IAM."""
    if isinstance(value, str):
        return value
    names = ("message", "detail", "errorMessage", "error") if isinstance(value, dict) else ()
    return next((value[name] for name in names if isinstance(value.get(name), str)), "")


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


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """Return the server's time, to the second; None if it is not told.

    A cache adds how many seconds ago it got the answer, in ``Age`` (RFC 9111, 5.1).
    """
    date, age = _parsed_date(headers.get("date", "")), headers.get("age", "")
    try:
        return date + timedelta(seconds=int(age)) if date and re.fullmatch(r"[0-9]{1,9}", age) else date
    except OverflowError:
        return None


def _retry_after(value: str, now: datetime | None) -> float | None:
    """Seconds or a date (RFC 9110, 10.2.3); the date is compared with the server's own clock."""
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    date = _parsed_date(value)
    return None if date is None else max(0.0, (date - (now or datetime.now(UTC))).total_seconds())


def _parsed_date(value: str) -> datetime | None:
    if len(value) > _MAX_DATE:
        return None
    try:
        # In UTC, so that comparing it cannot overflow later; "-0000" names no zone.
        date = parsedate_to_datetime(value)
        return date.astimezone(UTC) if date.tzinfo else None
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
