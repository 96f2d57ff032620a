"""A reply is never longer than the setting, whatever is in it, and says what it leaves out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult

from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.settings import Settings
from support.gateways import served
from support.over_stdio import structured, text_of

COLOURED = "\x1b[31m\x1b[1m\u202e'\"E\x1b[0m"
FAILS = f"""
print({COLOURED!r} * 20_000, flush=True)
raise ValueError({COLOURED!r} * 3_000)
"""
LONG_LINES = "for number in range(3000): print('x' * 100, number)\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("bounds") / "home"
    with served(home):
        yield home


@pytest.fixture(params=[2_000, 20_000])
async def client(request: pytest.FixtureRequest, home: Path, mode: str) -> AsyncIterator[tuple[Client, int]]:
    settings = Settings(channel="local", home=home, consent="never", reply_characters=request.param)
    async with Client(build_server(settings), mode=mode) as opened:
        yield opened, request.param


def checked(answer: CallToolResult, most: int) -> CallToolResult:
    assert len(text_of(answer)) <= most
    if answer.structured_content is not None:
        assert json.loads(text_of(answer)) == answer.structured_content
    return answer


async def test_what_a_failed_function_wrote_stays_in_its_bounds(client: tuple[Client, int]) -> None:
    opened, most = client
    description = "A sentence. " + COLOURED * 5_000
    schema = {"type": "object", "description": "s" * 30_000}
    upload = {"title": "fails", "source": FAILS, "description": description, "arguments_schema": schema}
    stored = checked(await opened.call_tool("upload_function", upload), most)
    assert structured(stored)["truncated"]
    shown = structured(checked(await opened.call_tool("get_function", {"function": "fails"}), most))
    assert "qiskit-functions://functions/fails" in shown["left_out"]
    (listed,) = structured(checked(await opened.call_tool("list_functions", {"kind": "own"}), most))["functions"]
    assert listed["name"] == "fails"
    job = checked(await opened.call_tool("run_function", {"function": "fails", "wait_seconds": 50}), most)
    assert structured(job)["truncated"], "the reply says that the failure was cut"
    job_id = structured(job)["job_id"]
    for tool in ("get_job", "wait_for_job", "stop_job", "get_job_logs"):
        checked(await opened.call_tool(tool, {"job_id": job_id}), most)
    events = await opened.call_tool("get_job", {"job_id": job_id, "include": ["events", "runtime_jobs"]})
    checked(events, most)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("get_function", {"function": "x y" * 30_000}),
        ("run_function", {"function": "examples/sampler", "arguments": {"$" + "x" * 50_000: 1}}),
        ("run_function", {"function": "examples/sampler", "arguments": {"backend_name": "b" * 50_000}}),
        ("check_run", {"function": "examples/sampler", "arguments": {"backend_name": COLOURED * 5_000}}),
        ("upload_function", {"title": "t" * 30_000, "source": "print(1)"}),
        ("delete_file", {"function": "examples/vqe", "name": "n" * 30_000}),
        ("list_functions", {"cursor": "9" * 5_000}),
        ("list_jobs", {"function": "f" * 5_000}),
        ("get_job", {"job_id": COLOURED * 1_000}),
        ("upload_file", {"function": "examples/vqe", "path": "p" * 30_000}),
        ("list_backends", {"name": "n" * 30_000}),
        ("no_such_tool" * 1_000, {}),
    ],
)
async def test_what_was_asked_is_not_repeated_at_length(
    client: tuple[Client, int], tool: str, arguments: dict[str, Any]
) -> None:
    opened, most = client
    answer = checked(await opened.call_tool(tool, arguments), most)
    if tool != "check_run":
        assert answer.is_error
        assert structured(answer)["code"] not in ("internal", "gateway_unreachable")


async def test_the_lines_that_a_log_lacks_are_counted_with_a_way_to_them(client: tuple[Client, int]) -> None:
    opened, most = client
    await opened.call_tool("upload_function", {"title": "long", "source": LONG_LINES})
    run = await opened.call_tool("run_function", {"function": "long", "wait_seconds": 50})
    job_id = structured(run)["job_id"]
    few = text_of(checked(await opened.call_tool("get_job_logs", {"job_id": job_id, "tail_lines": 3}), most))
    assert few.splitlines()[1:] == [f"{'x' * 100} {number}" for number in (2997, 2998, 2999)]
    assert "truncated: 2997 lines before these; tail_lines shows more" in few
    many = text_of(checked(await opened.call_tool("get_job_logs", {"job_id": job_id, "tail_lines": 10_000}), most))
    head, *lines = many.splitlines()
    assert f"truncated: {3000 - len(lines)} lines before these" in head
    assert f"qiskit-functions://jobs/{job_id}/logs" in head


async def test_every_part_of_a_short_list_can_be_reached(client: tuple[Client, int]) -> None:
    opened, _ = client
    source = (
        "import os, pathlib\npathlib.Path(os.environ['RESULTS_PATH']).write_text('{\"h\": [0, 1, 2, 3, 4, 5, 6]}')\n"
    )
    await opened.call_tool("upload_function", {"title": "short", "source": source})
    run = await opened.call_tool("run_function", {"function": "short", "wait_seconds": 50})
    seen: list[int] = []
    offset: int | None = 0
    while offset is not None:
        page = {"job_id": structured(run)["job_id"], "path": "/h", "offset": offset, "limit": 3}
        (part, *_) = structured(await opened.call_tool("get_job_result", page))["parts"]
        seen += part["value"]
        offset = part.get("next_offset")
    assert seen == list(range(7))
