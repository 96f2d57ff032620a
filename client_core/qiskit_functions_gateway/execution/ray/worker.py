"""The program that a node of a Ray cluster runs for one job; it needs only Python's standard library.

The working directory is the unpacked artifact; ``job.json`` and ``arguments.json`` are beside this file. If the cluster
does not see the gateway's data folder, DATA_PATH is a folder of this node: it is filled from the gateway before the
function runs, and the files that the function creates or changes are sent back.
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
"""The first line of the function's output; the lines before it in the job's log are Ray's."""

_HERE = Path(__file__).resolve().parent

_PATIENCE_SECONDS = 600.0
"""For how long a gateway is tried that cannot be reached, such as one that is being restarted."""

_TIMEOUT_SECONDS = 60.0

_POLL_SECONDS = 1.0

_GRACE_SECONDS = 1.0
"""Between the function's SIGTERM and its end: Ray kills everything 3 s after the SIGTERM, and files go back before."""

_SERVER_FAULT = 500


def main() -> int:
    job = json.loads((_HERE / "job.json").read_text(encoding="utf-8"))
    print(BEGIN, flush=True)  # noqa: T201 - the job's log
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    if sys.platform == "linux":
        # Processes whose parent has ended come to us instead of to init, so that Ray and we find them: prctl(2).
        import ctypes  # only here: the other platforms have no use for it

        pr_set_child_subreaper = 36
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)
    variables: dict[str, str] = job["variables"]
    data = FunctionData(Path(job["data"] or _HERE / "data"), variables, stopping, is_copy=not job["data"])
    try:
        data.fetch()
        if stopping.is_set():
            return 1
        environ = {**os.environ, **variables, **data.variables}
        code = _run(job["entrypoint"], environ, data, stopping, job["log_bytes"])
        data.send(_PATIENCE_SECONDS)
    except (OSError, HTTPException) as error:
        host = variables["ENV_JOB_GATEWAY_HOST"]
        _say(f"The files of the function cannot be exchanged with the gateway at {host}: {error}")
        return 1
    finally:
        data.clear()
    return code if code >= 0 else 128 - code  # as a shell reports signals


class FunctionData:
    """The function's DATA_PATH.

    Args:
        stopping: set when the job is being stopped.
        is_copy: whether it is a folder for this job alone, and the gateway has the original.
    """

    def __init__(self, folder: Path, variables: dict[str, str], stopping: threading.Event, *, is_copy: bool) -> None:
        job_id = variables["ENV_JOB_ID_GATEWAY"]
        self._folder = folder
        self._arguments = folder / "arguments" / f"{job_id}.json"
        self._result = folder / "results" / f"{job_id}.json"
        self._stopping = stopping
        self._is_copy = is_copy
        self._url = f"{variables['ENV_JOB_GATEWAY_HOST']}/api/v1/jobs/{job_id}/data/"
        self._authorization = f"Bearer {variables['ENV_JOB_GATEWAY_TOKEN']}"
        self._known: dict[Path, tuple[int, int]] = {}

    @property
    def variables(self) -> dict[str, str]:
        paths = {"DATA_PATH": self._folder, "ARGUMENTS_PATH": self._arguments, "RESULTS_PATH": self._result}
        return {name: str(path) for name, path in paths.items()}

    def fetch(self) -> None:
        """Write the arguments to it, and the files that the gateway has."""
        for path in (self._arguments, self._result):
            path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_HERE / "arguments.json", self._arguments)
        if self._is_copy:
            for name in json.loads(self._retry(self._list, _PATIENCE_SECONDS)):
                self._retry(partial(self._get, name), _PATIENCE_SECONDS)
            self._known = {path: _state(path) for path in self._files()}

    def send_result(self) -> None:
        """Send a result that is complete to the gateway while the function still runs."""
        with suppress(OSError, HTTPException, ValueError, RecursionError):
            if self._is_copy and self._is_new(self._result):
                json.loads(self._result.read_bytes())
                self._put(self._result)

    def send(self, patience: float) -> None:
        """Send the files that are new or were changed to the gateway."""
        for path in filter(self._is_new, self._files() if self._is_copy else ()):
            self._retry(partial(self._put, path), patience)

    def clear(self) -> None:
        if self._is_copy:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _files(self) -> Iterator[Path]:
        """Yield the regular files, but for the arguments, which the gateway has."""
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

    def _retry(self, action: Callable[[], Any], patience: float) -> Any:
        """Repeat what fails because the gateway cannot be reached, unless the job is being stopped."""
        deadline, is_first = time.monotonic() + patience, True
        while True:
            try:
                return action()
            except (OSError, HTTPException) as error:
                is_refusal = isinstance(error, HTTPError) and error.code < _SERVER_FAULT
                if is_refusal or self._stopping.is_set() or time.monotonic() > deadline:
                    raise
                if is_first:
                    _say(
                        f"The gateway cannot be reached for the function's files ({error}); trying for {patience:g} s."
                    )
            is_first = False
            # Not Event.wait, which holds a lock for a moment: the signal's handler, which sets the event, could wait
            # for that lock forever.
            time.sleep(_POLL_SECONDS)

    def _ask(self, method: str, name: str, body: IO[bytes] | None = None, size: int = 0) -> Any:
        headers = {"Authorization": self._authorization}
        if body is not None:
            headers["Content-Length"], headers["Content-Type"] = str(size), "application/octet-stream"
        request = Request(self._url + quote(name), body, headers, method=method)  # noqa: S310 - the gateway's
        return urlopen(request, timeout=_TIMEOUT_SECONDS)  # noqa: S310 - as above


def _run(
    entrypoint: str, variables: dict[str, str], data: FunctionData, stopping: threading.Event, log_bytes: int
) -> int:
    """Return the function's exit code, once the processes that it left behind have ended too."""
    function = subprocess.Popen(  # noqa: S603 - running it is what we are for
        [sys.executable, "--", entrypoint],  # no entry point is taken for an option of Python
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    copier = threading.Thread(target=_copy, args=(function.stdout, log_bytes), daemon=True)
    copier.start()
    code = None
    while code is None:
        with suppress(subprocess.TimeoutExpired):
            code = function.wait(_POLL_SECONDS)
        if stopping.is_set() and code is None:
            # Ray has told the function to end, as it has told this process.
            try:
                code = function.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                function.kill()
                code = function.wait()
        data.send_result()
    _end_left_behind()
    copier.join(_GRACE_SECONDS)
    return code


def _copy(output: IO[bytes], most: int) -> None:
    """Copy output to the job's log, of which Ray can only read UTF-8.

    Ray gives only whole logs, which the gateway reads again and again. So of one that is longer than the gateway keeps
    (``most`` bytes), the rest is held back, and the end of it is written when the function has ended.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    data, copied, end = b".", 0, bytearray()
    while data:
        data = os.read(output.fileno(), 65536)
        if copied <= most:
            sys.stdout.buffer.write(decoder.decode(data, final=not data).encode())
            sys.stdout.buffer.flush()
            copied += len(data)
            if copied > most:
                _say("The log is long; what follows is written when the function has ended.")
        else:
            end += data
            if len(end) > 2 * most:
                del end[:-most]
    if end:
        sys.stdout.buffer.write(bytes(end[-most:]).decode("utf-8", "replace").encode())
        sys.stdout.buffer.flush()


def _end_left_behind() -> None:
    deadline = time.monotonic() + _GRACE_SECONDS
    while (children := _children()) and time.monotonic() < deadline:
        for child in children:
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)


def _children() -> list[int]:
    """Return the children of all threads of this process; none where the system does not list them."""
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
