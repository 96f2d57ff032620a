"""Connections to a server, and what can happen to them as errors of ours; with ``transport`` all that knows httpx."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import anyio
import httpx

from .errors import GatewayTimeout, GatewayUnreachable
from .redaction import redact_logs_of

# httpx logs the address of every request, and httpcore the Location of every redirect.
redact_logs_of("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")

MAX_CONNECTIONS = 8
"""At once; other callers wait for their turn. Gateways have few workers, and each connection costs memory there."""

_IDLE_SECONDS = 15.0
"""Longer than the slowest polling, shorter than gateways usually wait before they hang up."""


class Connections:
    """At most ``MAX_CONNECTIONS``, the one used last again first, so that few are open when little is asked.

    Each is a client of its own: one pool for all looks through all of its connections several times a
    request, which costs more CPU than the request itself.

    Proxies and certificates are taken from the environment (``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE``).

    Args:
        connect, read: time-outs in seconds.
    """

    def __init__(self, *, connect: float, read: float) -> None:
        # Callers wait here and nowhere else, under their own deadlines.
        self._timeout = httpx.Timeout(read, connect=connect, pool=None)
        self._places = anyio.Semaphore(MAX_CONNECTIONS, fast_acquire=True)
        self._clients: list[httpx.AsyncClient] = []
        self._free: list[httpx.AsyncClient] = []

    async def aclose(self) -> None:
        for client in self._clients:
            await client.aclose()

    @asynccontextmanager
    async def opened(self, method: str, url: str, server: str, **content: Any) -> AsyncIterator[httpx.Response]:
        """Send a request; gives the response before its body.

        Args:
            server: what errors call the server.
            content: as ``httpx.AsyncClient.stream`` takes it.

        Raises:
            GatewayUnreachable: not sent.
            GatewayTimeout: perhaps sent; also while the body is read.
        """
        async with self._places:
            client = self._free.pop() if self._free else self._new()
            try:
                with _as_our_errors(server):
                    async with client.stream(method, url, **content) as response:
                        yield response
            finally:
                self._free.append(client)

    def _new(self) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            verify=_tls(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
            timeout=self._timeout,
            # One for the server, one for the object store that it may point to.
            limits=httpx.Limits(max_connections=2, keepalive_expiry=_IDLE_SECONDS),
            follow_redirects=False,
            # A cookie of the gateway would be one more header for an object store on the same host.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )
        self._clients.append(client)
        return client


@lru_cache
def _tls(*_: str | None) -> ssl.SSLContext:
    """What httpx makes of these variables; loading all certificates takes 30 ms, so a process does it once."""
    return httpx.create_ssl_context()


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
