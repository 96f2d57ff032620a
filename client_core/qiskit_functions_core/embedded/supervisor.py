"""``python -m qiskit_functions_core.embedded.supervisor HOME JOB MAX_JOBS``: look after one job.

It owns the job from PENDING to its end: unpacks the code, runs it, writes its log, answers its calls home,
and then starts what waits in the queue. It needs no gateway, so a job outlives the one that started it.
The function is started before anything heavy is imported here: both then load side by side.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from socket import socket

import psutil
from filelock import FileLock, Timeout

from qiskit_functions_core.embedded.home import Home
from qiskit_functions_core.embedded.logs import BoundedLog
from qiskit_functions_core.embedded.runners.process import (
    JOB_VARIABLE,
    READY,
    ProcessRunner,
    end_processes,
    error_data,
    keep_result,
    processes_of,
)
from qiskit_functions_core.embedded.store import JobRow, Store

_LOOK_SECONDS = 0.2
"""Between two looks at whether the job was stopped."""

_MAX_UNPACKED_BYTES = 1024**3
_MAX_MEMBERS = 10_000
"""What an artifact of at most 50 MB may unpack to: room for any program, none for a bomb."""

_INHERITED = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "VIRTUAL_ENV"}
    | {
        "SYSTEMROOT",
        "SYSTEMDRIVE",
        "USERPROFILE",
        "APPDATA",
        "LOCALAPPDATA",
        "PATHEXT",
        "COMSPEC",
        "NUMBER_OF_PROCESSORS",
    }
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "OMP_NUM_THREADS", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
)
"""What a process needs of its surroundings; everything else, tokens above all, stays out of a function."""


def main(home: Home, job_id: str, max_jobs: int) -> None:
    """Look after the job, unless somebody else does or it is no longer to be run."""
    store = Store(home.database)
    try:
        with FileLock(home.job(job_id).lock, timeout=0):
            _say_ready()
            job = store.job(job_id)
            if job and job.status == "PENDING":
                _Supervision(home, store, job).run()
    except Timeout:
        return
    ProcessRunner(home, store, max_jobs=max_jobs).dispatch()


def _say_ready() -> None:
    """Whoever started us waits for this; nobody reads what comes after it."""
    sys.stdout.buffer.write(READY)
    sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Supervision:
    """One job from PENDING to its end."""

    def __init__(self, home: Home, store: Store, job: JobRow) -> None:
        self._store = store
        self._job = job
        self._home = home
        self._folder = home.job(job.id)
        self._data = home.data(job.provider, job.title)
        self._ended = threading.Event()

    def run(self) -> None:
        log = BoundedLog(self._folder.log)
        try:
            self._run(log)
        except _CannotStart as error:
            log.write(f"{error}\n".encode())
            self._store.add_error(self._job.id, error_data("CANNOT_START", str(error)), origin="SCHEDULER")
            self._finish("FAILED")
        finally:
            log.close()

    def _run(self, log: BoundedLog) -> None:
        unpack(self._artifact(), self._folder.work)
        if not (self._folder.work / self._job.entrypoint).is_file():
            raise _CannotStart(f"The artifact has no {self._job.entrypoint}, which is the function's entry point.")
        with socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            if not self._move("RUNNING", since="PENDING"):
                return  # stopped meanwhile
            begun = time.monotonic()
            function = self._start(listener.getsockname()[1])
            threading.Thread(target=self._answer_calls_home, args=(listener,), daemon=True).start()
            threading.Thread(target=self._watch, daemon=True).start()
            reader = threading.Thread(target=_copy, args=(function, log))
            reader.start()
            code = function.wait()
            self._ended.set()
            # What the function left behind holds its output open, and is no use to anybody any more.
            end_processes(self._left_behind())
            reader.join()
        self._store.book(self._job.id, time.monotonic() - begun)
        self._finish("SUCCEEDED" if code == 0 else "FAILED")

    def _artifact(self) -> Path:
        if not self._job.artifact:
            raise _CannotStart("The function was uploaded without an artifact, so there is nothing to run.")
        return self._home.artifacts / self._job.artifact

    def _start(self, port: int) -> subprocess.Popen[bytes]:
        _adopt_orphans()
        for path in (self._data.arguments(self._job.id), self._data.result(self._job.id)):
            path.parent.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(  # noqa: S603 - running the user's function is what we are for
            [sys.executable, self._job.entrypoint],
            cwd=self._folder.work,
            env=self._environment(port),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _environment(self, port: int) -> dict[str, str]:
        """The contract of ``gateway/api`` and of ``qiskit_serverless`` 0.37 inside a function."""
        inherited = {name: value for name, value in os.environ.items() if name in _INHERITED or name.startswith("LC_")}
        return {
            **inherited,
            **json.loads(self._job.env_vars),
            "PYTHONUNBUFFERED": "1",
            "ENV_JOB_GATEWAY_HOST": f"http://127.0.0.1:{port}",
            "ENV_JOB_GATEWAY_TOKEN": self._job.token,
            "ENV_JOB_GATEWAY_INSTANCE": "local",
            JOB_VARIABLE: self._job.id,
            "ENV_GATEWAY_PROVIDER_VERSION": "v1",
            "ENV_ACCESS_TRIAL": "False",
            "ENV_JOB_FUNCTION_SIZE": "",
            "ENV_JOB_COMPUTE_PROFILE": "",
            "DATA_PATH": str(self._data.path),
            "ARGUMENTS_PATH": str(self._data.arguments(self._job.id)),
            "RESULTS_PATH": str(self._data.result(self._job.id)),
            "QISKIT_IBM_CHANNEL": "local",
            "QISKIT_IBM_TOKEN": "local",
            "QISKIT_IBM_INSTANCE": "local",
        }

    def _answer_calls_home(self, listener: socket) -> None:
        import uvicorn

        from qiskit_functions_core.embedded.app import calls_home

        app = calls_home(self._home, self._store)
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
        uvicorn.Server(config).run(sockets=[listener])

    def _watch(self) -> None:
        """End the function when the job is stopped."""
        while not self._ended.wait(_LOOK_SECONDS):
            job = self._store.job(self._job.id)
            if job and job.status == "STOPPED":
                end_processes(self._left_behind())
                return

    def _left_behind(self) -> list[psutil.Process]:
        """The job's other processes: our descendants, and any that carry its mark."""
        descendants = psutil.Process().children(recursive=True)
        known = {process.pid for process in descendants}
        return [*descendants, *(process for process in processes_of(self._job.id) if process.pid not in known)]

    def _move(self, status: str, *, since: str) -> bool:
        return self._store.move(self._job.id, status, since=(since,), origin="SCHEDULER", context="UPDATE_JOB_STATUS")

    def _finish(self, status: str) -> None:
        keep_result(self._home, self._job)
        for since in ("RUNNING", "PENDING"):
            self._move(status, since=since)


