"""A pool of connections: the adapter for httpx and httpcore, which nothing else in the core imports."""

from __future__ import annotations

import os
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, cast
from urllib.request import getproxies, proxy_bypass

import anyio
import httpcore  # which httpx would otherwise import during the first request
import httpx

from ..addresses import is_loopback
from ..concurrency import run_in_thread
from ..errors import NOT_A_GATEWAY, GatewayFault, GatewayTimeout, GatewayUnreachable, InputError
from .redaction import redact, redact_logs_of

# httpcore logs the Location of every redirect.
redact_logs_of("httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")

MAX_CONNECTIONS = 20
"""Connections at once; other callers wait for their turn. Gateways have few workers, and each connection costs memory
there; but with half as many, callers of a gateway that takes 20 ms a request wait more for each other than for it."""

_IDLE_SECONDS = 15.0
"""Longer than the slowest polling, shorter than gateways usually wait before they hang up."""

_READ_BYTES = 1024 * 1024
"""More than a socket gives at once; for a smaller body, reading the socket is not worth the loss of the connection."""

_SPARE_SECONDS = 0.05
"""How long before the caller's deadline the wait for a connection ends, so that there is time to report it."""

_DECOMPRESSED_AT_ONCE = 1024 * 1024
"""What is decompressed before the reader can say that it is too much: a part from the network may become a thousand
times as large."""

_HEADERS = {"User-Agent": "qiskit-functions-mcp", "Accept-Encoding": "gzip"}


