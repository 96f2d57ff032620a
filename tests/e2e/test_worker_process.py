"""The server's own process stays free of Qiskit and NumPy, whatever its tools do with values."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from support.over_stdio import IDLE, Assistant
from support.programs import command_of

SAVES = """
import json, os
from qiskit_ibm_runtime import RuntimeEncoder
from qiskit_serverless import get_arguments, save_result
save_result({"circuit": get_arguments()["circuit"], "padding": "x" * 1_000_000})
"""
NATIVE = ("_accelerate", "_multiarray_umath", "_rustworkx", "ft2font")
"""Libraries that Qiskit, NumPy, rustworkx and matplotlib load."""

SERVE_THEN_TELL = """
import pathlib, sys
from qiskit_functions_mcp.commands.cli import main
main(sys.argv[1:])
print(pathlib.Path("/proc/self/maps").read_text(), file=sys.stderr)
"""
"""The server hides its memory from other processes."""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
async def test_a_server_that_encodes_summarises_draws_and_saves_loads_neither_qiskit_nor_numpy(tmp_path: Path) -> None:
    log = tmp_path / "stderr.txt"
    flags = ["--channel", "local", "--home", str(tmp_path / "home"), "--allow-dir", str(tmp_path), "--consent", "never"]
    server = StdioServerParameters(
        command=sys.executable, args=["-c", SERVE_THEN_TELL, *flags], env={IDLE: os.environ[IDLE]}
    )
    with log.open("w") as errlog:
        async with Client(stdio_client(server, errlog=errlog)) as client:
            model = Assistant(client)
            await model.ask("upload_function", title="saves", source=SAVES)
            circuit = {"$circuit": "OPENQASM 3.0; include 'stdgates.inc'; qubit[2] q; h q[0]; cx q[0], q[1];"}
            job = await model.run("saves", circuit=circuit)
            assert job["status"] == "DONE"
            named = {"job_id": job["job_id"], "path": "/circuit"}
            drawn = await model.call("get_job_result", **named, view="plot")
            assert [block.type for block in drawn.content] == ["text", "image"]
            saved = await model.ask("save_job_result", **named, to=str(tmp_path / "circuit.qpy"))
            assert "circuit.qpy" in saved["saved"]

            everything = psutil.Process().children(recursive=True)
            (worker,) = [each for each in everything if "values.worker" in command_of(each)]
            assert _native(each.path for each in worker.memory_maps()), "the worker process has them"
    maps = log.read_text()
    assert "[stack]" in maps, "the server told what it had loaded"
    assert _native(maps.splitlines()) == []


def _native(loaded: Iterable[str]) -> list[str]:
    return [line for line in loaded if any(name in line for name in NATIVE)]
