"""What happens to jobs when something is killed, or stopped at a bad moment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from socket import create_connection
from urllib.parse import urlsplit

import pytest

from qiskit_functions_gateway.execution.environments import Environment
from qiskit_functions_gateway.execution.lifecycle import JobLifecycle
from qiskit_functions_gateway.execution.limits import Limits
from qiskit_functions_gateway.storage.data_folder import DataFolder
from qiskit_functions_gateway.storage.database import Database
from qiskit_functions_gateway.storage.locks import locked
from support.gateways import (
    SAVE,
    WAIT,
    Gate,
    Ran,
    archive,
    function_of,
    functions_about,
    gateway_process,
    kill,
    speaking,
    supervisor_of,
    user_of,
)
from support.serving import eventually

SAVES_HALF = """
import os, time
with open(os.environ["RESULTS_PATH"], "w") as file:
    file.write('{"half": [1, 2')
    file.flush()
    print("saving", flush=True)
    time.sleep(600)
"""


async def test_no_job_is_lost_or_run_twice_when_the_gateway_is_killed_while_it_starts_them(
    home: Path, tmp_path: Path
) -> None:
    ran = Ran(tmp_path / "ran")
    jobs: list[str] = []
    for round_ in range(4):
        with gateway_process(home) as gateway:
            async with speaking(*gateway.address()) as user:
                await user.upload("counts", ran.source + SAVE)
                jobs += [await user.run("counts") for _ in range(round_ + 1)]
            gateway.kill()
    async with user_of(home) as user:
        assert [await user.ended(job) for job in jobs] == ["SUCCEEDED"] * 10
        assert [await user.result(job) for job in jobs] == [{"saved": True}] * 10
    assert sorted(ran.jobs) == sorted(jobs)


async def test_a_job_whose_starter_was_killed_before_its_supervisor_was_there_is_started_anew(
    home: Path, gate: Gate
) -> None:
    async with user_of(home, Limits(max_jobs=1)) as user:
        await user.upload("waits", WAIT, env_vars=gate.variables)
        first, second = [await user.run("waits") for _ in range(2)]
        await user.becomes(first, "RUNNING")
    with closing(Database(DataFolder(home).database_file)) as database:
        assert JobLifecycle(DataFolder(home), database).schedule(second)
    gate.open()
    async with user_of(home) as user:
        assert [await user.ended(first), await user.ended(second)] == ["SUCCEEDED"] * 2


async def test_a_job_whose_supervisors_always_die_at_the_start_fails_in_the_end(home: Path, gate: Gate) -> None:
    async with user_of(home, Limits(max_jobs=1)) as user:
        await user.upload("waits", WAIT, env_vars=gate.variables)
        first, doomed = [await user.run("waits") for _ in range(2)]
        await user.becomes(first, "RUNNING")
        DataFolder(home).job(doomed).log.mkdir(parents=True)  # where the supervisor wants to write
        gate.open()

        async def failed() -> bool:
            return await user.status(doomed) == "FAILED"

        await eventually(failed)
        assert await user.errors(doomed) == ["SUPERVISOR_DIED"]
        assert await user.ended(first) == "SUCCEEDED"


async def test_a_killed_function_has_failed_and_its_saved_result_stays(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("saves", SAVE + "print('saved', flush=True)\nimport time; time.sleep(600)\n")
        job = await user.run("saves")
        await user.says(job, "saved")
        kill(function_of(home, job))
        assert await user.ended(job) == "FAILED"
        assert await user.errors(job) == ["KILLED"]
        assert await user.log(job) == "saved\nThe function was ended by signal 9 (SIGKILL).\n"
        assert await user.result(job) == {"saved": True}


@pytest.mark.parametrize("victim", ["function", "supervisor", "job"])
async def test_half_a_result_is_none(home: Path, victim: str) -> None:
    async with user_of(home) as user:
        await user.upload("saves-half", SAVES_HALF)
        job = await user.run("saves-half")
        await user.says(job, "saving")
        assert await user.result(job) is None
        if victim == "job":
            await user.stop(job)
        else:
            kill(function_of(home, job) if victim == "function" else supervisor_of(home, job))
        assert await user.ended(job) == ("STOPPED" if victim == "job" else "FAILED")
        assert await user.result(job) is None


async def test_a_gateway_killed_in_the_middle_of_an_upload_leaves_the_function_as_it_was(home: Path) -> None:
    with gateway_process(home) as gateway:
        host, token = gateway.address()
        async with speaking(host, token) as user:
            await user.upload("keeps", SAVE)
        stored = set(DataFolder(home).artifacts.iterdir())
        content = archive({"main.py": b"raise SystemExit(3)\n", "data": bytes(8 * 1024**2)})
        head = (
            b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nkeeps\r\n'
            b'--x\r\nContent-Disposition: form-data; name="entrypoint"\r\n\r\nmain.py\r\n'
            b'--x\r\nContent-Disposition: form-data; name="artifact"; filename="artifact.tar"\r\n\r\n'
        )
        address = urlsplit(host)
        with create_connection((str(address.hostname), address.port or 0)) as raw:
            raw.sendall(
                f"POST /api/v1/programs/upload/ HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n"
                "Content-Type: multipart/form-data; boundary=x\r\n"
                f"Content-Length: {len(head) + len(content) + 9}\r\n\r\n".encode()
                + head
                + content[: 4 * 1024**2]
            )

            async def arriving() -> bool:
                return any(path.stat().st_size for path in (home / "uploads").glob("*"))

            await eventually(arriving)
            gateway.kill()
    assert set(DataFolder(home).artifacts.iterdir()) == stored
    async with user_of(home) as user:
        job = await user.run("keeps")
        assert await user.ended(job) == "SUCCEEDED"
        assert await user.result(job) == {"saved": True}


async def test_of_sixty_jobs_at_once_fifty_are_taken_and_stopped_at_any_stage(home: Path, gate: Gate) -> None:
    async with user_of(home) as user:
        await user.upload("waits", WAIT + SAVE, env_vars=gate.variables)
        answers = await asyncio.gather(*(user.try_run("waits") for _ in range(60)))
        taken = [answer.json()["id"] for answer in answers if answer.status_code == 200]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert (len(taken), len(refused)) == (50, 10)
        assert "Active job limit reached" in refused[0].json()["message"]
        # Among them are running ones, one that is just being started, and queued ones.
        await asyncio.gather(*(user.stop(job) for job in taken[:44]))
        assert {await user.status(job) for job in taken[:44]} == {"STOPPED"}
        gate.open()
        assert [await user.ended(job) for job in taken[44:]] == ["SUCCEEDED"] * 6
        assert await user.ended(await user.run("waits")) == "SUCCEEDED"


async def test_a_stop_right_after_the_start_leaves_nothing_running(home: Path) -> None:
    async with user_of(home, Limits(max_jobs=4)) as user:
        await user.upload("sleeps", "import time; time.sleep(600)\n")
        for status in ("QUEUED", "PENDING", "RUNNING", "RUNNING"):
            job = await user.run("sleeps")

            async def reached(job: str = job, status: str = status) -> bool:
                return await user.status(job) in (status, "RUNNING")

            await eventually(reached)
            await user.stop(job)
            assert await user.status(job) == "STOPPED"
        assert not functions_about(home)


async def test_a_stop_while_the_environment_is_waited_for_ends_the_job_at_once(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("needs", SAVE, dependencies=["packaging"])
        with _environment_is_being_made(home):
            job = await user.run("needs")
            await user.says(job, "Making an environment with packaging")
            assert await user.status(job) == "PENDING"
            await user.stop(job)
        assert await user.status(job) == "STOPPED"
        assert await user.result(job) is None


async def test_a_supervisor_killed_while_it_prepares_is_replaced(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("needs", SAVE, dependencies=["packaging"])
        with _environment_is_being_made(home):
            job = await user.run("needs")
            await user.says(job, "Making")
            kill(supervisor_of(home, job))

            async def replaced() -> bool:
                return (await user.log(job)).count("Making") == 2

            await eventually(replaced)
            await user.stop(job)
        assert await user.status(job) == "STOPPED"


@contextmanager
def _environment_is_being_made(home: Path) -> Iterator[None]:
    """By another process, which takes its time."""
    environment = Environment.of(DataFolder(home).environments, ("packaging",))
    environment.path.parent.mkdir(exist_ok=True)
    with locked(environment.lock, timeout=10):
        yield
