"""Connections to a server, and what can happen to them as errors of ours; with ``transport`` all that knows httpx."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from functools import lru_cache
from typing import Any, cast
from urllib.request import getproxies, proxy_bypass

import anyio
import httpcore  # which httpx would otherwise import during the first request
import httpx

from ..addresses import is_loopback
from ..concurrency import run_in_thread
from ..errors import GatewayTimeout, GatewayUnreachable
from .redaction import redact_logs_of

# httpcore logs the Location of every redirect.
redact_logs_of("httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")

MAX_CONNECTIONS = 20
"""At once; other callers wait for their turn. Gateways have few workers, and each connection costs memory there;
but with half as many, callers of a gateway that takes 20 ms a request wait for each other more than for it."""

_IDLE_SECONDS = 15.0
"""Longer than the slowest polling, shorter than gateways usually wait before they hang up."""

_READ_BYTES = 1024 * 1024
"""More than a socket gives at once; what is smaller is not worth a connection."""

_TELLING_SECONDS = 0.05

_HEADERS = {"User-Agent": "qiskit-functions-mcp", "Accept-Encoding": "gzip, deflate"}


class Connections:
    """At most ``MAX_CONNECTIONS``, the one used last again first, so that few are open when little is asked.

    Each is a line of its own: one pool for all looks through all of its connections several times a request,
    which costs more CPU than the request itself; and what ``httpx.AsyncClient`` adds to its transport (cookies,
    redirects, authentication), which a gateway's client must not have, costs another quarter.

    Proxies and certificates are taken from the environment (``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE``).

    Args:
        connect, read: time-outs in seconds.
    """

    def __init__(self, *, connect: float, read: float) -> None:
        # Callers wait here and nowhere else, under their own deadlines.
        self._read = read
        timeout = httpx.Timeout(read, connect=connect, pool=None)
        self._extensions = {"timeout": timeout.as_dict()}
        self._places = anyio.Semaphore(MAX_CONNECTIONS, fast_acquire=True)
        self._proxies: dict[tuple[str, str], str | None] = {}
        self._lines: list[_Line] = []
        self._free: list[_Line] = []

    async def aclose(self) -> None:
        for line in self._lines:
            await line.aclose()

    @asynccontextmanager
    async def opened(
        self, method: str, url: str, server: str, *, headers: dict[str, str], **content: Any
    ) -> AsyncIterator[httpx.Response]:
        """Send a request; gives the response before its body.

        Args:
            server: what errors call the server.
            content: as ``httpx.Request`` takes it.

        Raises:
            GatewayUnreachable: not sent.
            GatewayTimeout: perhaps sent; also while the body is read.
        """
        async with self._place(server):
            line = self._free.pop() if self._free else self._new()
            try:
                with _as_our_errors(server):
                    request = httpx.Request(
                        method, url, headers=_HEADERS | headers, extensions=self._extensions, **content
                    )
                    response = await line.send(request, self._proxy_of(request.url))
                    try:
                        yield response
                    finally:
                        await response.aclose()
            finally:
                self._free.append(line)

    @asynccontextmanager
    async def _place(self, server: str) -> AsyncIterator[None]:
        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            # Just before the caller's own deadline, after which nobody could tell that nothing was sent.
            with anyio.CancelScope(deadline=anyio.current_effective_deadline() - _TELLING_SECONDS) as waiting:
                await self._places.acquire()
            if waiting.cancelled_caught:
                raise GatewayUnreachable(
                    f"all {MAX_CONNECTIONS} connections to {server} were busy; the request was not sent",
                    next_step="Try again when fewer calls are under way.",
                ) from None
        try:
            yield
        finally:
            self._places.release()

    async def parts(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The body of a response as it arrives.

        Of a large one only the beginning comes through httpx, whose parser takes a dozen steps for each 64 KiB, and
        more CPU than the network; the rest is read from the connection, which is closed after that.
        """
        size = announced(response)
        if size is None or size <= _READ_BYTES:
            async for part in response.aiter_bytes():
                yield part
            return
        stream, arrived = response.extensions["network_stream"], 0
        async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_raw())) as parsed:
            try:
                while arrived < size:
                    # The parser gives at once what it has read already.
                    most = min(_READ_BYTES, size - arrived)
                    part = await (stream.read(most, self._read) if arrived else anext(parsed))
                    if not part:
                        raise httpx.RemoteProtocolError(f"{size - arrived} bytes are missing")
                    arrived += len(part)
                    yield part
            except (httpcore.TimeoutException, httpcore.NetworkError) as error:
                raise httpx.ReadError(type(error).__name__) from error

    def _new(self) -> _Line:
        line = _Line()
        self._lines.append(line)
        return line

    def _proxy_of(self, url: httpx.URL) -> str | None:
        """Of this server; looked for once, since going through all variables takes a sixth of a request's CPU."""
        server = url.scheme, url.netloc.decode("ascii")
        if server not in self._proxies:
            self._proxies[server] = proxy_before(url)
        return self._proxies[server]


