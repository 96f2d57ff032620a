"""A pool of connections: the adapter for httpcore, which nothing else in the core imports.

httpx, which is httpcore with a client on top, is not used: a gateway's client must not have most of what it adds
(cookies, redirects, authentication), and importing it, with click, Pygments and rich for its command line where these
are installed, would take a tenth of the time of a script that starts a run.
"""

from __future__ import annotations

import os
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from json import dumps
from typing import Any, cast
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import httpcore

from ..addresses import is_loopback
from ..concurrency import run_in_thread
from ..errors import NOT_A_GATEWAY, GatewayFault, GatewayTimeout, GatewayUnreachable, InputError
from .redaction import redact_logs_of

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

_DEFAULT_PORTS = {"http": 80, "https": 443}

_UNQUOTED = "%/?:@!$&'()*+,;=~"
"""What paths and queries may have beside letters, digits and ``-._`` (RFC 3986, 3.3), and what is quoted already."""


@dataclass(frozen=True)
class Response:
    """A response whose body is still arriving.

    Attributes:
        headers: by their names in lower case.
        size: bytes of the body; None where the server does not say.
        parts: gives the body as it arrives, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    size: int | None
    parts: Callable[[], AsyncIterator[bytes]]


class ConnectionPool:
    """At most ``MAX_CONNECTIONS``; the one used last is used first, so that few are open when little is asked.

    Each connection has an httpcore pool to itself. One pool for all of them searches its whole list several times a
    request, which costs more CPU than the request itself.

    Proxies and certificates are taken from the environment (``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE``).

    Args:
        connect, read: time-outs in seconds.
    """

    def __init__(self, *, connect: float, read: float) -> None:
        self._seconds = {"connect": connect, "read": read}
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
        self,
        method: str,
        url: str,
        server: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: AsyncIterable[bytes] | None = None,
    ) -> AsyncIterator[Response]:
        """Send a request, and give the response before its body.

        Args:
            server: what errors call the server.
            params: a query, in place of the address's own.
            json: a body that is sent as JSON; None for another one.
            content: a body whose length is among the headers; None without one.

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
                    address = normalized(url)
                    try:
                        if params:
                            address = f"{address.partition('?')[0]}?{urlencode(params)}"
                        request = new_request(
                            method, address, {**_HEADERS, **headers}, json=json, content=content, **self._seconds
                        )
                    except (ValueError, TypeError, RecursionError) as error:
                        # Such as half of a surrogate pair, or a number of more digits than Python prints.
                        raise InputError(
                            f"the request has a value that cannot be sent: {type(error).__name__}"
                        ) from error
                    response = await connection.send(request, self._proxy(address))
                    try:
                        received = headers_of(response)
                        is_gzip = _is_compressed(received, response.status, server)
                        encoded = is_gzip or "transfer-encoding" in received
                        length = "" if encoded else received.get("content-length", "")
                        size = int(length) if length.isdecimal() else None
                        yield Response(response.status, received, size, partial(self._parts, response, size, is_gzip))
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

    def _proxy(self, address: str) -> str | None:
        """Return this server's proxy; kept, since reading all variables takes a sixth of a request's CPU."""
        server = urlsplit(address)[:2]
        if server not in self._proxies:
            self._proxies[server] = proxy_for(address)
        return self._proxies[server]

    async def _parts(self, response: httpcore.Response, size: int | None, is_gzip: bool) -> AsyncIterator[bytes]:
        """Give the body as it arrives.

        Of a large one only the beginning comes through httpcore, whose parser takes a dozen steps for each 64 KiB and
        more CPU than the network; the rest is read from the socket, and the connection is closed after that. Downloads
        run at 1.1 times the official client's rate with this, at 0.8 times without it, and at 0.9 times with larger
        reads in httpcore (``benchmarks/files.py``, medians of 7).
        """
        raw = response.aiter_stream()
        if size is None or size <= _READ_BYTES:
            async for part in _decompressed(raw) if is_gzip else raw:
                yield part
            return
        socket, arrived = response.extensions["network_stream"], 0
        async with aclosing(cast("AsyncGenerator[bytes]", raw)) as parsed:
            while arrived < size:
                # The parser first gives what it has read already.
                limit = min(_READ_BYTES, size - arrived)
                part = await (socket.read(limit, self._seconds["read"]) if arrived else anext(parsed))
                if not part:
                    raise httpcore.RemoteProtocolError(f"{size - arrived} bytes are missing")
                arrived += len(part)
                yield part


class _Connection:
    """Sends one request at a time, each over a connection that is kept for the next one to the same server."""

    def __init__(self) -> None:
        self._pools: dict[tuple[bool, str | None], httpcore.AsyncConnectionPool] = {}

    async def send(self, request: httpcore.Request, proxy: str | None) -> httpcore.Response:
        secure = request.url.scheme != b"http"
        if (secure, proxy) not in self._pools:
            # One connection for the server, one for the object store that it may point to.
            self._pools[secure, proxy] = await new_pool(secure, proxy, connections=2)
        return await self._pools[secure, proxy].handle_async_request(request)

    async def end(self, response: httpcore.Response) -> None:
        """End a response; close its connection if more bytes came than belong to it.

        httpcore would take them for the answer to the next request. What has not been read from the socket yet it sees
        itself.
        """
        http11 = cast(Any, response.stream)._stream._connection
        has_more = bool(http11._h11_state.trailing_data[0])
        await response.aclose()
        if has_more:
            await http11.aclose()

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()


