"""IBM Cloud as far as quota and backends need it, on loopback: IAM, instances, usage, backends.

It is an HTTP proxy, so that the real qiskit-ibm-runtime can be sent here without touching it: it takes
requests for any host, and answers by host and path. Backend configurations are those inside the package.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .serving import handling

CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/0123456789abcdef:11111111-2222-3333-4444-555555555555::"
API_KEY = "the-api-key-that-nobody-may-see"


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    host: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class IBMCloud:
    """What it answers can be changed while it runs.

    Attributes:
        failures: by path, an answer in place of the right one: status, body and headers, or none for silence.
    """

    usage: dict[str, Any] = field(default_factory=lambda: {"usage_consumed_seconds": 10})
    devices: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[str, tuple[int, Any, dict[str, str]] | None] = field(default_factory=dict)
    token_seconds: int = 3600
    seen: list[Seen] = field(default_factory=list)
    hang_up: threading.Event = field(default_factory=threading.Event)

    def variables(self, proxy: str) -> dict[str, str]:
        """The environment in which both clients find this cloud."""
        return {
            "QISKIT_IBM_URL": "http://cloud.test",
            "IAM_URL": "http://iam.cloud.test",
            "QISKIT_IBM_TOKEN": API_KEY,
            "QISKIT_IBM_INSTANCE": CRN,
            "QISKIT_IBM_CHANNEL": "ibm_quantum_platform",
            "http_proxy": proxy,
            "no_proxy": "",
        }

    def answer(self, request: Seen) -> tuple[int, Any, dict[str, str]] | None:
        """Status, JSON and headers; none to say nothing."""
        if request.path in self.failures:
            return self.failures[request.path]
        routes: dict[str, Callable[[], Any]] = {
            "/identity/token": self._token,
            "/v3/resources/search": _instances,
            "/api/v1/instances/usage": lambda: self.usage,
            "/api/v1/backends": lambda: {"devices": self.devices},
        }
        if request.path in routes:
            return 200, routes[request.path](), {}
        *_, name, kind = request.path.split("/")
        if kind == "configuration":
            return 200, configuration(name), {}
        if kind == "properties":
            return 200, _in_package(name, "props"), {}
        if request.host.startswith("globalcatalog."):
            return 200, {"overview_ui": {"en": {"display_name": "Open"}}}, {}
        return 404, {"errors": [{"code": 404, "message": f"nothing is at {request.path}"}]}, {}

    def _token(self) -> dict[str, Any]:
        # The library reads the times out of the token itself.
        now = int(time.time())
        claims = {"iat": now, "exp": now + self.token_seconds}
        parts = (json.dumps({"alg": "none", "typ": "JWT"}), json.dumps(claims), "no signature")
        token = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
        return {"access_token": token, "expires_in": self.token_seconds, "token_type": "Bearer"}


def _instances() -> dict[str, Any]:
    item = {
        "crn": CRN,
        "name": "test",
        "service_plan_unique_id": "plan",
        "doc": {"extensions": {"backends": "all"}},
        "tags": [],
        "allocations": {},
    }
    return {"items": [item]}


def device(name: str, *, status: str = "online", reason: str = "") -> dict[str, Any]:
    """A backend as the listing has it."""
    qubits = configuration(name)["n_qubits"]
    state = {"name": status, **({"reason": reason} if reason else {})}
    return {"name": name, "status": state, "is_simulator": False, "qubits": qubits, "queue_length": 3}


def configuration(name: str) -> dict[str, Any]:
    return {**_in_package(name, "conf"), "backend_name": name}


def _in_package(name: str, kind: str) -> dict[str, Any]:
    package = find_spec("qiskit_ibm_runtime")
    assert package and package.origin
    family = name.removeprefix("ibm_")
    file = Path(package.origin).parent / "fake_provider" / "backends" / family / f"{kind}_{family}.json"
    return dict(json.loads(file.read_bytes()))


@contextmanager
def running(cloud: IBMCloud) -> Iterator[str]:
    """The cloud behind a proxy; gives the proxy's address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            target = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            host = target.hostname or headers.get("host", "")
            request = Seen(self.command, host, target.path, headers, self.rfile.read(length).decode())
            cloud.seen.append(request)
            answer = cloud.answer(request)
            if answer is None:
                cloud.hang_up.wait(60)
                self.close_connection = True
                return
            status, body, more = answer
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(content)),
                **more,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_DELETE = do_GET  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    with handling(Handler) as host:
        try:
            yield host
        finally:
            cloud.hang_up.set()
