"""What the server adds to its core: time per call, requests to the gateway, calls in each other's way.

    uv run benchmarks/mcp.py

Prints the figures and their bounds; exits with 1 when one is missed.
"""

from __future__ import annotations

import logging
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

# This folder comes first, and in it this file, which has the name of the package.
sys.path.pop(0)

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult

from qiskit_functions_core import Account, FunctionsClient
from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.settings import Settings

CALLS = 200
MAX_OVERHEAD = 1.5
"""Times the call of an empty tool of a bare server of the same SDK."""

WAITS, SECONDS = 100, 5.0
MAX_REQUESTS = 2.0
"""Times those of a single wait, for 100 of one job: two who share an answer may take one half as old."""

BLOCKING, ROUNDS = 45, 11
MAX_DELAY_MS = 50.0

RESULT_BYTES = 6_000_000
JOB = "77d67d4f-dc19-4bc2-aa2b-7e83abdea163"

SAVES = f"""
import json, os, random
values = [random.random() for _ in range({RESULT_BYTES} // 20)]
with open(os.environ["RESULTS_PATH"], "w") as file:
    json.dump({{"energies": values, "padding": "x" * ({RESULT_BYTES} // 20)}}, file)
"""

OTHER_GATEWAY = f"""
import json, random, socket, sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

values = [random.random() for _ in range({RESULT_BYTES} // 20)]
text = json.dumps({{"energies": values, "padding": "x" * ({RESULT_BYTES} // 20)}})
envelope = json.dumps({{"result": text}}).encode()

async def result(request):
    if sys.argv[1] == "fleets":
        return RedirectResponse(f"http://{{request.headers['host']}}/store?X-Amz-Signature=0", 302)
    return Response(envelope, media_type="application/json")

async def store(request):
    return Response(text, media_type="application/json")

listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
routes = [Route("/api/v1/jobs/{{job_id}}/result/", result), Route("/store", store)]
uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="error")).run([listening])
"""
"""Answers a job's result as a gateway on Ray does, or as one on Fleets, which points to an object store."""

BARE = """
from mcp.server import MCPServer
server = MCPServer("bare")
@server.tool()
async def nothing() -> str:
    return ""
server.run("stdio")
"""


@asynccontextmanager
async def spoken_to(*arguments: str, env: dict[str, str] | None = None) -> AsyncIterator[Client]:
    """A client of a server that is a process of its own."""
    parameters = StdioServerParameters(command=sys.executable, args=list(arguments), env=env)
    with tempfile.TemporaryFile("w+") as log:
        async with Client(stdio_client(parameters, errlog=log)) as client:
            yield client


def ours(home: Path) -> tuple[str, ...]:
    return ("-m", "qiskit_functions_mcp", "--channel", "local", "--home", str(home), "--consent", "never")


async def milliseconds(call: Callable[[], Awaitable[Any]]) -> float:
    begun = time.perf_counter()
    await call()
    return (time.perf_counter() - begun) * 1000


async def call(client: Client, tool: str, **arguments: Any) -> CallToolResult:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer
    return answer


async def overhead(home: Path) -> bool:
    """get_usage through the server, less the same through the core, against an empty tool."""
    async with (
        spoken_to(*ours(home)) as server,
        spoken_to("-c", BARE) as bare,
        FunctionsClient(Account.local(), home=home) as core,
    ):
        calls = (lambda: call(server, "get_usage"), core.quota, lambda: call(bare, "nothing"))
        for each in calls:
            await each()  # connections, caches
        times = [[await milliseconds(each) for each in calls] for _ in range(CALLS)]
    whole, own, floor = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = (whole - own) / floor
    print(f"a call: {whole:.2f} ms, the core's part {own:.2f} ms, an empty tool {floor:.2f} ms")
    return verdict("overhead over the SDK's floor", ratio, MAX_OVERHEAD)


