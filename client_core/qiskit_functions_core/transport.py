"""HTTP to a gateway and to IBM Quantum, and the only place that knows httpx: time-outs, retries, redirects, errors.

A request that is not idempotent is sent again only when it surely was not sent. Redirects lead to an
object store: they are followed by hand, without our headers, and only from a GET.
"""

from __future__ import annotations

import json
import logging
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NoReturn

import anyio
import httpx

from .account import Account
from .errors import (
    BadRequest,
    Forbidden,
    FunctionDisabled,
    GatewayError,
    GatewayFault,
    GatewayTimeout,
    GatewayUnreachable,
    NotFound,
    TooManyRequests,
    Unauthorized,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timeouts:
    """Seconds.

    Attributes:
        connect: long enough for a VPN, short enough to say "unreachable" while a person waits.
        read: silence on an open answer; gateways with one worker can be slow, but not this slow.
        total: a whole call with its repeats; the others don't end an answer that drips.
        transfer: a whole upload.
    """

    connect: float = 10.0
    read: float = 30.0
    total: float = 60.0
    transfer: float = 600.0


@dataclass(frozen=True)
class RetryPolicy:
    """Full jitter: a random wait up to ``base * 2**attempt``, so that many clients don't come back at once.

    Attributes:
        attempts: three get over a worker's restart; more only delays the truth.
        base: seconds.
        longest: the cap for one wait, also for a Retry-After, in seconds.
    """

    attempts: int = 3
    base: float = 0.5
    longest: float = 20.0

    def wait(self, attempt: int, retry_after: float | None) -> float:
        """Seconds to wait after this attempt, counted from 0."""
        if retry_after is not None:
            return min(retry_after, self.longest)
        return random.uniform(0, min(self.base * 2**attempt, self.longest))  # noqa: S311 - jitter, not a secret


MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""Nothing larger is read into memory; the largest results seen are some tens of megabytes."""

MAX_CONNECTIONS = 8
"""httpx spends more CPU a request the more connections it has open, and gateways have few workers."""

_NOT_A_GATEWAY = "Check that the host is a Qiskit Serverless gateway and that no proxy answers in its place."


@dataclass(frozen=True)
class Answer:
    """A response read whole.

    Attributes:
        redirected: whether it came from the object store that the gateway pointed to.
    """

    status: int
    body: bytes
    headers: httpx.Headers
    redirected: bool = False

    def json(self) -> Any:
        """Raises GatewayFault when the body is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise GatewayFault(
                f"the gateway answered {self.status} with no JSON: {_excerpt(self.body)!r}",
                status=self.status,
                next_step=_NOT_A_GATEWAY,
            ) from None


HeadersSource = Callable[[], Awaitable[Mapping[str, str]]]
"""Asked before every request, since a token may have to be renewed."""


class Transport:
    """Requests to one server in one account's name, over pooled connections.

    Args:
        base: what paths are relative to, with a slash at its end.
        secrets: texts that must be in no error.
        server: what errors call the server.
    """

    def __init__(
        self,
        base: str,
        headers: HeadersSource,
        *,
        secrets: Sequence[str] = (),
        server: str = "the gateway",
        timeouts: Timeouts | None = None,
        retries: RetryPolicy | None = None,
    ) -> None:
        self._base = base
        self._headers = headers
        self._secrets = [secret for secret in secrets if secret]
        self._server = server
        self._timeouts = timeouts or Timeouts()
        self._retries = retries or RetryPolicy()
        self._http = _pool(self._timeouts)
        self._clock_offset = timedelta(0)

    @classmethod
    def to_gateway(
        cls, account: Account, *, timeouts: Timeouts | None = None, retries: RetryPolicy | None = None
    ) -> Transport:
        """For an account that has a host; paths are relative to ``/api/{version}/``."""
        token = account.token.get_secret_value()
        fixed = {"Authorization": f"Bearer {token}", "Service-Channel": account.channel.value}
        fixed |= {"Service-CRN": account.instance} if account.instance else {}

        async def headers() -> Mapping[str, str]:
            return fixed

        base = f"{account.host}/api/{account.api_version}/"
        return cls(base, headers, secrets=[token], timeouts=timeouts, retries=retries)

    async def aclose(self) -> None:
        await self._http.aclose()

    def gateway_now(self) -> datetime:
        """The gateway's clock, as far as its answers told (to the second)."""
        return datetime.now(UTC) + self._clock_offset

    async def get(self, path: str, params: Mapping[str, Any] | None = None) -> Answer:
        """Read something, again while that may help; a redirect is followed without our headers.

        Raises:
            GatewayUnreachable, GatewayTimeout, GatewayError: what the last attempt met.
        """

        async def read() -> Answer:
            return await self._follow(await self._send("GET", path, params=params))

        async with self._deadline(self._timeouts.total):
            return await self._repeat(read, _worth_repeating)

    async def send(self, method: str, path: str, body: Any) -> Answer:
        """Send JSON once; again only when it surely was not sent.

        Raises:
            GatewayUnreachable: not sent.
            GatewayTimeout: perhaps sent.
            GatewayError: answered.
        """
        async with self._deadline(self._timeouts.total):
            return await self._repeat(lambda: self._send(method, path, json=body), _surely_not_sent)

    async def upload(self, path: str, fields: Mapping[str, str], files: Mapping[str, Any]) -> Answer:
        """Send a form once, with ``files`` as httpx takes them. Errors as in ``send``."""
        async with self._deadline(self._timeouts.transfer):
            return await self._send("POST", path, data=dict(fields), files=dict(files))

    async def _repeat(self, send: Callable[[], Awaitable[Answer]], worth_it: Callable[[Exception], bool]) -> Answer:
        for attempt in range(1, self._retries.attempts):
            try:
                return await send()
            except (GatewayUnreachable, GatewayTimeout, GatewayError) as error:
                if not worth_it(error):
                    raise
                delay = self._retries.wait(attempt - 1, getattr(error, "retry_after", None))
                logger.debug("attempt %d failed (%s); again in %.2f s", attempt, error.code, delay)
            await anyio.sleep(delay)
        return await send()

    async def _send(self, method: str, path: str, **content: Any) -> Answer:
        headers = {"Accept": "application/json", **await self._headers()}
        answer = await self._exchange(method, self._base + path, headers=headers, **content)
        self._note_clock(answer)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            self._raise(answer)
        if method != "GET" and _is_redirect(answer.status):
            raise GatewayFault(
                f"{self._server} answered a {method} with a redirect, which was not followed",
                status=answer.status,
                next_step=_NOT_A_GATEWAY,
            )
        return answer

    async def _follow(self, answer: Answer) -> Answer:
        """One hop, bare: the object store must see none of our headers."""
        if not _is_redirect(answer.status):
            return answer
        target = answer.headers.get("location", "")
        if not target.startswith(("http://", "https://")):
            raise GatewayFault(
                f"{self._server} redirected to no web address", status=answer.status, next_step=_NOT_A_GATEWAY
            )
        stored = await self._exchange("GET", target)
        if stored.status != HTTPStatus.OK:
            raise GatewayFault(
                f"the object store that the gateway pointed to answered {stored.status}",
                status=stored.status,
                next_step="Ask again: the gateway signs a new address each time.",
            )
        return Answer(stored.status, stored.body, stored.headers, redirected=True)

    async def _exchange(self, method: str, url: str, **content: Any) -> Answer:
        async with self._as_our_errors(), self._http.stream(method, url, **content) as response:
            return Answer(response.status_code, await _bounded_body(response), response.headers)

    def _raise(self, answer: Answer) -> NoReturn:
        message, path = _error_text(answer, self._server)
        for secret in self._secrets:
            message = message.replace(secret, "***")
        raise _error_class(answer.status)(
            message,
            status=answer.status,
            request_id=answer.headers.get("x-request-id", "")[:100],
            retry_after=_retry_after(answer.headers),
            path=path,
            next_step=_next_step(answer.status),
        )

    @asynccontextmanager
    async def _deadline(self, seconds: float) -> AsyncIterator[None]:
        try:
            with anyio.fail_after(seconds):
                yield
        except TimeoutError:
            raise GatewayTimeout(
                f"{self._server} gave no whole answer within {seconds:g} s", next_step="Try again later."
            ) from None

    @asynccontextmanager
    async def _as_our_errors(self) -> AsyncIterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
            raise GatewayUnreachable(
                f"{self._server} cannot be reached: {type(error).__name__}",
                next_step="Check the host and the network; then try again.",
            ) from error
        except httpx.HTTPError as error:
            raise GatewayTimeout(
                f"{self._server}'s answer broke off: {type(error).__name__}", next_step="Try again later."
            ) from error

    def _note_clock(self, answer: Answer) -> None:
        try:
            then = parsedate_to_datetime(answer.headers["date"])
            self._clock_offset = then - datetime.now(UTC)
        except (KeyError, ValueError, TypeError):
            return  # an absent, broken or zoneless date tells nothing


def _pool(timeouts: Timeouts) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        timeout=httpx.Timeout(
            timeouts.read,
            connect=timeouts.connect,
            pool=None,  # the total deadline bounds the wait for a place
        ),
        limits=httpx.Limits(max_connections=MAX_CONNECTIONS),
        follow_redirects=False,
    )


