"""Jobs on a real Ray cluster of one node: they are seen, stopped, outlive their gateway, wait and run once."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from socket import create_server
from sqlite3 import connect
from typing import Any

import anyio.to_thread
import psutil
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_gateway.execution.limits import Limits
from qiskit_functions_gateway.execution.runner import Cluster
from qiskit_functions_gateway.server import Address, GatewayServer
from qiskit_functions_gateway.storage.data_folder import DataFolder
from qiskit_functions_gateway.storage.database import Database
from qiskit_functions_gateway.storage.job_states import ACTIVE, JobStatus
from qiskit_functions_mcp.commands.cli import main
from support.gateways import SAVE, WAIT, User, archive, speaking
from support.gateways import user_of as user_on_processes
from support.ray_cluster import START_TIMEOUT, free_port, ray_cluster
from support.serving import eventually, serving

# Looked for, not imported: Ray reads once how to authenticate, which the cluster below decides.
pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed"),
]

FAMILY = """
import os, signal, subprocess, sys, time
ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print({!r}, flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", ignore.format("child")])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", ignore.format("daemon")])
    os._exit(0)
print("parent", flush=True)
"""

CALL = """
import json, os, urllib.request
def call(method, path, **body):
    url = f"{os.environ['ENV_JOB_GATEWAY_HOST']}/api/v1/jobs/{os.environ['ENV_JOB_ID_GATEWAY']}/{path}/"
    request = urllib.request.Request(url, json.dumps(body).encode(), method=method)
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", "Bearer " + os.environ["ENV_JOB_GATEWAY_TOKEN"])
    urllib.request.urlopen(request).close()
"""


@pytest.fixture(scope="module")
def ray() -> Iterator[Cluster]:
    with ray_cluster() as address:
        yield Cluster(address)


class FakeJobsApi:
    """Ray's Jobs API for Ray's own client, where a real cluster would take minutes or could not be led there."""

    def __init__(self) -> None:
        self.cluster = Cluster("")
        self.submitted: list[dict[str, Any]] = []
        self.says: dict[str, Any] = {"status": "PENDING"}
        self.refusal = ""
        self.has_logs = True
        self.app = Starlette(
            routes=[
                Route("/api/version", self._version),
                Route("/api/packages/{path:path}", self._package, methods=["GET", "PUT"]),
                Route("/api/jobs/", self._submit, methods=["POST"]),
                Route("/api/jobs/{job}", self._look),
                Route("/api/jobs/{job}/logs", self._logs),
            ]
        )

    async def _version(self, _: Request) -> Response:
        return JSONResponse({"version": "4", "ray_version": "2.60.0", "ray_commit": "", "session_name": ""})

    async def _package(self, request: Request) -> Response:
        return Response(status_code=200 if request.method == "PUT" else 404)

    async def _submit(self, request: Request) -> Response:
        if self.refusal:
            return Response(self.refusal, 400)
        self.submitted.append(await request.json())
        return JSONResponse(dict.fromkeys(("job_id", "submission_id"), self.submitted[-1]["submission_id"]))

    async def _look(self, _: Request) -> Response:
        return JSONResponse({"type": "SUBMISSION", "entrypoint": "", **self.says})

    async def _logs(self, _: Request) -> Response:
        if not self.has_logs:
            return Response("the node cannot be asked", 500)
        return JSONResponse({"logs": ""})


@pytest.fixture
def ray_api(ray: Cluster) -> Iterator[FakeJobsApi]:
    """Never before the real one, whose way to authenticate Ray's client keeps."""
    fake = FakeJobsApi()
    with serving(fake.app) as address:
        fake.cluster = Cluster(address)
        yield fake


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@asynccontextmanager
async def user_of(home: Path, cluster: Cluster, port: int = 0, limits: Limits | None = None) -> AsyncIterator[User]:
    with GatewayServer(home, limits=limits, address=Address(port=port), cluster=cluster) as gateway:
        async with speaking(gateway.host, gateway.token) as user:
            yield user


