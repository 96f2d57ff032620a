"""Gateways of this machine for tests: in this process, or in one that can be killed; spoken to over HTTP."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from qiskit_functions_gateway.__main__ import published
from qiskit_functions_gateway.execution.limits import Limits
from qiskit_functions_gateway.server import GatewayServer
from qiskit_functions_gateway.settings import USAGE_LIMIT, folder_settings, limits_of, usage_limit_of
from qiskit_functions_gateway.storage.data_folder import DataFolder
from qiskit_functions_gateway.storage.database import Database
from qiskit_functions_gateway.storage.job_states import ACTIVE

from .serving import eventually

ENDED = ("SUCCEEDED", "FAILED", "STOPPED")

WAIT = "import os, pathlib, time\nwhile not pathlib.Path(os.environ['GATE']).exists(): time.sleep(0.02)\n"
"""A function's source that waits for the file in ``GATE``."""

SAVE = "import os, pathlib\npathlib.Path(os.environ['RESULTS_PATH']).write_text('{\"saved\": true}')\n"
"""What ``save_result`` does, without the seconds that qiskit_serverless takes to load."""

_SERVE = """
import sys
from pathlib import Path
from qiskit_functions_gateway.execution.limits import Limits
from qiskit_functions_gateway.server import GatewayServer
with GatewayServer(Path(sys.argv[1]), limits=Limits.from_argument(sys.argv[2])) as gateway:
    print(gateway.host, gateway.token, flush=True)
    sys.stdin.read()
"""


class Gate:
    """What functions made with ``WAIT`` wait for, when they are uploaded with its variables."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.variables = {"GATE": str(path)}

    def open(self) -> None:
        self._path.touch()


class Ran:
    """The ids of the jobs that ran a function whose source contains ``source``, in their order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.source = f"import os\nopen({str(path)!r}, 'a').write(os.environ['ENV_JOB_ID_GATEWAY'] + '\\n')\n"

    @property
    def jobs(self) -> list[str]:
        return self._path.read_text().split()


class User:
    """A user who speaks to a gateway; every answer must be a success unless it is asked for raw."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def upload(self, title: str, source: str, **fields: Any) -> None:
        await self.upload_archive(title, archive({"main.py": source.encode()}), **fields)

    async def upload_archive(self, title: str, content: bytes, **fields: Any) -> None:
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
        form = {"title": title, "entrypoint": "main.py", **texts}
        files = {"artifact": ("artifact.tar", content)}
        await self._json("POST", "programs/upload/", data=form, files=files)

    async def try_run(self, title: str, **arguments: Any) -> httpx.Response:
        body = {"title": title, "arguments": json.dumps(arguments), "config": {}}
        return await self.http.post("/api/v1/programs/run/", json=body)

    async def run(self, title: str, **arguments: Any) -> str:
        answer = await self.try_run(title, **arguments)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    async def status(self, job_id: str) -> str:
        return str((await self._json("GET", f"jobs/{job_id}/"))["status"])

    async def log(self, job_id: str) -> str:
        return str((await self._json("GET", f"jobs/{job_id}/logs/"))["logs"])

    async def result(self, job_id: str) -> Any:
        """Decoded; none when there is none."""
        answer = await self.http.get(f"/api/v1/jobs/{job_id}/result/")
        if answer.status_code == 204:
            return None
        assert answer.status_code == 200, answer.text
        return json.loads(answer.json()["result"])

    async def stop(self, job_id: str) -> None:
        await self._json("POST", f"jobs/{job_id}/stop/", json={})

    async def errors(self, job_id: str) -> list[str]:
        """The codes of the job's ERROR events."""
        events = await self._json("GET", f"jobs/{job_id}/events/", params={"type": "ERROR"})
        return [event["data"]["code"] for event in events]

    async def becomes(self, job_id: str, *statuses: str) -> str:
        async def look() -> str | None:
            status = await self.status(job_id)
            assert status in statuses or status not in ENDED, (status, await self.log(job_id))
            return status if status in statuses else None

        return str(await eventually(look))

    async def ended(self, job_id: str) -> str:
        return await self.becomes(job_id, *ENDED)

    async def says(self, job_id: str, text: str) -> None:
        async def look() -> bool:
            return text in await self.log(job_id)

        await eventually(look)

    async def _json(self, method: str, path: str, **request: Any) -> Any:
        answer = await self.http.request(method, f"/api/v1/{path}", **request)
        assert answer.status_code == 200, answer.text
        return answer.json()


