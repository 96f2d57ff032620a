"""The gateway, running: a thread with an event loop of its own, so that no caller's loop waits for it."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from socket import IPPROTO_TCP, SOCK_STREAM, TCP_NODELAY, create_server, getaddrinfo, socket
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.to_thread
import uvicorn
from starlette.applications import Starlette

from qiskit_functions_core.errors import EmbeddedGatewayError

from .api.app import gateway_app
from .api.context import Gateway
from .execution.limits import Limits
from .execution.process_runner import ProcessRunner
from .execution.runner import Cluster, Runner
from .storage.data_folder import DataFolder
from .storage.database import Database
from .storage.examples import seed
from .storage.incoming import discard_abandoned

logger = logging.getLogger(__name__)

_DISPATCH_SECONDS = 1.0
"""Between two looks at the queue, as the real gateway's scheduler has it; a run wakes it at once."""

_START_SECONDS = 10.0

_UVICORN: dict[str, Any] = {
    "access_log": False,
    "lifespan": "off",
    "log_level": "warning",
    # Whoever ends a gateway waits for it: what takes longer, such as stopping a job, goes on without it.
    "timeout_graceful_shutdown": 0.5,
}


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@dataclass(frozen=True)
class Address:
    """Where a gateway listens; port 0 is any free one."""

    host: str = "127.0.0.1"
    port: int = 0


class EmbeddedGateway:
    """``async with EmbeddedGateway(folder) as gateway:`` serves the API, on a free loopback port by default.

    Jobs that still run when it ends are left to their supervisors; the next gateway finds them.

    Attributes:
        host: the address, such as ``http://127.0.0.1:40123``.
        token: opens all of it.

    Args:
        usage_limit_seconds: the user's quota of function time; none is unlimited.
        limits: of jobs; those of the environment by default.
        token: instead of the data folder's own.
        cluster: where jobs run, instead of on this machine.
    """

    host: str
    token: str

    def __init__(
        self,
        folder: Path,
        *,
        usage_limit_seconds: float | None = None,
        limits: Limits | None = None,
        address: Address = Address(),
        token: str = "",
        cluster: Cluster | None = None,
    ) -> None:
        self._data_folder = DataFolder(folder)
        self._usage_limit_seconds = usage_limit_seconds
        self._limits = limits
        self._address = address
        self._cluster = cluster
        self.token = token
        self._wake = threading.Event()
        self._closing = False

    async def __aenter__(self) -> Self:
        """Raises EmbeddedGatewayError when the data folder or the address cannot be used."""
        await anyio.to_thread.run_sync(self._start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._stop)

    def _start(self) -> None:
        limits = self._limits or Limits.from_environment()
        self._data_folder.prepare()
        discard_abandoned(self._data_folder)
        with ExitStack() as opened:
            database = Database(self._data_folder.database_file, runner="ray" if self._cluster else "process")
            opened.enter_context(closing(database))
            seed(self._data_folder, database)
            self.token = self.token or self._data_folder.token()
            listener = opened.enter_context(_listen(self._address))
            self.host = _url(listener)
            self._runner = self._make_runner(database, limits)
            gateway = Gateway(
                self._data_folder, database, self.token, self._runner, self._wake.set, self._usage_limit_seconds
            )
            self._serve(gateway_app(gateway), listener)
            self._opened = opened.pop_all()

    def _make_runner(self, database: Database, limits: Limits) -> Runner:
        if self._cluster is None:
            return ProcessRunner(self._data_folder, database, limits)
        from .execution.ray.runner import RayRunner

        return RayRunner(self._data_folder, database, limits, self._cluster, self.host)

    def _serve(self, app: Starlette, listener: socket) -> None:
        self._server = _Server(uvicorn.Config(app, **_UVICORN))
        self._threads = [
            threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True),
            threading.Thread(target=self._dispatch, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        if not self._server.is_up.wait(_START_SECONDS):
            raise EmbeddedGatewayError("the gateway of this machine did not start")

    def _dispatch(self) -> None:
        """Start what waits, give up what died; woken by a run, else once a second."""
        while not self._closing:
            self._wake.clear()
            try:
                self._runner.dispatch()
            except Exception:  # whatever it is, the queue must go on
                logger.exception("the queue could not be looked at; trying again")
            self._wake.wait(_DISPATCH_SECONDS)

    def _stop(self) -> None:
        self._closing = self._server.should_exit = True
        self._wake.set()
        for thread in self._threads:
            thread.join()
        self._opened.close()


def _listen(address: Address) -> socket:
    """Raises EmbeddedGatewayError when somebody else has the port, or there is no such host here."""
    try:
        family, *_, place = getaddrinfo(address.host, address.port, type=SOCK_STREAM)[0]
        listener = create_server(place, family=family)
    except OSError as error:
        raise EmbeddedGatewayError(
            f"the gateway cannot listen on {address.host}, port {address.port}: {error.strerror}",
            next_step="Choose another port, or none for any that is free.",
        ) from error
    # asyncio would set it, but not on a socket that does not name its protocol: an answer would stall for 40 ms.
    listener.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    return listener


def _url(listener: socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
