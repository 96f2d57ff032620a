"""The core against what a real gateway answered: each documented shape is parsed, each error mapped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qiskit_functions_core import Account, Channel, Function, Job, JobEvent, JobPage, JobStatus
from qiskit_functions_core.errors import (
    BadRequest,
    Forbidden,
    FunctionDisabled,
    GatewayError,
    GatewayFault,
    NotFound,
    ResultNotReady,
    TooManyRequests,
    Unauthorized,
)
from qiskit_functions_core.http.transport import RetryPolicy, Transport
from qiskit_functions_core.serverless.gateway import gateway_transport
from qiskit_functions_core.serverless.jobs import Jobs
from support.captured import Capture, capture, captures
from support.serving import serving

JOB_ID = "77d67d4f-dc19-4bc2-aa2b-7e83abdea163"


def answering(exchange: Capture) -> Response:
    headers = {key: value for key, value in exchange.headers.items() if key in ("content-type", "location")}
    return Response(exchange.content, exchange.status, headers)


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    """A gateway that answers ``POST /api/v1/<capture>`` as in that capture."""

    async def answer(request: Request) -> Response:
        return answering(capture(request.path_params["name"]))

    with serving(Starlette(routes=[Route("/api/v1/{name:path}", answer, methods=["POST"])])) as host:
        yield host


@asynccontextmanager
async def connected(host: str) -> AsyncIterator[Transport]:
    account = Account(channel=Channel.LOCAL, host=host, token=SecretStr("awesome_token"))
    transport = gateway_transport(account, retries=RetryPolicy(attempts=1))
    try:
        yield transport
    finally:
        await transport.aclose()


@asynccontextmanager
async def answers_in_turn(*exchanges: Capture) -> AsyncIterator[Transport]:
    """A gateway that answers each request with the next of these."""
    remaining = list(exchanges)

    async def answer(_: Request) -> Response:
        return answering(remaining.pop(0))

    with serving(Starlette(routes=[Route("/{path:path}", answer)])) as host:
        async with connected(host) as transport:
            yield transport


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("008", Unauthorized),
        ("106", NotFound),
        ("109", BadRequest),
        ("119", FunctionDisabled),
        ("364", TooManyRequests),
        ("139", Forbidden),
        ("362", GatewayFault),
        ("005", NotFound),
    ],
)
async def test_each_error_shape_becomes_its_own_error(gateway: str, name: str, error: type[GatewayError]) -> None:
    exchange = capture(name)
    async with connected(gateway) as transport:
        with pytest.raises(error) as raised:
            await transport.send("POST", name, {})
    assert raised.value.status == exchange.status
    if isinstance(exchange.body, dict):
        assert raised.value.message == next(iter(exchange.body.values()))
    assert "<" not in raised.value.message, "a web page's tags are of no use to anybody"


@pytest.mark.parametrize("exchange", [c for c in captures() if c.status >= 400], ids=lambda c: c.name)
async def test_every_captured_error_is_a_gateway_error_with_its_status(gateway: str, exchange: Capture) -> None:
    async with connected(gateway) as transport:
        with pytest.raises(GatewayError) as raised:
            await transport.send("POST", exchange.name, {})
    assert raised.value.status == exchange.status


async def test_a_schema_violation_carries_its_path(gateway: str) -> None:
    async with connected(gateway) as transport:
        with pytest.raises(BadRequest) as raised:
            await transport.send("POST", "118", {})
    assert raised.value.path == ["shots"]


def test_functions_are_parsed_with_and_without_a_provider() -> None:
    own = Function.model_validate(capture("079").body)
    assert (own.name, own.provider) == (own.title, None)
    catalog = [Function.model_validate(item) for item in capture("073").body]
    assert {function.provider for function in catalog} == {"mockprovider"}
    assert catalog[0].name == f"mockprovider/{catalog[0].title}"


def test_an_empty_schema_is_no_schema_and_a_real_one_is_an_object() -> None:
    functions = [Function.model_validate(item) for item in capture("071").body]
    schemas = {function.title: function.arguments_schema for function in functions}
    assert schemas["echo-fn"] is None
    assert isinstance(schemas["schema-fn"], dict)


def test_the_answer_to_a_run_is_a_queued_job_of_a_function_it_does_not_name() -> None:
    job = Job.model_validate(capture("122").body)
    assert (job.status, job.function) == (JobStatus.QUEUED, None)


def test_a_job_names_its_function_and_a_listing_that_gives_ids_for_providers_does_not_lie() -> None:
    provider_job = Job.model_validate(capture("253").body)
    assert provider_job.function == "mockprovider/p-fn"
    page = JobPage.model_validate(capture("263").body)
    assert page.total == capture("263").body["count"]
    assert {job.provider for job in page.jobs} == {None}


def test_events_are_parsed_newest_first() -> None:
    events = [JobEvent.model_validate(event) for event in capture("140").body]
    assert [event.data["status"] for event in events] == ["SUCCEEDED", "RUNNING", "PENDING", "QUEUED"]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("QUEUED", "QUEUED"),
        ("PENDING", "INITIALIZING"),
        ("RUNNING", "RUNNING"),
        ("SUCCEEDED", "DONE"),
        ("FAILED", "ERROR"),
        ("STOPPED", "CANCELED"),
    ],
)
def test_statuses_are_shown_in_qiskits_terms(word: str, status: str) -> None:
    assert JobStatus.from_gateway(word) == status
    assert JobStatus(status).on_gateway == word


async def test_a_result_is_unwrapped_from_the_gateways_json() -> None:
    async with answers_in_turn(capture("137")) as transport:
        assert await Jobs(transport).result(JOB_ID) == capture("137").body["result"]


async def test_a_missing_result_says_why_there_is_none() -> None:
    async with answers_in_turn(capture("215"), capture("214")) as transport:
        with pytest.raises(ResultNotReady, match="failed before it saved one"):
            await Jobs(transport).result(capture("214").body["id"])


async def test_logs_behind_a_redirect_are_bare_text_and_the_store_sees_none_of_our_headers() -> None:
    seen: list[dict[str, str]] = []

    async def store(request: Request) -> Response:
        seen.append(dict(request.headers))
        return Response(capture("fleets/015-logs-followed").content, media_type="binary/octet-stream")

    with serving(Starlette(routes=[Route("/bucket/logs.log", store)])) as address:
        location = f"{address}/bucket/logs.log?X-Amz-Signature=s"
        redirect = Capture("", "GET", "", {}, None, 302, {"location": location}, None)
        async with answers_in_turn(redirect) as transport:
            assert await Jobs(transport).logs(JOB_ID) == capture("fleets/015-logs-followed").body
    assert not {"authorization", "service-crn", "service-channel"} & set(seen[0])


async def test_no_logs_yet_is_an_empty_text() -> None:
    async with answers_in_turn(capture("fleets/008-queued-logs-204")) as transport:
        assert await Jobs(transport).logs(JOB_ID) == ""
