"""The client core without the server: run a function, follow it, read what it left.

    uv run examples/client.py

It needs no account: everything runs on this machine. ``resolve_account()`` in place of ``Account.local()`` takes
your account, from the environment or as qiskit-ibm-runtime has saved it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import anyio

from qiskit_functions_core import Account, FunctionsClient, JobStatus, QiskitFunctionsError
from qiskit_functions_core.platforms.platform import least_busy
from qiskit_functions_core.values import summarize

FUNCTION = "examples/sampler"

BELL = """
OPENQASM 3.0;
include "stdgates.inc";
qubit[2] q;
bit[2] meas;
h q[0];
cx q[0], q[1];
meas = measure q;
"""


async def main() -> None:
    async with FunctionsClient(Account.local()) as client:
        listing = await client.platform.backends()
        backend = least_busy(listing.matching(min_num_qubits=5, predicate=lambda b: b.name.startswith("fake_")))
        if backend is None:
            sys.exit("there is no simulated backend; install qiskit-ibm-runtime")
        arguments = {"circuit": {"$circuit": BELL}, "backend_name": backend.name, "shots": 1000}

        verdict = await client.check(FUNCTION, arguments)
        for check in verdict.checks:
            print(f"{check.name}: {check.outcome}: {check.message}")

        submission = await client.run(FUNCTION, arguments)
        for warning in submission.warnings:
            print(f"warning: {warning}")
        async for job in client.jobs.watch(submission.job.id):
            print(f"{job.id} is {job.qiskit_status}")
        if job.status is not JobStatus.DONE:
            failure = await client.jobs.failure(job)
            sys.exit(f"it failed: {failure.message}")
        print(summarize(await client.jobs.result(job.id)).model_dump_json(indent=2, exclude_none=True))

        await to_and_fro(client)


async def to_and_fro(client: FunctionsClient) -> None:
    """Put a file where the function's runs find it, and fetch it again."""

    async def tell(done: int, total: int | None) -> None:
        print(f"{done} of {total} bytes")

    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "angles.csv"
        local.write_text("0.1,0.2\n")
        name = await client.files.upload(FUNCTION, local, progress=tell)
        await client.files.download(FUNCTION, name, local.with_name("back.csv"))
        await client.files.delete(FUNCTION, name)
        print(f"{name} came back: {local.with_name('back.csv').read_text().strip()}")


if __name__ == "__main__":
    try:
        anyio.run(main)
    except QiskitFunctionsError as error:
        sys.exit(f"{error.message}\n{error.next_step}".strip())
