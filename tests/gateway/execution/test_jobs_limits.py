"""Where a job's limits come from, and the end of its supervisor."""

from __future__ import annotations

from pathlib import Path

import pytest

from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_gateway.execution.limits import Limits
from qiskit_functions_gateway.server import EmbeddedGateway
from support.gateways import SAVE, WAIT, Gate, processes_about, speaking, supervisor_of, user_of


def test_limits_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Limits.from_environment().seconds, Limits.from_environment().log_mb) == (None, 50)
    for name, value in (("SECONDS", "90"), ("MEMORY_MB", "512"), ("LOG_MB", "0.5")):
        monkeypatch.setenv(f"QISKIT_FUNCTIONS_JOB_{name}", value)
    limits = Limits.from_environment()
    assert (limits.seconds, limits.memory_mb, limits.log_bytes) == (90, 512, 524_288)
    assert Limits.from_argument(limits.as_argument()) == limits


@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "inf"])
def test_what_is_no_limit_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("QISKIT_FUNCTIONS_JOB_SECONDS", value)
    with pytest.raises(EmbeddedGatewayError, match="QISKIT_FUNCTIONS_JOB_SECONDS"):
        Limits.from_environment()


async def test_a_gateway_takes_the_limits_of_its_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QISKIT_FUNCTIONS_JOB_SECONDS", "0.3")
    async with EmbeddedGateway(home) as gateway, speaking(gateway.host, gateway.token) as user:
        await user.upload("slow", "import time; time.sleep(600)\n")
        job = await user.run("slow")
        assert await user.ended(job) == "FAILED"
        assert await user.errors(job) == ["TIME_LIMIT"]


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