@dataclass(frozen=True)
class Response:
    """A response whose body is still arriving.

    Attributes:
        size: bytes of the body; None where the server does not say.
        parts: gives the body as it arrives, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    size: int | None
    parts: Callable[[], AsyncIterator[bytes]]


class ConnectionPool:
    """At most ``MAX_CONNECTIONS``; the one used last is used first, so that few are open when little is asked.

    Each connection has an ``httpx.AsyncHTTPTransport`` to itself. One transport for all of them searches its whole list
    several times a request, which costs more CPU than the request itself; and what ``httpx.AsyncClient`` adds to a
    transport (cookies, redirects, authentication) a gateway's client must not have, and costs another quarter.

    Proxies and certificates are taken from the environment (``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE``).

    Args:
        connect, read: time-outs in seconds.
    """

    def __init__(self, *, connect: float, read: float) -> None:
        self._read_seconds = read
        # Callers wait for a connection in `_acquire` and nowhere else, under their own deadlines.
        self._extensions = {"timeout": httpx.Timeout(read, connect=connect, pool=None).as_dict()}
        self._vacancies = anyio.Semaphore(MAX_CONNECTIONS, fast_acquire=True)
        self._proxies: dict[tuple[str, str], str | None] = {}
        self._connections: list[_Connection] = []
        self._idle: list[_Connection] = []

    async def aclose(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            await connection.aclose()

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, server: str, *, headers: Mapping[str, str], **content: Any
    ) -> AsyncIterator[Response]:
        """Send a request, and give the response before its body.

        Args:
            server: what errors call the server.
            content: as ``httpx.Request`` takes it.

        Raises:
            GatewayUnreachable: the request was not sent.
            GatewayTimeout: it may have been sent; also raised while the body is read.
        """
        await self._acquire(server)
        try:
            if not self._idle:
                self._idle.append(_Connection())
                self._connections.append(self._idle[-1])
            connection = self._idle.pop()
            try:
                with translated_errors(server):
                    try:
                        request = httpx.Request(
                            method, url, headers={**_HEADERS, **headers}, extensions=self._extensions, **content
                        )
                    except (ValueError, TypeError, RecursionError) as error:
                        # Such as half of a surrogate pair, or a number of more digits than Python prints.
                        raise InputError(
                            f"the request has a value that cannot be sent: {type(error).__name__}"
                        ) from error
                    response = await connection.send(request, self._proxy(request.url))
                    try:
                        _check_encoding(response, server)
                        parts = partial(self._parts, response)
                        yield Response(response.status_code, response.headers, _announced_size(response), parts)
                    finally:
                        await connection.end(response)
            finally:
                self._idle.append(connection)
        finally:
            self._vacancies.release()

    async def _acquire(self, server: str) -> None:
        try:
            self._vacancies.acquire_nowait()
        except anyio.WouldBlock:
            # After the caller's own deadline, it would be too late to say that nothing was sent.
            with anyio.CancelScope(deadline=anyio.current_effective_deadline() - _SPARE_SECONDS) as waiting:
                await self._vacancies.acquire()
            if waiting.cancelled_caught:
                raise GatewayUnreachable(
                    f"all {MAX_CONNECTIONS} connections to {server} were busy; the request was not sent",
                    next_step="Try again when fewer calls are under way.",
                ) from None

    def _proxy(self, url: httpx.URL) -> str | None:
        """Return this server's proxy; kept, since reading all variables takes a sixth of a request's CPU."""
        server = url.scheme, url.netloc.decode("ascii")
        if server not in self._proxies:
            self._proxies[server] = proxy_for(url)
        return self._proxies[server]

    async def _parts(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """Give the body as it arrives.

        Of a large one only the beginning comes through httpx, whose parser takes a dozen steps for each 64 KiB and more
        CPU than the network; the rest is read from the socket, and the connection is closed after that. Downloads run
        at 1.1 times the official client's rate with this, at 0.8 times without it, and at 0.9 times with larger reads
        in httpcore (``benchmarks/files.py``, medians of 7).
        """
        size = _announced_size(response)
        if size is None or size <= _READ_BYTES:
            raw = response.aiter_raw()
            async for part in _decompressed(raw) if "content-encoding" in response.headers else raw:
                yield part
            return
        socket, arrived = response.extensions["network_stream"], 0
        async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_raw())) as parsed:
            try:
                while arrived < size:
                    # The parser first gives what it has read already.
                    limit = min(_READ_BYTES, size - arrived)
                    part = await (socket.read(limit, self._read_seconds) if arrived else anext(parsed))
                    if not part:
                        raise httpx.RemoteProtocolError(f"{size - arrived} bytes are missing")
                    arrived += len(part)
                    yield part
            except (httpcore.TimeoutException, httpcore.NetworkError) as error:
                raise httpx.ReadError(type(error).__name__) from error


def new_transport(trusted: ssl.SSLContext, proxy: str | None, **options: Any) -> httpx.AsyncHTTPTransport:
    """Return a transport of httpx, with its ``options``.

    Raises:
        GatewayUnreachable: it cannot use the proxy, as one whose protocol needs a package that is not installed.
    """
    try:
        return httpx.AsyncHTTPTransport(verify=trusted, proxy=proxy, **options)
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        raise GatewayUnreachable(
            f"the proxy {redact(proxy or '')} cannot be used: {error}",
            next_step="Correct the proxy in the environment, or except the host from it with NO_PROXY. A SOCKS proxy "
            "needs the package socksio.",
        ) from error


class _Connection:
    """Sends one request at a time, each over a connection that is kept for the next one to the same server."""

    def __init__(self) -> None:
        self._transports: dict[tuple[bool, str | None], httpx.AsyncHTTPTransport] = {}

    async def send(self, request: httpx.Request, proxy: str | None) -> httpx.Response:
        secure = request.url.scheme != "http"
        if (secure, proxy) not in self._transports:
            trusted = await run_in_thread(environment_certificates) if secure else _NO_CERTIFICATES
            # One connection for the server, one for the object store that it may point to.
            limits = httpx.Limits(max_connections=2, keepalive_expiry=_IDLE_SECONDS)
            self._transports[secure, proxy] = new_transport(trusted, proxy, limits=limits)
        return await self._transports[secure, proxy].handle_async_request(request)

    async def end(self, response: httpx.Response) -> None:
        """End a response; close its connection if more bytes came than belong to it.

        httpcore would take them for the answer to the next request. What has not been read from the socket yet it sees
        itself.
        """
        http11 = cast(Any, response.stream)._httpcore_stream._stream._connection
        has_more = bool(http11._h11_state.trailing_data[0])
        await response.aclose()
        if has_more:
            await http11.aclose()

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()


def _check_encoding(response: httpx.Response, server: str) -> None:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        response.headers.pop("content-encoding", None)
    elif encoding not in ("gzip", "x-gzip"):
        raise GatewayFault(
            f"{server} answered in an encoding that was not asked for",
            status=response.status_code,
            from_gateway=False,
            next_step=NOT_A_GATEWAY,
        )


async def _decompressed(raw: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Give the content of gzip (RFC 1952), never more than ``_DECOMPRESSED_AT_ONCE`` at once."""
    decoder, is_empty = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS), True
    try:
        async for part in raw:
            is_empty, rest = False, part
            while rest and not decoder.eof:
                yield decoder.decompress(rest, _DECOMPRESSED_AT_ONCE)
                rest = decoder.unconsumed_tail
        yield decoder.flush()
    except zlib.error as error:
        raise httpx.DecodingError(str(error)) from error
    if not decoder.eof and not is_empty:
        raise httpx.DecodingError("the end is missing")


