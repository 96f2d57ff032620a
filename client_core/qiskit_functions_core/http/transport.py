"""Calls of a gateway or of IBM Quantum over HTTP: deadlines, retries, redirects, and answers that are errors.

A request that is not idempotent is sent again only if it was certainly not sent before. A redirect leads to an object
store: it is followed here, once, without our headers, and only from a GET.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import anyio

from ..concurrency import run_in_thread
from ..errors import NOT_A_GATEWAY, GatewayError, GatewayFault, GatewayTimeout, GatewayUnreachable
from .answers import MAX_ERROR_BYTES, Answer, date_of
from .connections import ConnectionPool, Response
from .forms import FormFile, encode_form
from .redirects import check_target
from .telemetry import span

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timeouts:
    """Time limits, in seconds.

    Attributes:
        connect: long enough for a VPN, short enough to say "unreachable" while a person waits.
        read: silence on an open answer; gateways with one worker can be slow, but not this slow.
        total: a whole call with its retries; the others do not end an answer that arrives a byte at a time.
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
    """Full jitter: a random wait up to ``base * 2**attempt``, so that many clients do not return at once.

    Attributes:
        attempts: three outlast a worker's restart; more only delay the error.
        base: seconds.
        longest: the cap for one wait, in seconds; a longer Retry-After is not waited for.
        budget: retries in hand; ten calls that succeed earn one more. A gateway in trouble then gets at most a tenth
            more load from its clients' retries, instead of three times as much.
    """

    attempts: int = 3
    base: float = 0.5
    longest: float = 20.0
    budget: int = 10

    def wait(self, attempt: int, retry_after: float | None) -> float | None:
        """Return the seconds to wait after this attempt, counted from 0; None if the wait would be too long."""
        if retry_after is None:
            return random.uniform(0, min(self.base * 2**attempt, self.longest))  # noqa: S311 - jitter, not a secret
        if retry_after > self.longest:
            return None
        return retry_after + random.uniform(0, self.base)  # noqa: S311 - as above


MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""A larger answer is not read into memory; the largest results seen are some tens of megabytes."""

SMALL_BODY = 64 * 1024
"""Bytes that are parsed in this process: that takes a third of a millisecond, less than handing them to another would.
Most results and logs are smaller."""

_WRITTEN_AT_ONCE = 256 * 1024
"""Enough that the threads that write cost little beside the network; 20 bodies at once then take 10 MiB."""

_PAUSE_SECONDS = 0.001
"""Between two parts of 64 KiB when several bodies arrive: the event loop is free for two thirds of the time, and reads
40 MB a second."""

LargeBodyFile = Callable[[], Path]
"""Makes the path of a new file, when it turns out that one is needed."""

_BUDGET_PER_SUCCESS = 0.1
"""Ten calls that succeed earn one retry; see ``RetryPolicy.budget``."""

HeadersSource = Callable[[], Awaitable[Mapping[str, str]]]
"""Called before every request, since a token may have to be renewed."""


@dataclass(frozen=True)
class Download:
    """A file that is still arriving.

    Attributes:
        size: bytes; None where the server does not say.
        parts: its content.
    """

    size: int | None
    parts: AsyncIterator[bytes]


_STORE = "the object store that the gateway pointed to"


class Transport:
    """Requests to one server for one account, over pooled connections.

    Args:
        base: the URL that paths are appended to, with a slash at its end; or what gives it after ``headers``, for a
            server that may be started again elsewhere.
        headers: gives the headers of each request.
        secrets: texts that must not appear in an error.
        server: what errors call the server.
    """

    def __init__(
        self,
        base: str | Callable[[], str],
        headers: HeadersSource,
        *,
        secrets: Sequence[str] = (),
        server: str = "the gateway",
        timeouts: Timeouts | None = None,
        retries: RetryPolicy | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._base = base if callable(base) else lambda: base
        self._headers = headers
        self._secrets = tuple(secrets)
        self._server = server
        self.timeouts = timeouts or Timeouts()
        self._retries = retries or RetryPolicy()
        self._retries_left = float(self._retries.budget)
        self._max_answer_bytes = max_answer_bytes
        self._pool = ConnectionPool(connect=self.timeouts.connect, read=self.timeouts.read)
        self._parts_in_turn = anyio.Lock()
        self._clock: tuple[datetime, float] | None = None

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    def server_now(self) -> datetime | None:
        """Return the time by the server's clock, as its last answer told it (to the second); None before that.

        It may be wrong, and jump: an answer may come from a cache, and a clock may be set.
        """
        if self._clock is None:
            return None
        date, read_at = self._clock
        try:
            return date + timedelta(seconds=time.monotonic() - read_at)
        except OverflowError:  # the last second of the year 9999
            return None

    async def get(
        self, path: str, params: Mapping[str, Any] | None = None, *, large_to: LargeBodyFile | None = None
    ) -> Answer:
        """Read something, with retries; a redirect is followed without our headers.

        Args:
            path: relative to the base.
            params: the query.
            large_to: names the file for a body of more than ``SMALL_BODY`` bytes; None reads every body into memory.

        Raises:
            GatewayUnreachable, GatewayTimeout, GatewayError: the last attempt failed.
        """

        async def read() -> Answer:
            return await self._follow(await self._send("GET", path, params=params, large_to=large_to), large_to)

        with span(path), self._deadline(self.timeouts.total):
            return await self._retrying(read, _may_pass)

    async def send(
        self,
        method: str,
        path: str,
        body: Any,
        params: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send JSON, or no body for None; retried only if it was certainly not sent.

        Args:
            headers: of this request, beside those of all.

        Raises:
            GatewayUnreachable: it was not sent.
            GatewayTimeout: it may have been sent.
            GatewayError: the server refuses it.
        """
        with span(path), self._deadline(self.timeouts.total):
            return await self._retrying(
                lambda: self._send(method, path, more_headers=headers, json=body, params=params),
                lambda error: isinstance(error, GatewayUnreachable),
            )

    async def send_form(
        self,
        path: str,
        fields: Mapping[str, str],
        file: FormFile | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Send a form once, its file as it is read. Errors are as in ``send``."""
        form = encode_form(fields, file)
        with span(path), self._deadline(self.timeouts.transfer):
            return await self._send("POST", path, params=params, content=form.body, more_headers=form.headers)

    async def retrying(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Call what reads with ``download``, with retries."""
        with self._deadline(self.timeouts.transfer):
            return await self._retrying(attempt, _may_pass)

    @asynccontextmanager
    async def download(self, path: str, params: Mapping[str, Any] | None = None) -> AsyncIterator[Download]:
        """Read something in parts as they arrive, once: ``async with transport.download(path) as download:``

        Raises:
            GatewayUnreachable, GatewayTimeout, GatewayError: also while the parts are read.
        """
        with span(path), self._deadline(self.timeouts.transfer):
            headers = await self._headers()
            async with self._pool.stream(
                "GET", self._base() + path, self._server, headers=headers, params=params
            ) as response:
                if response.status != HTTPStatus.OK:
                    raise self._answer(response, *await self._body_or_file(response, None), headers).error()
                yield Download(response.size, response.parts())

    async def _retrying(self, send: Callable[[], Awaitable[T]], may_retry: Callable[[Exception], bool]) -> T:
        attempt = 0
        while True:
            try:
                answer = await send()
            except (GatewayUnreachable, GatewayTimeout, GatewayError) as error:
                delay = self._delay(attempt, error) if may_retry(error) else None
                if delay is None:
                    raise
                logger.debug("attempt %d failed (%s); again in %.2f s", attempt + 1, error.code, delay)
            else:
                self._retries_left = min(self._retries_left + _BUDGET_PER_SUCCESS, float(self._retries.budget))
                return answer
            await anyio.sleep(delay)
            attempt += 1

    def _delay(self, attempt: int, error: Exception) -> float | None:
        """Return the seconds until the next attempt; None if there is none."""
        if attempt + 1 >= self._retries.attempts or self._retries_left < 1:
            return None
        delay = self._retries.wait(attempt, getattr(error, "retry_after", None))
        # What went wrong says more than that the time ran out while waiting for the next attempt.
        if delay is None or anyio.current_time() + delay >= anyio.current_effective_deadline():
            return None
        self._retries_left -= 1
        return delay

    async def _send(
        self,
        method: str,
        path: str,
        *,
        more_headers: Mapping[str, str] | None = None,
        large_to: LargeBodyFile | None = None,
        **content: Any,
    ) -> Answer:
        headers = {"Accept": "application/json", **(more_headers or {}), **await self._headers()}
        async with self._pool.stream(method, self._base() + path, self._server, headers=headers, **content) as response:
            answer = self._answer(response, *await self._body_or_file(response, large_to), headers)
        logger.debug("%s %s: %d", method, path, answer.status)
        if date := date_of(answer.headers):
            self._clock = date, time.monotonic()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise answer.error()
        if method != "GET" and _is_redirect(answer.status):
            raise GatewayFault(
                f"{self._server} answered a {method} with a redirect, which was not followed",
                status=answer.status,
                from_gateway=False,
                next_step=NOT_A_GATEWAY,
            )
        return answer

    async def _follow(self, answer: Answer, large_to: LargeBodyFile | None) -> Answer:
        """Follow one redirect without any header of ours, which the object store must not see."""
        if not _is_redirect(answer.status):
            return answer
        target = answer.headers.get("location", "")
        await check_target(target, self._base(), self._server, status=answer.status)
        async with self._pool.stream("GET", target, _STORE, headers={}) as response:
            body, file = await self._body_or_file(response, large_to)
            stored = Answer(response.status, body, response.headers, redirected=True, file=file)
        is_page = stored.headers.get("content-type", "").startswith("text/html")
        if stored.status != HTTPStatus.OK or is_page:
            what = "redirected again" if _is_redirect(stored.status) else f"answered {stored.status}"
            what += " with a web page, such as one that asks for a login" if is_page else ""
            raise GatewayFault(
                f"{_STORE} {what}",
                status=stored.status,
                from_gateway=False,
                next_step="Ask again: the gateway signs a new address each time.",
            )
        return stored

    def _answer(self, response: Response, body: bytes, file: Path | None, headers: Mapping[str, str]) -> Answer:
        secrets = (*self._secrets, headers.get("Authorization", "").removeprefix("Bearer "))
        return Answer(response.status, body, response.headers, self._server, secrets=secrets, file=file)

    async def _body_or_file(self, response: Response, large_to: LargeBodyFile | None) -> tuple[bytes, Path | None]:
        """Read the whole body, a large one into a file; its size counts decompressed."""
        if response.status >= HTTPStatus.BAD_REQUEST:
            beginning = bytearray()
            async for part in response.parts():
                beginning += part
                if len(beginning) >= MAX_ERROR_BYTES:
                    break
            return bytes(beginning[:MAX_ERROR_BYTES]), None
        to_file = large_to if response.status == HTTPStatus.OK else None
        most_in_memory = SMALL_BODY if to_file else self._max_answer_bytes
        body, size, path = bytearray(), 0, None
        too_large = GatewayFault(
            f"the answer is larger than {self._max_answer_bytes} bytes, so reading it was stopped",
            status=response.status,
            next_step="Let the function save a smaller result, or a file.",
        )
        if (response.size or 0) > self._max_answer_bytes:
            raise too_large
        async for part in response.parts():
            body += part
            size += len(part)
            if size > self._max_answer_bytes:
                raise too_large
            if size > SMALL_BODY:
                # With 20 bodies at once, other calls would wait for a part of each in every turn of the event loop.
                async with self._parts_in_turn:
                    await anyio.sleep(_PAUSE_SECONDS if self._parts_in_turn.statistics().tasks_waiting else 0)
            if to_file and len(body) > most_in_memory:
                if path is None:
                    path, most_in_memory = to_file(), _WRITTEN_AT_ONCE
                    path.unlink(missing_ok=True)  # of an attempt before
                await run_in_thread(partial(_append, path, bytes(body)))
                body.clear()
        if path is None:
            return bytes(body), None
        await run_in_thread(partial(_append, path, bytes(body)))
        return b"", path

    @contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        with anyio.move_on_after(seconds) as scope:
            yield
        if scope.cancelled_caught:
            raise GatewayTimeout(
                f"{self._server} gave no complete answer within {seconds:g} s", next_step="Try again later."
            )


def _append(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o600), "ab") as file:
        file.write(content)


def _is_redirect(status: int) -> bool:
    return HTTPStatus.MULTIPLE_CHOICES < status < HTTPStatus.BAD_REQUEST


def _may_pass(error: Exception) -> bool:
    """Whether the same request may succeed a little later."""
    return not isinstance(error, GatewayError) or error.status in (429, 502, 503, 504)
