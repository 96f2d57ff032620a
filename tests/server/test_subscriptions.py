"""A client that subscribed to a job is notified of its changes, whether or not a tool waits for it; in both eras."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourceUpdated
from mcp_types import ResourceUpdatedNotification

from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.settings import Settings
from qiskit_functions_mcp.subscriptions import MOST
from support.over_stdio import structured
from support.serving import eventually
from support.still_gateway import TOKEN, StillGateway, still_gateway

# Clients of the older era have nothing else.
pytestmark = pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed")

UNKNOWN_JOB = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StillGateway]:
    monkeypatch.setenv("QISKIT_FUNCTIONS_TOKEN", TOKEN)
    with still_gateway(tmp_path) as still:
        still.put_function("patient")
        yield still


@asynccontextmanager
async def told(host: str, mode: str, *uris: str) -> AsyncIterator[tuple[Client, MemoryObjectReceiveStream[str]]]:
    """A client that has subscribed to these, and what it hears."""
    send, heard = anyio.create_memory_object_stream[str](100)

    async def hear(message: Any) -> None:
        if mode == "legacy" and isinstance(message, ResourceUpdatedNotification):
            await send.send(str(message.params.uri))

    server = build_server(Settings(host=host))
    async with send, heard, Client(server, mode=mode, message_handler=hear) as client:
        if mode == "legacy":
            for uri in uris:
                await client.subscribe_resource(uri)
            yield client, heard
            return
        async with client.listen(resource_subscriptions=list(uris)) as changes, anyio.create_task_group() as group:

            async def pass_on() -> None:
                async for change in changes:
                    assert isinstance(change, ResourceUpdated)
                    await send.send(str(change.uri))

            group.start_soon(pass_on)
            yield client, heard
            group.cancel_scope.cancel()


def uri_of(job_id: str, part: str = "") -> str:
    return f"qiskit-functions://jobs/{job_id}{part}"


async def test_each_change_of_a_job_is_notified_once(gateway: StillGateway, mode: str) -> None:
    job, other = (gateway.put_job("patient", "", "RUNNING").id for _ in range(2))
    async with told(gateway.host, mode, uri_of(job)) as (_, heard):
        with anyio.fail_after(30):
            assert gateway.gateway.database.set_sub_status(job, "MAPPING")
            assert await heard.receive() == uri_of(job)
            assert gateway.gateway.database.set_sub_status(other, "MAPPING")
            gateway.stop_all()
            assert await heard.receive() == uri_of(job)
    assert heard.statistics().current_buffer_used == 0


async def test_a_jobs_log_and_result_change_with_it(gateway: StillGateway, mode: str) -> None:
    job = gateway.put_job("patient", "", "RUNNING").id
    uris = {uri_of(job, part) for part in ("", "/logs", "/result")}
    async with told(gateway.host, mode, *uris) as (_, heard):
        gateway.stop_all()
        with anyio.fail_after(30):
            assert {await heard.receive() for _ in uris} == uris


async def test_a_job_can_be_waited_for_and_subscribed_to_at_once(gateway: StillGateway, mode: str) -> None:
    job = gateway.put_job("patient", "", "RUNNING").id
    async with told(gateway.host, mode, uri_of(job)) as (client, heard), anyio.create_task_group() as group:
        group.start_soon(client.call_tool, "wait_for_job", {"job_id": job})
        gateway.stop_all()
        with anyio.fail_after(30):
            assert await heard.receive() == uri_of(job)


async def test_a_client_that_unsubscribed_is_not_notified(gateway: StillGateway) -> None:
    left, kept = (gateway.put_job("patient", "", "RUNNING").id for _ in range(2))
    async with told(gateway.host, "legacy", uri_of(left), uri_of(kept)) as (client, heard):
        await client.unsubscribe_resource(uri_of(left))
        await client.unsubscribe_resource(uri_of(left))  # which changes nothing
        gateway.stop_all()
        with anyio.fail_after(30):
            assert await heard.receive() == uri_of(kept)
    assert heard.statistics().current_buffer_used == 0


@pytest.mark.parametrize(
    "uri", [uri_of(UNKNOWN_JOB), uri_of("not-an-id"), "qiskit-functions://functions/patient", "file:///etc/passwd"]
)
async def test_what_never_changes_or_is_not_there_cannot_be_subscribed_to(
    gateway: StillGateway, mode: str, uri: str
) -> None:
    job = gateway.put_job("patient", "", "RUNNING").id
    if mode == "legacy":
        async with told(gateway.host, mode) as (client, _):
            with pytest.raises(MCPError):
                await client.subscribe_resource(uri)
        return
    async with told(gateway.host, mode, uri, uri_of(job)) as (_, heard):
        gateway.stop_all()
        with anyio.fail_after(30):
            assert await heard.receive() == uri_of(job)


async def test_one_client_has_no_more_subscriptions_than_it_may(gateway: StillGateway) -> None:
    jobs = [gateway.put_job("patient", "", "QUEUED").id for _ in range(MOST + 1)]
    async with told(gateway.host, "legacy", *map(uri_of, jobs[:-1])) as (client, _):
        await client.subscribe_resource(uri_of(jobs[0]))  # had already
        with pytest.raises(MCPError, match="more than"):
            await client.subscribe_resource(uri_of(jobs[-1]))


async def test_jobs_queued_one_after_another_have_each_their_place(gateway: StillGateway, mode: str) -> None:
    async with Client(build_server(Settings(host=gateway.host)), mode=mode) as client:
        places = []
        for _ in range(4):
            answer = await client.call_tool("run_function", {"function": "patient"})
            places.append(structured(answer)["queue_position"])
        gateway.stop_all()
    assert places == [1, 2, 3, 4]


async def test_a_wait_reports_the_place_in_the_queue(gateway: StillGateway, mode: str) -> None:
    first, second = (gateway.put_job("patient", "", "QUEUED").id for _ in range(2))
    heard = list[str]()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async with Client(build_server(Settings(host=gateway.host)), mode=mode) as client:
        jobs = [structured(await client.call_tool("get_job", {"job_id": job})) for job in (first, second)]

        async def wait() -> None:
            await client.call_tool("wait_for_job", {"job_id": second}, progress_callback=hear)

        async def is_reported() -> bool:
            return bool(heard)

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await eventually(is_reported)
            gateway.stop_all()
        over = structured(await client.call_tool("get_job", {"job_id": second}))
    assert [job["queue_position"] for job in jobs] == [1, 2]
    assert heard[0] == f"QUEUED, number 2 of your own after 0 s (job {second})"
    assert "queue_position" not in over