def _announced_size(response: httpx.Response) -> int | None:
    size = response.headers.get("content-length", "")
    is_encoded = {"content-encoding", "transfer-encoding"} & response.headers.keys()
    return int(size) if size.isdecimal() and not is_encoded else None


_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For plain HTTP, which need not wait for certificates to be loaded."""


def environment_certificates() -> ssl.SSLContext:
    """Return which certificates to trust.

    Raises:
        GatewayUnreachable: ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` names something that cannot be loaded.
    """
    try:
        return _load_certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    except OSError as error:  # as an SSLError is
        raise GatewayUnreachable(
            f"the certificates to trust cannot be loaded: {type(error).__name__}",
            next_step="Check SSL_CERT_FILE and SSL_CERT_DIR.",
        ) from error


@lru_cache
def _load_certificates(*_: str | None) -> ssl.SSLContext:
    """Return what httpx makes of these two variables; cached, since loading all certificates takes 30 ms."""
    return httpx.create_ssl_context()


def proxy_for(url: httpx.URL) -> str | None:
    """Return the address of the proxy that the environment or the system names for a server; None without one.

    This machine never has one: no proxy reaches it, and the local gateway's token must not leave it.
    """
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or is_loopback(url.host) or proxy_bypass(url.netloc.decode("ascii")) or proxy_bypass(url.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _certificate_problem(error: BaseException | None) -> str:
    """Return why a certificate was refused, if that is among an error's causes; else nothing."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return ""


@contextmanager
def translated_errors(server: str) -> Iterator[None]:
    """Raise the core's errors in place of httpx's.

    Raises:
        GatewayUnreachable: the request was not sent.
        GatewayTimeout: it may have been sent.
    """
    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        raise GatewayUnreachable(
            f"no request can be sent to {server}'s address: {type(error).__name__}",
            next_step="Check the host and the proxy settings.",
        ) from error
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        if problem := _certificate_problem(error):
            raise GatewayUnreachable(
                f"{server}'s certificate is not trusted: {problem}",
                next_step="If a proxy of your organisation answers in its place, name a file with its certificate in "
                "SSL_CERT_FILE; otherwise check the host.",
            ) from error
        raise GatewayUnreachable(
            f"{server} cannot be reached: {type(error).__name__}",
            next_step="Check the host and the network; then try again.",
        ) from error
    # anyio passes a broken TLS record on as it is.
    except (httpx.HTTPError, ssl.SSLError) as error:
        raise GatewayTimeout(
            f"{server}'s answer broke off: {type(error).__name__}", next_step="Try again later."
        ) from error
