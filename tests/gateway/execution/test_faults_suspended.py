"""Processes that are suspended while they hold a lock: others do not wait for them."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from qiskit_functions_gateway.storage.data_folder import DataFolder
from qiskit_functions_gateway.storage.locks import Busy, locked
from support.gateways import SAVE, gateway_process, processes_about, speaking, supervisor_of, user_of


def test_a_lock_is_waited_for_as_long_as_one_says(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", timeout=0), pytest.raises(Busy), locked(tmp_path / "lock", timeout=0.05):
        pass
    with locked(tmp_path / "lock", timeout=0):
        pass


async def test_jobs_start_and_end_while_a_suspended_process_holds_the_lock_for_starting_jobs(home: Path) -> None:
    with gateway_process(home) as suspended:
        suspended.address()
        with locked(DataFolder(home).dispatch_lock, timeout=10):  # as it would
            suspended.process.send_signal(signal.SIGSTOP)
            async with user_of(home) as user:
                await user.upload("saves", SAVE)
                jobs = [await user.run("saves") for _ in range(3)]
                assert [await user.ended(job) for job in jobs] == ["SUCCEEDED"] * 3
        suspended.process.send_signal(signal.SIGCONT)


async def test_a_job_whose_supervisor_is_suspended_can_be_stopped(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("sleeps", "print('begun', flush=True)\nimport time; time.sleep(600)\n")
        job = await user.run("sleeps")
        await user.says(job, "begun")
        supervisor_of(home, job).suspend()
        await user.stop(job)
        assert await user.status(job) == "STOPPED"
        assert not processes_about(home)
        await user.upload("saves", SAVE)
        assert await user.ended(await user.run("saves")) == "SUCCEEDED"


async def test_a_gateway_ends_while_another_process_holds_the_lock_for_starting_jobs(home: Path) -> None:
    with gateway_process(home) as gateway:
        async with speaking(*gateway.address()) as user:
            await user.upload("saves", SAVE)
            with locked(DataFolder(home).dispatch_lock, timeout=10):
                job = await user.run("saves")
                gateway.close()
                assert gateway.process.returncode == 0
    async with user_of(home) as user:
        assert await user.ended(job) == "SUCCEEDED"
