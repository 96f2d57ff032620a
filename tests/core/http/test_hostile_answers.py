"""Answers that were made to stall, to overflow or to mislead their reader."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import zlib

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qiskit_functions_core.errors import GatewayError, GatewayFault, GatewayTimeout, InputError
from qiskit_functions_core.http.answers import Answer, date_of
from qiskit_functions_core.http.redaction import redact, redact_logs_of
from qiskit_functions_core.http.redirects import check_target
from qiskit_functions_core.http.transport import RetryPolicy, Transport
from support.serving import serving


async def no_headers() -> dict[str, str]:
    return {}


def transport_to(host: str) -> Transport:
    return Transport(f"{host}/", no_headers, retries=RetryPolicy(attempts=1))


@pytest.mark.parametrize("unit", ["<", "<script", "http://", "http://?", ":a/", "<style>a", "a="])
def test_a_page_of_one_text_repeated_is_an_error_with_a_short_message(unit: str) -> None:
    for body in (unit * 50_000, json.dumps({"message": unit * 5_000})):
        assert len(Answer(502, body.encode(), {}).error().message) <= 2_000


async def test_the_page_of_an_error_is_read_only_as_far_as_a_message_goes() -> None:
    async def handler(_: Request) -> Response:
        return Response(b"<p>Bad gateway</p>" + b"x" * 50_000_000, 502)

    with serving(Starlette(routes=[Route("/{path:path}", handler)])) as host:
        transport = transport_to(host)
        with pytest.raises(GatewayFault, match="Bad gateway"):
            await transport.get("jobs/")
        await transport.aclose()


@pytest.mark.parametrize("encoding", ["gzip, gzip", "deflate", "br", "gzip, identity", "zstd"])
async def test_an_encoding_that_was_not_asked_for_is_not_decoded(encoding: str) -> None:
    async def handler(_: Request) -> Response:
        return Response(gzip.compress(gzip.compress(b"0" * 1_000)), headers={"content-encoding": encoding})

    with serving(Starlette(routes=[Route("/{path:path}", handler)])) as host:
        transport = transport_to(host)
        with pytest.raises(GatewayFault, match="encoding that was not asked for"):
            await transport.get("jobs/")
        await transport.aclose()


async def test_gzip_is_decoded_in_small_parts_and_a_broken_one_is_no_answer() -> None:
    content = json.dumps(["0" * 5_000_000]).encode()
    whole = gzip.compress(content)

    async def handler(request: Request) -> Response:
        body = whole[: len(whole) // 2] if request.url.path.endswith("half") else whole
        return Response(body, headers={"content-encoding": "GZIP" if request.url.path.endswith("upper") else "gzip"})

    with serving(Starlette(routes=[Route("/{path:path}", handler)])) as host:
        transport = transport_to(host)
        for path in ("whole", "upper"):
            assert (await transport.get(path)).body == content
        async with transport.download("whole") as download:
            assert max([len(part) async for part in download.parts]) <= 2**20
        with pytest.raises(GatewayTimeout, match="broke off"):
            await transport.get("half")
        await transport.aclose()
    assert zlib.crc32(content), "the content is not empty"


@pytest.mark.parametrize("body", [b"[" + b"{}," * 1_000_000 + b"{}]", b"[" * 600_000, b" " * 17_000_000])
def test_json_that_would_take_gigabytes_is_not_parsed(body: bytes) -> None:
    with pytest.raises(GatewayFault, match="too large"):
        Answer(200, body, {}).json()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("date", "Fri, 31 Dec 9999 23:59:59 -2359"),
        ("date", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ("date", "Mon, 01 Jan 0001 00:00:00 +2359"),
        ("date", "Mon, 01 Jan 2026 00:00:00 +99999999999"),
        ("date", "1" * 100_000),
        ("age", "999999999"),
        ("age", "9" * 5_000),
        ("retry-after", "9" * 5_000),
        ("retry-after", "Fri, 31 Dec 9999 23:59:59 -2359"),
        ("retry-after", "\u0663"),
    ],
)
def test_a_time_out_of_range_is_no_time(name: str, value: str) -> None:
    headers = {"date": "Fri, 31 Dec 9999 23:59:59 GMT", name: value}
    date_of(headers)
    after = Answer(429, b"", headers).error().retry_after
    assert after is None or 0 <= after < 10**12


async def test_bytes_that_follow_an_answer_are_not_taken_for_the_next_one() -> None:
    connections = 0
    glued = b'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"evil"'

    async def serve(stream: anyio.abc.SocketStream) -> None:
        nonlocal connections
        connections += 1
        async with stream:
            try:
                while b"\r\n\r\n" in await stream.receive():
                    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" + glued)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        transport = transport_to(f"http://127.0.0.1:{port}")
        for _ in range(3):
            assert (await transport.get("jobs/")).json() == {}
        await transport.aclose()
        group.cancel_scope.cancel()
    assert connections == 3


@pytest.mark.parametrize("body", [{"title": "\ud800"}, {"workers": 10**5_000}])
async def test_what_no_request_can_hold_is_the_callers_mistake(body: dict[str, object]) -> None:
    transport = transport_to("http://127.0.0.1:9")
    with pytest.raises(InputError, match="cannot be sent"):
        await transport.send("POST", "programs/run/", body)
    with pytest.raises(InputError, match="cannot be sent"):
        await transport.get("files/", {"function": "\ud800"})
    await transport.aclose()


SIGNED = "?X-Amz-Signature=s"
ADDRESSES = {"gateway.test": "93.184.215.14", "inside.test": "10.0.0.7", "store.test": "93.184.215.15"}
ADDRESSES |= {"rebound.test": "127.0.0.1", "metadata.test": "169.254.169.254", "neighbour.test": "10.0.0.8"}


@pytest.mark.parametrize(
    ("gateway", "target", "is_followed"),
    [
        ("https://gateway.test/", f"https://store.test/bucket/key{SIGNED}", True),
        ("https://gateway.test/", "https://store.test/bucket/key", False),
        ("https://gateway.test/", f"http://127.0.0.1:8080/{SIGNED}", False),
        ("https://gateway.test/", f"http://[::1]/{SIGNED}", False),
        ("https://gateway.test/", f"http://[::ffff:127.0.0.1]/{SIGNED}", False),
        ("https://gateway.test/", f"http://rebound.test/{SIGNED}", False),
        ("https://gateway.test/", f"http://inside.test/{SIGNED}", False),
        ("https://gateway.test/", f"http://metadata.test/{SIGNED}", False),
        ("https://inside.test/", f"http://neighbour.test/{SIGNED}", True),
        ("https://inside.test/", f"http://127.0.0.1/{SIGNED}", False),
        ("https://inside.test/", f"http://metadata.test/{SIGNED}", False),
        ("http://127.0.0.1:8000/", f"http://localhost:9000/{SIGNED}", True),
        ("http://127.0.0.1:8000/", f"http://inside.test/{SIGNED}", False),
        ("https://gateway.test/", f"file:///etc/passwd{SIGNED}", False),
    ],
)
async def test_a_redirect_leads_to_an_object_store_and_not_into_the_callers_network(
    gateway: str, target: str, is_followed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port: look_up(ADDRESSES.get(host, host), port))
    if is_followed:
        await check_target(target, gateway, "the gateway", status=302)
        return
    with pytest.raises(GatewayError, match="not followed"):
        await check_target(target, gateway, "the gateway", status=302)


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com/o/r/issues/new?title=Bug&labels=a,b",
        "see https://docs.test/page?section=2#top and http://x.test/?q=a%20b",
        "http://127.0.0.1:8000/api/v1/jobs/?limit=2&offset=1",
    ],
)
def test_a_useful_link_is_kept(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "https://b.test/r?X-Amz-Date=1&X-Amz-Signature=SECRET",
        "https://b.test/r?AWSAccessKeyId=a&Signature=SECRET&Expires=1",
        "https://b.test/r?sv=2&sig=SECRET",
        "https://b.test/r#access_token=SECRET",
        "https://user:SECRET@b.test/r?a=1",
        "https://b.test/r?next=http://c.test/?apikey=SECRET",
        "https://b.test/r?u=0123456789abcdef0123456789SECRET",
    ],
)
def test_what_opens_an_address_is_hidden(text: str) -> None:
    assert "SECRET" not in redact(text)
    assert redact(text).startswith("https://")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://user:pass@b.test/r?a=1.", "at https://***@b.test/r?a=1."),
        ("at https://user@b.test", "at https://***@b.test"),
        ("at https://@b.test", "at https://***@b.test"),
        ("https://b.test/r?page=1&sig=SECRET", "https://b.test/r?***"),
        ("https://b.test/r#token=SECRET", "https://b.test/r#***"),
        (
            "crn:v1:bluemix:public:quantum-computing:us-east:a/SECRET:2::",
            "crn:v1:bluemix:public:quantum-computing:us-east:***:2::",
        ),
    ],
)
def test_what_is_left_of_an_address_still_says_where_it_leads(text: str, shown: str) -> None:
    assert redact(text).replace("a/***", "***") == shown


def test_the_longest_secret_is_hidden_first_so_that_no_rest_of_it_stays() -> None:
    assert redact("a-token and a-token-for-more", ["a-token", "", "a-token-for-more"]) == "*** and ***"
    assert redact("a-token-for-more", ["a-token", "a-token-for-more"]) == "***"


def test_log_records_are_redacted_and_pass(caplog: pytest.LogCaptureFixture) -> None:
    name = "qiskit_functions_test_of_redaction"
    for _ in range(2):
        redact_logs_of(name)
    logging.getLogger(name).warning("sent to %s", "https://b.test/r?sig=SECRET")
    assert caplog.messages == ["sent to https://b.test/r?***"]
    assert len(logging.getLogger(name).filters) == 1
