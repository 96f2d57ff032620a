"""MCP client, stdio, server, core, pre-flight, gateway, process, and back; in both protocol eras."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.over_stdio import Assistant, assistant
from support.programs import end_gateways
from support.serving import eventually

ECHO = """\
from qiskit_serverless import get_arguments, get_logger, save_result, update_status

arguments = get_arguments()
update_status("POST_PROCESSING")
get_logger().info("echoing %s", sorted(arguments))
print("a bare line")
save_result({"echo": arguments})
"""

SCHEMA = {"type": "object", "required": ["shots"], "properties": {"shots": {"type": "integer", "minimum": 1}}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for the module: each server here finds what the ones before left."""
    return tmp_path_factory.mktemp("whole-way") / "home"


@pytest.fixture(scope="module", params=["auto", "legacy"])
async def user(request: pytest.FixtureRequest, home: Path) -> AsyncIterator[Assistant]:
    async with assistant(home, request.param) as someone:
        yield someone


async def test_a_function_is_uploaded_run_followed_and_read(user: Assistant) -> None:
    stored = await user.ask(
        "upload_function", title="echo", source=ECHO, description="Echoes.", arguments_schema=SCHEMA
    )
    assert (stored["name"], stored["arguments_schema"]) == ("echo", SCHEMA)
    listed = await user.ask("list_functions", query="echoes")
    assert [function["name"] for function in listed["functions"]] == ["echo"]

    verdict = await user.ask("check_run", function="echo", arguments={"shots": 3})
    assert verdict["allowed"]
    before = await user.job_count()
    job = await user.run("echo", shots=3)
    assert (job["status"], job["function"]) == ("DONE", "echo")
    assert user.heard, "progress is reported on the way"
    assert await user.job_count() == before + 1

    result = await user.ask("get_job_result", job_id=job["job_id"], path="/echo/shots")
    assert result["parts"][0]["value"] == 3
    log = await user.log(job["job_id"])
    assert "INFO: echoing ['shots']" in log
    assert "a bare line" in log
    assert "a bare line" not in await user.log(job["job_id"], exclude="bare")


async def test_the_ready_made_functions_are_there_and_a_circuit_goes_in_as_openqasm(user: Assistant) -> None:
    listed = await user.ask("list_functions", provider="examples")
    assert [f["name"] for f in listed["functions"]] == [
        "examples/estimator",
        "examples/qaoa-maxcut",
        "examples/sampler",
        "examples/transpiler",
        "examples/vqe",
    ]
    circuit = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q;'
    job = await user.run("examples/sampler", circuit={"$circuit": circuit}, shots=500, backend_name="fake_manila")
    assert job["status"] == "DONE", job
    counts = await user.ask("get_job_result", job_id=job["job_id"])
    assert "fake_manila" in str(counts)
    assert '"shots": 500' in str(counts).replace("'", '"')


async def test_a_long_job_is_stopped_and_its_log_stays(user: Assistant) -> None:
    source = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(1)\n"
    await user.ask("upload_function", title="endless", source=source)
    job_id = (await user.ask("run_function", function="endless"))["job_id"]

    async def begun() -> bool:
        return "begun" in await user.log(job_id)

    await eventually(begun)
    still = await user.ask("wait_for_job", job_id=job_id, timeout_seconds=0.2)
    assert still["status"] == "RUNNING"
    assert "Do not run the function again" in still["next_step"]
    stopped = await user.ask("stop_job", job_id=job_id)
    assert (stopped["status"], stopped["log_tail"]) == ("CANCELED", "begun\nThe job was stopped.")
    assert "begun" in await user.log(job_id)


async def test_a_function_that_raises_says_why(user: Assistant) -> None:
    await user.ask(
        "upload_function", title="raises", source="qubits = 5\nraise ValueError('six qubits are too many')\n"
    )
    job = await user.run("raises")
    assert job["status"] == "ERROR"
    assert "ValueError: six qubits are too many" in job["failure"]["message"]
    again = await user.ask("get_job", job_id=job["job_id"], include=["events"])
    assert again["failure"] == job["failure"]
    assert again["events"][0]["type"] == "STATUS_CHANGE"
    error = await user.refused("get_job_result", job_id=job["job_id"])
    assert error["code"] == "result_not_ready"


