"""A job's life: which changes of status there are, and what each leaves in the events, the log and the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_gateway.execution.lifecycle import Failure, FailureCode, JobLifecycle
from qiskit_functions_gateway.storage.data_folder import DataFolder
from qiskit_functions_gateway.storage.database import Database
from qiskit_functions_gateway.storage.job_states import ACTIVE, EventType, JobStatus
from qiskit_functions_gateway.storage.logs import BoundedLog

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "embedded-gateway.md"

TOO_LONG = Failure(FailureCode.TIME_LIMIT, "The function ran longer than its limit of 1 s.", "last line")


@dataclass(frozen=True)
class World:
    folder: DataFolder
    database: Database
    lifecycle: JobLifecycle

    def queued(self) -> str:
        job_id = str(uuid4())
        program = self.database.put_program("mine", "", {})
        assert self.lifecycle.queue(program, job_id, '{"shots": 1}', most_active=50)
        return job_id

    def running(self) -> str:
        job_id = self.queued()
        assert self.lifecycle.schedule(job_id)
        assert self.lifecycle.start(job_id)
        return job_id

    def status(self, job_id: str) -> JobStatus:
        job = self.database.job(job_id)
        assert job
        return job.status

    def changes(self, job_id: str) -> list[tuple[str, str, Any]]:
        """The origins, contexts and statuses of its changes, oldest first."""
        events = reversed(self.database.events(job_id, EventType.STATUS_CHANGE))
        return [(event["origin"], event["context"], event["data"]["status"]) for event in events]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    folder = DataFolder(tmp_path)
    folder.prepare()
    with closing(Database(folder.database_file)) as database:
        yield World(folder, database, JobLifecycle(folder, database))


def test_each_change_is_recorded_once_in_the_gateways_words(world: World) -> None:
    job = world.queued()
    assert world.lifecycle.schedule(job)
    assert world.lifecycle.put_back(job)
    assert world.lifecycle.schedule(job)
    assert world.lifecycle.start(job)
    assert world.lifecycle.succeed(job, seconds=2.5)
    assert world.changes(job) == [
        ("API", "RUN_PROGRAM", "QUEUED"),
        ("SCHEDULER", "SCHEDULE_JOBS", "PENDING"),
        ("SCHEDULER", "UPDATE_JOB_STATUS", "QUEUED"),
        ("SCHEDULER", "SCHEDULE_JOBS", "PENDING"),
        ("SCHEDULER", "UPDATE_JOB_STATUS", "RUNNING"),
        ("SCHEDULER", "UPDATE_JOB_STATUS", "SUCCEEDED"),
    ]
    assert world.database.times_scheduled(job) == 2
    assert world.database.seconds_used() == 2.5
    assert not world.folder.job(job).log.exists()


def test_a_failure_is_in_the_log_and_the_event_comes_with_the_status(world: World) -> None:
    job = world.running()
    log = BoundedLog(world.folder.job(job).log, 1000)
    log.write(b"no line feed")
    log.close()
    assert world.lifecycle.fail(job, TOO_LONG)
    assert world.folder.job(job).log.read_text() == f"no line feed\n[PUBLIC] {TOO_LONG.message}\n"
    newest, error, *_ = world.database.events(job)
    assert (newest["event_type"], newest["data"]) == ("STATUS_CHANGE", {"status": "FAILED"})
    assert (error["event_type"], error["origin"], error["context"]) == ("ERROR", "SCHEDULER", "SEND_ERROR")
    assert error["data"] == {
        "code": "TIME_LIMIT",
        "message": f"{TOO_LONG.message}\nlast line",
        "exception": "GatewayError",
        "args": None,
    }


def test_an_error_of_the_function_itself_adds_no_event_and_no_line(world: World) -> None:
    job = world.running()
    assert world.lifecycle.fail(job, seconds=1.0)
    assert world.database.events(job, EventType.ERROR) == []
    assert not world.folder.job(job).log.exists()


def test_a_job_that_was_stopped_stays_so_and_is_charged(world: World) -> None:
    job = world.running()
    assert world.lifecycle.stop(job)
    assert not world.lifecycle.fail(job, TOO_LONG, seconds=3.0)
    assert not world.lifecycle.succeed(job)
    assert not world.lifecycle.stop(job)
    assert world.status(job) == JobStatus.STOPPED
    assert world.changes(job)[-1] == ("API", "STOP_JOB", "STOPPED")
    assert world.database.events(job, EventType.ERROR) == []
    assert world.database.seconds_used() == 3.0


def test_no_step_is_left_out(world: World) -> None:
    job = world.queued()
    assert not world.lifecycle.start(job)
    assert not world.lifecycle.put_back(job)
    assert world.lifecycle.schedule(job)
    assert not world.lifecycle.schedule(job)
    assert world.status(job) == JobStatus.PENDING


def test_a_job_over_the_limit_leaves_no_folder_behind(world: World) -> None:
    world.queued()
    program = world.database.put_program("mine", "", {})
    assert world.lifecycle.queue(program, str(uuid4()), "{}", most_active=1) is None
    assert len(list((world.folder.path / "jobs").iterdir())) == 1


def test_when_the_data_folder_is_gone_the_end_is_not_tried_again(world: World) -> None:
    job = world.running()
    patient = JobLifecycle(world.folder, world.database, patience=600)
    world.database.close()
    world.folder.database_file.unlink()
    with pytest.raises(EmbeddedGatewayError):
        patient.succeed(job)


def test_a_log_that_cannot_be_written_does_not_keep_a_job_from_failing(world: World) -> None:
    job = world.running()
    world.folder.job(job).log.mkdir()
    assert world.lifecycle.fail(job, TOO_LONG)
    assert world.status(job) == JobStatus.FAILED


@pytest.mark.parametrize("status", JobStatus)
def test_a_status_is_either_active_or_finished(status: JobStatus) -> None:
    assert status.is_active != status.is_finished
    assert status.is_active == (status in ACTIVE)


@pytest.mark.parametrize("code", FailureCode)
def test_each_code_is_documented(code: FailureCode) -> None:
    assert f"`{code}`" in DOCUMENTATION.read_text(encoding="utf-8")
