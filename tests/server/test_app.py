"""Around a call: its line in the log, its cancellation, and tools that the server does not offer."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import anyio
import pytest
from mcp import Client

from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.commands.logging_setup import JsonFormatter
from qiskit_functions_mcp.settings import Settings
from support.over_stdio import structured
from support.serving import eventually

SLEEPS = "import time\ntime.sleep(600)\n"


async def test_a_call_is_one_line_with_tool_outcome_duration_and_job_and_no_arguments(
    tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "qiskit_functions_mcp")
    server = build_server(Settings(channel="local", home=tmp_path, consent="never"))
    async with Client(server, mode=mode) as client:
        await client.call_tool("upload_function", {"title": "f", "source": "print('the-argument')"})
        job = structured(await client.call_tool("run_function", {"function": "f", "arguments": {"x": "the-argument"}}))
        await client.call_tool("get_job", {"job_id": "the-argument"})
    lines = [record for record in caplog.records if record.name == "qiskit_functions_mcp.app"]
    texts = [re.sub(r"\d+ ms", "… ms", record.getMessage()) for record in lines]
    assert texts == [
        "upload_function ok in … ms",
        f"run_function ok in … ms, job {job['job_id']}",
        "get_job invalid_input in … ms",
    ]
    written = [json.loads(JsonFormatter().format(record)) for record in lines]
    assert [(line["tool"], line["outcome"], line["job_id"]) for line in written] == [
        ("upload_function", "ok", None),
        ("run_function", "ok", job["job_id"]),
        ("get_job", "invalid_input", None),
    ]
    assert "the-argument" not in f"{texts} {written}"


@pytest.mark.parametrize("tool", ["run_function", "wait_for_job"])
async def test_a_call_that_is_cancelled_leaves_the_job_and_has_reported_its_id(
    tmp_path: Path, mode: str, tool: str
) -> None:
    heard: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async def is_reported() -> bool:
        return bool(heard)

    server = build_server(Settings(channel="local", home=tmp_path, consent="never"))
    async with Client(server, mode=mode) as client:
        await client.call_tool("upload_function", {"title": "sleeps", "source": SLEEPS})
        arguments: dict[str, object] = {"function": "sleeps", "wait_seconds": 50}
        if tool == "wait_for_job":
            arguments = {"job_id": structured(await client.call_tool("run_function", {"function": "sleeps"}))["job_id"]}

        async def call() -> None:
            await client.call_tool(tool, arguments, progress_callback=hear)

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await eventually(is_reported)
            group.cancel_scope.cancel()
        (job,) = structured(await client.call_tool("list_jobs", {}))["jobs"]
        assert job["status"] in ("QUEUED", "INITIALIZING", "RUNNING")
        assert f"(job {job['job_id']})" in heard[0]
        await client.call_tool("stop_job", {"job_id": job["job_id"]})


async def test_a_tool_that_is_not_offered_gets_another_error_than_one_that_does_not_exist(mode: str) -> None:
    async with Client(build_server(Settings(read_only=True)), mode=mode) as client:
        hidden = structured(await client.call_tool("run_function", {"function": "f"}))
        misspelt = structured(await client.call_tool("get_jobb", {}))
    assert "read-only" in hidden["message"]
    assert "Did you mean 'get_job'" in misspelt["next_step"]


async def test_a_bad_dependency_a_schema_and_variables_can_be_taken_back(tmp_path: Path, mode: str) -> None:
    server = build_server(Settings(channel="local", home=tmp_path, consent="never"))
    wrong = {
        "dependencies": ["nosuchpackage-xyz==1.0"],
        "arguments_schema": {"required": ["x"]},
        "env_vars": {"A": "1"},
    }
    async with Client(server, mode=mode) as client:
        upload = {"title": "f", "source": "import os\nassert 'A' not in os.environ\n"}
        await client.call_tool("upload_function", {**upload, **wrong})
        kept = structured(await client.call_tool("upload_function", upload))
        assert kept["dependencies"] == wrong["dependencies"]
        assert kept["arguments_schema"] == wrong["arguments_schema"]
        corrected = {**upload, "clear": ["dependencies", "arguments_schema", "env_vars"]}
        stored = structured(await client.call_tool("upload_function", corrected))
        assert not {"dependencies", "arguments_schema"} & stored.keys()
        run = structured(await client.call_tool("run_function", {"function": "f", "wait_seconds": 50}))
    assert run["status"] == "DONE"


async def test_an_error_that_only_a_person_can_end_names_the_commands_for_it(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where no account is saved
    async with Client(build_server(Settings(channel="ibm_quantum_platform", home=tmp_path)), mode=mode) as client:
        error = structured(await client.call_tool("get_usage", {}))
    assert (error["code"], error["person"]) == ("account", True)
    assert "`qiskit-functions-mcp login`" in error["next_step"]
    assert "`qiskit-functions-mcp doctor`" in error["next_step"]
    unsafe = build_server(Settings(channel="local", home=tmp_path / "open"))
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    async with Client(unsafe, mode=mode) as client:
        error = structured(await client.call_tool("list_functions", {}))
    assert error["code"] == "embedded_gateway"
    assert "`qiskit-functions-mcp doctor`" in error["next_step"]