class _CannotStart(Exception):
    """The job fails before its function runs; the text is for its user."""


def unpack(artifact: Path, target: Path) -> None:
    """Unpack an archive that may be hostile: nothing leaves the target, nothing is a device, all is bounded.

    Raises:
        _CannotStart: it is no such archive.
    """
    target.mkdir(parents=True, exist_ok=True)
    total = count = 0
    try:
        with tarfile.open(artifact) as archive:
            for member in archive:
                count, total = count + 1, total + member.size
                if count > _MAX_MEMBERS or total > _MAX_UNPACKED_BYTES:
                    raise _CannotStart("The artifact unpacks to too much: more than 10,000 files or 1 GiB.")
                archive.extract(member, target, filter="data")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise _CannotStart(f"The artifact cannot be unpacked: {error}") from error


def _copy(function: subprocess.Popen[bytes], log: BoundedLog) -> None:
    assert function.stdout is not None  # noqa: S101 - for the type checker
    with function.stdout as output:
        while data := os.read(output.fileno(), 65536):
            log.write(data)


def _adopt_orphans() -> None:
    """On Linux, let processes whose parent ended come back to us instead of to init (prctl(2))."""
    if sys.platform == "linux":
        import ctypes

        pr_set_child_subreaper = 36
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


if __name__ == "__main__":
    main(Home(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]))