def archive(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return content.getvalue()


@contextmanager
def served(home: Path, usage_limit_seconds: float | None = None) -> Iterator[GatewayServer]:
    """A gateway in this process, for clients that would otherwise start the program for ``home``."""
    folder = DataFolder(home)
    folder.prepare()
    limit = {} if usage_limit_seconds is None else {USAGE_LIMIT: str(usage_limit_seconds)}
    settings = folder_settings(folder, os.environ | limit)
    limits, usage_limit = limits_of(settings), usage_limit_of(settings)
    with (
        GatewayServer(home, limits=limits, usage_limit_seconds=usage_limit) as gateway,
        published(folder, gateway, settings),
    ):
        yield gateway


@asynccontextmanager
async def user_of(home: Path, limits: Limits | None = None) -> AsyncIterator[User]:
    """A user of a gateway in this process."""
    with GatewayServer(home, limits=limits or Limits(max_jobs=2)) as gateway:
        async with speaking(gateway.host, gateway.token) as user:
            yield user


@asynccontextmanager
async def speaking(host: str, token: str) -> AsyncIterator[User]:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=host, headers=headers, timeout=60, trust_env=False) as http:
        yield User(http)


class GatewayProcess:
    """A gateway that can be killed."""

    def __init__(self, home: Path, limits: Limits | None = None) -> None:
        command = [sys.executable, "-c", _SERVE, str(home), (limits or Limits(max_jobs=2)).as_argument()]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def address(self) -> tuple[str, str]:
        """Host and token, once it answers."""
        assert self.process.stdout
        host, token = self.process.stdout.readline().split()
        return host, token

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def close(self) -> None:
        self.process.communicate()


@contextmanager
def gateway_process(home: Path, limits: Limits | None = None) -> Iterator[GatewayProcess]:
    gateway = GatewayProcess(home, limits)
    try:
        yield gateway
    finally:
        if gateway.process.returncode is None:
            gateway.close()


def processes_about(home: Path) -> list[psutil.Process]:
    """Supervisors of the folder, and processes of its functions, with their command in ``info``."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.pid != os.getpid() and _is_about(process, home)
    ]


def functions_about(home: Path) -> list[psutil.Process]:
    """Processes that run an entry point, of all jobs."""
    return [process for process in processes_about(home) if "main.py" in (process.info["cmdline"] or ())]


def supervisor_of(home: Path, job_id: str) -> psutil.Process:
    (supervisor,) = [process for process in processes_about(home) if job_id in (process.info["cmdline"] or ())]
    return supervisor


def function_of(home: Path, job_id: str) -> psutil.Process:
    """The process that runs the entry point."""
    (function,) = supervisor_of(home, job_id).children()
    return function


def kill(process: psutil.Process) -> None:
    process.send_signal(signal.SIGKILL)


def _is_about(process: psutil.Process, home: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        is_supervisor = "qiskit_functions_gateway.supervisor" in process.cmdline()
        return (is_supervisor and str(home) in process.cmdline()) or process.environ().get("DATA_PATH", "").startswith(
            str(home)
        )
    except psutil.Error:
        return False


async def assert_in_order(home: Path) -> None:
    """The database opens and is whole, every job is over, and no process is left."""

    async def nothing_left() -> bool:
        return not processes_about(home)

    await eventually(nothing_left, within=30)
    with closing(sqlite3.connect(DataFolder(home).database_file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    with closing(Database(DataFolder(home).database_file)) as database:
        assert database.jobs_in(ACTIVE) == []
