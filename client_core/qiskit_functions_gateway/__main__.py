"""``python -m qiskit_functions_gateway --home FOLDER``: the gateway of a data folder, one process however many use it.

``serving.lock`` in the folder is held for as long as the process lives, so there is one. ``gateway.json`` says where it
answers; the process holds a lock on that file too, from before there is anything in it until it is removed. So a
client that finds it locked knows that what wrote it is alive and has the address, and may send it the folder's token.
A process identifier or an answer on the port could not tell it: both are used again by others.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from logging.handlers import RotatingFileHandler
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from qiskit_functions_core.environment import WARM_JOBS
from qiskit_functions_core.errors import EmbeddedGatewayError

from .execution.prctl import hide_from_functions
from .execution.runner import Cluster
from .settings import (
    PROVIDERS,
    FolderSettings,
    add_arguments,
    data_folder_of,
    folder_settings,
    is_warm,
    limits_of,
    providers_of,
    refusal,
    usage_limit_of,
)
from .storage.data_folder import DataFolder
from .storage.locks import Busy, locked

if TYPE_CHECKING:
    from .server import GatewayServer

logger = logging.getLogger("qiskit_functions_gateway")

_LOOK_SECONDS = 1.0
"""Between two looks whether to end."""

_GRACE_SECONDS = 0.5
"""A client looks at ``gateway.json`` before it sends a request. So after the file was removed, what had looked just
before is still answered for as long as this; on a busy machine there may be a tenth of a second between the two."""

_TAKEOVER_SECONDS = 20.0
"""How long to wait for another process that has the folder and does not say where it answers: it starts, or ends."""

_LOG_BYTES = 1024 * 1024
"""Of the log and of the one before it: enough for thousands of warnings."""


class Sparing(logging.Filter):
    """Lets a few records a minute through from each place in the code, so that no attack fills a disk or hides others.

    Args:
        most: how many.
        seconds: in how long.
    """

    def __init__(self, most: int = 10, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._seen: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place, now = (record.pathname, record.lineno), self._clock()
        since, count = self._seen.get(place, (now, 0))
        if now - since >= self._seconds:
            left_out, since, count = count - self._most, now, 0
            if left_out > 0:
                record.msg, record.args = f"{record.getMessage()} (and {left_out} more before this were left out)", None
        self._seen[place] = since, count + 1
        return count < self._most


class AlreadyServed(EmbeddedGatewayError):
    """Another process serves the data folder."""


class _End:
    """Wakes the main thread when the process is to end.

    Attributes:
        is_told: the reason is final: a signal, or that the data folder is gone. Else the gateway goes on if a request
            comes after all.
    """

    def __init__(self) -> None:
        self.is_told = False
        # Its put may be called in a signal's handler, whatever the main thread is doing. An Event's set may not: it
        # could wait forever for the lock that the main thread holds for a moment at each wait.
        self._asked: SimpleQueue[None] = SimpleQueue()

    def ask(self) -> None:
        self._asked.put(None)

    def tell(self) -> None:
        self.is_told = True
        self._asked.put(None)

    def is_asked(self, within: float) -> bool:
        """Return whether there is a reason, as soon as there is one and after so many seconds at the latest."""
        with suppress(Empty):
            self._asked.get(timeout=within)
            return True
        return self.is_told


class _Person:
    """Started by a person: it says on stderr where it is, and runs until it is told to end."""

    is_person = True
    idle_seconds: float | None = None

    def ready(self, server: GatewayServer, token_place: str) -> None:
        print(f"serving on {server.host}\nthe token is {token_place}", file=sys.stderr)

    def failed(self, error: EmbeddedGatewayError) -> None:
        print(f"error: {error.message}\n{error.next_step}".rstrip(), file=sys.stderr)

    def log_to(self, folder: DataFolder) -> None:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        handler.addFilter(Sparing())
        logging.basicConfig(level=logging.WARNING, handlers=[handler])


class _Client:
    """Started by a client: one line of JSON on stdout says how the start ended, and all else goes to the log."""

    is_person = False

    def __init__(self, idle_seconds: float) -> None:
        self.idle_seconds: float | None = idle_seconds
        # Before the first line, what a library writes would be read as part of it.
        self._stdout = os.dup(1)
        _to_nowhere(1)

    def ready(self, server: GatewayServer, token_place: str) -> None:
        self._say({"host": server.host})

    def failed(self, error: EmbeddedGatewayError) -> None:
        about = {"message": error.message, "next_step": error.next_step}
        self._say({"error": about, "is_served": isinstance(error, AlreadyServed)})

    def log_to(self, folder: DataFolder) -> None:
        path = folder.path / "gateway.log"
        try:
            path.touch(mode=0o600)
            handler = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8", delay=True)
        except OSError as error:
            raise EmbeddedGatewayError(f"the log {path} cannot be written: {error.strerror}") from error
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handler.addFilter(Sparing())
        logging.basicConfig(level=logging.INFO, handlers=[handler])
        os.chdir(folder.path)  # not to hold on to the folder that a client was started in

    def _say(self, facts: dict[str, Any]) -> None:
        _to_nowhere(2)
        with suppress(OSError):  # the client was ended while it waited, or was told before
            os.write(self._stdout, json.dumps(facts).encode() + b"\n")
            os.close(self._stdout)


def _to_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="qiskit_functions_gateway", description="Serve the gateway of a data folder.")
    parser.add_argument("--home", required=True, help="data folder")
    parser.add_argument(
        "--idle-seconds", type=float, help="as a client starts it: end after so long without a request or an active job"
    )
    add_arguments(parser)
    options = parser.parse_args(argv)
    return serve(options, _Person() if options.idle_seconds is None else _Client(options.idle_seconds))


def serve(options: argparse.Namespace, starter: _Person | _Client | None = None) -> int:
    """Serve as the flags say until the process is told to end; jobs that still run then go on.

    Returns:
        The exit code.
    """
    starter = starter or _Person()
    if problem := refusal(options):
        print(f"error: {problem}", file=sys.stderr)
        return 2
    hide_from_functions()  # the environment, which may hold accounts, and the token
    folder = data_folder_of(options)
    end = _End()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.tell())
    try:
        folder.prepare()
        starter.log_to(folder)
        with _only_one(folder):
            _serve(folder, options, starter, end)
    except EmbeddedGatewayError as error:
        starter.failed(error)
        return 1
    except Exception as error:
        logger.exception("the gateway ended")
        starter.failed(EmbeddedGatewayError(f"the gateway of this machine did not start: {error!r}"))
        return 1
    return 0


def _serve(folder: DataFolder, options: argparse.Namespace, starter: _Person | _Client, end: _End) -> None:
    asked = dict(os.environ)
    if options.providers:
        asked[PROVIDERS] = ",".join(options.providers)
    if options.cold_jobs:
        asked[WARM_JOBS] = "0"
    settings = folder_settings(folder, asked)
    # Not before this process has the folder: of many that are started at once, all others end sooner.
    from .server import Address, GatewayServer

    with GatewayServer(
        folder.path,
        usage_limit_seconds=usage_limit_of(settings),
        limits=limits_of(settings),
        providers=providers_of(settings),
        address=Address(options.bind, options.port),
        token=options.token,
        cluster=_cluster(options),
        is_warm=is_warm(settings),
        on_end=None if starter.is_person else end.ask,
    ) as server:
        logger.info("version %s serves %s on %s", _version(), folder.path, server.host)
        is_told = False
        while True:
            with published(folder, server, settings, token=options.token, ends_when_idle=not starter.is_person):
                if not is_told:
                    place = "given by --token or its variable" if options.token else f"in {folder.path / 'token'}"
                    starter.ready(server, place)
                    is_told = True
                _wait_for_the_end(folder, server, starter.idle_seconds, end)
            requests = server.requests
            time.sleep(_GRACE_SECONDS)
            if end.is_told or server.requests == requests:
                break
        logger.info("ended")


def _cluster(options: argparse.Namespace) -> Cluster | None:
    if options.runner != "ray":
        return None
    return Cluster(options.ray_address, gateway=options.advertise, shared_folder=options.ray_shared_folder)


def _wait_for_the_end(folder: DataFolder, server: GatewayServer, idle_seconds: float | None, end: _End) -> None:
    """Return when the process is told to end, a client has asked for it, or nothing needs the gateway."""
    look_seconds = min(_LOOK_SECONDS, idle_seconds or _LOOK_SECONDS)
    while not end.is_asked(within=look_seconds):
        if not folder.gateway_file.exists():
            end.tell()  # the data folder was deleted, so no client finds this gateway
        elif idle_seconds is not None and server.idle_seconds() > idle_seconds:
            end.ask()


@contextmanager
def _only_one(folder: DataFolder) -> Iterator[None]:
    """Hold the folder's lock.

    Raises:
        AlreadyServed: another process serves this folder.
    """
    deadline = time.monotonic() + _TAKEOVER_SECONDS
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(locked(folder.path / "serving.lock", timeout=0.05))
                break
            except Busy:
                holder = _holder(folder.gateway_file)
                if holder or time.monotonic() > deadline:
                    who = f"process {holder['pid']} on {holder['host']}" if holder else "another process"
                    raise AlreadyServed(
                        f"the data folder {folder.path} is served by {who}",
                        next_step="Use that gateway, or end its process first.",
                    ) from None
        yield


def _holder(path: Path) -> dict[str, Any]:
    """Return what another gateway says of itself; nothing when it does not yet, or not any more."""
    try:
        facts = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) and {"pid", "host"} <= facts.keys() else {}


@contextmanager
def published(
    folder: DataFolder, server: GatewayServer, settings: FolderSettings, *, token: str = "", ends_when_idle: bool = True
) -> Iterator[None]:
    """Let clients find the gateway.

    Args:
        settings: those that hold for the folder.
        token: if it is not the folder's own, which clients read from its file.
        ends_when_idle: whether a client of a newer version may ask it to end.
    """
    facts = {
        "host": server.host.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:"),
        "pid": os.getpid(),
        "node": platform.node(),
        "version": _version(),
        "ends_when_idle": ends_when_idle,
        "settings": settings,
        **({"token": token} if token else {}),
    }
    path = folder.gateway_file
    path.unlink(missing_ok=True)  # of a gateway that was killed
    # A client that looks at the file just now holds its lock for a moment.
    with locked(path, timeout=_TAKEOVER_SECONDS) as descriptor:
        os.write(descriptor, json.dumps(facts).encode())
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _version() -> str:
    return version("qiskit-functions-mcp")


if __name__ == "__main__":
    sys.exit(main())
