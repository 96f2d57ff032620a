"""The memory of everything that three assistants start on one data folder, and how many processes that is.

    uv run benchmarks/footprint.py

Three servers start as hosts start them, list their tools, and ask for functions at the same moment; one runs a job, and
all three draw its result. Prints each figure beside its bound, in MiB; exits with 1 when one is missed. It takes over
a minute, because the workers have to become idle.

On Linux, memory that processes share, such as libraries, is divided among them (PSS), so that the figures add up to
what the machine needs. Elsewhere it is not counted (USS).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

# This folder comes first, and in it a file with the name of the package.
sys.path.pop(0)

import anyio
import anyio.to_thread
import psutil
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult

HOSTS = 3
MAX_SERVER, MAX_GATEWAY, MAX_WORKER, MAX_WARM_PARENT = 80, 80, 200, 220
IDLE_SECONDS = 90.0
"""By then the workers must have ended: they wait 60 s for another task."""

GATEWAY, WORKER = "qiskit_functions_gateway", "qiskit_functions_core.values.worker.process"
WARM_PARENT = "qiskit_functions_gateway.execution.warm_parent"
FUNCTION = "examples/sampler"
BELL = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q;'
ARGUMENTS = {"circuit": {"$circuit": BELL}, "backend_name": "fake_manila", "shots": 1000}

Figures = dict[str, tuple[float, float]]
"""By name: the figure, and the bound that it must not exceed."""


@asynccontextmanager
async def host(home: Path) -> AsyncIterator[Client]:
    """A client with a server of its own, as a host has one."""
    arguments = ["-m", "qiskit_functions_mcp", "--channel", "local", "--home", str(home), "--consent", "never"]
    parameters = StdioServerParameters(command=sys.executable, args=arguments)
    with tempfile.TemporaryFile("w+") as log:
        async with Client(stdio_client(parameters, errlog=log)) as client:
            yield client


async def call(client: Client, tool: str, **arguments: Any) -> CallToolResult:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer
    return answer


async def at_once(clients: Iterable[Client], tool: str, **arguments: Any) -> None:
    async with anyio.create_task_group() as group:
        for client in clients:
            group.start_soon(partial(call, client, tool, **arguments))


def mib(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        memory = process.memory_full_info()
        return float(getattr(memory, "pss", memory.uss) / 2**20)
    return 0.0


def running(program: str, home: Path) -> list[psutil.Process]:
    """The program's processes on a data folder, wherever they were started: they are not the children of one server."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command = process.cmdline()
            if program in command and str(home) in command:
                found.append(process)
    return found


def workers(servers: Iterable[psutil.Process]) -> list[psutil.Process]:
    found = []
    for child in [child for server in servers for child in server.children(recursive=True)]:
        with suppress(psutil.Error):
            found += [child] if WORKER in child.cmdline() else []
    return found


async def watch(servers: list[psutil.Process], most: list[float]) -> None:
    while True:
        most.append(max(map(mib, workers(servers)), default=0.0))
        await anyio.sleep(0.02)


async def measure(home: Path) -> Figures:
    figures: Figures = {}
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(host(home)) for _ in range(HOSTS)]
        servers = [process for process in psutil.Process().children() if "qiskit_functions_mcp" in process.cmdline()]
        assert len(servers) == HOSTS, servers
        for client in clients:
            await client.list_tools()
        figures["a server, started"] = (max(map(mib, servers)), MAX_SERVER)

        await at_once(clients, "list_functions")
        figures["gateways of one data folder"] = (len(running(GATEWAY, home)), 1)

        most: list[float] = []
        async with anyio.create_task_group() as watching:
            watching.start_soon(watch, servers, most)
            run = await call(clients[0], "run_function", function=FUNCTION, arguments=ARGUMENTS, wait_seconds=50)
            assert isinstance(run.structured_content, dict)
            await at_once(clients, "get_job_result", job_id=run.structured_content["job_id"], view="plot")
            watching.cancel_scope.cancel()
        assert max(most), "no worker was seen"
        figures["a worker"] = (max(most), MAX_WORKER)
        figures["the gateway, after a job"] = (max(map(mib, running(GATEWAY, home))), MAX_GATEWAY)

        idle = partial(psutil.wait_procs, workers(servers), timeout=IDLE_SECONDS)
        _, alive = await anyio.to_thread.run_sync(idle)
        figures["warm parents of one data folder"] = (len(running(WARM_PARENT, home)), 1)
        figures["the warm parent"] = (max(map(mib, running(WARM_PARENT, home)), default=0.0), MAX_WARM_PARENT)
        figures["idle workers"] = (len(alive), 0)
        figures["a server, after all that"] = (max(map(mib, servers)), MAX_SERVER)
    return figures


def main() -> int:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it, each start would compile what it imports
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        try:
            figures = anyio.run(measure, home)
        finally:
            for gateway in running(GATEWAY, home):  # it would wait ten minutes for others
                gateway.terminate()
                gateway.wait(10)
    for name, (figure, bound) in figures.items():
        print(f"{'ok    ' if figure <= bound else 'MISSED'} {name}: {figure:.0f}, at most {bound}")
    return 0 if all(figure <= bound for figure, bound in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
