"""Connections whose requests do not come on are closed, and never use up what others need."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from starlette.types import Receive, Scope, Send

from qiskit_functions_gateway.__main__ import Sparing
from qiskit_functions_gateway.api.connections import UVICORN, BoundedConnection
from support.raw_http import send
from support.serving import serving
from support.still_gateway import TOKEN, StillGateway, still_gateway

HALF = b"GET /version HTTP/1.1\r\nHost: x\r\nX-Half: "
HEAD = f"POST /api/v1/programs/run/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n".encode()


class Impatient(BoundedConnection):
    patience_seconds = 0.1
    most = 8


class Few(BoundedConnection):
    patience_seconds = 3600.0
    most = 8


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StillGateway]:
    with still_gateway(tmp_path_factory.mktemp("connections")) as still:
        yield still


@pytest.fixture
def impatient(gateway: StillGateway) -> Iterator[str]:
    with serving(gateway.app, **{**UVICORN, "http": Impatient}) as host:
        yield host


@pytest.fixture
def few(gateway: StillGateway) -> Iterator[str]:
    with serving(gateway.app, **{**UVICORN, "http": Few}) as host:
        yield host


def connected(host: str) -> socket.socket:
    address = urlsplit(host)
    return socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=30)


def is_closed(connection: socket.socket) -> bool:
    """Wait until the other side has closed it."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"G",
        HALF,
        HEAD + b"Content-Length: 100\r\nContent-Type: application/json\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n1\r\n{\r\n",
        b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n" + HALF,
    ],
    ids=["nothing", "a byte", "half a head", "half a body", "half a chunked body", "a request and a half"],
)
def test_a_request_that_does_not_come_on_is_given_up(impatient: str, begun: bytes) -> None:
    with connected(impatient) as connection:
        connection.sendall(begun)
        assert is_closed(connection)
    assert send(impatient, "GET", "/version").status == 200


@pytest.mark.parametrize("begun", [HALF, HEAD + b"Content-Length: 100000\r\n\r\n"], ids=["head", "body"])
def test_a_request_that_drips_is_given_up(impatient: str, begun: bytes) -> None:
    with connected(impatient) as connection, pytest.raises(OSError):
        connection.sendall(begun)
        connection.settimeout(0.02)
        for _ in range(3000):
            connection.sendall(b"x")
            try:
                if not connection.recv(65536):
                    raise BrokenPipeError
            except TimeoutError:
                pass


def test_a_connection_too_many_costs_one_that_waits_and_requests_are_answered(few: str) -> None:
    with ExitStack() as opened:
        half = [opened.enter_context(connected(few)) for _ in range(100)]
        for connection in half:
            connection.sendall(HALF)
        for _ in range(20):
            assert send(few, "GET", "/version").status == 200
        assert all(is_closed(connection) for connection in half[:80])


def test_of_many_that_come_at_once_no_more_than_the_bound_stay(gateway: StillGateway) -> None:
    begun, release = threading.Event(), threading.Event()

    async def busy(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        release.wait(30)  # holds up the loop, as a busy machine does, so that what comes meanwhile comes at once
        await gateway.app(scope, receive, send)

    with serving(busy, **{**UVICORN, "http": Few}) as host, ExitStack() as opened:
        working = opened.enter_context(connected(host))
        working.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        assert begun.wait(30)
        waiting = [opened.enter_context(connected(host)) for _ in range(30)]
        release.set()
        assert working.recv(65536).startswith(b"HTTP/1.1 200")
        assert all(is_closed(connection) for connection in waiting[:20])


def test_a_connection_that_answers_is_not_the_one_that_goes(few: str) -> None:
    with ExitStack() as opened:
        working = opened.enter_context(connected(few))
        body = b'{"title": "none", "arguments": "{}", "config": {}}'
        about_it = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        working.sendall(HEAD + about_it.encode())
        assert working.recv(65536).startswith(b"HTTP/1.1 100")  # its request has begun
        for _ in range(30):
            opened.enter_context(connected(few)).sendall(HALF)
        assert send(few, "GET", "/version").status == 200
        working.sendall(body)
        assert working.recv(65536).startswith(b"HTTP/1.1 404")


def test_nonsense_in_the_middle_of_an_answer_ends_the_connection_quietly(
    few: str, caplog: pytest.LogCaptureFixture
) -> None:
    with connected(few) as connection:
        connection.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n\0\0\0nonsense\r\n\r\n" * 3)
        assert is_closed(connection)
    assert "Traceback" not in caplog.text


def test_a_caller_that_leaves_in_the_middle_of_a_body_is_no_error(few: str, caplog: pytest.LogCaptureFixture) -> None:
    with connected(few) as connection:
        connection.sendall(HEAD + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    assert send(few, "GET", "/version").status == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_log_gets_a_few_records_a_minute_from_one_place_and_says_how_many_it_left_out() -> None:
    now = [0.0]
    sparing = Sparing(most=3, seconds=60, clock=lambda: now[0])

    def record(line: int) -> logging.LogRecord:
        return logging.LogRecord("name", logging.WARNING, "path.py", line, "bad %s", ("request",), None)

    assert [sparing.filter(record(1)) for _ in range(5)] == [True, True, True, False, False]
    assert sparing.filter(record(2))
    now[0] = 61
    later = record(1)
    assert sparing.filter(later)
    assert later.getMessage() == "bad request (and 2 more before this were left out)"
