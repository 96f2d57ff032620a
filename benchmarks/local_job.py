"""Jobs of this machine that start warm, against what a new interpreter cannot avoid.

    uv run benchmarks/local_job.py

Functions import qiskit_serverless, so ``python -c "import qiskit_serverless"`` is the unit. Everything is measured
through a server on stdio, in one run, so that only ratios count:

save    from run_function to the reply that says DONE, for a function that only saves a result: at most 0.15
Bell    the same for 1,000 shots through examples/sampler on fake_manila, with the result in the reply: at most 0.35
first   the first such call of a session, 10 s after its first tool call, against the third: at most 1.5
ten     ten such calls at once, against ten in turn, on two processors: at most 0.6

Prints the medians; exits with 1 if a ratio is larger.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

# This folder comes first, and in it a file with the name of the package.
sys.path.pop(0)

import anyio
from mcp import Client, StdioServerParameters

RUNS = 5
SESSIONS = 3
AT_ONCE = 10
BEFORE_THE_FIRST_SECONDS = 10.0
BOUNDS = {"save": 0.15, "Bell": 0.35, "first": 1.5, "ten": 0.6}

SOURCE = "from qiskit_serverless import save_result\nsave_result({'answer': 42})\n"
SAVE = {"function": "answer"}
CIRCUIT = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nh q[0];\ncx q[0], q[1];\n'
BELL = {
    "function": "examples/sampler",
    "arguments": {"circuit": {"$circuit": CIRCUIT}, "shots": 1000, "backend_name": "fake_manila"},
}


@asynccontextmanager
async def session(home: str) -> AsyncIterator[Client]:
    """A client of a new server, which has made its first tool call."""
    arguments = ["-m", "qiskit_functions_mcp", "--channel", "local", "--consent", "never", "--home", home]
    async with Client(
        StdioServerParameters(command=sys.executable, args=[*arguments, "--log-level", "ERROR"])
    ) as client:
        await client.call_tool("list_functions", {})
        yield client


async def run(client: Client, call: dict[str, Any]) -> float:
    """Seconds from the call of run_function to the reply that says DONE."""
    begun = time.perf_counter()
    answer = await client.call_tool("run_function", {**call, "wait_seconds": 50})
    seconds = time.perf_counter() - begun
    assert answer.structured_content and answer.structured_content["status"] == "DONE", answer
    return seconds


def import_once() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import qiskit_serverless"], check=True, capture_output=True)
    return time.perf_counter() - begun


async def all_at_once(client: Client) -> float:
    begun = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(AT_ONCE):
            group.start_soon(run, client, BELL)
    return time.perf_counter() - begun


async def measure(measured: dict[str, list[float]]) -> None:
    for _ in range(SESSIONS):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            async with session(home) as client:
                await anyio.sleep(BEFORE_THE_FIRST_SECONDS)
                calls = [await run(client, BELL) for _ in range(3)]
                measured["first"].append(calls[0] / calls[2])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        async with session(home) as client:
            uploaded = await client.call_tool("upload_function", {"title": "answer", "source": SOURCE})
            assert not uploaded.is_error, uploaded
            await anyio.sleep(BEFORE_THE_FIRST_SECONDS)
            await run(client, SAVE), await run(client, BELL), import_once()
            for _ in range(RUNS):
                unit = import_once()
                measured["import"].append(unit)
                for name, call in (("save", SAVE), ("Bell", BELL)):
                    seconds = await run(client, call)
                    measured[f"{name} seconds"].append(seconds)
                    measured[name].append(seconds / unit)
            for _ in range(SESSIONS):
                in_turn = sum([await run(client, BELL) for _ in range(AT_ONCE)])
                measured["ten"].append(await all_at_once(client) / in_turn)


def main() -> int:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it, each start would compile what it imports
    measured: dict[str, list[float]] = {name: [] for name in ("import", "save seconds", "Bell seconds", *BOUNDS)}
    anyio.run(measure, measured)
    medians = {name: statistics.median(values) for name, values in measured.items()}
    for name in ("import", "save seconds", "Bell seconds"):
        print(f"{name:12} {medians[name]:.2f} s")
    for name, bound in BOUNDS.items():
        print(
            f"{name:12} {medians[name]:.2f}, at most {bound}   ({', '.join(f'{each:.2f}' for each in measured[name])})"
        )
    return 0 if all(medians[name] <= bound for name, bound in BOUNDS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
