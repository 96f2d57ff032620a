"""Calls of a gateway and of IBM Quantum over HTTP: deadlines, repeats, redirects, and which answer is an error.

A request that is not idempotent is sent again only when it surely was not sent. Redirects lead to an
object store: they are followed by hand, once, without our headers, and only from a GET.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from ..accounts.account import Account
from ..errors import AccountError, GatewayError, GatewayFault, GatewayTimeout, GatewayUnreachable
from .answers import NOT_A_GATEWAY, Answer, date_of
from .connections import Connections, announced
from .multipart import FileForm
from .telemetry import span

T = TypeVar("T")

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timeouts:
    """Seconds.

    Attributes:
        connect: long enough for a VPN, short enough to say "unreachable" while a person waits.
        read: silence on an open answer; gateways with one worker can be slow, but not this slow.
        total: a whole call with its repeats; the others don't end an answer that drips.
        transfer: a whole upload or download.
        late: how long a request whose answer was lost may still be on its way to the gateway.
    """

    connect: float = 10.0
    read: float = 30.0
    total: float = 60.0
    transfer: float = 600.0
    late: float = 4.0


@dataclass(frozen=True)
class RetryPolicy:
    """Full jitter: a random wait up to ``base * 2**attempt``, so that many clients don't come back at once.

    Attributes:
        attempts: three get over a worker's restart; more only delays the truth.
        base: seconds.
        longest: the cap for one wait, in seconds; a Retry-After beyond it is not waited for.
        budget: repeats in hand; ten calls that succeed earn one more. A gateway that struggles then gets
            at most a tenth more load from its clients' repeats, instead of three times as much.
    """

    attempts: int = 3
    base: float = 0.5
    longest: float = 20.0
    budget: int = 10

    def wait(self, attempt: int, retry_after: float | None) -> float | None:
        """Seconds to wait after this attempt, counted from 0; none when it is not worth waiting."""
        if retry_after is None:
            return random.uniform(0, min(self.base * 2**attempt, self.longest))  # noqa: S311 - jitter, not a secret
        if retry_after > self.longest:
            return None
        return retry_after + random.uniform(0, self.base)  # noqa: S311 - as above


MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""Nothing larger is read into memory; the largest results seen are some tens of megabytes."""

_EARNED = 0.1

HeadersSource = Callable[[], Awaitable[Mapping[str, str]]]
"""Asked before every request, since a token may have to be renewed."""


@dataclass(frozen=True)
class Download:
    """An answer that is still arriving.

    Attributes:
        size: bytes, where the server says how many.
    """

    size: int | None
    parts: AsyncIterator[bytes]


