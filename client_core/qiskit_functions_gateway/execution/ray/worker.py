"""What a node of a Ray cluster runs for one job. It stands alone there, with nothing but Python's own library.

The working directory is the unpacked artifact; beside this file lie ``job.json`` and ``arguments.json``. When
the cluster does not see the gateway's data folder, DATA_PATH is a folder here: filled from the gateway before
the function runs, and what the function made or changed in it goes back.
"""

from __future__ import annotations

import codecs
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

BEGIN = "--- the function's output ---"
"""The first line: what comes before it in the job's log is Ray's own."""

_HERE = Path(__file__).resolve().parent

_PATIENCE_SECONDS = 600.0
"""How long a gateway is waited for that cannot be reached, as while it is started again."""

_TIMEOUT_SECONDS = 60.0

_LOOK_SECONDS = 1.0

_GRACE_SECONDS = 1.0
"""Between the function's SIGTERM and its end: Ray kills everything 3 s after the SIGTERM, and files go back before."""

_SERVER_FAULT = 500

_stopping = threading.Event()


def main() -> int:
    job = json.loads((_HERE / "job.json").read_text(encoding="utf-8"))
    print(BEGIN, flush=True)  # noqa: T201 - the job's log
    signal.signal(signal.SIGTERM, lambda *_: _stopping.set())
    _adopt_orphans()
    variables: dict[str, str] = job["variables"]
    data = Data(Path(job["data"] or _HERE / "data"), variables, is_here=not job["data"])
    try:
        data.fetch()
        if _stopping.is_set():
            return 1
        code = _run(job["entrypoint"], {**os.environ, **variables, **data.variables}, data)
        data.send(_PATIENCE_SECONDS)
    except (OSError, HTTPException) as error:
        host = variables["ENV_JOB_GATEWAY_HOST"]
        _say(f"The files of the function cannot be exchanged with the gateway at {host}: {error}")
        return 1
    finally:
        data.clear()
    return code if code >= 0 else 128 - code  # as a shell tells of signals


