"""The gateway's program: one for a data folder, started, found, replaced and ended by those that use it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psutil
import pytest

from qiskit_functions_core import Account, Artifact, FunctionsClient
from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_core.serverless.local_gateway import RunningGateway, find_gateway
from qiskit_functions_gateway.__main__ import _End
from support.gateways import SAVE, WAIT, Gate, speaking
from support.over_stdio import assistant
from support.programs import command_of, end, is_alive
from support.ray_cluster import free_port
from support.serving import eventually

SECONDS = "QISKIT_FUNCTIONS_JOB_SECONDS"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def client_of(home: Path, usage_limit: float | None = None) -> FunctionsClient:
    return FunctionsClient(Account.local(), home=home, local_usage_limit=usage_limit)


def running(home: Path) -> RunningGateway:
    gateway = find_gateway(home)
    assert gateway
    return gateway


async def start(home: Path) -> RunningGateway:
    async with client_of(home):
        return running(home)


def pretend(home: Path, **facts: object) -> None:
    """Change what the gateway of the folder says of itself; its process and its lock stay."""
    path = home / "gateway.json"
    content = json.dumps(json.loads(path.read_text()) | facts)
    with path.open("r+") as file:
        file.write(content)
        file.truncate()


async def upload(client: FunctionsClient, folder: Path, source: str, **variables: str) -> None:
    code = folder / "code"
    code.mkdir(exist_ok=True)
    (code / "main.py").write_text(source)
    await client.functions.upload("function", Artifact.from_directory(code, "main.py"), env_vars=variables)


async def is_gone(gateway: RunningGateway) -> None:
    async def look() -> bool:
        return not is_alive(gateway.pid)

    await eventually(look)


# Found and started


async def test_a_client_starts_the_gateway_and_leaves_it_to_the_next_one(home: Path) -> None:
    async with client_of(home) as client:
        first = running(home)
        assert await client.functions.list(kind="own") == []
    async with client_of(home), client_of(home) as client:
        assert await client.functions.list(kind="own") == []
        assert running(home) == first
    assert stat.S_IMODE((home / "gateway.json").stat().st_mode) == 0o600
    assert (home / "token").read_text() not in (home / "gateway.json").read_text()


async def test_of_many_that_start_it_at_once_one_wins_and_all_use_that_one(home: Path) -> None:
    found: list[int] = []

    async def use() -> None:
        async with client_of(home) as client:
            await client.functions.list(kind="own")
            found.append(running(home).pid)

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(use)
    assert len(found) == 6
    assert len(set(found)) == 1


async def test_three_servers_share_one_gateway(home: Path) -> None:
    async with assistant(home) as one, assistant(home) as two, assistant(home) as three:
        async with anyio.create_task_group() as group:
            for each in (one, two, three):
                group.start_soon(each.ask, "get_usage")
        pid = running(home).pid
        code = {"source": SAVE, "title": "saves"}
        await one.ask("upload_function", **code)
        job = await two.run("saves")
        assert job["status"] == "DONE"
        assert (await three.ask("list_jobs"))["total"] == 1
        assert [running(home).pid, *programs_of(home)] == [pid, pid]


def programs_of(home: Path) -> list[int]:
    """The processes that run the program on this folder, also those that no file names."""
    found = []
    for process in psutil.process_iter():
        if f"-m qiskit_functions_gateway --home {home} " in command_of(process) and is_alive(process.pid):
            found.append(process.pid)
    return found


# A gateway that has gone


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_client_that_outlives_its_gateway_has_it_started_again(home: Path, tmp_path: Path, number: int) -> None:
    async with client_of(home) as client:
        await upload(client, tmp_path, SAVE)
        before = running(home)
        await anyio.to_thread.run_sync(end, before, number)
        submission = await client.run("function", {})
        assert running(home).pid != before.pid
        await anyio.to_thread.run_sync(end, running(home), number)
        assert (await client.jobs.page()).total == 1
        job = await client.jobs.wait(submission.job.id, timeout=60)
        assert job.status == "DONE"


async def test_a_run_that_meets_the_end_of_the_gateway_is_submitted_once(home: Path, tmp_path: Path) -> None:
    async with client_of(home) as client:
        await upload(client, tmp_path, SAVE)

        async def run() -> None:
            await client.run("function", {})

        for _ in range(3):
            async with anyio.create_task_group() as group:
                group.start_soon(partial(anyio.to_thread.run_sync, end, running(home)))
                for _ in range(4):
                    group.start_soon(run)
            await client.functions.list(kind="own")
        assert (await client.jobs.page()).total == 12


@contextmanager
def listening(port: int) -> Iterator[list[bytes]]:
    """A foreign program on a port; gives what it is sent."""
    heard: list[bytes] = []

    def hear(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=hear, args=(listener,))
        thread.start()
        try:
            yield heard
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


async def test_another_program_on_the_port_of_a_killed_gateway_is_sent_nothing(home: Path) -> None:
    async with client_of(home) as client:
        with ExitStack() as stack:
            for attempt in range(10):
                await client.functions.list(kind="own")
                killed = running(home)
                content = (home / "gateway.json").read_bytes()
                await anyio.to_thread.run_sync(end, killed, signal.SIGKILL)
                assert (home / "gateway.json").read_bytes() == content, "a killed gateway leaves its file"
                try:
                    heard = stack.enter_context(listening(int(killed.host.rpartition(":")[2])))
                    break
                except OSError:  # a connection of another test has taken the port meanwhile
                    assert attempt < 9
            assert find_gateway(home) is None
            assert await client.functions.list(kind="own") == []
            async with client_of(home) as other:
                assert await other.functions.list(kind="own") == []
        assert heard == []


@pytest.fixture
def home_with_a_token(home: Path) -> Path:
    home.mkdir()
    (home / "token").write_text("secret")
    return home


async def test_a_file_that_no_living_gateway_wrote_is_not_trusted(home_with_a_token: Path) -> None:
    home = home_with_a_token
    port = free_port()
    with listening(port) as heard:
        facts = {"host": f"http://127.0.0.1:{port}", "pid": os.getpid(), "node": "n", "version": "1", "settings": {}}
        (home / "gateway.json").write_text(json.dumps({**facts, "ends_when_idle": True}))
        async with client_of(home) as client:
            assert await client.functions.list(kind="own") == []
        assert running(home).pid != os.getpid()
    assert heard == []


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives files away")
async def test_a_file_of_another_user_is_not_trusted(home: Path) -> None:
    await start(home)
    os.chown(home / "gateway.json", 12345, -1)
    assert find_gateway(home) is None
    os.chown(home / "gateway.json", 0, -1)
    assert find_gateway(home)


async def test_a_gateway_on_another_machine_that_shares_the_folder_is_told(home: Path) -> None:
    await start(home)
    pretend(home, node="login-node-2")
    with pytest.raises(EmbeddedGatewayError, match="on another machine, login-node-2"):
        async with client_of(home):
            pass


# Its end


async def test_it_ends_when_it_is_idle(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QISKIT_FUNCTIONS_GATEWAY_IDLE_SECONDS", "0.2")
    gateway = await start(home)
    await is_gone(gateway)
    assert not (home / "gateway.json").exists()


async def test_a_job_keeps_it_until_the_job_has_ended(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QISKIT_FUNCTIONS_GATEWAY_IDLE_SECONDS", "0.2")
    gate = Gate(tmp_path / "gate")
    async with client_of(home) as client:
        await upload(client, tmp_path, WAIT, **gate.variables)
        await client.run("function", {})
        gateway = running(home)
    # Another one, on a folder without a job, comes and goes in this time.
    await is_gone(await start(tmp_path / "other"))
    assert is_alive(gateway.pid)
    gate.open()
    await is_gone(gateway)


async def test_it_ends_when_its_data_folder_is_deleted(home: Path) -> None:
    gateway = await start(home)
    shutil.rmtree(home)
    await is_gone(gateway)


# Versions


async def test_an_older_gateway_is_replaced_when_it_is_idle(home: Path) -> None:
    older = await start(home)
    pretend(home, version="0.0.9")
    async with client_of(home) as client:
        assert await client.functions.list(kind="own") == []
        assert running(home).pid != older.pid
    await is_gone(older)


async def test_an_older_gateway_is_used_as_it_is_while_a_job_is_active(
    home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(tmp_path / "gate")
    async with client_of(home) as client:
        await upload(client, tmp_path, WAIT, **gate.variables)
        submission = await client.run("function", {})
    older = running(home)
    pretend(home, version="0.0.9")
    async with client_of(home) as client:
        assert "using the gateway of version 0.0.9" in caplog.text
        assert running(home).pid == older.pid
        gate.open()
        assert (await client.jobs.wait(submission.job.id, timeout=60)).status == "DONE"


async def test_a_newer_gateway_is_used_as_it_is(home: Path) -> None:
    newer = await start(home)
    pretend(home, version="99.0")
    async with client_of(home) as client:
        assert await client.functions.list(kind="own") == []
    assert running(home).pid == newer.pid


async def test_a_folder_of_a_newer_version_is_refused_as_clearly_as_by_the_gateway_itself(home: Path) -> None:
    await anyio.to_thread.run_sync(end, await start(home))
    with closing(sqlite3.connect(home / "gateway.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(EmbeddedGatewayError, match="was written by a newer version") as refused:
        async with client_of(home):
            pass
    assert "QISKIT_FUNCTIONS_HOME" in refused.value.next_step


async def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedGatewayError, match=f"the data folder {tmp_path / 'file'} cannot be used"):
        async with client_of(tmp_path / "file"):
            pass


# Settings


async def test_settings_belong_to_the_folder_and_another_wish_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECONDS, "90")
    async with client_of(home, usage_limit=1000) as client:
        assert client.notice == ""
        assert (await client.platform.usage()).limit == 1000
    monkeypatch.setenv(SECONDS, "60")
    async with client_of(home, usage_limit=1) as client:
        gateway = running(home)
        assert f"{SECONDS} is 90, not 60" in client.notice
        assert "USAGE_LIMIT_SECONDS is 1000, not 1" in client.notice
        assert f"end its process, {gateway.pid};" in client.notice
        assert (await client.platform.usage()).limit == 1000
        await anyio.to_thread.run_sync(end, gateway)
        assert (await client.platform.usage()).limit == 1
        assert client.notice == ""
    await anyio.to_thread.run_sync(end, running(home))
    monkeypatch.delenv(SECONDS)
    async with client_of(home) as client:
        assert client.notice == ""
        assert (await client.platform.usage()).limit == 1, "a quota does not go away by itself"


async def test_get_usage_tells_which_settings_hold(home: Path) -> None:
    limit = "QISKIT_FUNCTIONS_LOCAL_USAGE_LIMIT_SECONDS"
    async with assistant(home, **{limit: "1000"}) as first, assistant(home, **{limit: "5000"}) as second:
        assert limit not in (await first.ask("get_usage"))["message"]
        usage = await second.ask("get_usage")
        assert f"{limit} is 1000, not 5000" in usage["message"]
        assert usage["limit_seconds"] == 1000


async def test_limits_of_the_client_that_starts_it_reach_its_jobs(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECONDS, "0.3")
    async with client_of(home) as client:
        await upload(client, tmp_path, "import time; time.sleep(600)\n")
        submission = await client.run("function", {})
        job = await client.jobs.wait(submission.job.id, timeout=60)
        assert job.status == "ERROR"
        assert "longer than its limit of 0.3 s" in await client.jobs.logs(job.id)


async def test_a_limit_that_is_not_one_is_told_by_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECONDS, "many")
    with pytest.raises(EmbeddedGatewayError, match=f"{SECONDS} is 'many'"):
        async with client_of(home):
            pass


# The process itself


def standard(process: psutil.Process, descriptor: int) -> str:
    return str(Path(f"/proc/{process.pid}/fd/{descriptor}").readlink())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_it_inherits_no_secrets_and_holds_on_to_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "QISKIT_IBM_TOKEN": "api-key-1",
        "QISKIT_FUNCTIONS_TOKEN": "api-key-2",
        "ENV_GATEWAY_PROVIDER_TOKEN": "api-key-3",
        "AWS_SECRET_ACCESS_KEY": "api-key-4",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    process = psutil.Process((await start(home)).pid)
    environment = process.environ()
    assert not [value for value in environment.values() if "api-key" in value]
    assert environment["PATH"] == os.environ["PATH"]
    assert process.cwd() == str(home)
    assert os.getsid(process.pid) == process.pid
    assert {standard(process, number) for number in (0, 1, 2)} == {"/dev/null"}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_it_loads_neither_qiskit_nor_numpy_nor_pydantic_also_when_it_is_used(home: Path, tmp_path: Path) -> None:
    async with client_of(home) as client:
        await upload(client, tmp_path, SAVE)
        submission = await client.run("function", {})
        await client.jobs.wait(submission.job.id, timeout=60)
        loaded = [part.path for part in psutil.Process(running(home).pid).memory_maps()]
        assert not [path for path in loaded if "/numpy/" in path or "/qiskit/" in path or "/pydantic_core/" in path]


def test_its_modules_import_no_client_no_mcp_and_no_qiskit() -> None:
    program = """
