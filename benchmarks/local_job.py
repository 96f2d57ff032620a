"""From run_function to DONE for a function that only saves a result, against what it cannot avoid.

    uv run benchmarks/local_job.py

The function imports qiskit_serverless, so ``python -c "import qiskit_serverless"`` is the floor. Prints
the medians and their ratio; the bound is 1.5.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time

# This folder comes first, and in it a file with the name of the package.
sys.path.pop(0)

import anyio
from mcp import Client, StdioServerParameters

RUNS = 5
MAX_RATIO = 1.5

SOURCE = "from qiskit_serverless import save_result\nsave_result({'answer': 42})\n"


async def run_once(client: Client) -> float:
    """Seconds from the call of run_function to the reply that says DONE."""
    begun = time.perf_counter()
    answer = await client.call_tool("run_function", {"function": "answer", "wait_seconds": 50})
    seconds = time.perf_counter() - begun
    assert answer.structured_content and answer.structured_content["status"] == "DONE", answer
    return seconds


def import_once() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import qiskit_serverless"], check=True, capture_output=True)
    return time.perf_counter() - begun


async def measure(home: str) -> list[tuple[float, float]]:
    arguments = ["-m", "qiskit_functions_mcp", "--channel", "local", "--consent", "never", "--home", home]
    async with Client(StdioServerParameters(command=sys.executable, args=arguments)) as client:
        uploaded = await client.call_tool("upload_function", {"title": "answer", "source": SOURCE})
        assert not uploaded.is_error, uploaded
        await run_once(client), import_once()  # byte-code and file caches
        return [(await run_once(client), import_once()) for _ in range(RUNS)]


def main() -> int:
    with tempfile.TemporaryDirectory() as home:
        pairs = anyio.run(measure, home)
    job, imported = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = statistics.median(done / floor for done, floor in pairs)
    print(f"run_function to DONE: {job:.2f} s, import of qiskit_serverless {imported:.2f} s, ratio {ratio:.2f}")
    return 0 if ratio <= MAX_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
