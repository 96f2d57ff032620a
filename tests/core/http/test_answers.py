"""Which error an answer is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qiskit_functions_core.errors import (
    BadRequest,
    Forbidden,
    FunctionDisabled,
    GatewayError,
    GatewayFault,
    NotFound,
    TooManyRequests,
    Unauthorized,
)
from qiskit_functions_core.http.answers import Answer


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (400, {"message": "Not a valid string."}, BadRequest, "Not a valid string."),
        (401, {"detail": "Authorization token is not valid."}, Unauthorized, "Authorization token is not valid."),
        (401, {"detail": "the token has expired"}, Unauthorized, "the token has expired"),
        (500, {"error": "Server Error (500)"}, GatewayFault, "Server Error (500)"),
        (423, {"message": "in maintenance"}, FunctionDisabled, "in maintenance"),
        (403, {"errors": [{"code": 1, "message": "not yours"}], "trace": "t"}, Forbidden, "not yours"),
        (400, {"errorCode": "BXNIM0415E", "errorMessage": "no such key"}, BadRequest, "no such key"),
        (404, {"error": {"code": 404, "message": "no route"}}, NotFound, "no route"),
        (413, {"message": "too large"}, BadRequest, "too large"),
        (502, "<html><title>Bad</title><script>x()</script><h1>Gateway</h1></html>", GatewayFault, "Bad Gateway"),
        (404, "<h1>Not Found</h1>", NotFound, "Not Found"),
        (503, "", GatewayFault, "no text"),
        (400, "[1, 2]", BadRequest, "[1, 2]"),
        (400, {"message": {"nested": True}}, BadRequest, "nested"),
        (429, "\xff\xfe", TooManyRequests, "answered 429"),
    ],
)
def test_each_error_body_gives_one_class_with_its_message(
    status: int, body: Any, error: type[GatewayError], words: str
) -> None:
    content = body.encode("latin-1") if isinstance(body, str) else json.dumps(body).encode()
    found = Answer(status, content, {"x-request-id": "r-1"}).error()
    assert type(found) is error
    assert (found.status, found.request_id) == (status, "r-1")
    assert words in found.message
    assert "<" not in found.message
    assert found.next_step


def test_a_proxys_page_is_not_blamed_on_the_input() -> None:
    gateways, proxys = (Answer(404, body, {}).error() for body in (b'{"message": "no job"}', b"<h1>Hello</h1>"))
    assert gateways.from_gateway
    assert "listing" in gateways.next_step
    assert not proxys.from_gateway
    assert "proxy" in proxys.next_step


def test_a_very_long_error_text_is_cut() -> None:
    assert len(Answer(400, json.dumps({"message": "x" * 1_000_000}).encode(), {}).error().message) <= 2000


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("7", "", 7.0),
        ("Wed, 21 Oct 2015 07:28:10 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", 10.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:29:00 GMT", 0.0),
        ("soon", "", None),
        ("-1", "", None),
        ("", "", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_servers_clock(value: str, date: str, seconds: float | None) -> None:
    assert Answer(429, b"", {"retry-after": value, "date": date}).error().retry_after == seconds