import sys
import qiskit_functions_gateway.__main__, qiskit_functions_gateway.server
from qiskit_functions_gateway.__main__ import _End
from qiskit_functions_gateway.api import files, functions, job_data, jobs
print(*sorted({"httpx", "mcp", "mcp_types", "pydantic", "qiskit", "numpy"} & sys.modules.keys()))
core = [name for name in sys.modules if name.startswith("qiskit_functions_core.")]
print(*sorted(name.removeprefix("qiskit_functions_core.") for name in core))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    unwanted, core = done.stdout.split("\n")[:2]
    assert unwanted == ""
    assert set(core.split()) <= {
        "addresses",
        "environment",
        "errors",
        "local_files",
        "serverless",
        "serverless.arguments_schema",
        "serverless.artifact",
    }


def test_a_client_imports_nothing_of_the_gateway() -> None:
    program = """
import sys
import qiskit_functions_core.client, qiskit_functions_core.serverless.local_gateway
print(*[name for name in sys.modules if name.startswith("qiskit_functions_gateway")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_it_says_one_line_to_the_client_that_starts_it_and_logs_the_rest(home: Path) -> None:
    command = [sys.executable, "-m", "qiskit_functions_gateway", "--home", str(home), "--port", "0"]
    done = subprocess.run([*command, "--idle-seconds", "0.1"], capture_output=True, text=True, check=True, timeout=60)
    (line,) = done.stdout.splitlines()
    host = json.loads(line)["host"]
    assert done.stderr == ""
    log = (home / "gateway.log").read_text()
    assert host in log
    assert "ended" in log


async def test_a_second_one_that_a_client_starts_says_that_the_folder_is_served(home: Path) -> None:
    gateway = await start(home)
    command = [sys.executable, "-m", "qiskit_functions_gateway", "--home", str(home), "--idle-seconds", "60"]
    done = await anyio.run_process(command, check=False)
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["is_served"]
    assert f"process {gateway.pid} on {gateway.host}" in said["error"]["message"]


async def test_a_gateway_with_a_token_of_its_own_is_found_with_it(home: Path) -> None:
    command = [sys.executable, "-m", "qiskit_functions_gateway", "--home", str(home), "--port", "0"]
    environ = {**os.environ, "QISKIT_FUNCTIONS_GATEWAY_TOKEN": "given-by-a-person"}
    async with await anyio.open_process(command, stderr=subprocess.PIPE, env=environ) as person:
        assert person.stderr
        await person.stderr.receive()
        async with client_of(home) as client:
            assert await client.functions.list(kind="own") == []
            gateway = running(home)
            assert (gateway.pid, gateway.token, gateway.ends_when_idle) == (person.pid, "given-by-a-person", False)
        assert "given-by-a-person" not in repr(gateway)
        async with speaking(gateway.host, gateway.token) as user:
            asked = await user.http.post("/api/v1/gateway/end/")
            assert asked.status_code == 409
        person.send_signal(signal.SIGTERM)


def test_a_signal_may_come_at_any_point_of_its_wait_for_the_end() -> None:
    end, heard = _End(), []

    def tell(*_: object) -> Callable[..., Any]:
        end.tell()
        return tell

    def wait() -> None:
        sys.settrace(tell)  # at each line of Python that waits, as a handler in the main thread may
        heard.append(end.is_asked(within=30))

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(20)
    assert heard == [True]
    assert end.is_told
