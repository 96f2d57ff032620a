"""The gateway of this machine: a program of its own, one for a data folder, which is started when it is needed.

It says in ``gateway.json`` in the folder where it answers, and holds a lock on that file while it does. The token goes
to no other program: the file is the user's own, so what holds the lock on it has written it, and it has the address for
as long as it holds the lock. That is looked at before every request, so a call never meets a gateway that
has ended, either: it starts one.
"""

from __future__ import annotations

import json
import logging
import math
import os
import platform
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from ..environment import WARM_JOBS, basic_variables, installer_variables
from ..errors import EmbeddedGatewayError
from ..local_files import open_regular, refuse_foreign_folder
from .gateway_traits import USAGE_LIMIT

logger = logging.getLogger(__name__)

IDLE_SECONDS = "600"
"""A gateway ends after so long without a request or an active job. A person may think for minutes between two
questions; a start takes about half a second."""

_START_SECONDS = 30.0
"""A start takes half a second, and several times that on a busy machine; another gateway may have to end first."""

_LOOK_SECONDS = 0.05

_OF_JOBS = ("QISKIT_FUNCTIONS_JOB_", WARM_JOBS)
"""How the variables begin that a gateway's data folder keeps for its jobs."""

_ANSWER_SECONDS = 5.0
"""For a gateway of another version that is asked to end, and then for its file to go."""

if sys.platform == "win32":
    _DETACHED: dict[str, Any] = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
else:
    _DETACHED: dict[str, Any] = {"start_new_session": True}
"""A host that ends its server with all of its process group must not end the gateway that others use."""


def default_data_folder() -> Path:
    """Return ``QISKIT_FUNCTIONS_HOME``, or a folder of the user where the platform wants it."""
    if chosen := os.environ.get("QISKIT_FUNCTIONS_HOME"):
        return Path(chosen).expanduser()
    import platformdirs  # only where there is no account

    return Path(platformdirs.user_data_dir("qiskit-functions-mcp", appauthor=False))


@dataclass(frozen=True)
class RunningGateway:
    """A gateway as its file describes it.

    Attributes:
        host: its address, such as ``http://127.0.0.1:40123``.
        token: opens all of it.
        pid: its process.
        node: the machine it runs on, which may share the data folder with this one.
        version: of this distribution.
        ends_when_idle: False if a person started it, who alone ends it.
        settings: quota and limits of jobs by the names of their variables; None is unlimited.
        file: which file said so, as inode and time of its last change.
    """

    host: str
    token: str = field(repr=False)
    pid: int
    node: str
    version: str
    ends_when_idle: bool
    settings: dict[str, float | None]
    file: tuple[int, int]


def find_gateway(folder: Path) -> RunningGateway | None:
    """Return the gateway that serves a data folder now, or None."""
    try:
        with open_regular(folder / "gateway.json", follow_links=False) as file:
            is_ours = os.fstat(file.fileno()).st_uid in (folder.stat().st_uid, getattr(os, "getuid", lambda: 0)())
            if not is_ours or not _is_locked(file.fileno()):
                return None  # another user's in a folder that is open to all, or one of a gateway that was killed
            facts = json.loads(file.read())  # which is nothing just before it is published
            token = facts.pop("token", None) or (folder / "token").read_text()
            return RunningGateway(**facts, token=token, file=_identity(file.fileno()))
    except (OSError, ValueError, TypeError, AttributeError):
        return None


