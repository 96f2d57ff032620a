"""A proxy before a gateway that spoils what passes, before or after the gateway has acted."""

from __future__ import annotations

import json
import re
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, SO_LINGER, SOL_SOCKET, socket
from typing import Literal, get_args
from urllib.parse import urlsplit

from .serving import handling

DRIP_SECONDS = 0.02

STRANGERS_JOB = "99999999-9999-4999-8999-999999999999"
STRANGER = {"id": STRANGERS_JOB, "status": "QUEUED", "created": "2999-01-01T00:00:00Z", "program": STRANGERS_JOB}
"""A job in good shape, which no gateway has."""


@dataclass(frozen=True)
class Reply:
    """What would be sent: the gateway's own answer, or one in its place."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)

    def on_the_wire(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in self.headers)]
        lines += [f"Content-Length: {len(self.body)}", "Connection: close", "", ""]
        return "\r\n".join(lines).encode() + self.body


@dataclass
class Wire:
    """The connection to the client, while one request is answered.

    Attributes:
        forward: passes the request on to the gateway, once a call.
    """

    client: socket
    forward: Callable[[], Reply]
    released: threading.Event

    def send(self, data: bytes) -> None:
        with suppress(OSError):  # the client may have given up
            self.client.sendall(data)

    def end(self, *, by_reset: bool = False) -> None:
        if by_reset:
            self.client.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self.client.close()
            return
        with suppress(OSError):
            self.client.shutdown(SHUT_RDWR)


Acts = Literal["never", "first", "later"]
ACTS: tuple[Acts, ...] = get_args(Acts)

Fault = Callable[[Wire, Reply], None]
"""Answers in its own way; the reply is what the gateway said, or would have said."""


def cut(wire: Wire, _: Reply) -> None:
    wire.end()


def reset(wire: Wire, _: Reply) -> None:
    wire.end(by_reset=True)


def cut_inside_the_head(wire: Wire, reply: Reply) -> None:
    wire.send(reply.on_the_wire()[:20])
    wire.end()


def truncate(wire: Wire, reply: Reply) -> None:
    data = reply.on_the_wire()
    wire.send(data[: -len(reply.body) // 2 or -1])
    wire.end()


def reset_inside_the_body(wire: Wire, reply: Reply) -> None:
    wire.send(reply.on_the_wire()[:-5])
    wire.end(by_reset=True)


def say_nothing(wire: Wire, _: Reply) -> None:
    wire.released.wait(60)
    wire.end()


def drip(wire: Wire, reply: Reply) -> None:
    """Each byte comes in time, and the whole never does."""
    data = reply.on_the_wire()
    for byte in data[:-1]:
        wire.send(bytes([byte]))
        if wire.released.wait(DRIP_SECONDS):
            break
    say_nothing(wire, reply)


def garble_the_head(wire: Wire, reply: Reply) -> None:
    wire.send(b"\x16\x03\x01\x00" + reply.on_the_wire()[4:])
    wire.end()


def garble_the_body(wire: Wire, reply: Reply) -> None:
    wire.send(Reply(reply.status, bytes(byte ^ 0x55 for byte in reply.body)).on_the_wire())


def swap_digits(wire: Wire, reply: Reply) -> None:
    """Still JSON, still ids; they are only no longer the right ones."""
    wire.send(Reply(reply.status, reply.body.translate(bytes.maketrans(b"0123456789", b"1234567890"))).on_the_wire())


def name_no_zone(wire: Wire, reply: Reply) -> None:
    """A job's time, without the zone that it is in."""
    wire.send(
        Reply(reply.status, re.sub(rb'("created": *"[^"]*?)(Z|[+-]\d\d:\d\d)"', rb'\1"', reply.body)).on_the_wire()
    )


def compress_badly(wire: Wire, reply: Reply) -> None:
    headers = (("Content-Type", "application/json"), ("Content-Encoding", "gzip"))
    wire.send(Reply(reply.status, reply.body or b"no gzip", headers).on_the_wire())


