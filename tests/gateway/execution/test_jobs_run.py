"""Jobs as processes: they are seen, stopped, outlive their gateway, wait their turn, and run once."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, closing
from pathlib import Path

import anyio
import pytest

from qiskit_functions_gateway.execution.limits import Limits
from qiskit_functions_gateway.storage.data_folder import DataFolder
from qiskit_functions_gateway.storage.database import Database, JobFilter
from qiskit_functions_gateway.storage.job_states import ACTIVE
from support.gateways import (
    SAVE,
    WAIT,
    Gate,
    Ran,
    archive,
    assert_in_order,
    function_of,
    gateway_process,
    kill,
    processes_about,
    speaking,
    supervisor_of,
    user_of,
)
from support.serving import eventually

STUBBORN_FAMILY = """
import os, signal, subprocess, sys, time
ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('child', flush=True); signal.pause()"
subprocess.Popen([sys.executable, "-c", ignore])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stay = "import time; print('daemon', flush=True); time.sleep(600)"
        os.execve(sys.executable, [sys.executable, "-c", stay], {})
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("parent", flush=True)
time.sleep(600)
"""


async def test_a_traceback_names_the_functions_files_and_no_folder_of_this_machine(home: Path, tmp_path: Path) -> None:
    (link := tmp_path / "link").symlink_to(home)
    for place in (home, link):
        async with user_of(place) as user:
            await user.upload("fails", "def deep():\n    1 / 0\n\ndeep()\n")
            job = await user.run("fails")
            assert await user.ended(job) == "FAILED"
            log = await user.log(job)
        assert 'File "main.py", line 4, in <module>' in log
        assert str(home) not in log


async def test_a_log_is_readable_while_the_function_runs(home: Path, gate: Gate) -> None:
    async with user_of(home) as user:
        await user.upload(
            "talks", "print('first', end='', flush=True)\n" + WAIT + "print(' second')", env_vars=gate.variables
        )
        job = await user.run("talks")
        await user.says(job, "first")
        assert (await user.status(job), await user.log(job)) == ("RUNNING", "first")
        gate.open()
        assert await user.ended(job) == "SUCCEEDED"
        assert await user.log(job) == "first second\n"


async def test_a_stop_ends_the_whole_tree_also_what_ignores_it_and_what_left_it(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("family", STUBBORN_FAMILY)
        job = await user.run("family")
        for member in ("parent", "child", "daemon"):
            await user.says(job, member)
        members = supervisor_of(home, job).children(recursive=True)
        assert len([member for member in members if member.is_running()]) >= 3
        await user.stop(job)
        assert await user.status(job) == "STOPPED"
        assert not [member for member in members if member.is_running()]
        assert "daemon" in await user.log(job)


async def test_a_result_that_is_half_written_is_shown_neither_while_the_job_runs_nor_while_it_is_stopped(
    home: Path,
) -> None:
    source = (
        "import os, pathlib, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path(os.environ['RESULTS_PATH']).write_text('{\"half\": ')\n"
        "print('begun', flush=True)\ntime.sleep(600)\n"
    )
    async with user_of(home) as user:
        await user.upload("half", source)
        job = await user.run("half")
        await user.says(job, "begun")
        assert await user.result(job) is None
        async with anyio.create_task_group() as group:
            group.start_soon(user.stop, job)
            await user.becomes(job, "STOPPED")
            assert await user.result(job) is None
        assert await user.result(job) is None


async def test_an_entry_point_that_looks_like_an_option_is_a_script_all_the_same(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload_archive("dashing", archive({"-c.py": b"print('a script')\n"}), entrypoint="-c.py")
        job = await user.run("dashing")
        assert await user.ended(job) == "SUCCEEDED"
        assert "a script" in await user.log(job)


async def test_what_a_function_leaves_behind_is_ended_with_it(home: Path) -> None:
    async with user_of(home) as user:
        leaves = "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        await user.upload("leaves", leaves)
        assert await user.ended(await user.run("leaves")) == "SUCCEEDED"
        assert all("supervisor" in str(process.info["cmdline"]) for process in processes_about(home))


async def test_a_job_whose_supervisor_is_killed_has_failed_and_its_result_and_log_stay(home: Path) -> None:
    async with user_of(home) as user:
        marked_family = STUBBORN_FAMILY.replace(", {})", ", os.environ)")
        await user.upload("orphan", SAVE + "print('saved', flush=True)\n" + marked_family)
        job = await user.run("orphan")
        for member in ("saved", "child", "daemon", "parent"):
            await user.says(job, member)
        kill(supervisor_of(home, job))
        assert await user.ended(job) == "FAILED"
        assert await user.errors(job) == ["SUPERVISOR_DIED"]
        assert await user.result(job) == {"saved": True}
        log = await user.log(job)
        assert "saved\n" in log
        assert log.endswith("The job's supervisor died before the job had ended; the job was ended too.\n")


async def test_a_job_outlives_its_gateway_and_its_calls_home_are_answered(home: Path, gate: Gate) -> None:
    source = f"""{WAIT}
