"""The gateway, running: a thread with an event loop of its own, so that no caller's loop waits for it."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, socket
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.to_thread
import uvicorn

from qiskit_functions_core.errors import EmbeddedGatewayError

from .app import whole_gateway
from .examples import seed
from .gateway import Gateway
from .home import Home
from .runners.process import ProcessRunner
from .store import Store

logger = logging.getLogger(__name__)

_DISPATCH_SECONDS = 1.0
"""Between two looks at the queue, as the real gateway's scheduler has it; a run wakes it at once."""

_START_SECONDS = 10.0

_UVICORN: dict[str, Any] = {
    "access_log": False,
    "lifespan": "off",
    "log_level": "warning",
    "timeout_graceful_shutdown": 1,
}


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


class EmbeddedGateway:
    """``async with EmbeddedGateway(folder) as gateway:`` serves the API on a free loopback port.

    Jobs that still run when it ends are left to their supervisors; the next gateway finds them.

    Attributes:
        host: the address, such as ``http://127.0.0.1:40123``.
        token: opens all of it.

    Args:
        usage_limit_seconds: the user's quota of function time; none is unlimited.
        max_jobs: how many run at once; as many as there are processors by default.
    """

    host: str
    token: str

    def __init__(self, folder: Path, *, usage_limit_seconds: float | None = None, max_jobs: int | None = None) -> None:
        self._home = Home(folder)
        self._usage_limit_seconds = usage_limit_seconds
        self._max_jobs = max_jobs or os.cpu_count() or 1
        self._wake = threading.Event()
        self._closing = False

    async def __aenter__(self) -> Self:
        """Raises EmbeddedGatewayError when the data folder cannot be used."""
        await anyio.to_thread.run_sync(self._start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._stop)

    def _start(self) -> None:
        self._home.prepare()
        self._store = Store(self._home.database)
        self.token = self._home.token()
        seed(self._home, self._store)
        self._runner = ProcessRunner(self._home, self._store, max_jobs=self._max_jobs)
        gateway = Gateway(self._home, self._store, self._runner, self._wake.set, self._usage_limit_seconds)
        self._listener = socket(AF_INET, SOCK_STREAM)
        self._listener.bind(("127.0.0.1", 0))
        self.host = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = _Server(uvicorn.Config(whole_gateway(gateway, self.token), **_UVICORN))
        self._threads = [
            threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True),
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
            except (EmbeddedGatewayError, OSError):
                logger.exception("the queue could not be looked at; trying again")
            self._wake.wait(_DISPATCH_SECONDS)

    def _stop(self) -> None:
        self._closing = self._server.should_exit = True
        self._wake.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._store.close()
