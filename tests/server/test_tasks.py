"""A job as a task of the Tasks extension, for clients that declare it, and for no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from mcp import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Request, RequestParams, Result
from pydantic import ConfigDict, Field

from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.settings import Settings
from support.gateways import served
from support.over_stdio import structured

GATED = """\
import pathlib, sys, time
gate = pathlib.Path({gate!r})
while not gate.exists():
    time.sleep(0.02)
sys.exit({code})
"""


class TaskResult(Result):
    """A task, as created or as polled."""

    model_config = ConfigDict(extra="allow")

    result_type: Literal["task"] = Field("task", alias="resultType")
    task_id: str = Field(alias="taskId")
    status: str


class Polled(TaskResult):
    result_type: Literal["complete"] = Field("complete", alias="resultType")  # type: ignore[assignment] # as on the wire
    result: dict[str, Any] | None = None


class Empty(Result):
    pass


class TaskParams(RequestParams):
    task_id: str = Field(alias="taskId", serialization_alias="taskId")


class Ask(Request[TaskParams, str]):
    pass


class Tasks(ClientExtension):
    """A client that records the tasks it was given, and does not wait for them."""

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self) -> None:
        self.given: list[TaskResult] = []

    def claims(self) -> list[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=TaskResult, resolve=self._resolve)]

    async def _resolve(self, task: TaskResult, _: ClaimContext) -> CallToolResult:
        self.given.append(task)
        return CallToolResult(content=[], structured_content={"function": "gated"})


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


@pytest.fixture
async def client(tmp_path: Path, tasks: Tasks) -> AsyncIterator[Client]:
    server = build_server(Settings(channel="local", home=tmp_path / "home", consent="never"))
    with served(tmp_path / "home"):
        async with Client(server, mode="auto", extensions=[tasks]) as opened:
            yield opened


async def start(client: Client, tasks: Tasks, gate: Path, code: int = 0) -> str:
    source = GATED.format(gate=str(gate), code=code)
    await client.call_tool("upload_function", {"title": "gated", "source": source})
    await client.call_tool("run_function", {"function": "gated"})
    return tasks.given[-1].task_id


async def poll(client: Client, task_id: str) -> Polled:
    task = await ask(client, "tasks/get", task_id, Polled)
    assert isinstance(task, Polled)
    return task


async def ask(client: Client, method: str, task_id: str, answer: type[Any]) -> Any:
    request = Ask(method=method, params=TaskParams(taskId=task_id))
    return await client.session.send_request(request, answer)


async def until_over(client: Client, task_id: str) -> Polled:
    with anyio.fail_after(60):
        while (task := await poll(client, task_id)).status == "working":
            await anyio.sleep(0.05)
    return task


async def test_a_run_is_a_task_under_the_jobs_own_id(client: Client, tasks: Tasks, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    task_id = await start(client, tasks, gate)
    assert structured(await client.call_tool("get_job", {"job_id": task_id}))["function"] == "gated"
    assert (await poll(client, task_id)).status == "working"
    gate.touch()
    over = await until_over(client, task_id)
    assert over.status == "completed"
    assert over.result is not None
    assert over.result["structuredContent"]["status"] == "DONE"


async def test_a_job_that_fails_is_a_task_that_completes_with_the_reason(
    client: Client, tasks: Tasks, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    task_id = await start(client, tasks, gate, code=3)
    gate.touch()
    over = await until_over(client, task_id)
    assert over.result is not None
    assert over.result["structuredContent"]["status"] == "ERROR"


async def test_a_task_that_is_cancelled_is_a_job_that_is_stopped(client: Client, tasks: Tasks, tmp_path: Path) -> None:
    task_id = await start(client, tasks, tmp_path / "gate")
    await ask(client, "tasks/cancel", task_id, Empty)
    assert (await poll(client, task_id)).status == "cancelled"
    assert structured(await client.call_tool("get_job", {"job_id": task_id}))["status"] == "CANCELED"


async def test_a_job_that_has_ended_is_answered_as_usual(client: Client, tasks: Tasks) -> None:
    await client.call_tool("upload_function", {"title": "quick", "source": "print(1)\n"})
    answer = await client.call_tool("run_function", {"function": "quick", "wait_seconds": 50})
    assert structured(answer)["status"] == "DONE"
    assert tasks.given == []


@pytest.mark.parametrize("task_id", ["nonsense", "00000000-0000-4000-8000-000000000000"])
@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel", "tasks/update"])
async def test_a_task_that_is_not_there_is_an_error(client: Client, method: str, task_id: str) -> None:
    with pytest.raises(MCPError):
        await ask(client, method, task_id, Empty)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_that_does_not_declare_tasks_gets_none(tmp_path: Path, mode: Literal["auto", "legacy"]) -> None:
    server = build_server(Settings(channel="local", home=tmp_path / "home", consent="never"))
    async with Client(server, mode=mode) as opened:
        await opened.call_tool("upload_function", {"title": "quick", "source": "print(1)\n"})
        answer = structured(await opened.call_tool("run_function", {"function": "quick"}))
        assert answer["job_id"]
        await opened.call_tool("wait_for_job", {"job_id": answer["job_id"]})


@pytest.mark.parametrize("settings", [{"read_only": True}, {"toolsets": ["platform"]}], ids=str)
async def test_a_server_that_may_not_stop_jobs_stops_no_tasks(
    client: Client, tasks: Tasks, tmp_path: Path, settings: dict[str, Any]
) -> None:
    task_id = await start(client, tasks, tmp_path / "gate")
    server = build_server(Settings(channel="local", home=tmp_path / "home", **settings))
    async with Client(server, mode="auto", extensions=[Tasks()]) as other:
        with pytest.raises(MCPError):
            await ask(other, "tasks/cancel", task_id, Empty)
    assert (await poll(client, task_id)).status == "working"
    await ask(client, "tasks/cancel", task_id, Empty)