import json, os, urllib.request
job, host = os.environ["ENV_JOB_ID_GATEWAY"], os.environ["ENV_JOB_GATEWAY_HOST"]
def call(method, path, token, **body):
    request = urllib.request.Request(f"{{host}}/api/v1/jobs/{{path}}/", json.dumps(body).encode(), method=method)
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", f"Bearer {{token}}")
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code
token = os.environ["ENV_JOB_GATEWAY_TOKEN"]
print(call("PATCH", f"{{job}}/sub_status", token, sub_status="MAPPING"), flush=True)
print(call("PATCH", f"{{job}}/sub_status", "wrong", sub_status="EXECUTING_QPU"), flush=True)
{SAVE}"""
    async with user_of(home) as user:
        await user.upload("patient", source, env_vars=gate.variables)
        job = await user.run("patient")
        await user.becomes(job, "RUNNING")
    gate.open()
    await assert_in_order(home)
    async with user_of(home) as user:
        assert await user.status(job) == "SUCCEEDED"
        assert await user.log(job) == "200\n401\n"
        assert await user.result(job) == {"saved": True}
        events = (await user.http.get(f"/api/v1/jobs/{job}/events/")).json()
        sub_statuses = [event["data"] for event in events if event["event_type"] == "SUB_STATUS_CHANGE"]
        assert sub_statuses == [{"sub_status": "MAPPING"}]


async def test_the_queue_is_bounded_and_first_in_is_first_out(home: Path, tmp_path: Path, gate: Gate) -> None:
    async with user_of(home, Limits(max_jobs=1)) as user:
        order = Ran(tmp_path / "order")
        await user.upload("turns", order.source + WAIT, env_vars=gate.variables)
        jobs = [await user.run("turns") for _ in range(4)]
        await user.becomes(jobs[0], "RUNNING")
        assert [await user.status(job) for job in jobs[1:]] == ["QUEUED"] * 3

        async def one_supervises() -> bool:  # what it starts is its copy for a moment
            return len([p for p in processes_about(home) if "supervisor" in str(p.info["cmdline"])]) == 1

        await eventually(one_supervises)
        gate.open()
        assert [await user.ended(job) for job in jobs] == ["SUCCEEDED"] * 4
        assert order.jobs == jobs


async def test_two_gateways_on_one_folder_see_the_same_and_never_run_a_job_twice(home: Path, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        with gateway_process(home) as one, gateway_process(home) as other:  # both on a new folder
            users = [await stack.enter_async_context(speaking(*gateway.address())) for gateway in (one, other)]
            ran = Ran(tmp_path / "ran")
            await users[0].upload("once", ran.source)
            jobs = [await users[number % 2].run("once") for number in range(12)]
            assert [await users[number % 2].ended(job) for number, job in enumerate(jobs, 1)] == ["SUCCEEDED"] * 12
            assert sorted(ran.jobs) == sorted(jobs)


async def test_the_queue_of_a_killed_gateway_drains_without_any(home: Path, gate: Gate) -> None:
    with gateway_process(home) as gateway:
        async with speaking(*gateway.address()) as user:
            await user.upload("saves", WAIT + SAVE, env_vars=gate.variables)
            jobs = [await user.run("saves") for _ in range(5)]
            await user.becomes(jobs[0], "RUNNING")
        gateway.kill()
    gate.open()
    with closing(Database(DataFolder(home).database_file)) as database:

        async def drained() -> bool:
            return database.jobs_in(ACTIVE) == []

        await eventually(drained)
        _, rows = database.jobs(JobFilter(), limit=0, offset=0)
        assert {row.id: row.status for row in rows} == dict.fromkeys(jobs, "SUCCEEDED")
    assert all(DataFolder(home).job(job).result.exists() for job in jobs)


async def test_nothing_of_the_servers_environment_reaches_a_function(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "secret-token")
    monkeypatch.setenv("SOME_SERVICE_KEY", "secret-key")
    async with user_of(home) as user:
        await user.upload("shows", "import os\nfor name in sorted(os.environ): print(name, os.environ[name])\n")
        job = await user.run("shows")
        assert await user.ended(job) == "SUCCEEDED"
        log = await user.log(job)
        assert "secret" not in log
        given = {line.split(" ")[0] for line in log.splitlines()}
        assert {"DATA_PATH", "ARGUMENTS_PATH", "RESULTS_PATH", "ENV_JOB_GATEWAY_TOKEN"} <= given
        assert given <= {name for name in os.environ if name != "SOME_SERVICE_KEY"} | {
            "ARGUMENTS_PATH",
            "DATA_PATH",
            "RESULTS_PATH",
            "PYTHONUNBUFFERED",
            "ENV_ACCESS_TRIAL",
            "ENV_GATEWAY_PROVIDER_VERSION",
            "ENV_JOB_ARGUMENTS",
            "ENV_JOB_COMPUTE_PROFILE",
            "ENV_JOB_FUNCTION_SIZE",
            "ENV_JOB_GATEWAY_HOST",
            "ENV_JOB_GATEWAY_INSTANCE",
            "ENV_JOB_GATEWAY_TOKEN",
            "ENV_JOB_ID_GATEWAY",
            "QISKIT_IBM_CHANNEL",
            "QISKIT_IBM_INSTANCE",
            "QISKIT_IBM_URL",
            "LC_CTYPE",
        }


async def test_a_function_is_started_as_the_real_gateway_starts_it(home: Path) -> None:
    source = (
        "import json, os, pathlib, sys\n"
        "names = ('QISKIT_IBM_URL', 'QISKIT_IBM_INSTANCE', 'ENV_JOB_GATEWAY_INSTANCE', 'ENV_JOB_ARGUMENTS')\n"
        "told = {'argv': sys.argv, 'files': sorted(path.name for path in pathlib.Path().iterdir())}\n"
        "told.update({name: os.environ[name] for name in names})\n"
        "pathlib.Path(os.environ['RESULTS_PATH']).write_text(json.dumps(told))\n"
    )
    files = {"-odd.py": source.encode(), ".git/config": b"[core]", "./.git/HEAD": b"ref", ".gitignore": b"*"}
    async with user_of(home) as user:
        await user.upload_archive("shows", archive(files), entrypoint="-odd.py")
        jobs = [await user.run("shows")]
        user.http.headers["Service-CRN"] = "crn:v1:bluemix:public:quantum-computing:us-east:a/1:2::"
        jobs.append(await user.run("shows"))
        for job, instance in zip(jobs, ("local", user.http.headers["Service-CRN"]), strict=True):
            assert await user.ended(job) == "SUCCEEDED"
            assert await user.result(job) == {
                "argv": ["-odd.py"],
                "files": ["-odd.py", ".gitignore"],
                "QISKIT_IBM_URL": "https://cloud.ibm.com",
                "QISKIT_IBM_INSTANCE": instance,
                "ENV_JOB_GATEWAY_INSTANCE": instance,
                "ENV_JOB_ARGUMENTS": "{}",
            }


async def test_a_functions_time_is_booked(home: Path, gate: Gate) -> None:
    async with user_of(home) as user:
        await user.upload("works", "print('begun', flush=True)\n" + WAIT, env_vars=gate.variables)
        job = await user.run("works")
        await user.says(job, "begun")
        assert function_of(home, job).is_running()
        gate.open()
        await user.ended(job)
        usage = (await user.http.get("/api/v1/instances/usage")).json()
        assert usage["usage_consumed_seconds"] > 0
