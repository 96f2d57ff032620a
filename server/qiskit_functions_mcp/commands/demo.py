"""``qiskit-functions-mcp demo``: show what an assistant does, on this machine alone.

It starts the server as any MCP client does, and uses nothing but MCP.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent

from qiskit_functions_core.platforms.local_packages import local_packages_notice

from ..settings import Settings
from .install.hosts import HOSTS

BACKEND = "fake_manila"

ANSATZ = """\
OPENQASM 3.0;
include "stdgates.inc";
input float[64] t0;
input float[64] t1;
input float[64] t2;
input float[64] t3;
qubit[2] q;
ry(t0) q[0];
ry(t1) q[1];
cx q[0], q[1];
ry(t2) q[0];
ry(t3) q[1];
"""

HYDROGEN = {
    "II": -1.052373245772859,
    "IZ": 0.39793742484318045,
    "ZI": -0.39793742484318045,
    "ZZ": -0.01128010425623538,
    "XX": 0.18093119978423156,
}
"""H2 at 0.735 Å (STO-3G, parity mapping, two qubits), in hartree without the nuclear repulsion."""

BELL = """\
OPENQASM 3.0;
include "stdgates.inc";
qubit[2] q;
bit[2] c;
h q[0];
cx q[0], q[1];
c = measure q;
"""

MAX_ERROR = 0.2
"""Hartree between the energy found and the exact one. What this noisy backend gives is well within it, and the state
that the optimiser starts from is not."""

_HOW_TO_ADD = """\
Add it to an assistant, one of {hosts}:
   {command} install claude-code
Then ask: "Run a VQE for the hydrogen molecule on a 5-qubit backend and tell me the energy."
"""


class DemoError(Exception):
    """A step did not end as expected."""


def main() -> int:
    """Run the demo and return the exit code: 0 only if every step succeeded."""
    if notice := local_packages_notice():
        say(notice)
        return 1
    failures: list[BaseException] = []
    try:
        anyio.run(_demo)
    except* (DemoError, MCPError, OSError) as group:  # the client's task groups wrap what a step raises
        failures = list(group.exceptions)
    if failures:
        error = failures[0]
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        say(f"\nThe demo failed: {error}")
        return 1
    say(_HOW_TO_ADD.format(command=Path(sys.argv[0]).absolute(), hosts=", ".join(HOSTS)))
    return 0


def say(text: str = "") -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


async def _demo() -> None:
    say("Starting the server over stdio, as an assistant does.")
    with tempfile.TemporaryFile("w+") as server_log:
        async with Client(stdio_client(_server(), errlog=server_log)) as client:
            demo = Demo(client, Progress(sys.stdout))
            await demo.list_functions()
            await demo.run_vqe()
            await demo.run_sampler()


def _server() -> StdioServerParameters:
    """Return the command of this installation's server, on this machine's gateway even if there is an account."""
    home = Settings().home
    arguments = ["--channel", "local", *(["--home", str(home)] if home else [])]
    return StdioServerParameters(command=sys.executable, args=["-m", "qiskit_functions_mcp", *arguments])


class Progress:
    """Shows progress as a bar on a terminal, and otherwise as a line for each change."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last = ""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        state = (message or "").partition(" after ")[0]
        if self._out.isatty():
            done = int(20 * progress / total) if total else 0
            self._out.write(f"\r\033[K   [{'█' * done}{'·' * (20 - done)}] {message}")
        elif state != self._last:
            self._out.write(f"   {message}\n")
        self._last = state
        self._out.flush()

    def done(self) -> None:
        """Remove the bar."""
        if self._out.isatty():
            self._out.write("\r\033[K")
        self._last = ""


class Demo:
    """The steps of the demo, each through the server's tools."""

    def __init__(self, client: Client, progress: Progress) -> None:
        self._client = client
        self._progress = progress

    async def list_functions(self) -> None:
        """Show the example functions."""
        listed = await self._call("list_functions", provider="examples")
        say("\nFunctions that are ready to run:")
        width = shutil.get_terminal_size().columns
        for function in listed["functions"]:
            line = f"   {function['name']:22} {function['description']}"
            say(line if len(line) <= width else f"{line[: width - 1]}…")

    async def run_vqe(self) -> None:
        """Run a VQE for the hydrogen molecule, and compare the energy with the exact one."""
        arguments = {
            "ansatz": {"$circuit": ANSATZ},
            "observable": {"$observable": HYDROGEN},
            "backend_name": BACKEND,
            "max_iterations": 25,
            "seed": 7,
        }
        say(f"\nMay examples/vqe run for the hydrogen molecule on {BACKEND}?")
        verdict = await self._call("check_run", function="examples/vqe", arguments=arguments)
        for check in verdict["checks"]:
            say(f"   {check['name']:10} {check['outcome']:8} {check['message']}")
        if not verdict["allowed"]:
            raise DemoError(f"the check refuses the run: {verdict}")
        job_id = await self._run("examples/vqe", arguments)
        energy = (await self._call("get_job_result", job_id=job_id, path="/energy"))["parts"][0]["value"]
        exact = (await self._call("get_job_result", job_id=job_id, path="/exact_energy"))["parts"][0]["value"]
        say(f"   energy   {energy:.4f} hartree, on a noisy backend")
        say(f"   exact    {exact:.4f} hartree")
        if abs(energy - exact) > MAX_ERROR:
            raise DemoError(f"the energy is more than {MAX_ERROR} hartree from the exact one")
        say("   the job's last log lines:")
        log = _text(await self._answer("get_job_logs", {"job_id": job_id, "tail_lines": 3}))
        say("\n".join(f"   | {line}" for line in log.splitlines()[1:]))

    async def run_sampler(self) -> None:
        """Measure a Bell state, and show the counts."""
        say(f"\nA Bell state, measured 2,000 times on {BACKEND}:")
        arguments = {"circuit": {"$circuit": BELL}, "shots": 2000, "backend_name": BACKEND}
        job_id = await self._run("examples/sampler", arguments)
        summary = await self._call("get_job_result", job_id=job_id)
        (registers,) = (part["registers"] for part in summary["parts"] if "registers" in part)
        for outcome in registers["c"]["top"]:
            say(f"   {outcome['bits']}  {outcome['count']:5.0f}  {'█' * round(40 * outcome['probability'])}")
        say()

    async def _run(self, function: str, arguments: dict[str, Any]) -> str:
        job = await self._call("run_function", function=function, arguments=arguments)
        say(f"   job {job['job_id']} of {function}")
        while job["status"] not in ("DONE", "ERROR", "CANCELED"):
            job = await self._call("wait_for_job", job_id=job["job_id"])
        self._progress.done()
        if job["status"] != "DONE":
            raise DemoError(f"the job ended as {job['status']}: {job.get('failure')}")
        return str(job["job_id"])

    async def _call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        answer = await self._answer(tool, arguments)
        if not isinstance(answer.structured_content, dict):
            raise DemoError(f"{tool} answered without data")
        return answer.structured_content

    async def _answer(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        answer = await self._client.call_tool(tool, arguments, progress_callback=self._progress)
        if answer.is_error:
            raise DemoError(f"{tool} answered: {_text(answer)}")
        return answer


def _text(answer: CallToolResult) -> str:
    return "\n".join(block.text for block in answer.content if isinstance(block, TextContent))