def nowhere() -> Cluster:
    return Cluster(f"http://127.0.0.1:{free_port()}")


def store_of(home: Path) -> Database:
    return Database(DataFolder(home).database_file, runner="ray")


def is_settled(home: Path) -> bool:
    """Nothing is left that a gateway would have to look after."""
    with closing(store_of(home)) as database:
        return database.jobs_in(ACTIVE) == [] and not list((home / "ray").glob("*.txt"))


def processes_with(text: str) -> list[psutil.Process]:
    def has(process: psutil.Process) -> bool:
        try:
            return text in str(process.environ()) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    return [process for process in psutil.process_iter() if has(process)]


@pytest.mark.parametrize("is_shared", [False, True], ids=["through-the-api", "in-a-shared-folder"])
async def test_a_job_has_its_arguments_and_files_and_gives_result_and_files(
    home: Path, ray: Cluster, is_shared: bool
) -> None:
    source = f"""{CALL}
import helper, os, pathlib
data = pathlib.Path(os.environ["DATA_PATH"])
arguments = json.loads(pathlib.Path(os.environ["ARGUMENTS_PATH"]).read_text())
call("PATCH", "sub_status", sub_status="MAPPING")
call("POST", "event", type="ERROR", code="1", message="a remark", exception="None", args="x")
(data / "out").mkdir(exist_ok=True)
(data / "out" / "made.txt").write_text((data / "given.txt").read_text() + helper.WORD)
pathlib.Path(os.environ["RESULTS_PATH"]).write_text(json.dumps([arguments, os.environ["OWN"]]))
os.write(1, b"bytes: \\xff\\n")
print("[PRIVATE] last")
"""
    files = {"main.py": source.encode(), "helper.py": b"WORD = ' world'", ".gitignore": b"helper.py"}
    async with user_of(home, replace(ray, shared_folder=str(home)) if is_shared else ray) as user:
        await user.upload_archive("whole", archive(files), env_vars={"OWN": "value"})
        await user.http.post(
            "/api/v1/files/upload/", params={"function": "whole"}, files={"file": ("given.txt", b"hello")}
        )
        job = await user.run("whole", shots=100)
        assert await user.ended(job) == "SUCCEEDED", await user.log(job)
        assert await user.result(job) == [{"shots": 100}, "value"]
        assert await user.log(job) == "bytes: \ufffd\nlast\n"
        assert (home / "data" / "user" / "out" / "made.txt").read_text() == "hello world"
        shown = (await user.http.get(f"/api/v1/jobs/{job}/")).json()
        events = (await user.http.get(f"/api/v1/jobs/{job}/events/")).json()
        statuses = [event["data"]["status"] for event in events if event["event_type"] == "STATUS_CHANGE"]
        sub_statuses = [event["data"] for event in events if event["event_type"] == "SUB_STATUS_CHANGE"]
        assert (shown["sub_status"], sub_statuses) == (None, [{"sub_status": "MAPPING"}])
        assert statuses == ["SUCCEEDED", "RUNNING", "PENDING", "QUEUED"]
        assert [event["data"]["message"] for event in events if event["event_type"] == "ERROR"] == ["a remark"]
        assert (await user.http.get("/api/v1/instances/usage")).json()["usage_consumed_seconds"] > 0
    assert is_settled(home)


