"""The guide to writing a function is what hosts attach, what the prompt carries, and true."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcp import Client
from mcp_types import TextContent, TextResourceContents

from qiskit_functions_core.preflight import MAX_ARGUMENTS_BYTES
from qiskit_functions_core.serverless.arguments_schema import MAX_ARGUMENTS_CHARACTERS
from qiskit_functions_core.serverless.artifact import MAX_BYTES
from qiskit_functions_mcp.app import TOOLSETS, build_server
from qiskit_functions_mcp.replies.guide import write_a_function_guide
from qiskit_functions_mcp.settings import Settings
from support.over_stdio import Assistant, assistant

GUIDE = write_a_function_guide()
FLAT = " ".join(GUIDE.split())

MOST_BYTES = 6_000
"""What an assistant may be given to read before it writes the first line."""

BELL = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1];'

PROBE = """
import os
import numpy as np
from pathlib import Path
from qiskit_serverless import get_arguments, get_logger, get_provider_logger, save_result

class Own:
    pass

print("a line for the author")
get_provider_logger().info("another one for the author")
get_logger().info("a line for users")
arguments = get_arguments()
Path(os.environ["DATA_PATH"], "kept.txt").write_text("kept")
refused = [save_result({"value": value}) for value in (np.bool_(True), Own())]
save_result({"types": {name: type(value).__name__ for name, value in arguments.items()}, "refused": refused})
"""


@pytest.fixture
async def person(tmp_path: Path) -> AsyncIterator[Assistant]:
    async with assistant(tmp_path / "home", QISKIT_FUNCTIONS_PROVIDERS="acme") as found:
        yield found


def literals() -> dict[str, tuple[Any, str]]:
    """Return each literal of the table and the type that it arrives as, by its tag."""
    rows = re.findall(r'^\| `(\{"\$(\w+)".*\})` \| `(?:\w+\.)?(\w+)` \|$', GUIDE, re.M)
    return {
        tag: (json.loads(text.replace("OPENQASM 3.0; …", json.dumps(BELL)[1:-1])), name) for text, tag, name in rows
    }


async def test_the_resource_and_the_prompt_carry_the_same_short_text(mode: str) -> None:
    assert len(GUIDE.encode()) < MOST_BYTES
    async with Client(build_server(Settings()), mode=mode) as client:
        (content,) = (await client.read_resource("qiskit-functions://guide/write-a-function")).contents
        (message,) = (await client.get_prompt("write_a_function", {"goal": "adds two numbers"})).messages
    assert isinstance(content, TextResourceContents)
    assert content.text == GUIDE
    assert isinstance(message.content, TextContent)
    assert message.content.text.startswith("Write a Qiskit Function for me: adds two numbers")
    assert message.content.text.endswith(GUIDE)


async def test_its_example_is_a_function_that_measures_and_one_that_fails_well(person: Assistant) -> None:
    (source,) = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.M | re.S)
    await person.ask("upload_function", title="example", source=source)
    job = await person.run("example", circuit={"$circuit": f"{BELL} c = measure q;"}, shots=500)
    assert job["status"] == "DONE"
    answer = await person.ask("get_job_result", job_id=job["job_id"], path="/counts")
    (counts,) = answer["parts"]
    assert "00" in json.dumps(counts)
    assert "INFO: depth" in await person.log(job["job_id"])
    failed = await person.run("example", circuit={"$circuit": BELL.replace("bit[2] c;", "")})
    assert (failed["status"], failed["failure"]["message"]) == (
        "ERROR",
        "[FUNCTION_FAILED] the circuit measures nothing",
    )


async def test_values_arrive_and_are_refused_and_lines_are_shown_as_it_says(person: Assistant, tmp_path: Path) -> None:
    (tmp_path / "c.qasm").write_text(BELL)
    (tmp_path / "v.json").write_text('{"a": [1, 2]}')
    np.save(tmp_path / "a.npy", np.eye(2))
    files = {"c.qasm": "QuantumCircuit", "a.npy": "ndarray", "v.json": "dict"}
    given = literals() | {name[0]: ({"$file": str(tmp_path / name)}, kind) for name, kind in files.items()}
    assert {"circuit", "observable", "array", "complex", "parameter_values"} < given.keys()
    await person.ask("upload_function", title="probe", provider="acme", source=PROBE)
    job = await person.run("acme/probe", **{name: literal for name, (literal, _) in given.items()})
    assert job["status"] == "DONE", job
    (content,) = (await person.client.read_resource(f"qiskit-functions://jobs/{job['job_id']}/result")).contents
    assert isinstance(content, TextResourceContents)
    result = json.loads(content.text)
    assert result == {"types": {name: kind for name, (_, kind) in given.items()}, "refused": [False, False]}
    assert "for the author" not in (shown := await person.log(job["job_id"]))
    assert "a line for users" in shown
    assert "another one for the author" in await person.log(job["job_id"], scope="provider")
    files_there = await person.ask("list_files", function="acme/probe")
    assert "kept.txt" in [file["name"] for file in files_there["files"]]


def test_its_limits_are_those_of_the_code() -> None:
    assert f"at most {MAX_ARGUMENTS_BYTES / 1e6:.2f} MB encoded" in FLAT
    assert f"{MAX_ARGUMENTS_CHARACTERS // 2**20} MiB for a function with an `arguments_schema`" in FLAT
    assert f"a `directory` (at most {MAX_BYTES // 2**20} MB)" in FLAT


def test_what_it_names_exists() -> None:
    from qiskit_serverless import Job  # 3 s

    states = re.findall(r"`(?:Job\.)?([A-Z]+(?:_[A-Z]+)+)`", GUIDE.partition("## Files")[0].partition("## Progress")[2])
    assert len(states) >= 4
    assert all(hasattr(Job, state) for state in states)
    tools = {spec.function.__name__ for specs in TOOLSETS.values() for spec in specs}
    named = set(re.findall(r"`((?:upload|run|check|get|list|download)_[a-z_]+)`", GUIDE)) - {
        "get_arguments",
        "get_logger",
        "get_provider_logger",
        "get_runtime_service",
    }
    assert {"upload_function", "run_function", "check_run", "list_files", "download_file"} <= named <= tools