_STORE = "the object store that the gateway pointed to"


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
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._base = base
        self._headers = headers
        self._secrets = tuple(secrets)
        self._server = server
        self.timeouts = timeouts or Timeouts()
        self._retries = retries or RetryPolicy()
        self._repeats_left = float(self._retries.budget)
        self._max_answer_bytes = max_answer_bytes
        self._connections = Connections(connect=self.timeouts.connect, read=self.timeouts.read)
        self._clock: tuple[datetime, float] | None = None

    @classmethod
    def to_gateway(
        cls, account: Account, *, timeouts: Timeouts | None = None, retries: RetryPolicy | None = None
    ) -> Transport:
        """For an account that has a host; paths are relative to ``/api/{version}/``.

        Raises:
            AccountError: the token or the instance can be in no HTTP header.
        """
        token = account.token.get_secret_value()
        fixed = {"Authorization": f"Bearer {token}", "Service-Channel": account.channel.value}
        fixed |= {"Service-CRN": account.instance} if account.instance else {}
        if not all(value.isascii() and value.isprintable() for value in fixed.values()):
            raise AccountError(
                "the token or the instance holds characters that no HTTP header takes, such as a line's end",
                next_step="Copy both anew.",
            )

        async def headers() -> Mapping[str, str]:
            return fixed

        base = f"{account.host}/api/{account.api_version}/"
        return cls(base, headers, secrets=[token], timeouts=timeouts, retries=retries)

    async def aclose(self) -> None:
        await self._connections.aclose()

    def server_now(self) -> datetime | None:
        """The server's clock, as its last answer told it (to the second); none before it told."""
        if self._clock is None:
            return None
        then, at = self._clock
        return then + timedelta(seconds=time.monotonic() - at)

    async def get(self, path: str, params: Mapping[str, Any] | None = None) -> Answer:
        """Read something, again while that may help; a redirect is followed without our headers.

        Raises:
            GatewayUnreachable, GatewayTimeout, GatewayError: what the last attempt met.
        """

        async def read() -> Answer:
            return await self._follow(await self._send("GET", path, params=params))

        with span(path), self._deadline(self.timeouts.total):
            return await self._repeat(read, _worth_repeating)

    async def send(self, method: str, path: str, body: Any, params: Mapping[str, Any] | None = None) -> Answer:
        """Send JSON once, or nothing; again only when it surely was not sent.

        Raises:
            GatewayUnreachable: not sent.
            GatewayTimeout: perhaps sent.
            GatewayError: answered.
        """
        with span(path), self._deadline(self.timeouts.total):
            return await self._repeat(lambda: self._send(method, path, json=body, params=params), _surely_not_sent)

    async def upload(self, path: str, fields: Mapping[str, str], files: Mapping[str, Any]) -> Answer:
        """Send a form once, with ``files`` as httpx takes them. Errors as in ``send``."""
        with span(path), self._deadline(self.timeouts.transfer):
            return await self._send("POST", path, data=dict(fields), files=dict(files))

    async def upload_file(self, path: str, params: Mapping[str, Any], form: FileForm) -> Answer:
        """Send one file once, as its parts come. Errors as in ``send``."""
        with span(path), self._deadline(self.timeouts.transfer):
            return await self._send("POST", path, params=params, content=form.body(), more_headers=form.headers)

    async def repeated(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What reads with ``download``, again while that may help."""
        with self._deadline(self.timeouts.transfer):
            return await self._repeat(attempt, _worth_repeating)

    @asynccontextmanager
    async def download(self, path: str, params: Mapping[str, Any] | None = None) -> AsyncIterator[Download]:
        """Read something in parts as they arrive, once: ``async with transport.download(path) as download:``

        Raises:
            GatewayUnreachable, GatewayTimeout, GatewayError: also while the parts are read.
        """
        with span(path), self._deadline(self.timeouts.transfer):
            headers = await self._headers()
            async with self._opened("GET", path, headers, params=params) as response:
                if response.status_code != HTTPStatus.OK:
                    raise self._answer(response, await self._body(response), headers).error()
                yield Download(announced(response), self._connections.parts(response))

    async def _repeat(self, send: Callable[[], Awaitable[T]], worth_it: Callable[[Exception], bool]) -> T:
        attempt = 0
        while True:
            try:
                answer = await send()
            except (GatewayUnreachable, GatewayTimeout, GatewayError) as error:
                delay = self._delay(attempt, error) if worth_it(error) else None
                if delay is None:
                    raise
                logger.debug("attempt %d failed (%s); again in %.2f s", attempt + 1, error.code, delay)
            else:
                self._repeats_left = min(self._repeats_left + _EARNED, float(self._retries.budget))
                return answer
            await anyio.sleep(delay)
            attempt += 1

    def _delay(self, attempt: int, error: Exception) -> float | None:
        """Seconds until the next attempt; none when this error is the last word."""
        if attempt + 1 >= self._retries.attempts or self._repeats_left < 1:
            return None
        delay = self._retries.wait(attempt, getattr(error, "retry_after", None))
        # What went wrong says more than that the time ran out while waiting for the next attempt.
        if delay is None or anyio.current_time() + delay >= anyio.current_effective_deadline():
            return None
        self._repeats_left -= 1
        return delay

    async def _send(
        self, method: str, path: str, *, more_headers: Mapping[str, str] | None = None, **content: Any
    ) -> Answer:
        headers = {"Accept": "application/json", **(more_headers or {}), **await self._headers()}
        async with self._opened(method, path, headers, **content) as response:
            answer = self._answer(response, await self._body(response), headers)
        logger.debug("%s %s: %d", method, path, answer.status)
        self._note_clock(answer)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise answer.error()
        if method != "GET" and _is_redirect(answer.status):
            raise GatewayFault(
                f"{self._server} answered a {method} with a redirect, which was not followed",
                status=answer.status,
                next_step=NOT_A_GATEWAY,
            )
        return answer

    async def _follow(self, answer: Answer) -> Answer:
        """One hop, bare: the object store must see none of our headers."""
        if not _is_redirect(answer.status):
            return answer
        target = answer.headers.get("location", "")
        if not target.startswith(("http://", "https://")):
            raise GatewayFault(
                f"{self._server} redirected to no web address", status=answer.status, next_step=NOT_A_GATEWAY
            )
        async with self._connections.opened("GET", target, _STORE, headers={}) as response:
            stored = Answer(response.status_code, await self._body(response), response.headers, redirected=True)
        is_page = stored.headers.get("content-type", "").startswith("text/html")
        if stored.status != HTTPStatus.OK or is_page:
            again = "redirected again" if _is_redirect(stored.status) else f"answered {stored.status}"
            again += " with a web page, as one that asks for a login" if is_page else ""
            raise GatewayFault(
                f"{_STORE} {again}",
                status=stored.status,
                next_step="Ask again: the gateway signs a new address each time.",
            )
        return stored

    def _opened(
        self, method: str, path: str, headers: Mapping[str, str], **content: Any
    ) -> AbstractAsyncContextManager[httpx.Response]:
        return self._connections.opened(method, self._base + path, self._server, headers=dict(headers), **content)

    def _answer(self, response: httpx.Response, body: bytes, headers: Mapping[str, str]) -> Answer:
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        return Answer(response.status_code, body, response.headers, self._server, secrets=(*self._secrets, token))

    async def _body(self, response: httpx.Response) -> bytes:
        """All of it; counted after it was decompressed."""
        body = bytearray()
        too_large = GatewayFault(
            f"the answer is larger than {self._max_answer_bytes} bytes, so reading it was stopped",
            status=response.status_code,
            next_step="Let the function save a smaller result, or a file.",
        )
        if (announced(response) or 0) > self._max_answer_bytes:
            raise too_large
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._max_answer_bytes:
                raise too_large
        return bytes(body)

    @contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        with anyio.move_on_after(seconds) as scope:
            yield
        if scope.cancelled_caught:
            raise GatewayTimeout(
                f"{self._server} gave no whole answer within {seconds:g} s", next_step="Try again later."
            )

    def _note_clock(self, answer: Answer) -> None:
        """Never back: an answer may have lain in a cache, and old jobs must not look new."""
        then, known = date_of(answer.headers), self.server_now()
        if then is not None and (known is None or then > known):
            self._clock = then, time.monotonic()


def _is_redirect(status: int) -> bool:
    return HTTPStatus.MULTIPLE_CHOICES < status < HTTPStatus.BAD_REQUEST


def _worth_repeating(error: Exception) -> bool:
    if isinstance(error, GatewayError):
        return error.status in (429, 502, 503, 504)
    return True


def _surely_not_sent(error: Exception) -> bool:
    return isinstance(error, GatewayUnreachable)
