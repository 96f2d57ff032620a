"""Reads through a proxy that spoils what passes: they end in the truth or in the right error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest
from pydantic import SecretStr

from qiskit_functions_core import Account, Artifact, Channel, FunctionsClient, QiskitFunctionsError
from qiskit_functions_core.errors import (
    BadRequest,
    Forbidden,
    FunctionDisabled,
    GatewayError,
    GatewayFault,
    GatewayTimeout,
    NotFound,
    TooManyRequests,
    Unauthorized,
)
from qiskit_functions_core.http.transport import RetryPolicy, Timeouts
from support import fault_proxy
from support.fault_proxy import BROKEN, FAULTS, MISLEADING, REFUSALS, FaultProxy, answer, redirect_to
from support.still_gateway import TOKEN, StillGateway, still_gateway

BY_STATUS = {401: Unauthorized, 403: Forbidden, 404: NotFound, 423: FunctionDisabled, 429: TooManyRequests}

REPEATED = {*BROKEN, *(name for name in REFUSALS if name[:3] in ("429", "502", "503", "504"))} - {"drip", "429 later"}
"""Where asking again helps. A drip takes all of the time; a second is longer than these tests wait."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StillGateway]:
    with still_gateway(tmp_path_factory.mktemp("gateway")) as running:
        running.put_function("f")
        yield running


@pytest.fixture(scope="module")
def shared(gateway: StillGateway) -> Iterator[tuple[FaultProxy, str]]:
    proxy = FaultProxy(gateway.host)
    with fault_proxy.running(proxy) as host:
        yield proxy, host


@pytest.fixture
def proxy(shared: tuple[FaultProxy, str]) -> FaultProxy:
    proxy, _ = shared
    proxy.fault, proxy.acts, proxy.times = None, "first", float("inf")
    proxy.matches = lambda method, path: True
    proxy.seen.clear()
    return proxy


@pytest.fixture(scope="module")
def job_id(gateway: StillGateway) -> str:
    return gateway.put_job("f", "", "SUCCEEDED").id


@asynccontextmanager
async def reading(host: str) -> AsyncIterator[FunctionsClient]:
    """A client; the guard is far beyond every deadline that is promised."""
    account = Account(channel=Channel.LOCAL, host=host, token=SecretStr(TOKEN))
    timeouts, retries = Timeouts(connect=5, read=0.3, total=0.9), RetryPolicy(base=0.01, longest=0.5)
    with anyio.fail_after(60):
        async with FunctionsClient(account, timeouts=timeouts, retries=retries) as client:
            yield client


def expected(name: str) -> type[QiskitFunctionsError]:
    if name in BROKEN:
        return GatewayTimeout
    if name in MISLEADING:
        return GatewayFault
    status = int(name[:3])
    return GatewayFault if status >= 500 else BY_STATUS.get(status, BadRequest)


@pytest.mark.parametrize("name", FAULTS)
async def test_a_lasting_fault_raises_the_right_error(
    shared: tuple[FaultProxy, str], proxy: FaultProxy, job_id: str, name: str
) -> None:
    proxy.fault = FAULTS[name]
    async with reading(shared[1]) as client:
        with pytest.raises(expected(name)) as raised:
            await client.jobs.get(job_id)
    if isinstance(raised.value, GatewayError) and name in REFUSALS:
        assert raised.value.status == int(name[:3])
    assert raised.value.next_step


@pytest.mark.parametrize("name", sorted(REPEATED))
async def test_a_passing_fault_is_retried_and_the_job_is_read(
    shared: tuple[FaultProxy, str], proxy: FaultProxy, job_id: str, name: str
) -> None:
    proxy.fault, proxy.times = FAULTS[name], 1
    async with reading(shared[1]) as client:
        assert (await client.jobs.get(job_id)).status == "DONE"
    assert len(proxy.seen) == 2


@pytest.mark.parametrize("name", ["200 {}", "200 null", "200 page", "204", "garbled body"])
async def test_an_answer_without_a_listing_is_never_taken_for_an_empty_listing(
    shared: tuple[FaultProxy, str], proxy: FaultProxy, name: str
) -> None:
    proxy.fault = FAULTS[name]
    async with reading(shared[1]) as client:
        for ask in (client.functions.list, client.jobs.page, lambda: client.files.list("f")):
            with pytest.raises(GatewayFault):
                await ask()


