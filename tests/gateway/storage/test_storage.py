"""The data folder: older ones open, copies are whole, and what cannot be written is said and breaks nothing."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
import tarfile
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_gateway.server import GatewayServer
from qiskit_functions_gateway.storage.backup import backup
from qiskit_functions_gateway.storage.data_folder import DataFolder, JobFolder
from qiskit_functions_gateway.storage.database import Database, JobFilter
from qiskit_functions_gateway.storage.job_states import JobStatus
from qiskit_functions_gateway.storage.logs import BoundedLog, LogView, last_lines, read_log
from support.gateways import SAVE, WAIT, Gate, archive, gateway_process, processes_about, speaking, user_of

VERSION_1 = Path(__file__).with_name("data") / "version-1.sql"
DONE, QUEUED = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))


def folder_of_version_1(home: Path) -> None:
    """As the first release left it: one job has ended, and one waits."""
    home.mkdir()
    with closing(sqlite3.connect(DataFolder(home).database_file)) as connection:
        connection.executescript(VERSION_1.read_text())
    (home / "artifacts").mkdir()
    source = "import os\nprint(open(os.environ['ARGUMENTS_PATH']).read())\n" + SAVE
    (home / "artifacts" / "ARTIFACT.tar").write_bytes(archive({"main.py": source.encode()}))
    arguments = DataFolder(home).function_data("", "old").arguments(QUEUED)
    arguments.parent.mkdir(parents=True)
    arguments.write_text('{"from": "before"}')


async def test_a_folder_of_the_first_version_opens_and_its_queue_goes_on(home: Path) -> None:
    folder_of_version_1(home)
    async with user_of(home) as user:
        assert await user.status(DONE) == "SUCCEEDED"
        assert await user.ended(QUEUED) == "SUCCEEDED"
        assert await user.log(QUEUED) == '{"from": "before"}\n'
        assert await user.ended(await user.run("old")) == "SUCCEEDED"
        assert (await user.http.get("/api/v1/instances/usage")).json()["usage_consumed_seconds"] > 1.5


async def test_a_folder_of_a_newer_version_is_refused_by_name_and_left_alone(tmp_path: Path) -> None:
    folder_of_version_1(tmp_path / "home")
    database = DataFolder(tmp_path / "home").database_file
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = database.read_bytes()
    with (
        pytest.raises(EmbeddedGatewayError, match=f"{database} was written by a newer version"),
        GatewayServer(tmp_path / "home"),
    ):
        pass
    assert database.read_bytes() == before


def test_many_open_a_new_folder_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def open_it() -> None:
        try:
            home = DataFolder(tmp_path / "home")
            home.prepare()
            with closing(Database(home.database_file)) as database:
                database.put_program("same", "", {})
            tokens.add(home.token())
        except EmbeddedGatewayError as error:
            failures.append(error)

    tokens: set[str] = set()
    threads = [threading.Thread(target=open_it) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(tokens) == 1
    with closing(Database(DataFolder(tmp_path / "home").database_file)) as database:
        assert len(database.programs()) == 1


def test_the_order_of_jobs_and_events_holds_when_the_clock_goes_back(tmp_path: Path) -> None:
    moments = (datetime(2030, 1, 1, tzinfo=UTC) - timedelta(hours=hours) for hours in range(100))
    with closing(Database(tmp_path / "gateway.db", clock=lambda: next(moments))) as database:
        program = database.put_program("counts", "", {})
        for job in ("a", "b", "c"):
            database.create_job(program, job, most_active=50)
        database.change_status("a", JobStatus.PENDING, after={JobStatus.QUEUED})
        database.change_status("a", JobStatus.RUNNING, after={JobStatus.PENDING})
        assert [job.id for job in database.jobs_in({JobStatus.QUEUED})] == ["b", "c"]
        assert [job.id for job in database.jobs(JobFilter(), limit=0, offset=0)[1]] == ["c", "b", "a"]
        events = database.events("a")
        assert [event["data"]["status"] for event in events] == ["RUNNING", "PENDING", "QUEUED"]
        assert [event["created"] for event in events] == sorted(event["created"] for event in events)


async def test_a_backup_taken_while_jobs_run_is_a_data_folder(home: Path, tmp_path: Path, gate: Gate) -> None:
    async with user_of(home) as user:
        await user.upload("saves", "print('said', flush=True)\n" + SAVE)
        await user.upload("waits", "print('begun', flush=True)\n" + WAIT, env_vars=gate.variables)
        done, running = await user.run("saves"), await user.run("waits")
        await user.ended(done)
        await user.says(running, "begun")
        backup(DataFolder(home), tmp_path / "backup.tar")
        restored = _unpacked(tmp_path / "backup.tar", tmp_path / "restored")
        async with user_of(restored) as reader:
            assert (await reader.result(done), await reader.log(done)) == ({"saved": True}, "said\n")
            # There it has no supervisor, and its namesake here is none of that folder's business.
            assert await reader.ended(running) == "FAILED"
            assert await reader.ended(await reader.run("saves")) == "SUCCEEDED"
        assert await user.status(running) == "RUNNING"
        gate.open()
        assert await user.ended(running) == "SUCCEEDED"
    assert not processes_about(restored)


def _unpacked(archive_: Path, target: Path) -> Path:
    with tarfile.open(archive_) as members:
        assert "token" not in members.getnames()
        members.extractall(target, filter="data")
    return target


def test_the_command_writes_a_backup_or_says_why_not(tmp_path: Path) -> None:
    home = DataFolder(tmp_path / "home")
    command = [sys.executable, "-m", "qiskit_functions_mcp", "backup", str(tmp_path / "backup.tar"), "--home"]
    failed = subprocess.run([*command, str(home.path)], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"error: there is no data folder at {home.path}\n")
    home.prepare()
    Database(home.database_file).close()
    (home.path / "settings.json").write_text("{}")
    (home.path / "token").write_text("secret")
    subprocess.run([*command, str(home.path)], check=True, capture_output=True)
    with tarfile.open(tmp_path / "backup.tar") as members:
        assert members.getnames() == ["gateway.db", "settings.json"]
    assert (tmp_path / "backup.tar").stat().st_mode & 0o077 == 0


def test_a_backup_that_cannot_be_written_or_has_no_source_says_so(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedGatewayError, match="there is no data folder"):
        backup(DataFolder(tmp_path / "nothing"), tmp_path / "backup.tar")
    home = DataFolder(tmp_path / "home")
    home.prepare()
    Database(home.database_file).close()
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedGatewayError, match=r"backup\.tar cannot be written"):
        backup(home, tmp_path / "file" / "backup.tar")


@pytest.mark.parametrize("place", ["file/home", "/proc/home"])
async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / place
    with pytest.raises(EmbeddedGatewayError, match=f"the data folder {folder} cannot be used"), GatewayServer(folder):
        pass


async def test_a_database_that_is_none_is_named_and_left_alone(tmp_path: Path) -> None:
    home = DataFolder(tmp_path / "home")
    home.prepare()
    home.database_file.write_bytes(b"something else entirely" * 100)
    with (
        pytest.raises(EmbeddedGatewayError, match=f"the database {home.database_file} cannot be used"),
        GatewayServer(home.path),
    ):
        pass
    assert home.database_file.read_bytes().startswith(b"something else")


async def test_when_nothing_more_can_be_written_it_is_said_and_what_was_there_stays(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("saves", SAVE)
        before = await user.run("saves")
        await user.ended(before)
    with gateway_process(home) as gateway:
        async with speaking(*gateway.address()) as user:
            await user.upload("large", "pass\n")
            # No file may grow beyond what the database has: it is as if the disk were full.
            resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (0, 0))
            refused = await user.try_run("saves")
            assert refused.status_code == 503
            assert str(home) in refused.json()["message"]
            assert await user.status(before) == "SUCCEEDED"
            assert await user.result(before) == {"saved": True}
    async with user_of(home) as user:
        assert await user.result(before) == {"saved": True}
        assert await user.ended(await user.run("saves")) == "SUCCEEDED"


def test_a_write_that_finds_the_disk_full_leaves_the_database_usable(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from qiskit_functions_gateway.storage.database import Database
from qiskit_functions_core.errors import EmbeddedGatewayError
database = Database(Path(sys.argv[1]))
database.put_program("before", "", {})
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))
try:
    database.put_program("large", "", {"description": "x" * 1_000_000})
except EmbeddedGatewayError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
database.put_program("after", "", {})
"""
    path = tmp_path / "gateway.db"
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert f"the database {path} cannot be used" in done.stdout
    with closing(Database(path)) as database:
        assert {program.title for program in database.programs()} >= {"before", "after"}


