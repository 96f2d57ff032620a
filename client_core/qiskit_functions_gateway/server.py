"""The running gateway: it serves in two threads, so that its caller's own thread stays free."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import IPPROTO_TCP, SOCK_STREAM, TCP_NODELAY, create_server, getaddrinfo, socket
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from qiskit_functions_core.errors import EmbeddedGatewayError

from .api.app import gateway_app
from .api.connections import UVICORN
from .api.context import Gateway
from .api.routing import ApiError, Json, blocking, resource
from .execution.limits import Limits
from .execution.process_runner import ProcessRunner
from .execution.runner import Cluster, Runner
from .execution.warm_start import WarmParent
from .storage.data_folder import DataFolder
from .storage.database import Database
from .storage.examples import PROVIDER, seed
from .storage.pruning import job_folders, sweep

logger = logging.getLogger(__name__)

_DISPATCH_SECONDS = 1.0
"""Between two looks at the queue, as the real gateway's scheduler has it; a run wakes it at once."""

_START_SECONDS = 10.0

_WAITING_CONNECTIONS = 128
"""Those that are yet to be accepted; one more would wait a second before it tries again."""

_UVICORN: dict[str, Any] = {
    **UVICORN,
    "log_level": "warning",
    # The end of a gateway is waited for: what takes longer, such as stopping a job, goes on without it.
    "timeout_graceful_shutdown": 0.5,
}


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_WAITING_CONNECTIONS)  # asyncio has set it to how many it accepts in one turn
        self.is_up.set()


class _Activity:
    """Passes requests on to an application, and counts them.

    Attributes:
        begun: how many requests there were.
        open: how many are being answered.
        last: the monotonic time, in seconds, of the last beginning or end of one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.begun = self.open = 0
        self.last = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        self.open += 1
        self.last = time.monotonic()
        try:
            await self._app(scope, receive, send)
        finally:
            self.open -= 1
            self.last = time.monotonic()


@dataclass(frozen=True)
class Address:
    """Where a gateway listens; port 0 is any free one."""

    host: str = "127.0.0.1"
    port: int = 0


class GatewayServer:
    """``with GatewayServer(folder) as gateway:`` serves the API, on a free loopback port by default.

    Jobs that still run when it ends are left to their supervisors; the next gateway finds them.

    Attributes:
        host: the address, such as ``http://127.0.0.1:40123``.
        token: opens all of it.

    Args:
        folder: the data folder.
        usage_limit_seconds: the user's quota of function time; None is unlimited.
        limits: of jobs; the defaults of ``Limits`` if None.
        providers: those for which the user may upload functions, besides ``examples``.
        address: where to listen.
        token: instead of the data folder's own.
        cluster: where jobs run, instead of on this machine.
        is_warm: whether a process that has imported what functions import is kept for jobs to start from.
        on_end: called when a client has asked the gateway to end and it is idle; None refuses every such request.
    """

    host: str
    token: str

    def __init__(
        self,
        folder: Path,
        *,
        usage_limit_seconds: float | None = None,
        limits: Limits | None = None,
        providers: frozenset[str] = frozenset(),
        address: Address = Address(),
        token: str = "",
        cluster: Cluster | None = None,
        is_warm: bool = False,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self._data_folder = DataFolder(folder)
        self._usage_limit_seconds = usage_limit_seconds
        self._limits = limits or Limits()
        self._providers = providers | {PROVIDER}
        self._address = address
        self._cluster = cluster
        self.token = token
        self._warm_parent = WarmParent(self._data_folder) if is_warm and not cluster else None
        self._on_end = on_end
        self._wake = threading.Event()
        self._closing = False

    def __enter__(self) -> Self:
        """Start to serve.

        Raises:
            EmbeddedGatewayError: the data folder or the address cannot be used.
        """
        self._data_folder.prepare()
        with ExitStack() as opened:
            self._database = Database(self._data_folder.database_file, runner="ray" if self._cluster else "process")
            opened.enter_context(closing(self._database))
            seed(self._data_folder, self._database)
            self.token = self.token or self._data_folder.token()
            listener = opened.enter_context(self._listen())
            self.host = _url(listener)
            self._runner = self._make_runner()
            self._serve(listener)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = self._server.should_exit = True
        self._wake.set()
        for thread in self._threads:
            thread.join()
        if self._warm_parent:
            self._warm_parent.let_go()
        self._opened.close()

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return self._activity.begun

    def idle_seconds(self) -> float:
        """Return for how long nothing has asked and no job is active; 0.0 while something does or is."""
        try:
            is_busy = self._activity.open or self._database.active_jobs()
        except EmbeddedGatewayError:  # a full disk, say, which is no reason to end
            is_busy = True
        return 0.0 if is_busy else time.monotonic() - self._activity.last

    def _listen(self) -> socket:
        """Listen where jobs on the cluster look for the gateway, if that is known and the port is free.

        They were given the last gateway's address, and wait up to ten minutes for one there to give their files to.
        """
        if self._cluster is None or self._address.port:
            return _listen(self._address)
        noted = self._data_folder.path / "ray-port.txt"
        listener = None
        with suppress(OSError, ValueError, EmbeddedGatewayError):
            listener = _listen(Address(self._address.host, int(noted.read_text())))
        listener = listener or _listen(self._address)
        self._data_folder.write_text(noted, str(listener.getsockname()[1]))
        return listener

    def _make_runner(self) -> Runner:
        if self._cluster is None:
            return ProcessRunner(self._data_folder, self._database, self._limits)
        from .execution.ray.runner import RayRunner  # which is in an extra

        return RayRunner(self._data_folder, self._database, self._limits, self._cluster, self.host)

    def _serve(self, listener: socket) -> None:
        gateway = Gateway(
            self._data_folder,
            self._database,
            self.token,
            self._runner,
            self._wake.set,
            self._usage_limit_seconds,
            self._providers,
        )
        left_behind = job_folders(self._data_folder)
        app = gateway_app(gateway)
        app.router.routes.append(resource(gateway, "gateway/end", POST=self._end))
        self._activity = _Activity(app)
        self._server = _Server(uvicorn.Config(self._activity, **_UVICORN))
        self._threads = [
            threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True),
            threading.Thread(target=self._dispatch, daemon=True),
            threading.Thread(target=sweep, args=(self._data_folder, self._database, left_behind), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        if not self._server.is_up.wait(_START_SECONDS):
            raise EmbeddedGatewayError("the gateway of this machine did not start")

    async def _end(self, _: Gateway, __: Request) -> Response:
        """Answer a client of a newer version, which would start that in our place."""
        if self._on_end is None:
            raise ApiError(409, "This gateway was started by hand, and is ended by hand.")
        active_jobs = await blocking(self._database.active_jobs)
        if active_jobs or self._activity.open > 1:  # this request is one
            raise ApiError(409, "This gateway has jobs or requests under way.")
        self._on_end()
        return Json({"message": "This gateway ends."}, 202)

    def _dispatch(self) -> None:
        """Start what waits, give up what died; woken by a run, else once a second."""
        while not self._closing:
            self._wake.clear()
            try:
                if self._warm_parent:
                    self._warm_parent.tend(self.idle_seconds())
                self._runner.dispatch()
            except Exception:  # whatever it is, the queue must go on
                logger.exception("the queue could not be looked at; trying again")
            self._wake.wait(_DISPATCH_SECONDS)


def _listen(address: Address) -> socket:
    """Raise `EmbeddedGatewayError` if the port is in use, or the machine has no such address."""
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
