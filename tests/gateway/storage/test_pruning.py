"""What is old is removed when a person asks for it: nothing else is, and nothing that is in use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from qiskit_functions_gateway.execution.environments import Environment
from qiskit_functions_gateway.storage.data_folder import DataFolder
from qiskit_functions_gateway.storage.database import Database
from qiskit_functions_gateway.storage.incoming import IncomingFile
from qiskit_functions_gateway.storage.locks import locked
from qiskit_functions_gateway.storage.pruning import Contents, contents, remove, select
from support.gateways import SAVE, WAIT, Gate, archive, user_of

ALL = timedelta(0)


@contextmanager
def looked_at(home: Path) -> Iterator[tuple[DataFolder, Database]]:
    with closing(Database(DataFolder(home).database_file)) as database:
        yield DataFolder(home), database


def names(found: Contents, kind: str) -> list[str]:
    return [item.name for item in found.items if item.kind == kind]


async def test_jobs_that_ended_go_with_all_that_is_kept_of_them_and_active_ones_stay(home: Path, gate: Gate) -> None:
    async with user_of(home) as user:
        await user.upload("saves", "print('said')\n" + SAVE)
        await user.upload("waits", WAIT + SAVE, env_vars=gate.variables)
        done, stopped = await user.run("saves"), await user.run("waits")
        await user.ended(done)
        await user.becomes(stopped, "RUNNING")
        await user.stop(stopped)
        running = await user.run("waits")
        await user.becomes(running, "RUNNING")
        used = (await user.http.get("/api/v1/instances/usage")).json()["usage_consumed_seconds"]
        with looked_at(home) as (folder, database):
            removed = remove(database, select(contents(folder, database), older_than=ALL))
            assert {item.name for item in removed if item.kind == "jobs"} == {done, stopped}
        for job in (done, stopped):
            for part in ("", "result/", "logs/", "events/", "runtime_jobs/"):
                assert (await user.http.get(f"/api/v1/jobs/{job}/{part}")).status_code == 404
            assert not [place for place, _, files in os.walk(home) if job in place or f"{job}.json" in files]
        listed = (await user.http.get("/api/v1/jobs/")).json()
        assert [job["id"] for job in listed["results"]] == [running]
        now_used = (await user.http.get("/api/v1/instances/usage")).json()["usage_consumed_seconds"]
        assert now_used >= used > 0
        gate.open()
        assert await user.ended(running) == "SUCCEEDED"
        assert await user.result(running) == {"saved": True}


async def test_nothing_is_chosen_unless_age_or_size_is_given(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("saves", SAVE)
        await user.ended(await user.run("saves"))
    with looked_at(home) as (folder, database):
        assert select(contents(folder, database)) == []


async def test_by_size_the_oldest_go_first_until_it_is_small_enough(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("prints", "print('x' * 1_000_000)\n")
        jobs = [await user.run("prints") for _ in range(4)]
        for job in jobs:
            await user.ended(job)
    with looked_at(home) as (folder, database):
        found = contents(folder, database)
        chosen = select(found, max_bytes=found.total - 1_500_000)
        assert [item.name for item in chosen if item.kind == "jobs"] == names(found, "jobs")[:2]
        assert [item.name for item in select(found, max_bytes=found.total) if item.kind == "jobs"] == []
        remove(database, chosen)
        assert contents(folder, database).total <= found.total - 1_500_000
        assert contents(folder, database).counts["jobs"] == 2


async def test_a_job_that_ended_by_a_clock_ahead_is_not_old(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("saves", SAVE)
        job = await user.run("saves")
        await user.ended(job)
    with looked_at(home) as (folder, database):
        found = contents(folder, database)
        past = datetime.now(UTC) - timedelta(days=365)
        assert not [item for item in select(found, older_than=ALL, now=past) if item.kind == "jobs"]
        later = datetime.now(UTC) + timedelta(days=31)
        assert [item.name for item in select(found, older_than=timedelta(days=30), now=later)][-1:] == [job]


async def test_a_job_whose_supervisor_is_not_done_with_it_stays(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("saves", SAVE)
        job = await user.run("saves")
        await user.ended(job)
    with looked_at(home) as (folder, database):
        with locked(folder.job(job).lock, timeout=30):
            assert remove(database, select(contents(folder, database), older_than=ALL)) == []
        assert names(contents(folder, database), "jobs") == [job]


async def test_code_that_no_function_has_any_more_goes_unless_it_was_just_uploaded(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("saves", SAVE)
        (old,) = set(DataFolder(home).artifacts.iterdir()) - await artifacts_of_examples(home)
        await user.upload("saves", f"{SAVE}\n# another")
        with looked_at(home) as (folder, database):
            assert names(contents(folder, database), "artifacts") == [old.name]
            assert remove(database, select(contents(folder, database), older_than=ALL)) == []
            os.utime(old, (0, 0))
            removed = remove(database, select(contents(folder, database), older_than=ALL))
            assert [item.name for item in removed] == [old.name]
        assert await user.ended(await user.run("saves")) == "SUCCEEDED"


async def artifacts_of_examples(home: Path) -> set[Path]:
    with looked_at(home) as (folder, database):
        return {folder.artifacts / str(row.artifact) for row in database.programs() if row.provider == "examples"}


async def test_the_environment_of_an_active_job_stays_and_goes_when_the_job_has_ended(home: Path, gate: Gate) -> None:
    async with user_of(home) as user:
        await user.upload_archive(
            "needs", archive({"main.py": WAIT.encode()}), dependencies=["packaging"], env_vars=gate.variables
        )
        environment = await environment_with("packaging", DataFolder(home).environments)
        environment.path.mkdir(parents=True)
        (environment.path / "made").touch()
        environment.programs.mkdir()
        environment.python.symlink_to(sys.executable)
        job = await user.run("needs")
        await user.becomes(job, "RUNNING")
        with looked_at(home) as (folder, database):
            assert names(contents(folder, database), "environments") == []
            gate.open()
            await user.ended(job)
            removed = remove(database, select(contents(folder, database), older_than=ALL))
            assert "environments" in {item.kind for item in removed}
    assert not environment.path.exists()


async def environment_with(requirement: str, folder: Path) -> Environment:
    """Return the environment as a supervisor sees it: Ray adds packages of its own to this process's search path."""
    source = "import sys; from pathlib import Path\n"
    source += "from qiskit_functions_gateway.execution.environments import Environment\n"
    source += "print(Environment.of(Path(sys.argv[1]), (sys.argv[2],)).path)"
    asked = await anyio.run_process([sys.executable, "-c", source, str(folder), requirement])
    return Environment(Path(asked.stdout.decode().strip()), (requirement,))


async def test_uploads_that_were_broken_off_go_and_one_that_comes_in_stays(home: Path) -> None:
    async with user_of(home):
        with looked_at(home) as (folder, database):
            received = IncomingFile(folder)
            (folder.uploads / "left").write_text("half")
            removed = remove(database, select(contents(folder, database), older_than=timedelta(days=30)))
            assert [item.name for item in removed] == ["left"]
            received.move(folder.path / "data" / "moved")


async def test_files_of_functions_are_counted_and_never_removed(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("writes", "import os\nopen(os.environ['DATA_PATH'] + '/mine', 'w').write('x' * 9999)\n")
        await user.ended(await user.run("writes"))
    with looked_at(home) as (folder, database):
        found = contents(folder, database)
        assert found.counts["files"] == 1
        assert found.sizes["files"] >= 9999
        remove(database, select(found, older_than=ALL, max_bytes=0))
        assert contents(folder, database).sizes["files"] == found.sizes["files"]
