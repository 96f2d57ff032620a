"""How a job's limits travel, and the end of its supervisor."""

from __future__ import annotations

from pathlib import Path

from qiskit_functions_gateway.execution.limits import Limits
from support.gateways import SAVE, WAIT, Gate, processes_about, supervisor_of, user_of


def test_limits_reach_a_supervisor_as_they_are() -> None:
    limits = Limits(seconds=90, memory_mb=512, log_mb=0.5)
    assert limits.log_bytes == 524_288
    assert Limits.from_argument(limits.as_argument()) == limits


async def test_a_supervisor_that_is_told_to_end_ends_its_job_and_starts_no_other(home: Path, gate: Gate) -> None:
    async with user_of(home, Limits(max_jobs=1)) as user:
        await user.upload("waits", SAVE + "print('saved', flush=True)\n" + WAIT, env_vars=gate.variables)
        job, next_job = await user.run("waits"), await user.run("waits")
        await user.says(job, "saved")
    # As all processes are when a machine shuts down.
    supervisor = supervisor_of(home, job)
    supervisor.terminate()
    supervisor.wait(30)
    assert processes_about(home) == []
    gate.open()
    async with user_of(home) as user:
        assert await user.status(job) == "FAILED"
        assert await user.errors(job) == ["ENDED"]
        assert await user.result(job) == {"saved": True}
        assert await user.ended(next_job) == "SUCCEEDED"
