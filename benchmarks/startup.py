"""From the start of the process to the reply to tools/list, against a bare server of the same SDK.

    uv run benchmarks/startup.py

Prints the medians and their ratio. The bound is 1.25 times the bare server, and 80 MiB.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import IO, Any

import psutil

RUNS = 9
MAX_RATIO, MAX_MIB = 1.25, 80

BARE = """
from mcp.server import MCPServer
server = MCPServer("bare")
@server.tool()
async def nothing() -> str:
    return ""
server.run("stdio")
"""

INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}


def start(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds until tools/list was answered, and MiB of resident memory then."""
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin and process.stdout
        _send(process.stdin, {"id": 1, "method": "initialize", "params": INITIALIZE})
        process.stdout.readline()
        _send(process.stdin, {"method": "notifications/initialized"})
        _send(process.stdin, {"id": 2, "method": "tools/list", "params": {}})
        answer = json.loads(process.stdout.readline())
        seconds = time.perf_counter() - begun
        assert answer["result"]["tools"], "no tools were listed"
        memory = psutil.Process(process.pid).memory_info().rss / 2**20
        process.stdin.close()
        process.wait(10)
    return seconds, memory


def _send(stdin: IO[bytes], message: dict[str, Any]) -> None:
    stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
    stdin.flush()


def main() -> int:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it, each start would compile what it imports
    ours, bare = ["-m", "qiskit_functions_mcp", "--channel", "local"], ["-c", BARE]
    start(ours), start(bare)  # byte-code and file caches
    pairs = [(start(ours), start(bare)) for _ in range(RUNS)]
    seconds = [statistics.median(pair[side][0] for pair in pairs) for side in (0, 1)]
    ratio = statistics.median(own[0] / other[0] for own, other in pairs)
    memory = max(own[1] for own, _ in pairs)
    print(f"start to tools/list: {seconds[0]:.2f} s, bare server {seconds[1]:.2f} s, ratio {ratio:.2f}")
    print(f"memory: {memory:.0f} MiB")
    return 0 if ratio <= MAX_RATIO and memory <= MAX_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