@pytest.mark.parametrize("name", ["200 {}", "200 null", "200 page", "garbled body"])
async def test_an_answer_that_is_not_the_gateways_is_never_taken_for_success(
    shared: tuple[FaultProxy, str], proxy: FaultProxy, job_id: str, name: str
) -> None:
    proxy.fault, proxy.acts = FAULTS[name], "never"
    async with reading(shared[1]) as client:
        questions: dict[str, Callable[[], Awaitable[object]]] = {
            "verify": client.verify,
            "validate_arguments": lambda: client.functions.validate_arguments("f", "{}"),
            "dependencies_versions": client.functions.dependencies_versions,
            "upload": lambda: client.functions.upload("f", Artifact.from_source("print(1)")),
            "result": lambda: client.jobs.result(job_id),
            "logs": lambda: client.jobs.logs(job_id),
            "stop": lambda: client.jobs.stop(job_id),
        }
        if name != "200 {}":  # from a gateway, which has nothing to say
            questions["delete"] = lambda: client.files.delete("f", "data.txt")
        for ask in questions.values():
            with pytest.raises(GatewayFault):
                await ask()


async def test_a_stop_that_only_a_proxy_answers_is_reported_as_a_problem(
    shared: tuple[FaultProxy, str], proxy: FaultProxy, gateway: StillGateway
) -> None:
    running_job = gateway.put_job("f", "", "RUNNING").id
    proxy.fault, proxy.acts = FAULTS["200 page"], "never"
    proxy.matches = lambda method, _: method == "POST"
    async with reading(shared[1]) as client:
        stopped = await client.jobs.stop(running_job)
    gateway.stop_all()
    assert stopped.problems == ("the gateway did not say that it stops the job, which is still RUNNING",)


@pytest.mark.parametrize("read", ["result", "logs"])
async def test_a_login_page_behind_a_redirect_is_neither_a_result_nor_a_log(
    shared: tuple[FaultProxy, str], proxy: FaultProxy, job_id: str, read: str
) -> None:
    portal = FaultProxy(proxy.gateway, fault=FAULTS["200 page"])
    with fault_proxy.running(portal) as elsewhere:
        proxy.fault = redirect_to(f"{elsewhere}/login?Signature=s", 302)
        async with reading(shared[1]) as client:
            with pytest.raises(GatewayFault, match="web page"):
                await getattr(client.jobs, read)(job_id)


async def test_a_web_page_in_place_of_a_function_is_blamed_on_the_host(
    shared: tuple[FaultProxy, str], proxy: FaultProxy, job_id: str
) -> None:
    proxy.fault = FAULTS["404 page"]
    async with reading(shared[1]) as client:
        for ask in (lambda: client.functions.get("f"), lambda: client.jobs.get(job_id)):
            with pytest.raises(NotFound) as raised:
                await ask()
            assert "Qiskit Serverless gateway" in raised.value.next_step


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_job_from_a_server_behind_a_redirect_is_not_believed(
    shared: tuple[FaultProxy, str], proxy: FaultProxy, job_id: str, status: int
) -> None:
    stranger = FaultProxy(proxy.gateway, fault=answer(200, {**fault_proxy.STRANGER, "id": job_id}))
    with fault_proxy.running(stranger) as elsewhere:
        proxy.fault = redirect_to(f"{elsewhere}/api/v1/jobs/{job_id}/?X-Amz-Signature=s", status)
        async with reading(shared[1]) as client:
            with pytest.raises(GatewayFault, match="redirected to another place"):
                await client.jobs.get(job_id)


async def test_a_redirect_to_what_is_not_an_object_store_is_not_followed(
    shared: tuple[FaultProxy, str], proxy: FaultProxy, job_id: str
) -> None:
    stranger = FaultProxy(proxy.gateway, fault=answer(200, b"SECRET=1"))
    with fault_proxy.running(stranger) as elsewhere:
        proxy.fault = redirect_to(f"{elsewhere}/latest/meta-data", 302)
        async with reading(shared[1]) as client:
            with pytest.raises(GatewayFault, match="not signed"):
                await client.jobs.logs(job_id)
    assert stranger.seen == []


async def test_a_redirect_loop_ends(shared: tuple[FaultProxy, str], proxy: FaultProxy, job_id: str) -> None:
    proxy.fault = redirect_to(f"{shared[1]}/again?sig=s", 302)
    async with reading(shared[1]) as client:
        with pytest.raises(GatewayFault, match="redirected again"):
            await client.jobs.logs(job_id)
    assert len(proxy.seen) == 2
