"""Jobs: every one of them listed once, followed by any number of watchers, stopped with what they started."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import anyio
import numpy as np
import pytest
from qiskit.primitives.containers import DataBin, PrimitiveResult, PubResult
from qiskit_ibm_runtime import RuntimeEncoder
from starlette.responses import Response

from qiskit_functions_core import Job, JobStatus
from qiskit_functions_core.errors import GatewayFault, InputError, NotFound, ResultNotReady
from qiskit_functions_core.http.transport import RetryPolicy, Transport
from qiskit_functions_core.job_texts import filter_lines
from qiskit_functions_core.serverless.gateway_traits import THIS_MACHINE
from qiskit_functions_core.serverless.jobs import Jobs
from qiskit_functions_core.values import Worker
from support.clients import Asked, By, InTurn, NotingGateway, client_of, noting_gateway
from support.still_gateway import StillGateway, still_gateway

ID = "77d67d4f-dc19-4bc2-aa2b-7e83abdea163"
JOB = f"jobs/{ID}/"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StillGateway]:
    with still_gateway(tmp_path_factory.mktemp("jobs")) as still:
        still.put_function("mine")
        still.put_function("theirs", "examples")
        for status in ("SUCCEEDED", "FAILED", "RUNNING", "QUEUED", "STOPPED"):
            still.put_job("mine", "", status)
        still.put_job("theirs", "examples", "SUCCEEDED")
        yield still


@pytest.fixture
def noting() -> Iterator[NotingGateway]:
    with noting_gateway({f"GET {JOB}": job()}) as gateway:
        yield gateway


def job(status: str = "RUNNING", sub_status: str | None = None, job_id: str = ID) -> dict[str, Any]:
    return {"id": job_id, "status": status, "sub_status": sub_status, "created": "2026-11-22T22:57:12Z"}


def ids(number: int) -> list[str]:
    return [f"00000000-0000-0000-0000-{n:012d}" for n in range(number)]


async def listed(gateway: StillGateway, **filters: Any) -> list[tuple[str | None, str]]:
    async with client_of(gateway.host) as client:
        return [(job.function_title, job.status.value) async for job in client.jobs.all(page_size=2, **filters)]


async def test_every_job_is_listed_newest_first_over_many_pages(gateway: StillGateway) -> None:
    assert await listed(gateway) == [
        ("theirs", "DONE"),
        ("mine", "CANCELED"),
        ("mine", "QUEUED"),
        ("mine", "RUNNING"),
        ("mine", "ERROR"),
        ("mine", "DONE"),
    ]


async def test_filters_hold_on_every_page(gateway: StillGateway) -> None:
    assert len(await listed(gateway, function="mine")) == 5
    assert await listed(gateway, function="examples/theirs") == [("theirs", "DONE")]
    assert await listed(gateway, provider="examples") == [("theirs", "DONE")]
    assert await listed(gateway, kind="catalog") == [("theirs", "DONE")]
    assert await listed(gateway, status=JobStatus.DONE) == [("theirs", "DONE"), ("mine", "DONE")]
    assert await listed(gateway, function="examples/theirs", scope="provider") == [("theirs", "DONE")]
    assert await listed(gateway, created_after=datetime.now(UTC) + timedelta(days=1)) == []


async def test_a_job_that_moved_to_a_later_page_is_listed_once(noting: NotingGateway) -> None:
    first, second, third, newest = ids(4)
    pages = {"0": [first, second], "2": [second, third]}

    def page(asked: Asked) -> Any:
        results = [job(job_id=job_id) for job_id in pages[asked.query["offset"]]]
        return {"count": 4, "results": results, "next": None, "previous": None}

    noting.answers["GET jobs/"] = By(page)
    async with client_of(noting.host) as client:
        assert [job.id async for job in client.jobs.all(page_size=2)] == [first, second, third]
    assert newest not in str(noting.asked)


async def test_a_listing_that_loses_jobs_meanwhile_ends(noting: NotingGateway) -> None:
    noting.answers["GET jobs/"] = InTurn(
        [{"count": 5, "results": [job(job_id=ids(1)[0])]}, {"count": 5, "results": []}]
    )
    async with client_of(noting.host) as client:
        assert len([job async for job in client.jobs.all()]) == 1


@pytest.mark.parametrize(
    "filters",
    [
        {"limit": 0},
        {"offset": -1},
        {"scope": "provider"},
        {"scope": "provider", "function": "mine"},
        {"function": "a/b", "provider": "c"},
    ],
    ids=str,
)
async def test_a_contradictory_listing_is_refused_unsent(noting: NotingGateway, filters: Any) -> None:
    async with client_of(noting.host) as client:
        with pytest.raises(InputError):
            await client.jobs.page(**filters)
    assert noting.asked == []


@pytest.mark.parametrize("job_id", ["", "x", "../programs", f"{ID}/stop", ID[:-1]])
async def test_what_is_not_a_job_id_is_refused_unsent(noting: NotingGateway, job_id: str) -> None:
    async with client_of(noting.host) as client:
        for ask in (client.jobs.get, client.jobs.logs, client.jobs.result, client.jobs.events, client.jobs.stop):
            with pytest.raises(InputError, match="not a job id"):
                await ask(job_id)
    assert noting.asked == []


@pytest.mark.parametrize(
    ("status", "sub_status", "shown"),
    [
        ("RUNNING", None, "RUNNING"),
        ("RUNNING", "MAPPING", "RUNNING: MAPPING"),
        ("RUNNING", "OPTIMIZING_HARDWARE", "RUNNING: OPTIMIZING_FOR_HARDWARE"),
        ("RUNNING", "WAITING_QPU", "RUNNING: WAITING_FOR_QPU"),
        ("RUNNING", "EXECUTING_QPU", "RUNNING: EXECUTING_QPU"),
        ("RUNNING", "POST_PROCESSING", "RUNNING: POST_PROCESSING"),
        ("SUCCEEDED", "POST_PROCESSING", "DONE"),
        ("PENDING", None, "INITIALIZING"),
    ],
)
def test_status_and_sub_status_have_the_gateways_and_qiskits_names(
    status: str, sub_status: str | None, shown: str
) -> None:
    found = Job.model_validate(job(status, sub_status))
    assert found.qiskit_status == shown
    assert (found.status.on_gateway, found.sub_status) == (status, sub_status)


LOG = "start\nINFO one\nERROR two\nINFO three\n"


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({}, LOG),
        ({"include": "INFO"}, "INFO one\nINFO three"),
        ({"exclude": "INFO"}, "start\nERROR two"),
        ({"include": "INFO|ERROR", "exclude": "one$"}, "ERROR two\nINFO three"),
        ({"tail": 2}, "ERROR two\nINFO three"),
        ({"include": "INFO", "tail": 1}, "INFO three"),
        ({"tail": 0}, ""),
        ({"include": "nothing"}, ""),
    ],
    ids=str,
)
async def test_logs_are_filtered_by_lines_and_cut_from_their_end(noting: NotingGateway, wanted: Any, text: str) -> None:
    noting.answers[f"GET {JOB}logs/"] = noting.answers[f"GET {JOB}provider-logs/"] = {"logs": LOG}
    async with client_of(noting.host) as client:
        assert await client.jobs.logs(ID, **wanted) == text
        assert await client.jobs.logs(ID, scope="provider", **wanted) == text


def test_lines_are_those_of_files_and_an_expression_that_is_none_is_refused() -> None:
    assert filter_lines("a\u2028b\x0cc\nd", include="c") == "a\u2028b\x0cc"
    with pytest.raises(InputError, match="regular expression"):
        filter_lines("a", include="(")


def test_an_expression_that_would_backtrack_for_ever_does_not() -> None:
    assert filter_lines("a" * 50_000 + "!", include="^(a+)+$") == ""


RUNTIME = [
    {"runtime_job": "rj1", "runtime_session": None},
    {"runtime_job": "rj2", "runtime_session": "s1"},
    {"runtime_job": "rj3", "runtime_session": "s1"},
]


async def test_runtime_jobs_are_listed_by_session(noting: NotingGateway) -> None:
    noting.answers[f"GET {JOB}runtime_jobs/"] = {"runtime_jobs": RUNTIME}
    async with client_of(noting.host) as client:
        assert [job.runtime_job for job in await client.jobs.runtime_jobs(ID)] == ["rj1", "rj2", "rj3"]
        assert [job.runtime_job for job in await client.jobs.runtime_jobs(ID, session="s1")] == ["rj2", "rj3"]
        assert await client.jobs.runtime_sessions(ID) == ["s1"]


def stopping(noting: NotingGateway, **answers: Any) -> None:
    noting.answers |= {
        f"GET {JOB}": job("STOPPED"),
        f"GET {JOB}logs/": {"logs": "the log"},
        f"POST {JOB}stop/": {"message": "Job has been stopped."},
        f"GET {JOB}runtime_jobs/": {"runtime_jobs": []},
    } | answers


async def test_logs_are_read_before_a_job_is_stopped_since_gateways_forget_them(noting: NotingGateway) -> None:
    stopping(noting)
    async with client_of(noting.host) as client:
        stopped = await client.jobs.stop(ID.upper())
    assert (stopped.logs, stopped.message, stopped.job.status) == ("the log", "Job has been stopped.", "CANCELED")
    assert noting.paths() == [
        f"GET {JOB}logs/",
        f"POST {JOB}stop/",
        f"GET {JOB}runtime_jobs/",
        f"GET {JOB}",
        f"GET {JOB}logs/",
    ]
    assert noting.asked[1].body == b'{"service":"null"}', "a token would have travelled there"


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({f"GET {JOB}logs/": Response(status_code=403)}, "its log"),
        ({f"GET {JOB}runtime_jobs/": {"message": "no list"}}, "its runtime jobs"),
        ({f"GET {JOB}runtime_jobs/": {"runtime_jobs": RUNTIME[:1]}}, "rj1: a self-hosted gateway"),
    ],
)
async def test_what_fails_around_a_stop_is_reported_and_does_not_prevent_it(
    noting: NotingGateway, answers: Any, problem: str
) -> None:
    stopping(noting, **answers)
    async with client_of(noting.host) as client:
        stopped = await client.jobs.stop(ID)
    assert stopped.job.status == "CANCELED"
    assert len(stopped.problems) == 1
    assert problem in stopped.problems[0]


async def test_a_stop_that_is_refused_is_an_error(noting: NotingGateway) -> None:
    stopping(noting, **{f"POST {JOB}stop/": Response(status_code=404)})
    async with client_of(noting.host) as client:
        with pytest.raises(NotFound):
            await client.jobs.stop(ID)


async def test_watching_gives_each_change_once_and_ends_with_the_job(noting: NotingGateway) -> None:
    states = [("QUEUED", None), ("RUNNING", None), ("RUNNING", None), ("RUNNING", "MAPPING"), ("SUCCEEDED", None)]
    noting.answers[f"GET {JOB}"] = InTurn([job(*state) for state in states])
    async with client_of(noting.host) as client:
        seen = [job.qiskit_status async for job in client.jobs.watch(ID)]
    assert seen == ["QUEUED", "RUNNING", "RUNNING: MAPPING", "DONE"]


async def test_many_watchers_of_a_job_ask_as_often_as_one(noting: NotingGateway) -> None:
    states = ["QUEUED", "QUEUED", "QUEUED", "SUCCEEDED"]
    noting.answers[f"GET {JOB}"] = InTurn([job(state) for state in states])
    ended: list[Job] = []
    async with client_of(noting.host) as client:

        async def wait(job_id: str) -> None:
            ended.append(await client.jobs.wait(job_id, timeout=30))

        async with anyio.create_task_group() as group:
            for job_id in [ID, ID.upper()] * 10:
                group.start_soon(wait, job_id)
    assert {job.status for job in ended} == {JobStatus.DONE}
    assert (len(ended), len(noting.asked)) == (20, len(states))


async def test_waiting_ends_at_its_timeout_and_leaves_the_job_alone(noting: NotingGateway) -> None:
    async with client_of(noting.host) as client:
        with pytest.raises(TimeoutError):
            await client.jobs.wait(ID, timeout=0.01)
    assert {asked.method for asked in noting.asked} <= {"GET"}


async def test_waiting_for_a_missing_job_is_an_error(noting: NotingGateway) -> None:
    noting.answers[f"GET {JOB}"] = Response(status_code=404)
    async with client_of(noting.host) as client:
        with pytest.raises(NotFound):
            await client.jobs.wait(ID, timeout=30)


ERRORS = [
    {
        "event_type": "ERROR",
        "created": "2026-11-22T22:57:12Z",
        "data": {"code": "2", "message": "second", "args": {"n": 1}},
    },
    {"event_type": "ERROR", "created": "2026-11-22T22:57:11Z", "data": {"code": "1", "message": "first"}},
]


@pytest.mark.parametrize(
    ("events", "logs", "message", "source"),
    [
        (ERRORS, "", "[1] first\n[2] second {'n': 1}", "events"),
        ([], "hello\nTraceback (most recent call last):\nValueError: no", "ValueError: no", "logs"),
        ([], "one\ntwo\n", "two", "logs"),
        ([], "", "neither", "nothing"),
    ],
)
async def test_why_a_job_failed_is_found_in_its_events_else_in_its_log(
    noting: NotingGateway, events: Any, logs: str, message: str, source: str
) -> None:
    noting.answers |= {f"GET {JOB}events/": events, f"GET {JOB}logs/": {"logs": logs}}
    async with client_of(noting.host) as client:
        failure = await client.jobs.failure(Job.model_validate(job("FAILED")))
    assert message in failure.message
    assert failure.source == source


async def test_a_job_without_a_result_says_so(noting: NotingGateway) -> None:
    noting.answers[f"GET {JOB}result/"] = Response(status_code=204)
    async with client_of(noting.host) as client:
        with pytest.raises(ResultNotReady, match="RUNNING"):
            await client.jobs.result(ID)


async def test_what_could_not_be_saved_is_told_with_what_can_be(noting: NotingGateway) -> None:
    answers = {f"GET {JOB}": job("SUCCEEDED"), f"GET {JOB}result/": Response(status_code=204)}
    # As save_result of qiskit_serverless 0.37 logs it, and returns False.
    log = "begun\nWARNING:root:Object passed is not json serializable.\n"
    noting.answers |= {**answers, f"GET {JOB}logs/": {"logs": log}}
    async with client_of(noting.host) as client:
        with pytest.raises(ResultNotReady, match="says: Object passed is not json serializable") as caught:
            await client.jobs.read_result(ID)
    assert "dictionary of JSON values" in caught.value.next_step


@pytest.mark.parametrize("lost", [True, False])
async def test_null_in_place_of_what_could_not_be_saved_is_told(noting: NotingGateway, lost: bool) -> None:
    warned = "/json.py:450: UserWarning: Callable Clifford: Stabilizer = ['+X'] is not JSON serializable"
    noting.answers |= {
        f"GET {JOB}result/": {"result": '{"gate": null, "shots": 3}'},
        f"GET {JOB}logs/": {"logs": f"begun\n{warned}\n" if lost else "begun\n"},
    }
    async with client_of(noting.host) as client:
        summary = (await client.jobs.read_result(ID)).summary
    assert ("Callable Clifford" in (summary.note or "")) is lost


@pytest.mark.parametrize("has_arguments", [True, False])
async def test_the_arguments_are_read_only_for_a_result_that_lacks_names(
    noting: NotingGateway, has_arguments: bool
) -> None:
    sweep = PrimitiveResult([PubResult(DataBin(evs=np.ones(3), stds=np.ones(3), shape=(3,)))])
    named = {"result": sweep, "parameter_values": {"t": [0, 1, 2]}}
    arguments: Any = {"arguments": '{"parameter_values": {"t": [3, 4, 5]}}'}
    noting.answers[f"GET {JOB}arguments/"] = arguments if has_arguments else Response(status_code=404)

    async def headers() -> dict[str, str]:
        return {}

    worker, transport = Worker(), Transport(f"{noting.host}/api/v1/", headers, retries=RetryPolicy(attempts=1))
    jobs = Jobs(transport, worker=worker, gateway=THIS_MACHINE)
    try:
        for result, first in ((named, 0), (sweep, 3 if has_arguments else None)):
            noting.answers[f"GET {JOB}result/"] = {"result": json.dumps(result, cls=RuntimeEncoder)}
            (pub,) = (part for part in (await jobs.read_result(ID)).summary.parts if part.kind == "estimator_pub")
            assert (pub.row_labels[0]["t"] if pub.row_labels else None) == first
    finally:
        await worker.aclose()
        await transport.aclose()
    assert noting.paths().count(f"GET {JOB}arguments/") == 1


@pytest.mark.parametrize("answer", [{"id": "x"}, [], {**job(), "status": "NEW"}], ids=str)
async def test_a_job_that_cannot_be_understood_is_the_gateways_fault(noting: NotingGateway, answer: Any) -> None:
    noting.answers[f"GET {JOB}"] = answer
    async with client_of(noting.host) as client:
        with pytest.raises(GatewayFault):
            await client.jobs.get(ID)


PROVIDER = "2ac01f8c-ebb7-43f1-8603-8d0830f78cd5"


def listing(*titles: tuple[str, str | None]) -> dict[str, Any]:
    found = [
        {**job(job_id=id_), "program": {"id": id_, "title": title, "provider": provider}}
        for id_, (title, provider) in zip(ids(len(titles)), titles, strict=True)
    ]
    return {"count": len(found), "results": found}


async def test_jobs_of_provider_functions_are_listed_with_the_providers_name(noting: NotingGateway) -> None:
    first, second = ids(2)
    noting.answers["GET jobs/"] = listing(("f", PROVIDER), ("g", PROVIDER), ("mine", None))
    for job_id in (first, second):
        program = {"title": "f", "provider": "acme"}
        noting.answers[f"GET jobs/{job_id}/"] = {**job(job_id=job_id), "program": program}
    async with client_of(noting.host) as client:
        for _ in range(2):
            page = await client.jobs.page()
            assert [job.function for job in page.jobs] == ["acme/f", "acme/g", "mine"]
    assert len(noting.paths()) == 3, "the name is asked for once"


async def test_an_own_function_as_the_filter_lists_own_functions_only(noting: NotingGateway) -> None:
    noting.answers["GET jobs/"] = listing()
    async with client_of(noting.host) as client:
        await client.jobs.page(function="f")
        await client.jobs.page(function="acme/f")
    assert [asked.query.get("filter") for asked in noting.asked] == ["serverless", None]


async def test_the_gateways_placeholder_is_not_the_functions_log(noting: NotingGateway) -> None:
    noting.answers[f"GET {JOB}logs/"] = {"logs": "No logs yet."}
    noting.answers[f"GET {JOB}events/"] = []
    async with client_of(noting.host) as client:
        assert await client.jobs.logs(ID) == ""
        failure = await client.jobs.failure(await client.jobs.get(ID))
    assert "No logs yet" not in failure.message


@pytest.mark.parametrize("fault", [Response(status_code=502), Response("<h1>Starting</h1>", 503), Response("<p>", 200)])
async def test_a_wait_goes_on_while_the_gateway_starts_again(noting: NotingGateway, fault: Response) -> None:
    noting.answers[f"GET {JOB}"] = InTurn([job(), *[fault] * 7, job("SUCCEEDED")])
    async with client_of(noting.host) as client:
        assert (await client.jobs.wait(ID, timeout=30)).status is JobStatus.DONE
    noting.answers[f"GET {JOB}"] = InTurn([*[fault] * 7, job("SUCCEEDED")])
    async with client_of(noting.host) as client:
        assert (await client.jobs.recent(ID, patience=30)).status is JobStatus.DONE
    noting.answers[f"GET {JOB}"] = Response(status_code=502)
    async with client_of(noting.host) as client:
        with pytest.raises(TimeoutError):
            await client.jobs.wait(ID, timeout=0.3)
        with pytest.raises(GatewayFault):
            await client.jobs.recent(ID)


@pytest.mark.parametrize(
    "filters",
    [
        {"limit": 10**30},
        {"offset": 2**31},
        {"created_after": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))},
        {"function": "f" * 600},
    ],
)
async def test_a_filter_out_of_range_is_an_input_error_and_nothing_is_sent(
    noting: NotingGateway, filters: dict[str, Any]
) -> None:
    async with client_of(noting.host) as client:
        with pytest.raises(InputError):
            await client.jobs.page(**filters)
        with pytest.raises(InputError) as error:
            await client.jobs.get("x" * 100_000)
        with pytest.raises(InputError):
            await client.jobs.wait(ID, timeout=float("nan"))
    assert len(str(error.value)) < 500
    assert noting.asked == []
