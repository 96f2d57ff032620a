"""What a server tells without credentials: that it can be reached and how, its clock, and its certificate."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import anyio

from ..errors import GatewayTimeout
from .answers import date_of
from .connections import headers_of, new_pool, new_request, normalized, proxy_for, translated_errors
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
    with translated_errors(url):
        address = normalized(url)
    proxy, host = proxy_for(address), urlsplit(address).hostname
    server = f"{host} through the proxy {redact(proxy)}" if proxy else str(host)
    with anyio.move_on_after(seconds), translated_errors(server):
        async with await new_pool(address.startswith("https:"), proxy, connections=1) as pool:
            response = await pool.handle_async_request(new_request("GET", address, {}, connect=seconds, read=seconds))
            now = datetime.now(UTC)
            tls = response.extensions["network_stream"].get_extra_info("ssl_object")
            await response.aclose()
        date = date_of(headers_of(response))
        ends = ssl.cert_time_to_seconds(tls.getpeercert()["notAfter"]) if tls else None
        return ServerFacts(
            proxy=redact(proxy or ""),
            seconds_ahead=(now - date).total_seconds() if date else None,
            certificate_ends=None if ends is None else datetime.fromtimestamp(ends, UTC),
        )
    raise GatewayTimeout(f"{server} gave no answer within {seconds:g} s", next_step="Check the network and the proxy.")
