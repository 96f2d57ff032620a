"""What a server tells without credentials, over real TLS on loopback."""

from __future__ import annotations

import http.server
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from qiskit_functions_core.errors import GatewayTimeout, GatewayUnreachable
from qiskit_functions_core.http.inspection import inspect_server
from support.serving import handling, serving
from support.tls import certificate


def answering(**headers: str) -> Callable[..., Awaitable[None]]:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 404, "headers": pairs})
        await send({"type": "http.response.body", "body": b""})

    return app


async def test_a_trusted_server_tells_its_clock_and_when_its_certificate_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    late = format_datetime(datetime.now(UTC) - timedelta(minutes=10), usegmt=True)
    with serving(answering(date=late), tls=(cert, key), date_header=False) as url:
        facts = await inspect_server(url, seconds=10)
    assert facts.proxy == ""
    assert facts.seconds_ahead == pytest.approx(600, abs=30)
    assert facts.certificate_ends is not None
    assert facts.certificate_ends - datetime.now(UTC) < timedelta(days=1)


async def test_without_a_date_and_tls_nothing_is_made_up() -> None:
    with serving(answering(), date_header=False) as url:
        facts = await inspect_server(url, seconds=10)
    assert facts.seconds_ahead is None
    assert facts.certificate_ends is None


async def test_a_certificate_that_is_not_trusted_is_named_with_the_way_out(tmp_path: Path) -> None:
    refused = pytest.raises(GatewayUnreachable, match=r"certificate is not trusted: self.signed certificate")
    with serving(answering(), tls=certificate(tmp_path)) as url, refused as caught:
        await inspect_server(url, seconds=10)
    assert "SSL_CERT_FILE" in caught.value.next_step


async def test_a_proxy_is_shown_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with handling(Proxy) as url:
        monkeypatch.setenv("http_proxy", url.replace("://", "://me:secret@"))
        monkeypatch.setenv("no_proxy", "")
        facts = await inspect_server("http://gateway.test", seconds=10)
    assert facts.proxy == url.replace("://", "://***@")


async def test_an_error_names_the_proxy_in_between_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(GatewayUnreachable) as caught:
        await inspect_server("http://gateway.test", seconds=10)
    assert caught.value.message.startswith("gateway.test through the proxy http://***@127.0.0.1:9 cannot be reached")


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    async def silent(scope: dict[str, Any], receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    with serving(silent) as url, pytest.raises(GatewayTimeout, match=r"within 0\.2 s|broke off"):
        await inspect_server(url, seconds=0.2)