class Data:
    """The function's DATA_PATH.

    Args:
        is_here: whether it is a folder of this job's own, and the gateway has the original.
    """

    def __init__(self, folder: Path, variables: dict[str, str], *, is_here: bool) -> None:
        job_id = variables["ENV_JOB_ID_GATEWAY"]
        self._folder = folder
        self._arguments = folder / "arguments" / f"{job_id}.json"
        self._result = folder / "results" / f"{job_id}.json"
        self._is_here = is_here
        self._url = f"{variables['ENV_JOB_GATEWAY_HOST']}/api/v1/jobs/{job_id}/data/"
        self._authorization = f"Bearer {variables['ENV_JOB_GATEWAY_TOKEN']}"
        self._known: dict[Path, tuple[int, int]] = {}

    @property
    def variables(self) -> dict[str, str]:
        paths = {"DATA_PATH": self._folder, "ARGUMENTS_PATH": self._arguments, "RESULTS_PATH": self._result}
        return {name: str(path) for name, path in paths.items()}

    def fetch(self) -> None:
        """Lay it out: the arguments, and the files that the gateway has."""
        for path in (self._arguments, self._result):
            path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_HERE / "arguments.json", self._arguments)
        if self._is_here:
            for name in json.loads(_patiently(self._list, _PATIENCE_SECONDS)):
                _patiently(partial(self._get, name), _PATIENCE_SECONDS)
            self._known = {path: _state(path) for path in self._files()}

    def send_result(self) -> None:
        """Let the gateway have a result that is whole while the function still runs."""
        with suppress(OSError, HTTPException, ValueError, RecursionError):
            if self._is_here and self._is_new(self._result):
                json.loads(self._result.read_bytes())
                self._put(self._result)

    def send(self, patience: float) -> None:
        """Let the gateway have all that is new or was changed."""
        for path in filter(self._is_new, self._files() if self._is_here else ()):
            _patiently(partial(self._put, path), patience)

    def clear(self) -> None:
        if self._is_here:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _files(self) -> Iterator[Path]:
        """Regular ones; other jobs' arguments and results are not here, and our own arguments are known there."""
        for folder, _, names in os.walk(self._folder):
            for path in (Path(folder, name) for name in names):
                if path.is_file() and not path.is_symlink() and path != self._arguments:
                    yield path

    def _is_new(self, path: Path) -> bool:
        return path.is_file() and self._known.get(path) != _state(path)

    def _list(self) -> bytes:
        with self._ask("GET", "") as answer:
            return bytes(answer.read())

    def _get(self, name: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._ask("GET", name) as answer, path.open("wb") as file:
            shutil.copyfileobj(answer, file)

    def _put(self, path: Path) -> None:
        state = _state(path)
        with path.open("rb") as file, self._ask("PUT", path.relative_to(self._folder).as_posix(), file, state[1]):
            self._known[path] = state

    def _ask(self, method: str, name: str, body: IO[bytes] | None = None, size: int = 0) -> Any:
        headers = {"Authorization": self._authorization}
        if body is not None:
            headers["Content-Length"], headers["Content-Type"] = str(size), "application/octet-stream"
        request = Request(self._url + quote(name), body, headers, method=method)  # noqa: S310 - the gateway's
        return urlopen(request, timeout=_TIMEOUT_SECONDS)  # noqa: S310 - as above


def _patiently(action: Callable[[], Any], patience: float) -> Any:
    """Try again what fails because the gateway is away, unless the job is being stopped."""
    deadline, is_first = time.monotonic() + patience, True
    while True:
        try:
            return action()
        except (OSError, HTTPException) as error:
            is_refusal = isinstance(error, HTTPError) and error.code < _SERVER_FAULT
            if is_refusal or _stopping.is_set() or time.monotonic() > deadline:
                raise
            if is_first:
                _say(f"The gateway cannot be reached for the function's files ({error}); trying for {patience:g} s.")
        is_first = False
        _stopping.wait(_LOOK_SECONDS)


def _run(entrypoint: str, variables: dict[str, str], data: Data) -> int:
    """The function's exit code; what it leaves behind is ended with it."""
    function = subprocess.Popen(  # noqa: S603 - running it is what we are for
        [sys.executable, entrypoint],
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    copier = threading.Thread(target=_copy, args=(function.stdout,), daemon=True)
    copier.start()
    code = None
    while code is None:
        with suppress(subprocess.TimeoutExpired):
            code = function.wait(_LOOK_SECONDS)
        if _stopping.is_set() and code is None:
            code = _end(function)
        data.send_result()
    _end_left_behind()
    copier.join(_GRACE_SECONDS)
    return code


def _end(function: subprocess.Popen[bytes]) -> int:
    """Ray has told it to end, as it has told us."""
    try:
        return function.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        function.kill()
        return function.wait()


def _copy(output: IO[bytes]) -> None:
    """Ray cannot read a log that is no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    data = b"."
    while data:
        data = os.read(output.fileno(), 65536)
        sys.stdout.buffer.write(decoder.decode(data, final=not data).encode())
        sys.stdout.buffer.flush()


def _adopt_orphans() -> None:
    """On Linux, let processes whose parent ended come to us, so that Ray and we find them (prctl(2))."""
    if sys.platform == "linux":
        import ctypes

        pr_set_child_subreaper = 36
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def _end_left_behind() -> None:
    deadline = time.monotonic() + _GRACE_SECONDS
    while (children := _children()) and time.monotonic() < deadline:
        for child in children:
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)


def _children() -> list[int]:
    """Of all our threads; none where there is no such list."""
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, task.read_text().split())
    return found


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _say(text: str) -> None:
    print(f"[PUBLIC] {text}", flush=True)  # noqa: T201 - the job's log


if __name__ == "__main__":
    sys.exit(main())