async def _bounded_body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise GatewayFault(
                f"the answer is larger than {MAX_ANSWER_BYTES} bytes, so reading it was stopped",
                status=response.status_code,
                next_step="Let the function save a smaller result, or a file.",
            )
    return bytes(body)


def _is_redirect(status: int) -> bool:
    return HTTPStatus.MULTIPLE_CHOICES < status < HTTPStatus.BAD_REQUEST


def _worth_repeating(error: Exception) -> bool:
    if isinstance(error, GatewayError):
        return error.status in (429, 502, 503, 504)
    return True


def _surely_not_sent(error: Exception) -> bool:
    return isinstance(error, GatewayUnreachable)


def _error_text(answer: Answer, server: str) -> tuple[str, list[str | int] | None]:
    """The message of any of the error shapes, IBM Quantum's too, and the path of a schema violation."""
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        text = body.get("message") or body.get("detail") or body.get("error") or _first_error(body.get("errors"))
        path = body.get("path")
        if isinstance(text, str):
            return text, path if isinstance(path, list) else None
    return f"{server} or a proxy answered {answer.status}: {_excerpt(answer.body) or 'no text'}", None


def _first_error(errors: Any) -> Any:
    """IBM Quantum's REST API and IAM list their errors."""
    first = errors[0] if isinstance(errors, list) and errors else None
    return first.get("message") if isinstance(first, dict) else None


def _excerpt(body: bytes, length: int = 200) -> str:
    """The start of a body as one line, without HTML tags."""
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", body[:4096].decode(errors="replace"), flags=re.S)
    return " ".join(text.split())[:length]


_BY_STATUS: dict[int, type[GatewayError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    423: FunctionDisabled,
    429: TooManyRequests,
}

_NEXT_STEPS = {
    401: "Ask the person to check the token and the instance; a token is never passed to a tool.",
    403: "Ask the person whether this account may see it.",
    404: "Check the name or id against the listing.",
    423: "Ask the function's provider; until then choose another function.",
    429: "Wait for running jobs to end, or try again later.",
}


def _error_class(status: int) -> type[GatewayError]:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return GatewayFault
    return _BY_STATUS.get(status, BadRequest)


def _next_step(status: int) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "Try again later; the fault is on the gateway's side."
    return _NEXT_STEPS.get(status, "Correct the input that the message names.")


def _retry_after(headers: httpx.Headers) -> float | None:
    """Retry-After as seconds or as a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