def answer(status: int, body: object = b"", **headers: str) -> Fault:
    """This answer in place of the gateway's; a body that is not bytes goes as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    reply = Reply(status, content, named or (("Content-Type", "application/json"),))

    def fault(wire: Wire, _: Reply) -> None:
        wire.send(reply.on_the_wire())

    return fault


def page(status: int) -> Fault:
    return answer(status, b"<html><body><h1>A proxy's page</h1></body></html>", Content_Type="text/html")


def redirect_to(place: str, status: int) -> Fault:
    return answer(status, Location=place)


BROKEN: dict[str, Fault] = {
    "cut": cut,
    "reset": reset,
    "cut inside the head": cut_inside_the_head,
    "truncated": truncate,
    "reset inside the body": reset_inside_the_body,
    "silence": say_nothing,
    "drip": drip,
    "garbled head": garble_the_head,
    "broken compression": compress_badly,
}
"""No whole answer."""

MISLEADING: dict[str, Fault] = {
    "garbled body": garble_the_body,
    "swapped digits": swap_digits,
    "created without a zone": name_no_zone,
    "200 {}": answer(200, {}),
    "200 []": answer(200, []),
    "200 null": answer(200, None),
    "200 deep": answer(200, b"[" * 100_000),
    "200 empty": answer(200),
    "204": answer(204),
    "200 page": page(200),
    "200 wrong id": answer(200, {**STRANGER, "id": "1"}),
    "200 stranger's job": answer(200, STRANGER),
}
"""What looks like a success."""

REFUSALS: dict[str, Fault] = {
    **{f"{status} page": page(status) for status in (400, 403, 404, 407, 408, 429, 500, 502, 503, 504)},
    **{
        f"{status} json": answer(status, {"message": "not now"})
        for status in (400, 401, 403, 404, 423, 429, 500, 502, 503, 504)
    },
    "429 later": answer(429, {"message": "not now"}, Retry_After="1"),
    "503 now": answer(503, {"message": "not now"}, Retry_After="0"),
}
"""Errors, named by their status first."""

FAULTS = BROKEN | MISLEADING | REFUSALS


@dataclass
class FaultProxy:
    """Passes everything on, until a fault is set.

    Attributes:
        fault: what happens to the requests that match; none passes them on.
        matches: by method and path.
        acts: whether the gateway gets the request: never, before the fault, or after it.
        times: to how many requests the fault happens.
        knows_keys: False makes of the gateway one that does not honour ``Idempotency-Key``.
        drops_keys: the header does not get through, as some proxies pass on only what they know.
        passed: methods and paths that reached the gateway.
        seen: all that arrived here.
    """

    gateway: str
    fault: Fault | None = None
    matches: Callable[[str, str], bool] = lambda method, path: True
    acts: Acts = "never"
    times: float = float("inf")
    knows_keys: bool = True
    drops_keys: bool = False
    passed: list[tuple[str, str]] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def handle(self, method: str, path: str, headers: dict[str, str], body: bytes, client: socket) -> None:
        self.seen.append((method, path))
        wire = Wire(client, lambda: self.forward(method, path, headers, body), self.released)
        fault, acts = self.fault, self.acts  # another thread may set others meanwhile
        if fault is None or self.times <= 0 or not self.matches(method, urlsplit(path).path):
            wire.send(wire.forward().on_the_wire())
            return
        self.times -= 1
        fault(wire, wire.forward() if acts == "first" else Reply(body=b'{"id": "'))
        if acts == "later":
            wire.forward()

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        self.passed.append((method, path))
        if self.drops_keys or not self.knows_keys:
            headers = {name: value for name, value in headers.items() if name.lower() != "idempotency-key"}
        if not self.knows_keys and path.endswith("/version/"):
            return Reply(body=b'{"version": "UNKNOWN"}')
        parts = urlsplit(self.gateway)
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            kept = tuple((name, value) for name, value in response.getheaders() if name.lower() in _KEPT)
            return Reply(response.status, response.read(), kept)
        finally:
            connection.close()


_KEPT = ("content-type", "date", "idempotency-key", "location", "retry-after", "www-authenticate")


@contextmanager
def running(proxy: FaultProxy) -> Iterator[str]:
    """The proxy on a free loopback port; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            proxy.handle(self.command, self.path, headers, body, self.connection)
            self.close_connection = True

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A connection that was reset on purpose is not worth a word."""

    with handling(Handler, Server) as host:
        try:
            yield host
        finally:
            proxy.released.set()


_HOP_BY_HOP = ("connection", "host", "content-length")
