"""Many calls that wait for one job poll the gateway as one call would."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
from mcp import Client

from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.settings import Settings
from support.fault_proxy import FaultProxy, running, say_nothing
from support.over_stdio import structured
from support.serving import eventually
from support.still_gateway import TOKEN, still_gateway

CROWD = 100


async def test_a_hundred_waits_for_one_job_poll_as_one_would(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QISKIT_FUNCTIONS_TOKEN", TOKEN)
    waiting, ended = set[int](), list[str]()
    with still_gateway(tmp_path) as gateway, running(proxy := FaultProxy(gateway.host)) as host:
        gateway.put_function("patient")
        alone, together = (gateway.put_job("patient", "", "RUNNING").id for _ in range(2))

        async def wait(number: int, job_id: str) -> None:
            async def hear(progress: float, total: float | None, message: str | None) -> None:
                waiting.add(number)

            answer = await client.call_tool("wait_for_job", {"job_id": job_id}, progress_callback=hear)
            ended.append(structured(answer)["status"])

        def asked(job_id: str) -> int:
            return sum(urlsplit(path).path.endswith(f"/jobs/{job_id}/") for _, path in proxy.seen)

        async with Client(build_server(Settings(host=host)), mode=mode) as client, anyio.create_task_group() as group:
            for number in range(CROWD):
                group.start_soon(wait, number, together)

            async def all_wait() -> bool:
                return len(waiting) == CROWD

            await eventually(all_wait)
            assert asked(together) < CROWD // 2
            # Who has come last asks most often, so the one is started after the many.
            before = asked(together)
            group.start_soon(wait, CROWD, alone)

            async def asked_for_a_while() -> bool:
                return asked(alone) >= 10

            await eventually(asked_for_a_while)
            # Two who share an answer take one that is half as old as they would ask again.
            assert asked(together) - before <= 2 * asked(alone)
            gateway.stop_all()
    assert ended == ["CANCELED"] * (CROWD + 1)


async def test_a_wait_that_ends_while_the_gateway_is_away_says_so(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QISKIT_FUNCTIONS_TOKEN", TOKEN)
    heard = list[str]()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        proxy.fault = say_nothing
        heard.append(message or "")

    with still_gateway(tmp_path) as gateway, running(proxy := FaultProxy(gateway.host)) as host:
        gateway.put_function("patient")
        job = {"job_id": gateway.put_job("patient", "", "RUNNING").id}
        async with Client(build_server(Settings(host=host)), mode=mode) as client:
            seen = structured(await client.call_tool("wait_for_job", {**job, "timeout_seconds": 0}))
            assert not seen["next_step"].startswith("The gateway has not answered")
            waited = structured(
                await client.call_tool("wait_for_job", {**job, "timeout_seconds": 6}, progress_callback=hear)
            )
    assert waited["status"] == "RUNNING"
    assert waited["next_step"].startswith("The gateway has not answered for ")
    assert "this is what it said before. It has not ended: call wait_for_job" in waited["next_step"]
    assert "no answer from the gateway for" in heard[-1]
