"""The official client and ours on one gateway of this machine: the same calls, the same outcomes.

``SAME`` holds the pairs of calls; ``DIFFERENT`` those where API.md, or plain reason, says that the official client
is wrong, each with the reason and with what either does.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from qiskit_serverless import Configuration, QiskitFunction, QiskitServerlessException, ServerlessClient

from qiskit_functions_core import Artifact, FunctionsClient, RunConfig
from qiskit_functions_core.errors import InputError
from support.clients import client_of
from support.gateways import gateway_process
from support.side_by_side import (
    NO_JOB,
    SCHEMA,
    SOURCE,
    VQE,
    Difference,
    Pair,
    Refused,
    World,
    by_status,
    events,
    fields,
    fields_of,
    fleet_of,
    gateway_status,
    is_final,
    job_ids,
    named,
    names,
    our_events,
    our_outcome,
    our_wire_job,
    ours_listed,
    page_of,
    prepare,
    raised,
    result_of,
    runtime_job_ids,
    sizes_of,
    status_of,
    their_outcome,
    validity,
    what_they_do,
    what_we_do,
    wire_job,
    yesterday,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("side-by-side")
    (folder / "code").mkdir()
    (folder / "code" / "main.py").write_text(SOURCE)
    (folder / "data.csv").write_text("a,b\n1,2\n")
    with gateway_process(folder / "home") as process:
        host, token = process.address()
        found = World(host, token, ServerlessClient(host=host, token=token, channel="local"), folder)
        anyio.run(prepare, found)
        yield found


SAME = [
    Pair("functions", lambda w: names(w.official.functions()), lambda o, w: named(o.functions.list())),
    Pair(
        "functions of a provider",
        lambda w: names(w.official.functions(provider="examples")),
        lambda o, w: named(o.functions.list(provider="examples")),
    ),
    Pair(
        "functions of the catalog",
        lambda w: names(w.official.functions(filter="catalog")),
        lambda o, w: named(o.functions.list(kind="catalog")),
    ),
    Pair(
        "own functions",
        lambda w: names(w.official.functions(filter="serverless")),
        lambda o, w: named(o.functions.list(kind="own")),
    ),
    Pair("function", lambda w: fields(w.function()), lambda o, w: fields_of(o.functions.get("both"))),
    Pair("function of a provider", lambda w: fields(w.function(VQE)), lambda o, w: fields_of(o.functions.get(VQE))),
    Pair("no such function", lambda w: w.function("nothing"), lambda o, w: o.functions.get("nothing")),
    Pair("sizes", lambda w: (w.function().sizes(), w.function().get_default_size()), lambda o, w: sizes_of(o)),
    Pair(
        "dependencies_versions",
        lambda w: w.official.dependencies_versions(),
        lambda o, w: o.functions.dependencies_versions(),
    ),
    Pair(
        "valid arguments",
        lambda w: w.official.validate_arguments("both", {"shots": 1}),
        lambda o, w: validity(o, {"shots": 1}),
    ),
    Pair(
        "invalid arguments",
        lambda w: w.function().validate_arguments({"shots": "many"}),
        lambda o, w: validity(o, {"shots": "many"}),
    ),
    Pair("jobs", lambda w: job_ids(w.official.jobs()), lambda o, w: ours_listed(o)),
    Pair("jobs, a page", lambda w: job_ids(w.official.jobs(limit=1, offset=1)), lambda o, w: page_of(o, 1, 1)),
    Pair("jobs by status", lambda w: job_ids(w.official.jobs(status="ERROR")), lambda o, w: by_status(o, "ERROR")),
    Pair(
        "jobs of a function",
        lambda w: job_ids(w.function().jobs()),
        lambda o, w: ours_listed(o, function="both"),
    ),
    Pair(
        "jobs by time",
        lambda w: job_ids(w.official.jobs(created_after=yesterday().isoformat())),
        lambda o, w: ours_listed(o, created_after=yesterday()),
    ),
    Pair(
        "jobs by kind",
        lambda w: job_ids(w.official.jobs(filter="catalog")),
        lambda o, w: ours_listed(o, kind="catalog"),
    ),
    Pair(
        "jobs of a function that is not there",
        lambda w: w.official.jobs(function=QiskitFunction("nothing")),
        lambda o, w: ours_listed(o, function="nothing"),
    ),
    Pair(
        "provider_jobs",
        lambda w: job_ids(w.official.provider_jobs(w.function(VQE))),
        lambda o, w: ours_listed(o, function=VQE, scope="provider"),
    ),
    Pair(
        "provider_jobs without a provider",
        lambda w: w.official.provider_jobs(w.function()),
        lambda o, w: ours_listed(o, function="both", scope="provider"),
    ),
    Pair("job", lambda w: w.official.job(w.done).status(), lambda o, w: status_of(o, w.done)),
    Pair("job that failed", lambda w: w.official.job(w.failed).status(), lambda o, w: status_of(o, w.failed)),
    Pair("job data", lambda w: wire_job(w.official.get_job_data(w.done)), lambda o, w: our_wire_job(o, w.done)),
    Pair("status on the gateway", lambda w: w.official.status(w.done), lambda o, w: gateway_status(o, w.done)),
    Pair("no such job", lambda w: w.official.job(NO_JOB), lambda o, w: o.jobs.get(NO_JOB)),
    Pair("in_terminal_state", lambda w: w.official.job(w.done).in_terminal_state(), lambda o, w: is_final(o, w.done)),
    Pair("result", lambda w: w.official.job(w.done).result(), lambda o, w: result_of(o, w.done)),
    Pair("logs", lambda w: w.official.job(w.done).logs(), lambda o, w: o.jobs.logs(w.done)),
    Pair("logs of no job", lambda w: w.official.logs(NO_JOB), lambda o, w: o.jobs.logs(NO_JOB)),
    Pair(
        "provider_logs of an own function",
        lambda w: w.official.job(w.done).provider_logs(),
        lambda o, w: o.jobs.logs(w.done, scope="provider"),
    ),
    Pair(
        "filtered_logs",
        lambda w: w.official.job(w.done).filtered_logs(include="INFO|ERROR", exclude="word").rstrip("\n"),
        lambda o, w: o.jobs.logs(w.done, include="INFO|ERROR", exclude="word"),
    ),
    Pair("events", lambda w: events(w.official.job(w.done).events()), lambda o, w: our_events(o, w.done)),
    Pair(
        "error events",
        lambda w: events(w.official.job(w.failed).events(type="ERROR")),
        lambda o, w: our_events(o, w.failed, errors_only=True),
    ),
    Pair("runtime_jobs", lambda w: w.official.job(w.done).runtime_jobs(), lambda o, w: runtime_job_ids(o, w.done)),
    Pair(
        "runtime_jobs of a session",
        lambda w: w.official.job(w.done).runtime_jobs("s1"),
        lambda o, w: runtime_job_ids(o, w.done, "s1"),
    ),
    Pair(
        "runtime_sessions",
        lambda w: w.official.job(w.done).runtime_sessions(),
        lambda o, w: o.jobs.runtime_sessions(w.done),
    ),
    Pair("fleet_id", lambda w: w.official.job(w.done).fleet_id, lambda o, w: fleet_of(o, w.done)),
    Pair("files", lambda w: sorted(w.official.files(w.function())), lambda o, w: o.files.list("both")),
    Pair(
        "files of no function",
        lambda w: w.official.files(QiskitFunction("nothing")),
        lambda o, w: o.files.list("nothing"),
    ),
    Pair(
        "provider_files",
        lambda w: sorted(w.official.provider_files(w.function(VQE))),
        lambda o, w: o.files.list(VQE, scope="provider"),
    ),
    Pair(
        "provider_files without a provider",
        lambda w: w.official.provider_files(w.function()),
        lambda o, w: o.files.list("both", scope="provider"),
    ),
    Pair(
        "file_delete of none",
        lambda w: w.official.file_delete("nothing.csv", w.function()),
        lambda o, w: o.files.delete("both", "nothing.csv"),
    ),
]


@pytest.mark.parametrize("pair", SAME, ids=lambda pair: pair.name)
async def test_both_clients_have_the_same_outcome(world: World, pair: Pair) -> None:
    assert await our_outcome(pair.ours, world) == their_outcome(pair.official, world)


async def test_a_function_uploaded_by_either_is_the_same_to_both(world: World) -> None:
    described = {"description": "says", "version": "1.2.3", "arguments_schema": SCHEMA, "env_vars": {"A": "b"}}
    working_dir = str(world.folder / "code")
    world.official.upload(QiskitFunction("by-them", entrypoint="main.py", working_dir=working_dir, **described))
    artifact = Artifact.from_directory(Path(working_dir), "main.py")
    async with client_of(world.host, world.token) as ours:
        await ours.functions.upload("by-us", artifact, **described)  # type: ignore[arg-type] # one dict for two calls
        theirs, our = await ours.functions.get("by-them"), await ours.functions.get("by-us")
        jobs = [world.official.run("by-us", {"n": 2}).job_id, (await ours.run("by-them", {"n": 2})).job.id]
        for job_id in jobs:
            await ours.jobs.wait(job_id, timeout=60)
        results = [await result_of(ours, job_id) for job_id in jobs]
    assert {**fields(theirs), "title": ""} == {**fields(our), "title": ""}
    assert results == [{"got": {"n": 2}}] * 2


async def test_runs_take_the_same_arguments_and_settings(world: World) -> None:
    theirs = world.function().run(n=[1, 2.5, "x", None], config=Configuration(workers=2))
    async with client_of(world.host, world.token) as ours:
        our = await ours.run("both", {"n": [1, 2.5, "x", None]}, config=RunConfig(workers=2))
        for job_id in (theirs.job_id, our.job.id):
            await ours.jobs.wait(job_id, timeout=60)
        assert await result_of(ours, our.job.id) == theirs.result() == {"got": {"n": [1, 2.5, "x", None]}}


async def test_too_many_workers_are_refused_to_both(world: World) -> None:
    def official(_: World) -> Any:
        return world.official.run("never-run", config=Configuration(workers=99))

    async def ours(client: FunctionsClient, _: World) -> Any:
        await client.functions.upload("never-run", Artifact.from_source(SOURCE))
        return await client.run("never-run", {}, config=RunConfig(workers=99))

    assert await our_outcome(ours, world) == their_outcome(official, world) == Refused(400)


@pytest.mark.parametrize(("function", "scope"), [("both", "user"), (VQE, "provider")])
async def test_a_file_sent_by_either_is_fetched_and_deleted_by_the_other(
    world: World, function: str, scope: Any
) -> None:
    file, of = str(world.folder / "data.csv"), world.function(function)
    official, prefix = world.official, "provider_" if scope == "provider" else ""
    (world.folder / "ours.csv").write_text("3,4\n")
    with contextlib.redirect_stderr(io.StringIO()):  # the official client draws its progress there
        async with client_of(world.host, world.token) as ours:
            getattr(official, f"{prefix}file_upload")(file, of)
            await ours.files.upload(function, world.folder / "ours.csv", scope=scope)
            await ours.files.download(function, "data.csv", world.folder / "by-us.csv", scope=scope)
            download = getattr(official, f"{prefix}file_download")
            download("ours.csv", of, target_name="by-them.csv", download_location=str(world.folder))
            await ours.files.delete(function, "data.csv", scope=scope)
            getattr(official, f"{prefix}file_delete")("ours.csv", of)
            assert await ours.files.list(function, scope=scope) == getattr(official, f"{prefix}files")(of) == []
    fetched = [(world.folder / name).read_text() for name in ("by-us.csv", "by-them.csv")]
    assert fetched == ["a,b\n1,2\n", "3,4\n"]


async def stop_message(ours: FunctionsClient, job_id: str) -> str:
    return (await ours.jobs.stop(job_id)).message


def wait_officially(world: World) -> Any:
    job = world.official.run("both", {"wait": True})
    try:
        return job.result(cadence=0, maxwait=1)
    finally:
        anyio.from_thread.run(stop, world, job.job_id)


async def wait_here(ours: FunctionsClient, world: World) -> Any:
    job = (await ours.run("both", {"wait": True})).job
    try:
        return await ours.jobs.wait(job.id, timeout=0.1)
    finally:
        await ours.jobs.stop(job.id)


async def stop(world: World, job_id: str) -> None:
    async with client_of(world.host, world.token) as ours:
        await ours.jobs.stop(job_id)


DIFFERENT = [
    Difference(
        "stop on a self-hosted gateway",
        "`service` must be a string; the official client cannot write the one of a local channel, and for IBM "
        "Quantum it puts the API token into the request's body",
        lambda w: w.official.stop(w.done),
        raised(TypeError),
        lambda o, w: stop_message(o, w.done),
        "Job already in terminal state.",
    ),
    Difference(
        "result that was never saved",
        "204 means none yet, or never; an empty object is a result that a function could have saved",
        lambda w: w.official.result(w.failed),
        {},
        lambda o, w: o.jobs.result(w.failed),
        "raises ResultNotReady",
    ),
    Difference(
        "status with a sub-status as a filter",
        "the list filter takes the gateway's statuses only; the sub-status is dropped without a word",
        lambda w: w.official.jobs(status="RUNNING: MAPPING"),
        [],
        lambda o, w: by_status(o, "RUNNING: MAPPING"),
        raised(ValueError),
    ),
    Difference(
        "function whose title the gateway alters",
        "characters outside [A-Za-z0-9_/-] vanish silently, so another function may be meant",
        lambda w: w.function("bo(t)h").title,
        "both",
        lambda o, w: o.functions.get("bo(t)h"),
        raised(InputError),
    ),
    Difference(
        "image without a provider",
        "the gateway refuses it; there is no need to ask",
        lambda w: w.official.upload(QiskitFunction("img", image="icr.io/x/y")),
        raised(QiskitServerlessException),
        lambda o, w: o.functions.upload("img", None, image="icr.io/x/y"),
        raised(InputError),
    ),
    Difference(
        "file that is not there",
        "the official client lets the error of its HTTP library through",
        lambda w: w.official.file_download("nothing.csv", w.function(), download_location=str(w.folder)),
        "raises HTTPError",
        lambda o, w: o.files.download("both", "nothing.csv", w.folder / "nothing.csv"),
        "raises NotFound",
    ),
    Difference(
        "name of an uploaded file",
        "use the name of the answer; the official client gives the answer's text, with a path on the server",
        lambda w: json.loads(w.official.file_upload(str(w.folder / "data.csv"), w.function()))["message"][0],
        "/",
        lambda o, w: o.files.upload("both", w.folder / "data.csv"),
        "data.csv",
    ),
    Difference(
        "job id that is none",
        "an HTML page is the answer to ids that are no lower-case UUIDs; it need not be asked",
        lambda w: w.official.job("no-job"),
        raised(QiskitServerlessException),
        lambda o, w: o.jobs.get("no-job"),
        raised(InputError),
    ),
    Difference(
        "waiting for a result for at most a second",
        "maxwait counts looks of 30 s each, and when it has passed, the empty result is returned as if it were one",
        wait_officially,
        {},
        wait_here,
        raised(TimeoutError),
    ),
]


@pytest.mark.parametrize("difference", DIFFERENT, ids=lambda difference: difference.name)
async def test_ours_differs_only_where_the_official_client_is_wrong(world: World, difference: Difference) -> None:
    assert await anyio.to_thread.run_sync(what_they_do, difference, world) == difference.does
    assert await what_we_do(difference, world) == difference.instead
    assert difference.reason