def test_a_log_on_a_full_disk_loses_lines_and_raises_nothing(tmp_path: Path) -> None:
    log = BoundedLog(Path("/dev/full"), 1000)
    log.write(b"lost\n")
    log.close()
    log.write(b"too late\n")


def test_only_line_feeds_end_lines_of_a_log(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    folder.log.write_bytes("[PUBLIC] a\x0c[PUBLIC] b\r\n[PRIVATE] c\u2028d\nbare".encode())
    assert shown(folder, "all") == "a\x0c[PUBLIC] b\r\nc\u2028d\nbare"
    assert shown(folder, "public") == "a\x0c[PUBLIC] b\r\n"
    assert shown(folder, "private") == "c\u2028d\nbare"


def test_a_line_of_any_length_is_shown_or_left_out_as_a_whole(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    public, private = f"é{'x' * 200_000}é", f"{'y' * 200_000}[PUBLIC] z"
    folder.log.write_text(f"[PUBLIC] {public}\n[PRIVATE] {private}\n", encoding="utf-8")
    assert shown(folder, "public") == f"{public}\n"
    assert shown(folder, "private") == f"{private}\n"
    assert last_lines(folder, 1) == [f"{private}"[-65535:]]


def shown(folder: JobFolder, view: LogView) -> str:
    return "".join(read_log(folder, view) or ())


def test_what_is_kept_is_nobody_elses_to_read_also_in_a_folder_that_is_open_to_all(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    home = DataFolder(tmp_path)
    home.prepare()
    with closing(Database(home.database_file)):
        inside = [path for path in tmp_path.iterdir() if path.suffix != ".lock"]
        assert home.database_file in inside
        assert {path.name: oct(path.stat().st_mode & 0o077) for path in inside if path.stat().st_mode & 0o077} == {}