async def test_a_function_that_never_saves_is_done_without_a_result(user: Assistant) -> None:
    await user.ask("upload_function", title="saves-nothing", source="print('done')\n")
    job = await user.run("saves-nothing")
    assert job["status"] == "DONE"
    error = await user.refused("get_job_result", job_id=job["job_id"])
    assert "ended without saving one" in error["message"]
    assert "save_result()" in error["next_step"]


async def test_what_cannot_run_is_refused_clearly_and_nothing_is_submitted(user: Assistant) -> None:
    await user.ask("upload_function", title="picky", source=ECHO, arguments_schema=SCHEMA)
    before = await user.job_count()

    unknown = await user.refused("run_function", function="no-such-function")
    assert unknown["code"] == "not_found"
    assert "no-such-function" in unknown["message"]

    broken = {"circuit": {"$circuit": 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nfrobnicate q[0];'}}
    qasm = await user.refused("run_function", function="picky", arguments=broken)
    assert qasm["code"] == "invalid_literal"
    assert "/circuit" in qasm["message"]
    assert "line 4" in qasm["message"]

    schema = await user.refused("run_function", function="picky", arguments={"shots": "many"})
    assert schema["code"] == "invalid_arguments"
    assert "/shots" in schema["message"]

    backend = await user.refused(
        "run_function", function="picky", arguments={"shots": 1, "backend_name": "ibm_atlantis"}
    )
    assert (backend["code"], backend["reason"]) == ("preflight_refused", "backend_not_accessible")
    assert "ibm_atlantis" in backend["message"]

    for error in (unknown, qasm, schema, backend):
        assert error["submitted"] == "no"
        assert error["next_step"]
    assert await user.job_count() == before


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_used_up_quota_refuses_and_a_low_one_warns(tmp_path: Path, mode: str) -> None:
    home = tmp_path / "home"
    async with assistant(home, mode, QISKIT_FUNCTIONS_LOCAL_USAGE_LIMIT_SECONDS="300") as user:
        await user.ask("upload_function", title="quick", source="print('quick')\n")
        job = await user.run("quick")
        assert job["status"] == "DONE"
        assert "s of quota left" in job["warnings"][0]
        assert (await user.ask("get_usage"))["consumed_seconds"] > 0
    end_gateways([home])  # while it runs, its own limit holds
    async with assistant(home, mode, QISKIT_FUNCTIONS_LOCAL_USAGE_LIMIT_SECONDS="0") as user:
        before = await user.job_count()
        error = await user.refused("run_function", function="quick")
        assert error["reason"] == "quota_exhausted"
        assert error["submitted"] == "no"
        assert not (await user.ask("check_run", function="quick"))["allowed"]
        assert (await user.ask("get_usage"))["standing"] == "refused"
        assert await user.job_count() == before


async def test_a_job_outlives_the_server_that_started_it(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    source = (
        "import pathlib, time\nfrom qiskit_serverless import get_arguments, save_result\n"
        "gate = pathlib.Path(get_arguments()['gate'])\nwhile not gate.exists(): time.sleep(0.05)\n"
        "save_result({'outlived': True})\n"
    )
    async with assistant(tmp_path / "home") as first:
        await first.ask("upload_function", title="patient", source=source)
        job_id = (await first.ask("run_function", function="patient", arguments={"gate": str(gate)}))["job_id"]
    gate.touch()
    async with assistant(tmp_path / "home") as second:
        job = await second.ask("wait_for_job", job_id=job_id)
        assert job["status"] == "DONE"
        result = await second.ask("get_job_result", job_id=job_id, path="/outlived")
        assert result["parts"][0]["value"] is True