class InvalidAddress(Exception):
    """Not an address that a request can be sent to."""


def normalized(url: str) -> str:
    """Return an address as HTTP has it: in ASCII, with what must be quoted quoted, and without dots in its path.

    Raises:
        InvalidAddress: there is no server in it, or it has control characters, which ``urlsplit`` would leave out.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if not host.isascii():
            import idna  # few addresses need it

            host = idna.encode(host, uts46=True).decode()
        path, query = quote(urljoin("/", parts.path or "/"), _UNQUOTED), quote(parts.query, _UNQUOTED)
    except ValueError as error:
        raise InvalidAddress from error
    if not host or any(character < " " or character == "\x7f" for character in url):
        raise InvalidAddress
    server = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        server += f":{port}"
    return f"{parts.scheme}://{server}{path}{f'?{query}' if query else ''}"


def new_request(
    method: str,
    address: str,
    headers: Mapping[str, str],
    *,
    connect: float,
    read: float,
    json: Any = None,
    content: AsyncIterable[bytes] | None = None,
) -> httpcore.Request:
    """Return a request to a normalized address.

    Args:
        connect, read: time-outs in seconds.
        json, content: as in ``ConnectionPool.stream``.

    Raises:
        ValueError, TypeError, RecursionError: something cannot be sent.
    """
    sent, body = {"Host": urlsplit(address).netloc, **headers}, b""
    if json is not None:
        body = dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        sent["Content-Type"] = "application/json"
    if content is None and (body or method not in ("GET", "DELETE")):
        sent["Content-Length"] = str(len(body))
    # The pool has no time-out: callers wait for a connection in `_acquire` and nowhere else.
    timeouts = {"timeout": {"connect": connect, "read": read, "write": read}}
    return httpcore.Request(method, address, headers=list(sent.items()), content=content or body, extensions=timeouts)


async def new_pool(secure: bool, proxy: str | None, *, connections: int) -> httpcore.AsyncConnectionPool:
    """Return a pool that trusts the environment's certificates.

    Args:
        secure: whether it is for HTTPS; plain HTTP need not wait for certificates to be loaded.
        proxy: an address; None without one.
        connections: at most so many.

    Raises:
        InvalidAddress: httpcore does not know the proxy's protocol, or needs ``socksio`` for it.
        GatewayUnreachable: as in ``environment_certificates``.
    """
    trusted = await run_in_thread(environment_certificates) if secure else None
    between = None
    if proxy:
        address = urlsplit(normalized(proxy))
        known = ("http", "https", *(("socks5", "socks5h") if find_spec("socksio") else ()))
        if address.scheme not in known:
            raise InvalidAddress
        given, _, _ = urlsplit(proxy).netloc.rpartition("@")
        user, _, password = given.partition(":")
        authentication = (unquote(user).encode(), unquote(password).encode()) if given else None
        between = httpcore.Proxy(f"{address.scheme}://{address.netloc}/", authentication)
    return httpcore.AsyncConnectionPool(trusted, between, max_connections=connections, keepalive_expiry=_IDLE_SECONDS)


def headers_of(response: httpcore.Response) -> dict[str, str]:
    """Return a response's headers by their names in lower case; one that came several times has all its values."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("ascii", "replace").lower(), raw_value.decode("utf-8", "replace")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _is_compressed(headers: Mapping[str, str], status: int, server: str) -> bool:
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise GatewayFault(
            f"{server} answered in an encoding that was not asked for",
            status=status,
            from_gateway=False,
            next_step=NOT_A_GATEWAY,
        )
    return "gzip" in encoding


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
        raise httpcore.RemoteProtocolError(str(error)) from error
    if not decoder.eof and not is_empty:
        raise httpcore.RemoteProtocolError("the end is missing")


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
def _load_certificates(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Return what trusts this file, else this folder, else certifi; cached, since loading all takes 30 ms."""
    if not file and folder:
        return ssl.create_default_context(capath=folder)
    if not file:
        import certifi  # not needed for the gateway of this machine

        file = certifi.where()
    return ssl.create_default_context(cafile=file)


def proxy_for(address: str) -> str | None:
    """Return the address of the proxy that the environment or the system names for a server; None without one.

    This machine never has one: no proxy reaches it, and the local gateway's token must not leave it.
    """
    parts, proxies = urlsplit(address), getproxies()
    host = parts.hostname or ""
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or is_loopback(host) or proxy_bypass(parts.netloc) or proxy_bypass(host):
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
    """Raise the core's errors in place of httpcore's.

    Raises:
        GatewayUnreachable: the request was not sent.
        GatewayTimeout: it may have been sent.
    """
    try:
        yield
    except (InvalidAddress, httpcore.UnsupportedProtocol, httpcore.LocalProtocolError) as error:
        raise GatewayUnreachable(
            f"no request can be sent to {server}'s address: {type(error).__name__}",
            next_step="Check the host and the proxy settings.",
        ) from error
    except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ProxyError) as error:
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
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
        raise GatewayTimeout(
            f"{server}'s answer broke off: {type(error).__name__}", next_step="Try again later."
        ) from error
