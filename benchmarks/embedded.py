"""The embedded gateway: its start, status reads, the way from the queue to a running function, and many jobs.

    uv run benchmarks/embedded.py

Prints the medians, each beside its bound; exits with 1 when one is missed. Times are the program's own: the
load comes from another process, so on a machine with fewer than two free cores the figures say little.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from qiskit_functions_gateway.storage.data_folder import DataFolder
from qiskit_functions_gateway.storage.database import Database
from qiskit_functions_gateway.storage.job_states import ACTIVE, JobStatus

CONNECTIONS, SECONDS = 32, 4.0
JOBS = 10_000
RUNS = 9

SERVE = """
import sys, time
from pathlib import Path
from qiskit_functions_gateway.server import GatewayServer
with GatewayServer(Path(sys.argv[1])):
    pass  # what is imported only now, by uvicorn above all, has been imported after this
begun = time.perf_counter()
with GatewayServer(Path(sys.argv[1])) as gateway:
    print(gateway.host, gateway.token, time.perf_counter() - begun, flush=True)
    sys.stdin.read()
"""

LOAD = """
import sys, time, socket, selectors
host, port, path, token, connections, seconds = sys.argv[1:]
request = f"GET {path} HTTP/1.1\\r\\nHost: gateway\\r\\nAuthorization: Bearer {token}\\r\\n\\r\\n".encode()
selector, answers, end = selectors.DefaultSelector(), 0, time.perf_counter() + float(seconds)
for _ in range(int(connections)):
    connection = socket.create_connection((host, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    selector.register(connection, selectors.EVENT_READ)
    connection.sendall(request)
while time.perf_counter() < end:
    for key, _ in selector.select():
        answer = key.fileobj.recv(65536)
        if answer.endswith(b"}"):  # a head may come by itself
            answers += 1
            key.fileobj.sendall(request)
        else:
            assert answer.startswith(b"HTTP/1.1 200"), answer
print(answers / float(seconds))
"""

Figures = dict[str, tuple[float, float, str]]
"""By name: the figure, its bound, and the unit; a rate must reach its bound, all else must not exceed it."""


class Gateway:
    """One in a process of its own."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        host, self.token, seconds = self._process.stdout.readline().split()
        self.seconds_to_start = float(seconds)
        self.address = urlsplit(host)
        self.http = httpx.Client(
            base_url=host, headers={"Authorization": f"Bearer {self.token}"}, timeout=60, trust_env=False
        )

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path).raise_for_status()

    def timed(self, path: str) -> float:
        """Seconds of a request on a bare connection that is kept: without what a client adds."""
        connection = HTTPConnection(str(self.address.hostname), self.address.port)
        headers = {"Authorization": f"Bearer {self.token}"}
        seconds = []
        for _ in range(RUNS):
            begun = time.perf_counter()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            seconds.append(time.perf_counter() - begun)
            assert answer.status == 200, answer.status
        connection.close()
        return statistics.median(seconds)

    def upload(self, title: str, source: str) -> None:
        from qiskit_functions_core.serverless.artifact import Artifact

        archive = Artifact.from_source(source).content
        form = {"title": title, "entrypoint": "main.py"}
        files = {"artifact": ("artifact.tar", archive)}
        self.http.post("/api/v1/programs/upload/", data=form, files=files).raise_for_status()

    def run(self, title: str) -> str:
        body = {"title": title, "arguments": "{}", "config": {}}
        return str(self.http.post("/api/v1/programs/run/", json=body).raise_for_status().json()["id"])

    @property
    def megabytes(self) -> float:
        return psutil.Process(self._process.pid).memory_info().rss / 2**20

    def close(self) -> None:
        self.http.close()
        self._process.communicate()


def start(home: Path) -> float:
    """Milliseconds from the imports' end until it answers, with a data folder that exists."""
    seconds = []
    for _ in range(RUNS):
        with closing(Gateway(home)) as gateway:
            seconds.append(gateway.seconds_to_start)
    return statistics.median(seconds[1:]) * 1000


def queue_to_started(gateway: Gateway) -> float:
    """Milliseconds from a job's QUEUED to its RUNNING event, one job at a time."""
    gateway.upload("idle", "pass\n")
    seconds = []
    for _ in range(RUNS):
        job = gateway.run("idle")
        while gateway.get(f"/api/v1/jobs/{job}").json()["status"] != "SUCCEEDED":
            time.sleep(0.05)
        time.sleep(0.3)  # until the supervisor has gone too: this is about an idle machine
        events = gateway.get(f"/api/v1/jobs/{job}/events").json()
        moments = {
            event["data"]["status"]: datetime.fromisoformat(event["created"])
            for event in events
            if event["event_type"] == "STATUS_CHANGE"
        }
        seconds.append((moments["RUNNING"] - moments["QUEUED"]).total_seconds())
    return statistics.median(seconds) * 1000


def reads_a_second(gateway: Gateway, path: str) -> float:
    where = [str(gateway.address.hostname), str(gateway.address.port), path, gateway.token]
    load = [sys.executable, "-c", LOAD, *where, str(CONNECTIONS), str(SECONDS)]
    return float(subprocess.run(load, stdout=subprocess.PIPE, check=True).stdout)


def add_finished_jobs(home: Path) -> None:
    """Thousands of them, a minute apart, of two functions."""
    moments = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(10 * JOBS))
    with closing(Database(DataFolder(home).database_file, clock=lambda: next(moments))) as database:
        programs = [database.put_program(title, "", {}) for title in ("often", "seldom")]
        for number in range(JOBS):
            program = programs[number % 10 == 0]
            job = f"00000000-0000-4000-8000-{number:012}"
            database.create_job(program, job, most_active=50)
            database.change_status(job, JobStatus.SUCCEEDED if number % 7 else JobStatus.FAILED, after=ACTIVE)


def measure(home: Path) -> Figures:
    figures: Figures = {"start beyond imports": (start(home), 150, "ms")}
    with closing(Gateway(home)) as gateway:
        figures["queue to running"] = (queue_to_started(gateway), 100, "ms")
    add_finished_jobs(home)
    with closing(Gateway(home)) as gateway:
        status = "/api/v1/jobs/00000000-0000-4000-8000-000000000042"
        gateway.timed("/api/v1/jobs")
        for name, query in {
            "first page": "",
            "last page": f"?offset={JOBS - 100}",
            "by function": "?function=seldom",
            "by status": "?status=FAILED",
            "by kind": "?filter=serverless",
            "by date": "?created_after=2026-01-05T00:00:00Z",
        }.items():
            figures[f"{JOBS:,} jobs, {name}"] = (gateway.timed(f"/api/v1/jobs{query}") * 1000, 20, "ms")
        figures[f"status reads, {CONNECTIONS} connections"] = (reads_a_second(gateway, status), 1000, "/s")
        before = gateway.megabytes
        reads_a_second(gateway, status)
        for _ in range(20):
            gateway.timed("/api/v1/jobs?offset=5000")
        figures["memory that this adds"] = (gateway.megabytes - before, 5, "MiB")
        assert json.loads(gateway.get("/api/v1/jobs?limit=1").text)["count"] >= JOBS
    return figures


def main() -> int:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it, each start would compile what it imports
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder) / "home")
    missed = []
    for name, (figure, bound, unit) in figures.items():
        is_met = figure >= bound if unit == "/s" else figure <= bound
        print(f"{name}: {figure:,.1f} {unit} ({'at least' if unit == '/s' else 'at most'} {bound:,})")
        missed += [] if is_met else [name]
    print(f"missed: {', '.join(missed)}" if missed else "all bounds are met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
