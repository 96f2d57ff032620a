"""What the transport promises about every call, to servers that answer as they are told."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, socket
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qiskit_functions_core import Account, Channel
from qiskit_functions_core.errors import (
    AccountError,
    GatewayError,
    GatewayFault,
    GatewayTimeout,
    GatewayUnreachable,
    NotFound,
    QiskitFunctionsError,
    TooManyRequests,
)
from qiskit_functions_core.http import connections
from qiskit_functions_core.http.answers import Answer
from qiskit_functions_core.http.connections import MAX_CONNECTIONS, proxy_for
from qiskit_functions_core.http.inspection import inspect_server
from qiskit_functions_core.http.transport import RetryPolicy, Timeouts, Transport
from qiskit_functions_core.serverless.gateway import gateway_transport
from support.ibm_cloud import CRN, IBMCloud, running
from support.serving import eventually, serving
from support.tls import certificate

TOKEN = "the-token-that-nobody-may-see"
ACCOUNT = "0123456789abcdef"
SIGNED = "https://bucket.test/result?X-Amz-Signature=5ecde7"

Handler = Callable[[Request], Awaitable[Response]]


def account(host: str, token: str = TOKEN) -> Account:
    return Account(channel=Channel.IBM_QUANTUM_PLATFORM, host=host, token=SecretStr(token), instance=CRN)


@asynccontextmanager
async def transport_to(
    handler: Handler, retries: RetryPolicy | None = None, **options: Any
) -> AsyncIterator[Transport]:
    """A transport to a gateway that answers so."""
    app = Starlette(routes=[Route("/{path:path}", handler, methods=["GET", "POST"])])
    with serving(app) as host, anyio.fail_after(60):
        transport = gateway_transport(account(host), retries=retries or RetryPolicy(base=0.01), **options)
        try:
            yield transport
        finally:
            await transport.aclose()


def replies(*responses: Response) -> tuple[Handler, list[Request]]:
    """Answers in turn, the last one again and again, and notes what was asked."""
    remaining, seen = list(responses), list[Request]()

    async def handler(request: Request) -> Response:
        seen.append(request)
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]

    return handler, seen


def closed_port() -> str:
    with socket(AF_INET, SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_an_unreachable_host_is_retried_before_it_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "qiskit_functions_core")
    transport = gateway_transport(account(closed_port()), retries=RetryPolicy(base=0.01))
    with pytest.raises(GatewayUnreachable) as raised:
        await transport.send("POST", "programs/run/", {})
    assert raised.value.submitted == "no"
    assert len([line for line in caplog.messages if "again in" in line]) == 2
    await transport.aclose()


async def test_a_host_without_tls_is_unreachable() -> None:
    handler, seen = replies(JSONResponse({}))
    with serving(Starlette(routes=[Route("/{path:path}", handler)])) as host:
        transport = gateway_transport(account(host.replace("http", "https")), retries=RetryPolicy(attempts=1))
        with pytest.raises(GatewayUnreachable):
            await transport.send("POST", "programs/run/", {})
        await transport.aclose()
    assert seen == []


async def test_a_self_signed_certificate_is_not_trusted_also_behind_a_redirect(tmp_path: Path) -> None:
    stranger, asked = replies(JSONResponse({"result": "42"}))
    with serving(Starlette(routes=[Route("/{path:path}", stranger)]), certificate(tmp_path)) as secure:
        transport = gateway_transport(account(secure), retries=RetryPolicy(attempts=1))
        with pytest.raises(GatewayUnreachable):
            await transport.get("jobs/")
        await transport.aclose()
        handler, _ = replies(Response(status_code=302, headers={"location": f"{secure}/result?sig=s"}))
        async with transport_to(handler, RetryPolicy(attempts=1)) as plain:
            with pytest.raises(GatewayUnreachable):
                await plain.get("jobs/x/result/")
    assert asked == []


@pytest.mark.parametrize("content", ["", None])
async def test_certificates_that_cannot_be_loaded_are_reported_with_the_variable(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "trusted.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    transport = gateway_transport(account("https://127.0.0.1:9"), retries=RetryPolicy(attempts=1))
    with pytest.raises(GatewayUnreachable) as raised:
        await transport.send("POST", "programs/run/", {})
    assert "SSL_CERT_FILE" in raised.value.next_step
    await transport.aclose()


async def test_a_caller_who_finds_no_free_connection_in_time_has_certainly_sent_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So that the error comes first however late a busy machine lets the event loop see that the time is up.
    monkeypatch.setattr(connections, "_SPARE_SECONDS", 10.0)
    asked, released = list[str](), threading.Event()

    async def handler(request: Request) -> Response:
        asked.append(request.method)
        await anyio.to_thread.run_sync(released.wait)
        return JSONResponse({})

    async def all_busy() -> bool:
        return len(asked) == MAX_CONNECTIONS

    async with transport_to(handler, RetryPolicy(attempts=1)) as transport, anyio.create_task_group() as group:
        for _ in range(MAX_CONNECTIONS):
            group.start_soon(transport.get, "jobs/")
        try:
            await eventually(all_busy)
            with pytest.raises(GatewayUnreachable, match="not sent"), anyio.fail_after(10.3):
                await transport.send("POST", "programs/run/", {})
        finally:
            released.set()
    assert "POST" not in asked


async def test_a_timeout_of_the_callers_own_is_not_the_gateways() -> None:
    handler, _ = replies(Response(b"content"))
    async with transport_to(handler) as transport:
        with pytest.raises(TimeoutError, match="the caller's"):
            async with transport.download("files/download/"):
                raise TimeoutError("the caller's")


@pytest.mark.parametrize("token", ["two\nlines", "caf\xe9", "a\x00b"])
def test_a_token_that_no_header_can_hold_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(AccountError) as raised:
        gateway_transport(account("http://gw.test", token))
    assert token not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("location", ["", "/elsewhere", "ftp://x/y", "http://[", "http://", "https://x:port/"])
async def test_a_redirect_to_something_that_is_not_an_address_is_one_of_our_errors(location: str) -> None:
    handler, _ = replies(Response(status_code=302, headers={"location": location}))
    async with transport_to(handler) as transport:
        with pytest.raises((GatewayFault, GatewayUnreachable, GatewayTimeout)):
            await transport.get("jobs/x/result/")


async def test_an_answer_that_is_too_large_is_not_read() -> None:
    bomb = gzip.compress(b"0" * 100_000)

    async def handler(request: Request) -> Response:
        if request.url.path.endswith("bomb"):
            return Response(bomb, headers={"content-encoding": "gzip"})
        return Response(b"0" * 100_000)

    async def headers() -> dict[str, str]:
        return {}

    assert len(bomb) < 1000
    with serving(Starlette(routes=[Route("/{path:path}", handler)])) as host:
        transport = Transport(f"{host}/", headers, max_answer_bytes=1000)
        for path in ("bomb", "announced"):
            with pytest.raises(GatewayFault, match="larger than 1000 bytes"):
                await transport.get(path)
        await transport.aclose()


def test_waits_are_jittered_below_a_bound_that_doubles_up_to_a_cap() -> None:
    policy = RetryPolicy(base=1, longest=3)
    for attempt, bound in enumerate((1, 2, 3, 3)):
        waits = [policy.wait(attempt, None) or 0.0 for _ in range(200)]
        assert max(waits) <= bound
        assert len(set(waits)) > 1


def test_a_retry_after_is_waited_for_in_full_or_not_at_all() -> None:
    policy = RetryPolicy(base=1, longest=20)
    waits = [policy.wait(0, 5.0) or 0.0 for _ in range(200)]
    assert min(waits) >= 5
    assert max(waits) <= 6
    assert policy.wait(0, 21.0) is None


async def test_a_429_without_retry_after_is_retried() -> None:
    handler, seen = replies(JSONResponse({"message": "busy"}, 429), JSONResponse({"ok": True}))
    async with transport_to(handler) as transport:
        assert (await transport.get("jobs/")).json() == {"ok": True}
    assert len(seen) == 2


@pytest.mark.parametrize("after", ["3600", "30"])
async def test_a_retry_after_that_is_too_long_or_past_the_deadline_ends_with_the_429(after: str) -> None:
    handler, seen = replies(JSONResponse({"message": "busy"}, 429, headers={"retry-after": after}))
    retries = RetryPolicy(base=0.01, longest=60)
    async with transport_to(handler, retries, timeouts=Timeouts(total=20)) as transport:
        with pytest.raises(TooManyRequests) as raised:
            await transport.get("jobs/")
    assert raised.value.retry_after == float(after)
    assert len(seen) == 1


async def test_retries_have_a_budget_that_success_fills() -> None:
    busy = JSONResponse({"message": "busy"}, 503)
    handler, seen = replies(busy)
    async with transport_to(handler, RetryPolicy(base=0.01, budget=2)) as transport:
        for requests in (3, 4, 5):
            with pytest.raises(GatewayFault):
                await transport.get("jobs/")
            assert len(seen) == requests, "two repeats in all"

    handler, seen = replies(busy, busy, *[JSONResponse({})] * 11, busy)
    async with transport_to(handler, RetryPolicy(base=0.01, budget=2)) as transport:
        for _ in range(11):
            await transport.get("jobs/")
        with pytest.raises(GatewayFault):
            await transport.get("jobs/")
    assert len(seen) == 2 + 11 + 2, "eleven successes earned one repeat"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_post_that_was_answered_is_never_sent_again(status: int) -> None:
    handler, seen = replies(JSONResponse({"message": "busy"}, status, headers={"retry-after": "0"}))
    async with transport_to(handler) as transport:
        with pytest.raises(GatewayError):
            await transport.send("POST", "programs/run/", {})
    assert len(seen) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_post_that_is_redirected_says_that_it_was_not_followed(status: int) -> None:
    handler, seen = replies(Response(status_code=status, headers={"location": "http://elsewhere.test/"}))
    async with transport_to(handler) as transport:
        with pytest.raises(GatewayFault, match="not followed") as raised:
            await transport.send("POST", "programs/run/", {})
    assert (raised.value.status, len(seen)) == (status, 1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 501])
async def test_what_a_retry_cannot_help_is_sent_once(status: int) -> None:
    handler, seen = replies(JSONResponse({"message": "no"}, status))
    async with transport_to(handler) as transport:
        with pytest.raises(GatewayError):
            await transport.get("jobs/")
    assert len(seen) == 1


async def test_many_callers_share_few_connections() -> None:
    now, most, full = 0, 0, anyio.Event()

    async def handler(_: Request) -> Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == MAX_CONNECTIONS:
            full.set()
        await full.wait()
        now -= 1
        return JSONResponse({})

    async with transport_to(handler) as transport, anyio.create_task_group() as group:
        for _ in range(4 * MAX_CONNECTIONS):
            group.start_soon(transport.get, "jobs/")
    assert most == MAX_CONNECTIONS


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://gw.test/", "http://plain:1"),
        ("https://gw.test/", "http://secure:2"),
        ("https://direct.test/", None),
        ("https://sub.direct.test:8443/", None),
        ("http://localhost:8000/", None),
        ("http://127.0.0.9:8000/", None),
        ("http://[::1]:8000/", None),
    ],
)
def test_each_server_has_the_proxy_that_the_environment_names(
    url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "plain:1")
    monkeypatch.setenv("https_proxy", "http://secure:2")
    monkeypatch.setenv("no_proxy", "direct.test")
    assert proxy_for(httpx.URL(url)) == proxy


async def test_the_environments_proxy_is_used_but_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = IBMCloud()
    handler, seen = replies(JSONResponse({}))
    with running(cloud) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        transport = gateway_transport(account("http://gw.test"))
        with pytest.raises(NotFound):
            await transport.get("jobs/")
        await transport.aclose()
        # What is on this machine needs no exception to be named.
        async with transport_to(handler) as loopback:
            await loopback.get("jobs/")
    assert [request.host for request in cloud.seen] == ["gw.test"]
    assert len(seen) == 1


@pytest.mark.parametrize("proxy", ["carrier-pigeon://loft", "socks5://127.0.0.1:9"])
async def test_a_proxy_that_cannot_be_used_is_named_with_what_to_do(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    transport = gateway_transport(account("http://gw.test"), retries=RetryPolicy(attempts=1))
    for ask in (transport.get("jobs/"), inspect_server("http://gw.test", seconds=10)):
        with pytest.raises(GatewayUnreachable, match=f"^the proxy {proxy} cannot be used: ") as raised:
            await ask
        assert "NO_PROXY" in raised.value.next_step
        assert "socksio" in raised.value.next_step
    await transport.aclose()


@pytest.mark.parametrize("proxy", ["http://[", "127.0.0.1:0"])
async def test_a_proxy_that_does_not_answer_is_unreachable(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    transport = gateway_transport(account("http://gw.test"), retries=RetryPolicy(attempts=1))
    with pytest.raises(GatewayUnreachable, match="cannot be reached") as raised:
        await transport.get("jobs/")
    assert "network" in raised.value.next_step
    await transport.aclose()


async def test_a_gateways_cookies_are_not_kept() -> None:
    handler, seen = replies(JSONResponse({}, headers={"set-cookie": "session=1; Path=/"}))
    async with transport_to(handler) as transport:
        await transport.get("jobs/")
        await transport.get("jobs/")
    assert ["cookie" in request.headers for request in seen] == [False, False]


async def test_the_gateways_clock_is_read_from_its_answers() -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)

    async def handler(_: Request) -> Response:
        return JSONResponse({})

    async with transport_to(handler) as transport:
        assert transport.server_now() is None
        await transport.get("jobs/")
        told = transport.server_now()
    assert told is not None
    assert told > yesterday


ECHO = f"key {TOKEN} of crn:v1:bluemix:public:quantum-computing:us-east:a/{ACCOUNT}:1::, see {SIGNED}"
HIDDEN = (TOKEN, ACCOUNT, "5ecde7")


@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize("kind", ["json", "page"])
async def test_no_error_shows_what_the_server_echoes(status: int, kind: str) -> None:
    content = json.dumps({"message": ECHO}) if kind == "json" and status != 200 else f"<p>{'x ' * 60}{ECHO}</p>"
    handler, _ = replies(Response(content, status, headers={"x-request-id": ECHO}))
    async with transport_to(handler) as transport:
        with pytest.raises(QiskitFunctionsError) as raised:
            (await transport.get("jobs/")).json()
    shown = "".join(traceback.format_exception(raised.value)) + repr(vars(raised.value))
    assert not [secret for secret in HIDDEN if secret in shown]


def test_an_answers_representation_has_none_of_its_content() -> None:
    answer = Answer(302, ECHO.encode(), {"location": SIGNED}, secrets=(TOKEN,))
    assert not [secret for secret in HIDDEN if secret in repr(answer)]


async def test_no_log_shows_where_a_signed_redirect_leads(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def handler(request: Request) -> Response:
        if request.query_params:
            return Response("the logs")
        return Response(status_code=302, headers={"location": f"{request.url}?X-Amz-Signature=5ecde7&a={TOKEN}"})

    async with transport_to(handler) as transport:
        assert (await transport.get("jobs/x/logs/")).body == b"the logs"
    logged = [record for record in caplog.records if record.name.startswith(("httpcore", "qiskit_functions"))]
    assert {record.name.partition(".")[0] for record in logged} == {"httpcore", "qiskit_functions_core"}
    assert not [secret for secret in HIDDEN if secret in caplog.text]
