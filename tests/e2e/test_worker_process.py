"""The server's own process stays free of Qiskit and NumPy, whatever its tools do with values."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from support.over_stdio import assistant

SAVES = """
import json, os
from qiskit_ibm_runtime import RuntimeEncoder
from qiskit_serverless import get_arguments, save_result
save_result({"circuit": get_arguments()["circuit"], "padding": "x" * 1_000_000})
"""
NATIVE = ("_accelerate", "_multiarray_umath", "_rustworkx", "ft2font")
"""Libraries that Qiskit, NumPy, rustworkx and matplotlib load."""


@pytest.mark.skipif(sys.platform == "win32", reason="no maps of another process")
async def test_a_server_that_encodes_summarises_draws_and_saves_loads_neither_qiskit_nor_numpy(tmp_path: Path) -> None:
    async with assistant(tmp_path / "home") as model:
        await model.ask("upload_function", title="saves", source=SAVES)
        circuit = {"$circuit": "OPENQASM 3.0; include 'stdgates.inc'; qubit[2] q; h q[0]; cx q[0], q[1];"}
        job = await model.run("saves", circuit=circuit)
        assert job["status"] == "DONE"
        named = {"job_id": job["job_id"], "path": "/circuit"}
        drawn = await model.call("get_job_result", **named, view="plot")
        assert [block.type for block in drawn.content] == ["text", "image"]
        saved = await model.ask("save_job_result", **named, to=str(tmp_path / "circuit.qpy"))
        assert "circuit.qpy" in saved["saved"]

        servers = [each for each in psutil.Process().children() if "qiskit_functions_mcp" in " ".join(each.cmdline())]
        (server,) = [each for each in servers if "--allow-dir" in each.cmdline()]
        assert _native(server) == []
        workers = [each for each in server.children() if "values.worker" in " ".join(each.cmdline())]
        assert len(workers) == 1
        assert _native(workers[0]), "the worker process has them"


def _native(process: psutil.Process) -> list[str]:
    return [each.path for each in process.memory_maps() if any(name in each.path for name in NATIVE)]