class LocalGateway:
    """The gateway of a data folder, whichever process that is at the time of a request.

    Attributes:
        notice: what a person should know of it, such as settings that do not hold; empty if there is nothing.

    Args:
        folder: the data folder.
        usage_limit_seconds: the quota that a gateway which is started here gets; None asks for none.
    """

    def __init__(self, folder: Path, *, usage_limit_seconds: float | None = None) -> None:
        self.notice = ""
        self._folder = folder.absolute()
        self._wanted = {name: value for name, value in os.environ.items() if name.startswith(_OF_JOBS)}
        if usage_limit_seconds is not None:
            self._wanted[USAGE_LIMIT] = f"{usage_limit_seconds:g}"
        self._running: RunningGateway | None = None
        self._lock = anyio.Lock()

    def base(self) -> str:
        """Return what paths of the API are relative to, as of the last ``headers``."""
        assert self._running is not None, "headers() comes first"  # noqa: S101 - for the type checker
        return f"{self._running.host}/api/v1/"

    async def headers(self) -> Mapping[str, str]:
        """Return the headers of a request; when it returns, the gateway runs.

        Raises:
            EmbeddedGatewayError: it cannot be started.
        """
        if not self._is_current():
            async with self._lock:
                if not self._is_current():
                    self._running = await anyio.to_thread.run_sync(self._find_or_start)
        assert self._running is not None  # noqa: S101 - for the type checker
        return {"Authorization": f"Bearer {self._running.token}", "Service-Channel": "local"}

    def _is_current(self) -> bool:
        """Asked before every request, so without reading the file again: it takes some 20 microseconds."""
        if self._running is None:
            return False
        try:
            descriptor = os.open(self._folder / "gateway.json", os.O_RDONLY)
        except OSError:
            return False
        try:
            return _identity(descriptor) == self._running.file and _is_locked(descriptor)
        finally:
            os.close(descriptor)

    def _find_or_start(self) -> RunningGateway:
        refuse_foreign_folder(self._folder)  # which would have its own gateway, and see what runs
        running = find_gateway(self._folder)
        if running and running.node != platform.node():
            raise EmbeddedGatewayError(
                f"the data folder {self._folder} is used by a gateway on another machine, {running.node}",
                next_step="Ask the person to set QISKIT_FUNCTIONS_HOME to a folder for each machine.",
            )
        # A newer one speaks this API too, and may have taken the folder to a form that an older one cannot read.
        if running and _numbers(running.version) < _numbers(_own_version()):
            if _has_agreed_to_end(running):
                running = self._after(running)
            else:
                logger.warning(
                    "using the gateway of version %s that runs: jobs are active, or it was started by hand",
                    running.version,
                )
        running = running or self._start()
        self.notice = self._differences(running)
        if self.notice:
            logger.warning("%s", self.notice)
        return running

    def _after(self, ending: RunningGateway) -> RunningGateway | None:
        """Return what serves the folder when a gateway that ends does no longer."""
        deadline = time.monotonic() + _ANSWER_SECONDS
        while (running := find_gateway(self._folder)) == ending and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        return running

    def _start(self) -> RunningGateway:
        """Start the program until one runs: of many that start it at once one wins, and all find that one."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            said = self._run_program(max(deadline - time.monotonic(), 0.1))
            if running := find_gateway(self._folder):
                return running
            if ("host" not in said and not said.get("is_served")) or time.monotonic() > deadline:
                error = said.get("error", {})
                raise EmbeddedGatewayError(
                    error.get("message") or f"the gateway of this machine did not start: {said.get('text', '')}",
                    next_step=error.get("next_step", ""),
                )
            time.sleep(_LOOK_SECONDS)

    def _run_program(self, seconds: float) -> dict[str, Any]:
        """Start the program once, and return what it says of that, in JSON; ``text`` if it said something else."""
        # -P: the folder that a host was started in may hold anybody's modules.
        command = [sys.executable, "-P", "-m", "qiskit_functions_gateway", "--home", str(self._folder), "--port", "0"]
        idle = os.environ.get("QISKIT_FUNCTIONS_GATEWAY_IDLE_SECONDS") or IDLE_SECONDS
        program = subprocess.Popen(  # noqa: S603 - our own module
            [*command, "--idle-seconds", idle],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment(),
            **_DETACHED,
        )
        # Whenever it ends, it must not stay a zombie.
        threading.Thread(target=program.wait, daemon=True).start()
        too_late = threading.Timer(seconds, program.kill)
        too_late.start()
        text = ""
        assert program.stdout is not None  # noqa: S101 - for the type checker
        with program.stdout:
            for line in program.stdout:
                text = line.decode(errors="replace").strip() or text
                if text.startswith("{"):
                    break
        too_late.cancel()
        try:
            said: dict[str, Any] = json.loads(text)
        except ValueError:
            return {"text": text}
        return said

    def _environment(self) -> dict[str, str]:
        """Return what the program and its jobs need; no account and no token is among it."""
        python = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
        providers = {name: value for name, value in os.environ.items() if name == "QISKIT_FUNCTIONS_PROVIDERS"}
        return {**basic_variables(), **installer_variables(), **python, **providers, **self._wanted}

    def _differences(self, running: RunningGateway) -> str:
        """Return which settings hold that are others than were asked for here."""
        found = [
            f"{name} is {'not set' if (holds := running.settings.get(name)) is None else f'{holds:g}'}, not {wanted}"
            for name, wanted in sorted(self._wanted.items())
            if wanted and not _is_same(running.settings.get(name), wanted)
        ]
        if not found:
            return ""
        return (
            f"The gateway of this machine has settings that it was started with: {'; '.join(found)}. "
            f"To change them, end its process, {running.pid}; the next call starts it with those that are set here."
        )


def _is_same(holds: float | None, wanted: str) -> bool:
    try:
        return holds is not None and math.isclose(holds, float(wanted))
    except ValueError:
        return False


def _has_agreed_to_end(running: RunningGateway) -> bool:
    """Ask a gateway to make way, which it does if it is idle."""
    address = urlsplit(running.host)
    with closing(HTTPConnection(str(address.hostname), address.port or 80, timeout=_ANSWER_SECONDS)) as connection:
        try:
            connection.request("POST", "/api/v1/gateway/end/", headers={"Authorization": f"Bearer {running.token}"})
            return connection.getresponse().status == HTTPStatus.ACCEPTED
        except (OSError, HTTPException):
            return False


def _own_version() -> str:
    return version("qiskit-functions-mcp")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def _identity(descriptor: int) -> tuple[int, int]:
    facts = os.fstat(descriptor)
    return facts.st_ino, facts.st_mtime_ns


if sys.platform == "win32":
    import msvcrt

    def _is_locked(descriptor: int) -> bool:
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # where the gateway's storage/locks.py locks
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBRLCK, 1)
        except OSError:
            return True
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return False

else:
    import fcntl

    def _is_locked(descriptor: int) -> bool:
        """Return whether another process holds the file's lock; shared, so that two that look do not see each other."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