class Requests(logging.Handler):
    """Counts what the core says that it has sent."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())

    def about(self, job_id: str) -> int:
        return sum(text.startswith(f"GET jobs/{job_id}/:") for text in self.texts)


async def one_poller(home: Path) -> bool:
    """Requests to the gateway while one waits for a job, and while a hundred do."""
    counter, transport = Requests(), logging.getLogger("qiskit_functions_core.http.transport")
    transport.addHandler(counter)
    transport.setLevel(logging.DEBUG)
    transport.propagate = False
    logging.getLogger("qiskit_functions_mcp").setLevel(logging.WARNING)
    settings = Settings(channel="local", home=home, consent="never")
    async with Client(build_server(settings)) as client:
        await call(client, "upload_function", title="endless", source="import time\nwhile True: time.sleep(1)\n")
        counts = [await _requests(client, counter, waits) for waits in (1, WAITS)]
    print(f"requests in {SECONDS:g} s: {counts[0]} of one wait, {counts[1]} of {WAITS} for one job")
    return verdict("requests of many over those of one", counts[1] / counts[0], MAX_REQUESTS)


async def _requests(client: Client, counter: Requests, waits: int) -> int:
    job = (await call(client, "run_function", function="endless")).structured_content
    assert isinstance(job, dict)
    job_id = str(job["job_id"])

    async def wait() -> None:
        await call(client, "wait_for_job", job_id=job_id, timeout_seconds=SECONDS)

    async with anyio.create_task_group() as group:
        for _ in range(waits):
            group.start_soon(wait)
    count = counter.about(job_id)
    await call(client, "stop_job", job_id=job_id)
    return count


async def in_each_others_way(home: Path) -> bool:
    """A call that needs nothing, alone and beside 45 that wait for a gateway."""

    async def trivial() -> None:
        assert (await client.call_tool("get_job", {"job_id": "none"})).is_error

    # Only the kernel takes connections, and nothing answers: to accept them here would hold up what is measured.
    with socket.create_server(("127.0.0.1", 0), backlog=BLOCKING) as gateway:
        port = gateway.getsockname()[1]
        account = {"QISKIT_FUNCTIONS_HOST": f"http://127.0.0.1:{port}", "QISKIT_FUNCTIONS_TOKEN": "token"}
        async with spoken_to("-m", "qiskit_functions_mcp", "--home", str(home), env=account) as client:
            await trivial()
            alone = [await milliseconds(trivial) for _ in range(ROUNDS)]
            async with anyio.create_task_group() as blocked:
                for _ in range(BLOCKING):
                    blocked.start_soon(client.call_tool, "list_functions")
                await anyio.lowlevel.checkpoint()  # they begin before the calls that are measured
                beside = [await milliseconds(trivial) for _ in range(ROUNDS)]
                blocked.cancel_scope.cancel()
    least, most = statistics.median(alone), statistics.median(beside)
    print(f"a trivial call: {least:.1f} ms alone, {most:.1f} ms beside {BLOCKING}, {max(beside):.1f} ms at worst")
    return verdict("its delay in ms, at worst", max(beside) - least, MAX_DELAY_MS)


async def large_results(home: Path) -> bool:
    """A call that needs nothing, alone and beside 45 that read a result of 6 MB, from three kinds of gateway."""
    met = []
    async with spoken_to(*ours(home)) as client:
        await call(client, "upload_function", title="saves", source=SAVES)
        job = (await call(client, "run_function", function="saves", wait_seconds=50)).structured_content
        assert isinstance(job, dict)
        assert job["status"] == "DONE", job
        met.append(await _beside_results(client, str(job["job_id"]), "this machine's gateway"))
    for kind in ("ray", "fleets"):
        async with await anyio.open_process([sys.executable, "-c", OTHER_GATEWAY, kind], stderr=None) as gateway:
            try:
                assert gateway.stdout
                port = (await gateway.stdout.receive()).decode().strip()
                account = {"QISKIT_FUNCTIONS_HOST": f"http://127.0.0.1:{port}", "QISKIT_FUNCTIONS_TOKEN": "token"}
                async with spoken_to("-m", "qiskit_functions_mcp", "--home", str(home), env=account) as client:
                    met.append(await _beside_results(client, JOB, f"a gateway on {kind}"))
            finally:
                gateway.terminate()
    return all(met)


async def _beside_results(client: Client, job_id: str, whose: str) -> bool:
    async def trivial() -> None:
        assert (await client.call_tool("get_job", {"job_id": "none"})).is_error

    async def read() -> None:
        await call(client, "get_job_result", job_id=job_id)
        done.append(time.perf_counter() - begun)

    done: list[float] = []
    await trivial()
    alone = [await milliseconds(trivial) for _ in range(ROUNDS)]
    begun = time.perf_counter()
    async with anyio.create_task_group() as reading:
        for _ in range(BLOCKING):
            reading.start_soon(read)
        for _ in range(2):
            await trivial()  # comes after them, so that they are under way once it is answered
        beside = []
        for _ in range(ROUNDS):
            beside.append(await milliseconds(trivial))
            await anyio.sleep(0.2)  # so that some come while bodies arrive, and some while results are read
    most = max(beside)
    print(
        f"a trivial call: {statistics.median(alone):.1f} ms alone, {statistics.median(beside):.1f} ms beside "
        f"{BLOCKING} results of {RESULT_BYTES / 1e6:g} MB from {whose}, {most:.1f} ms at worst; "
        f"the first result after {done[0]:.1f} s, all after {done[-1]:.1f} s"
    )
    return verdict("its delay in ms, at worst", most - statistics.median(alone), MAX_DELAY_MS)


def verdict(name: str, figure: float, bound: float) -> bool:
    met = figure <= bound
    print(f"{'ok    ' if met else 'MISSED'} {name}: {figure:.2f}, at most {bound:g}\n")
    return met


async def measured() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        return all(
            [await measure(Path(folder)) for measure in (overhead, one_poller, in_each_others_way, large_results)]
        )


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it, each start would compile what it imports
    sys.exit(0 if anyio.run(measured) else 1)