async def test_a_log_and_a_result_are_readable_while_the_function_runs(
    home: Path, ray: Cluster, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    async with user_of(home, ray) as user:
        await user.upload(
            "talks", f"print('first', end='')\n{SAVE}{WAIT}print(' second')", env_vars={"GATE": str(gate)}
        )
        job = await user.run("talks")
        await user.says(job, "first")
        assert (await user.status(job), await user.log(job)) == ("RUNNING", "first")

        async def saved() -> bool:
            return await user.result(job) is not None

        await eventually(saved)
        gate.touch()
        assert await user.ended(job) == "SUCCEEDED"
        assert await user.log(job) == "first second\n"


async def test_a_stop_ends_the_whole_tree_and_keeps_what_was_saved_and_said(home: Path, ray: Cluster) -> None:
    async with user_of(home, ray) as user:
        mark = f"of {home}"
        await user.upload("family", SAVE + FAMILY + "time.sleep(600)", env_vars={"MARK": mark})
        job = await user.run("family")
        for member in ("parent", "child", "daemon"):
            await user.says(job, member)
        assert len(processes_with(mark)) >= 3
        await user.stop(job)
        assert (await user.status(job), processes_with(mark)) == ("STOPPED", [])
        assert await user.result(job) == {"saved": True}
        assert "daemon" in await user.log(job)
        await user.stop(job)
    assert is_settled(home)


async def test_a_failure_is_told_apart_from_a_kill_and_nothing_is_left_behind(home: Path, ray: Cluster) -> None:
    async with user_of(home, ray) as user:
        mark = f"of {home}"
        await user.upload("raises", FAMILY + "raise ValueError('no such thing')", env_vars={"MARK": mark})
        await user.upload("killed", "import os\nprint('now', flush=True)\nos.kill(os.getpid(), 9)")
        await user.upload_archive("empty", archive({"other.py": b""}))
        raises, killed = await user.run("raises"), await user.run("killed")
        assert [await user.ended(raises), await user.ended(killed)] == ["FAILED", "FAILED"]
        assert "ValueError: no such thing" in await user.log(raises)
        assert await user.log(killed) == "now\nThe function was ended by signal 9.\n"
        assert (await user.errors(raises), await user.errors(killed)) == ([], ["KILLED"])
        assert processes_with(mark) == []
        empty = await user.run("empty")
        assert (await user.ended(empty), await user.errors(empty)) == ("FAILED", ["CANNOT_START"])
    assert is_settled(home)


async def test_a_function_that_takes_too_long_is_ended(home: Path, ray: Cluster) -> None:
    mark = f"of {home}"
    async with user_of(home, ray, limits=Limits(seconds=0.5)) as user:
        await user.upload("slow", "import time\nprint('begun', flush=True)\ntime.sleep(600)", env_vars={"MARK": mark})
        job = await user.run("slow")
        assert await user.ended(job) == "FAILED"
        assert await user.errors(job) == ["TIME_LIMIT"]

        async def gone() -> bool:
            return not processes_with(mark) and is_settled(home)

        await eventually(gone)
        assert (await user.log(job)).endswith("The function ran longer than its limit of 0.5 s.\n")


async def test_a_job_outlives_its_gateway_and_ends_without_any(home: Path, ray: Cluster, tmp_path: Path) -> None:
    gate, ran, port = tmp_path / "gate", tmp_path / "ran", free_port()
    source = f"open({str(ran)!r}, 'a').write('once ')\nprint('begun', flush=True)\n{WAIT}{SAVE}{CALL}"
    async with user_of(home, ray, port) as user:
        await user.upload("patient", source, env_vars={"GATE": str(gate)})
        job = await user.run("patient")
        await user.says(job, "begun")
    with create_server(("127.0.0.1", port)) as nobody:  # in the gateway's place
        gate.touch()
        connection, _ = await anyio.to_thread.run_sync(nobody.accept)
        connection.close()
    with closing(store_of(home)) as database:  # as a gateway leaves it that was killed before the cluster's answer
        database.change_status(job, JobStatus.QUEUED, after=ACTIVE)
    async with user_of(home, ray, port) as user:
        assert await user.ended(job) == "SUCCEEDED", await user.log(job)
        assert await user.result(job) == {"saved": True}
        assert (await user.log(job)).startswith("begun\n")
    assert ran.read_text() == "once "
    assert is_settled(home)


async def test_a_cluster_that_is_briefly_away_changes_nothing_and_one_that_is_gone_fails_its_jobs(
    home: Path, ray: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    mark, away = f"of {home}", nowhere()
    async with user_of(home, ray) as user:
        await user.upload("waits", "import time\nprint('begun', flush=True)\ntime.sleep(600)", env_vars={"MARK": mark})
        job = await user.run("waits")
        await user.says(job, "begun")
    with caplog.at_level(logging.WARNING):
        async with user_of(home, away) as user:
            queued = await user.run("waits")

            async def noticed() -> bool:
                return "cannot be asked" in caplog.text

            await eventually(noticed)
            assert [await user.status(job), await user.status(queued)] == ["RUNNING", "QUEUED"]
    async with user_of(home, replace(away, patience=0.0)) as user:
        assert await user.ended(job) == "FAILED"
        assert await user.errors(job) == ["CLUSTER_GONE"]
        log = await user.log(job)
        assert log.startswith("begun\nThe Ray cluster was out of reach")
        assert await user.status(queued) == "QUEUED"
        await user.stop(queued)
    assert processes_with(mark)
    async with user_of(home, ray) as user:  # what has failed may not go on when the cluster is back

        async def gone() -> bool:
            return not processes_with(mark) and is_settled(home)

        await eventually(gone)
        assert (await user.status(job), await user.log(job)) == ("FAILED", log)


async def test_a_job_that_the_cluster_has_forgotten_has_failed(home: Path, ray: Cluster) -> None:
    async with user_of(home, nowhere()) as user:
        await user.upload("lost", SAVE)
        job = await user.run("lost")
        with closing(store_of(home)) as database:
            database.change_status(job, JobStatus.RUNNING, after=ACTIVE)
    async with user_of(home, ray) as user:
        assert await user.ended(job) == "FAILED"
        assert await user.errors(job) == ["LOST"]
    assert is_settled(home)


async def test_jobs_wait_for_a_processor_longer_than_ray_would_let_them(
    home: Path, ray: Cluster, tmp_path: Path
) -> None:
    gate, ran = tmp_path / "gate", tmp_path / "ran"
    async with user_of(home, ray) as user:
        source = f"import os\nopen({str(ran)!r}, 'a').write(os.environ['ENV_JOB_ID_GATEWAY'] + '\\n')\n{WAIT}"
        await user.upload("busy", source, env_vars={"GATE": str(gate)})
        jobs = [await user.run("busy") for _ in range(3)]

        async def handed_over_again() -> bool:
            return any(file.read_text() != file.stem for file in (home / "ray").glob("*.txt"))

        await eventually(handed_over_again, within=START_TIMEOUT + 50)
        gate.touch()
        assert [await user.ended(job) for job in jobs] == ["SUCCEEDED"] * 3
    assert sorted(ran.read_text().split()) == sorted(jobs)


async def test_gateways_with_and_without_a_cluster_leave_each_others_jobs_alone(home: Path, ray: Cluster) -> None:
    where = "import os\nprint('ray' if 'RAY_ADDRESS' in os.environ else 'process')"
    async with user_on_processes(home) as near, user_of(home, ray) as far:
        await near.upload("where", where)
        jobs = [await near.run("where"), await far.run("where")]
        assert [await near.ended(job) for job in jobs] == ["SUCCEEDED"] * 2
        assert [await far.log(job) for job in jobs] == ["process\n", "ray\n"]


async def test_an_address_that_rays_client_would_not_follow_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")
    with pytest.raises(EmbeddedGatewayError, match="RAY_ADDRESS is set"):
        async with user_of(home, nowhere()):
            pass


async def test_dependencies_are_rays_to_install_and_it_is_shown_no_secrets(home: Path, ray_api: FakeJobsApi) -> None:
    async with user_of(home, ray_api.cluster) as user:
        await user.upload("needs", SAVE, dependencies=["six==1.17.0"], env_vars={"MY_TOKEN": "secret"})
        job = await user.run("needs")
        await user.becomes(job, "PENDING")
        (sent,) = ray_api.submitted
        assert sent["submission_id"] == job
        assert sent["entrypoint_num_cpus"] == 1
        assert sent["runtime_env"]["pip"]["packages"] == ["six==1.17.0"]
        with closing(store_of(home)) as database:
            token = database.jobs_in(ACTIVE)[0].token
        assert "secret" not in str(sent)
        assert token not in str(sent)
        ray_api.says = {"status": "FAILED", "error_type": "RUNTIME_ENV_SETUP_FAILURE", "message": "no such package"}
        assert await user.ended(job) == "FAILED"
        assert await user.errors(job) == ["DEPENDENCIES"]
        assert await user.log(job) == "Ray ended the job: no such package\n"
    assert is_settled(home)


async def test_a_failure_whose_log_ray_cannot_give_says_what_rays_record_says(home: Path, ray_api: FakeJobsApi) -> None:
    record = "Job entrypoint command failed with exit code 1, last available logs:\nValueError: boom"
    ray_api.has_logs = False
    async with user_of(home, ray_api.cluster) as user:
        await user.upload("failing", SAVE)
        job = await user.run("failing")
        await user.becomes(job, "PENDING")
        ray_api.says = {"status": "FAILED", "driver_exit_code": 1, "message": record}
        assert await user.ended(job) == "FAILED"
        assert await user.errors(job) == ["CLUSTER"]
        assert (await user.log(job)).endswith(f"{record}\n")
    assert is_settled(home)


async def test_of_a_long_log_ray_gets_the_beginning_and_the_end(home: Path, ray: Cluster, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    source = f"for number in range(60_000):\n    print(number, flush=number == 59_999)\n{WAIT}\nprint('the end')"
    async with user_of(home, ray, limits=Limits(log_mb=0.1)) as user:
        await user.upload("prints", source, env_vars={"GATE": str(gate)})
        job = await user.run("prints")
        await user.says(job, "The log is long")
        gate.touch()
        assert await user.ended(job) == "SUCCEEDED"
        log = await user.log(job)
        assert log.endswith("59999\nthe end\n")
        assert len(log) < 0.11 * 1024**2
    assert is_settled(home)


async def test_a_clock_that_jumps_ends_no_job_and_is_not_charged(home: Path, ray_api: FakeJobsApi) -> None:
    async with user_of(home, ray_api.cluster, limits=Limits(seconds=3600)) as user:
        await user.upload("runs", SAVE)
        job = await user.run("runs")
        await user.becomes(job, "PENDING")
        ray_api.says = {"status": "RUNNING"}
        await user.becomes(job, "RUNNING")
        with closing(store_of(home)) as database:

            async def is_booked_further() -> bool:
                return database.seconds_used(job) > booked

            # As if the clock had gone two hours ahead since.
            with closing(connect(DataFolder(home).database_file)) as connection, connection:
                connection.execute("UPDATE events SET created = '2020-01-01T00:00:00.000000Z' WHERE job_id = ?", (job,))
            for _ in range(2):
                booked = database.seconds_used(job)
                await eventually(is_booked_further)
            assert await user.status(job) == "RUNNING"
            ended = {"status": "SUCCEEDED", "driver_exit_code": 0, "start_time": 1_000, "end_time": 7_201_000}
            ray_api.says = ended
            assert await user.ended(job) == "SUCCEEDED"
            assert 0 < database.seconds_used(job) < 3600
    assert is_settled(home)


async def test_a_job_that_ended_while_no_gateway_looked_is_charged_what_the_cluster_says(
    home: Path, ray_api: FakeJobsApi
) -> None:
    async with user_of(home, ray_api.cluster) as user:
        await user.upload("runs", SAVE)
        job = await user.run("runs")
        await user.becomes(job, "PENDING")
        ray_api.says = {"status": "RUNNING"}
        await user.becomes(job, "RUNNING")
        with closing(store_of(home)) as database:

            async def is_booked() -> bool:
                return database.seconds_used(job) > 0

            await eventually(is_booked)
    ray_api.says = {"status": "SUCCEEDED", "driver_exit_code": 0, "start_time": 1_000, "end_time": 101_000}
    async with user_of(home, ray_api.cluster) as user:
        assert await user.ended(job) == "SUCCEEDED"
    with closing(store_of(home)) as database:
        assert database.seconds_used(job) == 100


async def test_a_gateway_comes_back_where_jobs_on_the_cluster_look_for_it(home: Path, tmp_path: Path) -> None:
    with GatewayServer(home, cluster=nowhere()) as first:
        pass
    with GatewayServer(home, cluster=nowhere()) as second:
        assert second.host == first.host
        with GatewayServer(tmp_path / "other", cluster=nowhere()) as other:
            assert other.host != first.host
    (home / "ray-port.txt").write_text("no number")
    with GatewayServer(home, cluster=nowhere()):
        pass


async def test_a_job_that_the_cluster_refuses_has_failed_and_says_why(home: Path, ray_api: FakeJobsApi) -> None:
    ray_api.refusal = "Traceback: …\nValueError: not on this cluster"
    async with user_of(home, ray_api.cluster) as user:
        await user.upload("refused", SAVE)
        job = await user.run("refused")
        assert await user.ended(job) == "FAILED"
        assert await user.errors(job) == ["CANNOT_START"]
        assert await user.log(job) == "The Ray cluster refused the job: ValueError: not on this cluster\n"
    assert is_settled(home)


async def test_a_job_that_was_stopped_in_the_cluster_is_stopped_here(home: Path, ray_api: FakeJobsApi) -> None:
    async with user_of(home, ray_api.cluster) as user:
        await user.upload("stopped", SAVE)
        job = await user.run("stopped")
        await user.becomes(job, "PENDING")
        ray_api.says = {"status": "STOPPED"}
        assert await user.ended(job) == "STOPPED"
    assert is_settled(home)


def test_a_runner_without_its_cluster_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "--runner", "ray"]) == 2
    assert "--ray-address" in capsys.readouterr().err


async def test_only_what_is_the_jobs_own_is_open_to_its_token(home: Path) -> None:
    async with user_of(home, nowhere()) as user:
        await user.upload("own", SAVE)
        job, other = await user.run("own"), await user.run("own")
        with closing(store_of(home)) as database:
            tokens = [row.token for row in database.jobs_in(ACTIVE)]
        data = DataFolder(home).function_data("", "own")
        data.path.mkdir(parents=True, exist_ok=True)
        (data.path / "a file.txt").write_text("content")
        (data.path / "leads-away").symlink_to(home / "token")
        for path in (data.result(job), data.result(other), data.arguments(other)):
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(path.name))
        url = f"/api/v1/jobs/{job}/data/"

        async def ask(method: str, name: str = "", token: str = tokens[0]) -> tuple[int, str]:
            headers = {"Authorization": f"Bearer {token}"}
            answer = await user.http.request(method, url + name, headers=headers, content=b"x")
            return answer.status_code, answer.text

        assert await ask("GET") == (200, json.dumps(["a file.txt", f"results/{job}.json"], separators=(",", ":")))
        assert await ask("GET", "a%20file.txt") == (200, "content")
        assert (await ask("PUT", "a/new/one.txt"))[0] == 204
        assert (data.path / "a" / "new" / "one.txt").read_text() == "x"
        assert [(await ask("GET", token=token))[0] for token in (tokens[1], "wrong")] == [401, 401]
        refused = (f"results/{other}.json", f"arguments/{other}.json", "leads-away", "%2e%2e/%2e%2e/token", "%2ftoken")
        for name in refused:
            assert [(await ask(method, name))[0] for method in ("GET", "PUT")] == [404, 404], name
        assert (home / "token").read_text() == user.http.headers["Authorization"].removeprefix("Bearer ")
