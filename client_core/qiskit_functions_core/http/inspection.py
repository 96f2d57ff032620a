"""What a server tells without credentials: that it can be reached and how, its clock, and its certificate."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio
import httpx

from ..concurrency import run_in_thread
from ..errors import GatewayTimeout
from .answers import date_of
from .connections import environment_certificates, new_transport, proxy_for, translated_errors
from .redaction import redact


@dataclass(frozen=True)
class ServerFacts:
    """What an answer told, whatever its status.

    Attributes:
        proxy: the address of the proxy in between, without its password; empty without one.
        seconds_ahead: how far this machine's clock is ahead of the server's; None if the server does not tell the time.
        certificate_ends: when the server's certificate ends; None without TLS.
    """

    proxy: str
    seconds_ahead: float | None
    certificate_ends: datetime | None


async def inspect_server(url: str, *, seconds: float) -> ServerFacts:
    """Ask a server for ``url``, without credentials, and return what its answer told.

    Raises:
        GatewayUnreachable: it cannot be reached, or its certificate is not trusted.
        GatewayTimeout: it does not answer in so many seconds.
    """
    request = httpx.Request("GET", url, extensions={"timeout": httpx.Timeout(seconds).as_dict()})
    proxy = proxy_for(request.url)
    server = f"{request.url.host} through the proxy {redact(proxy)}" if proxy else request.url.host
    with anyio.move_on_after(seconds), translated_errors(server):
        trusted = await run_in_thread(environment_certificates)
        async with new_transport(trusted, proxy) as transport:
            response = await transport.handle_async_request(request)
            now = datetime.now(UTC)
            tls = response.extensions["network_stream"].get_extra_info("ssl_object")
            await response.aclose()
        date = date_of(response.headers)
        ends = ssl.cert_time_to_seconds(tls.getpeercert()["notAfter"]) if tls else None
        return ServerFacts(
            proxy=redact(proxy or ""),
            seconds_ahead=(now - date).total_seconds() if date else None,
            certificate_ends=None if ends is None else datetime.fromtimestamp(ends, UTC),
        )
    raise GatewayTimeout(f"{server} gave no answer within {seconds:g} s", next_step="Check the network and the proxy.")
