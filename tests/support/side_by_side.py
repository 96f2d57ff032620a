"""What it takes to put the same questions to the official client and to ours."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from qiskit_serverless import QiskitServerlessException, ServerlessClient

from qiskit_functions_core import Artifact, FunctionsClient, JobStatus
from qiskit_functions_core.errors import GatewayError, InputError, QiskitFunctionsError
from qiskit_functions_core.http.transport import Timeouts
from qiskit_functions_core.values import decode

from .clients import client_of

SOURCE = """
import json, os, pathlib, time
arguments = json.loads(pathlib.Path(os.environ["ARGUMENTS_PATH"]).read_text())
print("INFO started")
if arguments.get("fail"):
    raise ValueError("no such thing")
while arguments.get("wait"):
    time.sleep(0.05)
pathlib.Path(os.environ["RESULTS_PATH"]).write_text(json.dumps({"got": arguments}))
print("ERROR only a word")
"""

SCHEMA = {"type": "object", "properties": {"shots": {"type": "integer"}}}

VQE = "examples/vqe"
NO_JOB = "00000000-0000-0000-0000-000000000000"


@dataclass
class World:
    """One gateway with a function ``both`` and jobs of it that have ended.

    Attributes:
        folder: local files for either client.
    """

    host: str
    token: str
    official: ServerlessClient
    folder: Path
    done: str = ""
    failed: str = ""

    def function(self, name: str = "both") -> Any:
        return self.official.function(name)


async def prepare(world: World) -> None:
    async with client_of(world.host, world.token) as ours:
        artifact = Artifact.from_directory(world.folder / "code", "main.py")
        await ours.functions.upload("both", artifact, arguments_schema=SCHEMA)
        world.done = (await ours.run("both", {"n": 1})).job.id
        world.failed = (await ours.run("both", {"fail": True})).job.id
        for job_id in (world.done, world.failed):
            await ours.jobs.wait(job_id, timeout=60)


Theirs = Callable[[World], Any]
Ours = Callable[[FunctionsClient, World], Awaitable[Any]]


@dataclass(frozen=True)
class Pair:
    """The same question to both clients; the answers are brought into one form."""

    name: str
    official: Theirs
    ours: Ours


def job_ids(jobs: Any) -> list[str]:
    return [getattr(job, "job_id", None) or job.id for job in jobs]


def names(functions: Any) -> list[str]:
    return sorted(f"{f.provider}/{f.title}" if f.provider else f.title for f in functions)


def events(found: Any) -> list[tuple[Any, ...]]:
    return [(event.event_type, event.origin, event.context, event.data) for event in found]


def yesterday() -> datetime:
    return datetime.now(UTC) - timedelta(days=1)


async def validity(ours: FunctionsClient, arguments: dict[str, Any]) -> Any:
    complaint = await ours.functions.validate_arguments("both", json.dumps(arguments))
    if complaint:
        raise complaint
    return {"valid": True}


async def result_of(ours: FunctionsClient, job_id: str) -> Any:
    return decode(await ours.jobs.result(job_id))


async def runtime_job_ids(ours: FunctionsClient, job_id: str, session: str = "") -> list[str]:
    return [job.runtime_job for job in await ours.jobs.runtime_jobs(job_id, session=session)]


async def ours_listed(ours: FunctionsClient, **filters: Any) -> list[str]:
    return job_ids((await ours.jobs.page(limit=10, **filters)).jobs)


async def sizes_of(ours: FunctionsClient) -> Any:
    function = await ours.functions.get("both")
    return function.sizes or {}, function.default_size


async def named(functions: Awaitable[Any]) -> list[str]:
    return names(await functions)


FIELDS = ("title", "provider", "description", "version", "type", "runner", "entrypoint", "arguments_schema")


def fields(function: Any) -> dict[str, Any]:
    return {name: getattr(function, name) or None for name in FIELDS}


async def fields_of(function: Awaitable[Any]) -> dict[str, Any]:
    return fields(await function)


async def page_of(ours: FunctionsClient, limit: int, offset: int) -> list[str]:
    return job_ids((await ours.jobs.page(limit=limit, offset=offset)).jobs)


async def by_status(ours: FunctionsClient, status: str) -> list[str]:
    return await ours_listed(ours, status=JobStatus(status))


async def status_of(ours: FunctionsClient, job_id: str) -> str:
    return (await ours.jobs.get(job_id)).qiskit_status


async def gateway_status(ours: FunctionsClient, job_id: str) -> str:
    return (await ours.jobs.get(job_id)).status.on_gateway


async def is_final(ours: FunctionsClient, job_id: str) -> bool:
    return (await ours.jobs.get(job_id)).status.is_final


async def fleet_of(ours: FunctionsClient, job_id: str) -> str | None:
    return (await ours.jobs.get(job_id)).fleet_id


async def our_events(ours: FunctionsClient, job_id: str, **wanted: Any) -> list[tuple[Any, ...]]:
    return events(await ours.jobs.events(job_id, **wanted))


WIRE = ("id", "sub_status", "compute_profile", "fleet_id", "business_model")


def wire_job(data: Any) -> dict[str, Any]:
    program = data["program"]
    told = {"status": data["status"], "function": program["title"], "created": datetime.fromisoformat(data["created"])}
    return {**{name: data.get(name) for name in WIRE}, **told}


async def our_wire_job(ours: FunctionsClient, job_id: str) -> dict[str, Any]:
    job = await ours.jobs.get(job_id)
    told = {"status": job.status.on_gateway, "function": job.function, "created": job.created}
    return {**{name: getattr(job, name) for name in WIRE}, **told}


@dataclass(frozen=True)
class Refused:
    """A call that failed, with the gateway's status; 0 when it was refused before anything was sent."""

    status: int


def their_outcome(ask: Theirs, world: World) -> Any:
    try:
        return ask(world)
    except QiskitServerlessException as error:
        code = re.search(r"Code: (\d{3})\b", str(error))
        return Refused(int(code[1]) if code else 0)


async def our_outcome(ask: Ours, world: World) -> Any:
    async with client_of(world.host, world.token) as client:
        try:
            return await ask(client, world)
        except GatewayError as error:
            return Refused(error.status)
        except InputError:
            return Refused(0)


@dataclass(frozen=True)
class Difference:
    """Where ours does otherwise.

    Attributes:
        reason: why the official client is wrong there, by API.md where that says so.
    """

    name: str
    reason: str
    official: Theirs
    does: Any
    ours: Ours
    instead: Any


def raised(error: type[Exception]) -> str:
    return f"raises {error.__name__}"


def what_they_do(difference: Difference, world: World) -> Any:
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            return difference.official(world)
        except Exception as error:  # whatever it is, it is what the official client does
            return raised(type(error))


async def what_we_do(difference: Difference, world: World) -> Any:
    async with client_of(world.host, world.token, timeouts=Timeouts(total=30)) as client:
        try:
            return await difference.ours(client, world)
        except (QiskitFunctionsError, ValueError, TimeoutError) as error:
            return raised(type(error))