class _Line:
    """One request at a time, each over a connection that is kept for the next one to the same server."""

    def __init__(self) -> None:
        self._transports: dict[tuple[bool, str | None], httpx.AsyncHTTPTransport] = {}

    async def send(self, request: httpx.Request, proxy: str | None) -> httpx.Response:
        secure = request.url.scheme != "http"
        if (secure, proxy) not in self._transports:
            trusted = await run_in_thread(_trusting) if secure else _TRUSTS_NOBODY
            self._transports[secure, proxy] = _transport(trusted, proxy)
        return await self._transports[secure, proxy].handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()


def _transport(trusted: ssl.SSLContext, proxy: str | None) -> httpx.AsyncHTTPTransport:
    # One connection for the server, one for the object store that it may point to.
    limits = httpx.Limits(max_connections=2, keepalive_expiry=_IDLE_SECONDS)
    try:
        return httpx.AsyncHTTPTransport(verify=trusted, limits=limits, proxy=proxy)
    except (ValueError, ImportError) as error:  # a kind of proxy that httpx does not know, or not without an extra
        raise httpx.InvalidURL("the proxy's") from error


def announced(response: httpx.Response) -> int | None:
    """Bytes of the body, where the server says how many."""
    size = response.headers.get("content-length", "")
    is_framed = {"content-encoding", "transfer-encoding"} & response.headers.keys()
    return int(size) if size.isdigit() and not is_framed else None


_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Where there is no TLS, nobody waits for certificates to be loaded."""

_loading = threading.Lock()


def _trusting() -> ssl.SSLContext:
    try:
        with _loading:
            return _trusting_those_of(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    except OSError as error:  # as an SSLError is
        raise GatewayUnreachable(
            f"the certificates to trust cannot be loaded: {type(error).__name__}",
            next_step="Check SSL_CERT_FILE and SSL_CERT_DIR.",
        ) from error


@lru_cache
def _trusting_those_of(*_: str | None) -> ssl.SSLContext:
    """What httpx makes of these variables; loading all certificates takes 30 ms, so a process does it once."""
    return httpx.create_ssl_context()


def proxy_before(url: httpx.URL) -> str | None:
    """What the environment, or else the system, puts between us and a server; nothing before this machine.

    No proxy reaches it, and the embedded gateway's token is nobody else's business.
    """
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or is_loopback(url.host) or proxy_bypass(url.netloc.decode("ascii")) or proxy_bypass(url.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


@contextmanager
def _as_our_errors(server: str) -> Iterator[None]:
    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        raise GatewayUnreachable(
            f"no request can be made of {server}'s address: {type(error).__name__}",
            next_step="Check the host and the proxy settings.",
        ) from error
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        raise GatewayUnreachable(
            f"{server} cannot be reached: {type(error).__name__}",
            next_step="Check the host and the network; then try again.",
        ) from error
    # anyio lets a broken TLS record through as it is.
    except (httpx.HTTPError, ssl.SSLError) as error:
        raise GatewayTimeout(
            f"{server}'s answer broke off: {type(error).__name__}", next_step="Try again later."
        ) from error
