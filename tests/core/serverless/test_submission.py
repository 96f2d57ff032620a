"""Which jobs may be a lost run's, by the times that the gateway and this machine tell, and whose answers count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from starlette.responses import JSONResponse, Response

from qiskit_functions_core.errors import BadRequest, GatewayError, GatewayFault, SubmissionUnknown
from qiskit_functions_core.http.transport import Timeouts
from support.clients import Asked, By, InTurn, NotingGateway, client_of, noting_gateway

RUN, LIST, VERSION = "POST programs/run/", "GET jobs/", "GET /version/"
PROGRAM, FRESH, CLOSE, FUTURE, OLD, OTHER = (str(uuid4()) for _ in range(6))
KEY = "idempotency-key"


def job(job_id: str, seconds: float = 0.0, title: str = "f") -> dict[str, Any]:
    """A job that was created so long after now."""
    created = datetime.now(UTC) + timedelta(seconds=seconds)
    program = {"id": PROGRAM, "title": title}
    return {"id": job_id, "status": "QUEUED", "program": program, "created": created.isoformat()}


def listing(*jobs: dict[str, Any]) -> dict[str, Any]:
    return {"count": len(jobs), "results": list(jobs)}


@pytest.fixture
def gateway() -> Iterator[NotingGateway]:
    function = {"id": PROGRAM, "title": "f"}
    answers = {"GET programs/get_by_title/f/": function, VERSION: {"version": "0.37"}, LIST: listing()}
    with noting_gateway(answers) as noting:
        yield noting


async def run(gateway: NotingGateway) -> str:
    async with client_of(gateway.host, timeouts=Timeouts(late=0.1)) as client:
        return (await client.run("f", {})).job.id


async def test_a_lost_runs_candidates_are_the_functions_new_jobs_with_the_likely_one_first(
    gateway: NotingGateway,
) -> None:
    gateway.answers[RUN] = Response(status_code=502)
    gateway.answers[LIST] = By(
        lambda _: listing(
            job(OTHER, title="g"),
            job(FUTURE, 300),
            job(FRESH),
            job(CLOSE, 30),
            job(OLD, -300),
        )
    )
    with pytest.raises(SubmissionUnknown) as lost:
        await run(gateway)
    # One from the future was created before a clock was set back.
    assert lost.value.candidates == [FRESH, CLOSE, FUTURE]
    assert f"{FRESH} is the likely one" in lost.value.message
    assert lost.value.submitted == "unknown"


@pytest.mark.parametrize(("seconds", "is_candidate"), [(-1.0, True), (-4.0, False)])
async def test_clocks_may_differ_by_two_seconds(gateway: NotingGateway, seconds: float, is_candidate: bool) -> None:
    # Listed once, before the run is a second old.
    gateway.answers |= {RUN: Response(status_code=502), LIST: listing(job(CLOSE, seconds))}
    with pytest.raises(SubmissionUnknown) as lost:
        await run(gateway)
    assert lost.value.candidates == [CLOSE] * is_candidate


async def test_a_gateway_that_lists_nothing_leaves_a_lost_run_without_candidates(gateway: NotingGateway) -> None:
    gateway.answers |= {RUN: Response(status_code=502), LIST: Response(status_code=401)}
    with pytest.raises(SubmissionUnknown) as lost:
        await run(gateway)
    assert lost.value.candidates == []
    assert "likely" not in lost.value.message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 423, 429])
@pytest.mark.parametrize("seconds", [-300, 300])
async def test_a_refusal_beside_jobs_of_another_time_is_a_refusal(
    gateway: NotingGateway, status: int, seconds: float
) -> None:
    gateway.answers |= {RUN: JSONResponse({"message": "no"}, status), LIST: listing(job(OTHER, seconds))}
    with pytest.raises(GatewayError) as refused:
        await run(gateway)
    assert (refused.value.status, refused.value.submitted) == (status, "no")
    assert VERSION not in gateway.paths()


@pytest.mark.parametrize(("seconds", "error"), [(-300, BadRequest), (300, SubmissionUnknown)])
async def test_a_proxys_refusal_is_one_unless_any_clock_calls_a_job_new(
    gateway: NotingGateway, seconds: float, error: type[Exception]
) -> None:
    gateway.answers |= {RUN: Response("<h1>Log in</h1>", 407), LIST: listing(job(OTHER, seconds))}
    with pytest.raises(error):
        await run(gateway)


async def test_a_refusal_stands_unless_each_clock_of_the_gateway_calls_a_job_new(gateway: NotingGateway) -> None:
    later = {"age": "3600"}  # the seconds to add to the answer's date
    gateway.answers |= {
        RUN: JSONResponse({"message": "no"}, 400),
        LIST: By(lambda _: JSONResponse(listing(job(OTHER)), headers=later)),
    }
    with pytest.raises(BadRequest):
        await run(gateway)


async def test_a_refusal_beside_a_new_job_of_the_function_may_be_a_proxys(gateway: NotingGateway) -> None:
    gateway.answers |= {RUN: JSONResponse({"message": "no"}, 404), LIST: By(lambda _: listing(job(FRESH)))}
    with pytest.raises(SubmissionUnknown) as lost:
        await run(gateway)
    assert lost.value.candidates == [FRESH]


@pytest.mark.parametrize("status", [408, 500, 502, 504])
async def test_an_answer_behind_which_a_job_may_start_is_never_called_a_refusal(
    gateway: NotingGateway, status: int
) -> None:
    gateway.answers[RUN] = Response(status_code=status)
    with pytest.raises(SubmissionUnknown):
        await run(gateway)


@pytest.mark.parametrize("looked_up", [Response(status_code=404), job(OLD, -600)], ids=["unknown", "known"])
async def test_an_answer_with_an_older_job_is_not_claimed(gateway: NotingGateway, looked_up: Any) -> None:
    gateway.answers |= {RUN: job(OLD, -600), f"GET jobs/{OLD}/": looked_up}
    with pytest.raises(SubmissionUnknown) as lost:
        await run(gateway)
    assert isinstance(lost.value.__cause__, GatewayFault)


@pytest.mark.parametrize("seconds", [-240, 0, 240])
async def test_an_answer_with_a_job_of_about_now_is_claimed(gateway: NotingGateway, seconds: float) -> None:
    gateway.answers[RUN] = By(lambda _: job(FRESH, seconds))
    assert await run(gateway) == FRESH
    assert LIST not in gateway.paths()


@pytest.mark.parametrize("key", ["!", "~"])
async def test_an_answer_for_another_key_is_not_claimed(gateway: NotingGateway, key: str) -> None:
    gateway.answers[RUN] = By(lambda _: JSONResponse(job(OTHER), headers={KEY: key}))
    with pytest.raises(SubmissionUnknown):
        await run(gateway)


@pytest.mark.parametrize("program", [{"id": f"{digit}{PROGRAM[1:]}", "title": "f"} for digit in ("!", "~")])
async def test_an_answer_with_another_functions_job_is_not_claimed(
    gateway: NotingGateway, program: dict[str, Any]
) -> None:
    gateway.answers[RUN] = By(lambda _: job(OTHER) | {"program": program})
    with pytest.raises(SubmissionUnknown) as lost:
        await run(gateway)
    assert isinstance(lost.value.__cause__, GatewayFault)


async def test_a_gateway_may_tell_only_the_id_of_a_jobs_function_or_none_of_any(gateway: NotingGateway) -> None:
    gateway.answers[RUN] = By(lambda _: job(FRESH) | {"program": PROGRAM})
    assert await run(gateway) == FRESH
    gateway.answers |= {"GET programs/get_by_title/f/": {"title": "f"}, RUN: By(lambda _: job(FRESH))}
    assert await run(gateway) == FRESH


def echoing(content: dict[str, Any]) -> By:
    return By(lambda asked: JSONResponse(content, headers={KEY: asked.headers[KEY]}))


@pytest.mark.parametrize("echoes", [True, False])
async def test_asked_again_a_gateway_must_say_that_it_answers_this_request(
    gateway: NotingGateway, echoes: bool
) -> None:
    def second(asked: Asked) -> Response:
        return JSONResponse(job(FRESH), headers={KEY: asked.headers[KEY]} if echoes else {})

    gateway.answers |= {
        RUN: InTurn([Response(status_code=502), By(second), By(second), By(second)]),
        VERSION: echoing({"idempotency_key": True}),
    }
    if echoes:
        assert await run(gateway) == FRESH
    else:
        with pytest.raises(SubmissionUnknown):
            await run(gateway)


@pytest.mark.parametrize(
    "version",
    [
        {"idempotency_key": True},
        *(JSONResponse({"idempotency_key": True}, headers={KEY: other}) for other in ("!", "~")),
        echoing({"idempotency_key": 1}),
        echoing({}),
        JSONResponse([True]),
    ],
)
async def test_a_run_is_sent_once_to_a_gateway_that_does_not_surely_get_its_key(
    gateway: NotingGateway, version: Any
) -> None:
    gateway.answers |= {RUN: Response(status_code=502), VERSION: version}
    with pytest.raises(SubmissionUnknown):
        await run(gateway)
    assert gateway.paths().count(RUN) == 1
