"""What goes over the pipes of a server, line by line, where no client of the SDK stands between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

TASKS = "io.modelcontextprotocol/tasks"
WAITS = """\
import pathlib, time
gate = pathlib.Path({gate!r})
while not gate.exists():
    time.sleep(0.02)
"""


class Pipes:
    """A server's standard streams, spoken to in the stateless era."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin and process.stdout
        self.stdin, self.stdout = process.stdin, process.stdout

    def send(self, line: str) -> None:
        self.stdin.write(f"{line}\n")
        self.stdin.flush()

    def request(self, number: int, method: str, *, extensions: dict[str, Any], **params: Any) -> None:
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "pipes", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {"extensions": extensions},
        }
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, "_meta": meta}}
        self.send(json.dumps(message))

    def receive(self) -> dict[str, Any]:
        return dict(json.loads(self.stdout.readline()))

    def answer(self, number: int, method: str, *, extensions: dict[str, Any] | None = None, **params: Any) -> Any:
        self.request(number, method, extensions=extensions or {}, **params)
        while (message := self.receive()).get("id") != number:
            pass
        return message

    def call(self, number: int, tool: str, **arguments: Any) -> Any:
        return self.answer(number, "tools/call", name=tool, arguments=arguments)["result"]["structuredContent"]


@contextmanager
def pipes(home: Path) -> Iterator[Pipes]:
    with subprocess.Popen(
        [sys.executable, "-m", "qiskit_functions_mcp", "--channel", "local", "--home", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        env={**os.environ, "QISKIT_FUNCTIONS_CONSENT": "never"},
    ) as process:
        try:
            yield Pipes(process)
        finally:
            process.kill()


def call(number: int, arguments: str) -> str:
    return (
        f'{{"jsonrpc":"2.0","id":{number},"method":"tools/call",'
        f'"params":{{"name":"get_usage","arguments":{arguments}}}}}'
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipes]:
    """One server for all lines that are answered by themselves: none may keep it from answering the next."""
    with pipes(tmp_path_factory.mktemp("pipes") / "home") as opened:
        yield opened


def test_a_line_that_cannot_be_read_is_answered_with_an_error(server: Pipes) -> None:
    lines = {
        1: call(1, '{"a":' * 199 + "1" + "}" * 199),
        2: call(2, '{"a":"\\ud800"}'),
        3: call(3, '{"a":' + "9" * 6_000 + "}"),
        4: '{"jsonrpc":"2.0","id":4,"method":"tools/call"',
    }
    for number, line in lines.items():
        server.send(line)
        answer = server.receive()
        assert (answer["id"], answer["error"]["code"]) == (number, -32700)
    server.send('{"jsonrpc":"2.0","id":5}')
    assert server.receive()["error"]["code"] == -32600
    server.send("[]")
    assert server.receive()["id"] is None


@pytest.mark.parametrize("identifier", ["null", "true", "1e400", "1.5", "[[1]]", "{}"])
def test_a_request_whose_id_is_none_is_answered_with_an_error(server: Pipes, identifier: str) -> None:
    server.send(f'{{"jsonrpc":"2.0","id":{identifier},"method":"ping"}}')
    answer = server.receive()
    assert (answer["id"], answer["error"]["code"]) == (None, -32600)
    server.send('{"jsonrpc":"2.0","method":"notifications/initialized"}')
    assert server.answer(9, "tools/list")["id"] == 9


def test_nothing_is_answered_to_what_may_be_a_response_or_a_notification(server: Pipes) -> None:
    server.send('{"jsonrpc":"2.0","id":7,"result":"\\ud800"}')
    server.send('{"jsonrpc":"2.0","id":8,"result":3}')
    assert server.answer(9, "tools/list")["id"] == 9


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tasks/get", {"taskId": "x"}),
        ("tasks/cancel", {"taskId": "x"}),
        ("tasks/update", {"taskId": "x", "inputResponses": {}}),
        ("subscriptions/listen", {"notifications": {"taskIds": ["x"]}}),
    ],
)
def test_a_client_that_has_not_declared_tasks_is_told_which_extension_it_lacks(
    server: Pipes, method: str, params: dict[str, Any]
) -> None:
    error = server.answer(1, method, **params)["error"]
    assert error["code"] == -32021
    assert error["data"] == {"requiredCapabilities": {"extensions": {TASKS: {}}}}


def test_a_stream_tells_of_a_tasks_changes_and_of_its_result(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with pipes(tmp_path / "home") as server:
        server.call(1, "upload_function", title="waits", source=WAITS.format(gate=str(gate)))
        task_id = server.call(2, "run_function", function="waits")["job_id"]
        wanted = {"notifications": {"taskIds": [task_id, "nonsense"], "toolsListChanged": True}}
        server.request(3, "subscriptions/listen", extensions={TASKS: {}}, **wanted)
        acknowledged = server.receive()
        assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
        assert acknowledged["params"]["notifications"] == {"taskIds": [task_id]}
        gate.touch()
        while (task := server.receive()["params"])["status"] == "working":
            assert task["taskId"] == task_id
        assert (task["taskId"], task["status"]) == (task_id, "completed")
        assert task["result"]["structuredContent"]["status"] == "DONE"
        assert task["_meta"]["io.modelcontextprotocol/subscriptionId"] == 3


def test_answers_that_no_task_asked_for_are_acknowledged(tmp_path: Path) -> None:
    with pipes(tmp_path / "home") as server:
        server.call(1, "upload_function", title="quick", source="print(1)\n")
        task_id = server.call(2, "run_function", function="quick")["job_id"]
        params = {"taskId": task_id, "inputResponses": {"unknown": {"action": "accept"}}}
        answer = server.answer(3, "tasks/update", extensions={TASKS: {}}, **params)
        assert answer["result"]["resultType"] == "complete"


def test_the_lists_never_change_in_either_era(tmp_path: Path) -> None:
    with pipes(tmp_path / "home") as server:
        modern = server.answer(1, "server/discover")["result"]["capabilities"]
    with pipes(tmp_path / "home") as server:
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "pipes", "version": "1"}}
        server.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}))
        legacy = server.receive()["result"]["capabilities"]
    for capabilities in (modern, legacy):
        assert [capabilities[part]["listChanged"] for part in ("tools", "prompts", "resources")] == [False] * 3
        assert capabilities["resources"]["subscribe"] is True


def test_a_server_whose_host_is_gone_ends_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "qiskit_functions_mcp", "--channel", "local", "--home", str(tmp_path / "home")]
    read, write = os.pipe()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=write, stderr=subprocess.PIPE, text=True) as server:
        for end in (read, write):
            os.close(end)
        _, told = server.communicate('{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}}\n')
    assert (server.returncode, "Traceback" in told) == (0, False)
