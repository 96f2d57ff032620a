"""Backends narrowed and configured, instances found, runtime jobs cancelled: on IBM Quantum, here, and nowhere."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from pydantic import SecretStr
from qiskit_ibm_runtime import QiskitRuntimeService
from starlette.responses import Response

from qiskit_functions_core import Account, Backend, Channel, FunctionsClient, Instance, Job
from qiskit_functions_core.errors import Forbidden, GatewayFault, GatewayTimeout, PlatformAbsent, PlatformUnavailable
from qiskit_functions_core.http.transport import RetryPolicy, Transport
from qiskit_functions_core.models import RuntimeJobState
from qiskit_functions_core.platforms.ibm import IBMPlatform
from qiskit_functions_core.platforms.ibm_instances import InstanceDirectory
from qiskit_functions_core.platforms.local import LocalPlatform
from qiskit_functions_core.platforms.platform import Listing, NoPlatform, least_busy
from qiskit_functions_core.serverless.gateway import gateway_transport
from support.clients import InTurn, NotingGateway, client_of, noting_gateway
from support.ibm_cloud import API_KEY, CRN, IBMCloud, device, running

EUROPEAN = CRN.replace("us-east", "eu-de").replace("11111111", "22222222")
LISTING = Listing(
    (
        Backend(name="small", num_qubits=5, simulator=True, queue_length=0),
        Backend(name="large", num_qubits=156, queue_length=7, max_shots=100_000),
        Backend(name="away", num_qubits=127, operational=False, queue_length=1),
        Backend(name="calm", num_qubits=133, queue_length=2),
    ),
    age=0.0,
)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[IBMCloud]:
    found = IBMCloud(devices=[device("ibm_fez"), device("ibm_torino")])
    with running(found) as proxy:
        for name, value in found.variables(proxy).items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
def noting() -> Iterator[NotingGateway]:
    with noting_gateway({}) as gateway:
        yield gateway


@asynccontextmanager
async def ibm(*, instance: str | None = CRN) -> AsyncIterator[IBMPlatform]:
    account = Account(
        channel=Channel.IBM_QUANTUM_PLATFORM, host="http://gw.test", token=SecretStr(API_KEY), instance=instance
    )
    platform = IBMPlatform.of(account, retries=RetryPolicy(attempts=1))
    try:
        yield platform
    finally:
        await platform.aclose()


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["small", "large", "away", "calm"]),
        ({"name": "large"}, ["large"]),
        ({"name": "larg"}, []),
        ({"min_num_qubits": 130}, ["large", "calm"]),
        ({"operational": False}, ["away"]),
        ({"simulator": True}, ["small"]),
        ({"operational": True, "simulator": False}, ["large", "calm"]),
        # Not by its text, which has the lambda's address: pytest-xdist needs the same ids in every worker.
        pytest.param({"predicate": lambda backend: (backend.max_shots or 0) > 50_000}, ["large"], id="predicate"),
    ],
    ids=str,
)
def test_backends_match_all_filters(filters: Any, names: list[str]) -> None:
    assert [backend.name for backend in LISTING.matching(**filters)] == names


def test_the_least_busy_backend_is_an_operational_one_of_those_that_match() -> None:
    best = least_busy(LISTING.matching(simulator=False))
    assert best is not None
    assert best.name == "calm"
    assert least_busy(LISTING.matching(min_num_qubits=1000)) is None


async def test_configurations_are_fetched_only_when_asked_for(cloud: IBMCloud) -> None:
    async with ibm() as platform:
        listing = await platform.backends()
        assert not [request for request in cloud.seen if "configuration" in request.path]
        configured = await platform.configured(listing.matching(name="ibm_fez"))
    assert [request.path for request in cloud.seen if "configuration" in request.path] == [
        "/api/v1/backends/ibm_fez/configuration"
    ]
    assert configured[0].basis_gates
    assert configured[0].coupling_map


async def test_a_configuration_that_fails_is_an_error_and_not_a_gap(cloud: IBMCloud) -> None:
    cloud.failures["/api/v1/backends/ibm_torino/configuration"] = (500, {}, {})
    async with ibm() as platform:
        with pytest.raises(GatewayFault):
            await platform.configured((await platform.backends()).backends)


async def test_instances_are_the_librarys_in_fewer_requests(cloud: IBMCloud) -> None:
    def official() -> list[dict[str, Any]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library warns of its own defaults
            return list(QiskitRuntimeService().instances())

    theirs = await anyio.to_thread.run_sync(official)
    library, cloud.seen = cloud.seen, []
    async with ibm(instance=None) as platform:
        ours = await platform.instances()
    assert [(i.crn, i.name, i.plan, i.region) for i in ours] == [
        (instance["crn"], instance["name"], instance["plan"], "us-east") for instance in theirs
    ]
    for request in cloud.seen:
        alike = [
            seen
            for seen in library
            if (seen.method, seen.host, seen.path) == (request.method, request.host, request.path)
        ]
        assert alike, request
        assert "service-crn" not in request.headers
        assert API_KEY not in str(request.headers)


def directory_of(noting: NotingGateway) -> InstanceDirectory:
    async def headers() -> dict[str, str]:
        return {"Authorization": "Bearer iam"}

    transports = [Transport(f"{noting.host}/api/v1/", headers, retries=RetryPolicy(attempts=1)) for _ in range(2)]
    return InstanceDirectory(*transports)


def found(crn: str, name: str, plan: str, **more: Any) -> dict[str, Any]:
    return {"crn": crn, "name": name, "service_plan_unique_id": plan, "doc": {"extensions": {"x": 1}}, **more}


async def test_every_page_of_instances_is_read_and_an_archived_plan_is_unknown(noting: NotingGateway) -> None:
    noting.answers = {
        "POST resources/search": InTurn(
            [
                {"items": [found(CRN, "one", "open"), found(CRN, "no backends", "open", doc={})], "search_cursor": "2"},
                {"items": [found(EUROPEAN, "two", "archived", tags=["lab"])]},
            ]
        ),
        "GET open": {"overview_ui": {"en": {"display_name": "Open"}}},
        "GET archived": Response(status_code=403),
    }
    directory = directory_of(noting)
    assert await directory.instances() == [
        Instance(crn=CRN, name="one", plan="open"),
        Instance(crn=EUROPEAN, name="two", plan="unknown", tags=["lab"]),
    ]
    assert b'"search_cursor":"2"' in noting.asked[1].body
    await directory.aclose()


async def test_an_unreachable_catalog_is_an_error_and_not_an_unknown_plan(noting: NotingGateway) -> None:
    noting.answers = {
        "POST resources/search": {"items": [found(CRN, "one", "a"), found(EUROPEAN, "two", "b"), "text", {"doc": 1}]},
        "GET a": Response(b"{", headers={"content-length": "9"}),
        "GET b": Response(b"{", headers={"content-length": "9"}),
    }
    directory = directory_of(noting)
    with pytest.raises(GatewayTimeout):
        await directory.instances()
    await directory.aclose()


def test_an_unknown_queue_is_not_taken_for_an_empty_one() -> None:
    backends = [Backend(name="silent", num_qubits=5), Backend(name="short", num_qubits=156, queue_length=2)]
    assert least_busy(backends) == backends[1]
    assert least_busy(backends[:1]) == backends[0]


def test_no_representation_of_an_instance_shows_the_account() -> None:
    assert "a/" not in repr(Instance(crn=CRN))


async def test_a_search_without_a_list_does_not_mean_that_there_are_no_instances(noting: NotingGateway) -> None:
    noting.answers = {"POST resources/search": {"items": None}}
    directory = directory_of(noting)
    with pytest.raises(PlatformUnavailable, match="without a list"):
        await directory.instances()
    await directory.aclose()


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"name": "test"}, 1),
        ({"name": "tes"}, 0),
        ({"region": "us-east"}, 1),
        ({"region": "eu-de"}, 0),
        ({"plan": "Open"}, 1),
        ({"plan": "premium"}, 0),
        ({"name": "test", "region": "us-east", "plan": "open"}, 1),
    ],
    ids=str,
)
async def test_instances_are_filtered_by_name_region_and_plan(cloud: IBMCloud, filters: Any, count: int) -> None:
    async with ibm() as platform:
        assert len(await platform.instances(**filters)) == count


CANCEL, CLOSE = "/api/v1/jobs/rj%2F1/cancel", "/api/v1/sessions/s1/close"


@pytest.mark.parametrize(("status", "ended"), [(204, True), (404, False), (409, False)])
async def test_what_had_ended_already_is_distinguished_from_what_was_ended(
    cloud: IBMCloud, status: int, ended: bool
) -> None:
    cloud.failures |= {CANCEL: (status, "", {}), CLOSE: (status, "", {})}
    async with ibm() as platform:
        assert await platform.cancel_runtime_job("rj/1") is ended
        assert await platform.close_session("s1") is ended
    assert [(request.method, request.path) for request in cloud.seen[1:]] == [("POST", CANCEL), ("DELETE", CLOSE)]


async def test_a_cancellation_that_is_forbidden_is_an_error(cloud: IBMCloud) -> None:
    cloud.failures[CANCEL] = (403, {"errors": [{"message": "not yours"}]}, {})
    async with ibm() as platform:
        with pytest.raises(Forbidden, match="not yours"):
            await platform.cancel_runtime_job("rj/1")


async def test_stopping_a_job_ends_its_runtime_jobs_and_sessions_and_no_token_is_in_a_body(
    cloud: IBMCloud, noting: NotingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = "77d67d4f-dc19-4bc2-aa2b-7e83abdea163"
    runtime_jobs = [
        {"runtime_job": "rj/1", "runtime_session": None},
        {"runtime_job": "rj2", "runtime_session": "s1"},
        {"runtime_job": "rj3", "runtime_session": "s1"},
        {"runtime_job": "rj4", "runtime_session": None},
    ]
    noting.answers = {
        f"GET jobs/{job_id}/": {"id": job_id, "status": "STOPPED", "created": "2026-11-22T22:57:12Z"},
        f"GET jobs/{job_id}/logs/": {"logs": ""},
        f"GET jobs/{job_id}/runtime_jobs/": {"runtime_jobs": runtime_jobs},
        f"POST jobs/{job_id}/stop/": {"message": "stopped"},
    }
    cloud.failures |= {CANCEL: (204, "", {}), CLOSE: (204, "", {}), "/api/v1/jobs/rj4/cancel": (500, {}, {})}
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    account = Account(channel=Channel.IBM_QUANTUM_PLATFORM, host=noting.host, token=SecretStr(API_KEY), instance=CRN)
    async with FunctionsClient(account, retries=RetryPolicy(attempts=1)) as client:
        stopped = await client.jobs.stop(job_id)
    assert stopped.cancelled == ("rj/1", "s1")
    assert len(stopped.problems) == 1
    assert "rj4" in stopped.problems[0]
    ends = [(request.method, request.path) for request in cloud.seen if request.method in ("POST", "DELETE")]
    assert ends.count(("DELETE", CLOSE)) == 1, "a session is ended once, with all its jobs"
    assert not any(API_KEY.encode() in asked.body for asked in noting.asked)


async def test_the_seconds_of_a_functions_runtime_jobs_are_added_when_all_are_settled(
    cloud: IBMCloud, noting: NotingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = "77d67d4f-dc19-4bc2-aa2b-7e83abdea163"
    shown = {"id": job_id, "status": "SUCCEEDED", "created": "2026-11-22T22:57:12Z"}
    noting.answers = {
        f"GET jobs/{job_id}/runtime_jobs/": {"runtime_jobs": [{"runtime_job": "rj1"}, {"runtime_job": "rj2"}]}
    }
    completed = {"state": {"status": "Completed"}}
    for name, usage in (("rj1", {"quantum_seconds": 2.5}), ("rj2", {"status": "pending", "quantum_seconds": 0})):
        cloud.failures |= {
            f"/api/v1/jobs/{name}": (200, completed, {}),
            f"/api/v1/jobs/{name}/metrics": (200, {"usage": usage}, {}),
        }
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    account = Account(channel=Channel.IBM_QUANTUM_PLATFORM, host=noting.host, token=SecretStr(API_KEY), instance=CRN)
    async with FunctionsClient(account, retries=RetryPolicy(attempts=1)) as client:
        job = Job.model_validate(shown)
        states = await client.jobs.runtime_job_states(await client.jobs.runtime_jobs(job_id))
        assert states == [
            RuntimeJobState(status="Completed", quantum_seconds=2.5),
            RuntimeJobState(status="Completed", quantum_seconds=None),
        ]
        assert await client.jobs.seconds_used(job) is None
        settled = {"usage": {"status": "done", "qpu_charge_time_seconds": 1.0}}
        cloud.failures["/api/v1/jobs/rj2/metrics"] = (200, settled, {})
        assert await client.jobs.seconds_used(job) == 3.5


async def test_this_machine_answers_the_same_questions(tmp_path: Path) -> None:
    async with FunctionsClient(Account.local(), home=tmp_path) as client:
        listing = await client.platform.backends()
        (manila,) = await client.platform.configured(listing.matching(name="fake_manila"))
        assert (manila.num_qubits, bool(manila.basis_gates)) == (5, True)
        for needed, qubits in ((0, 5), (6, 7), (121, 127)):  # a single qubit is of little use
            best = least_busy(listing.matching(min_num_qubits=needed))
            assert best is not None
            assert best.num_qubits == qubits
        assert await client.platform.instances() == []
        assert not await client.platform.cancel_runtime_job("rj1")
        assert not await client.platform.close_session("s1")


async def test_without_a_platform_every_question_says_so() -> None:
    platform = NoPlatform(PlatformAbsent("nobody to ask"))
    questions: list[Callable[[], Awaitable[object]]] = [
        platform.usage,
        platform.backends,
        platform.instances,
        lambda: platform.backend("x"),
        lambda: platform.details("x"),
        lambda: platform.configured([]),
        lambda: platform.runtime_job("x"),
        lambda: platform.cancel_runtime_job("x"),
        lambda: platform.close_session("x"),
    ]
    for question in questions:
        with pytest.raises(PlatformAbsent, match="nobody"):
            await question()


async def test_an_account_without_a_platform_is_not_told_to_try_again() -> None:
    with noting_gateway({}) as gateway:
        async with client_of(gateway.host) as client:
            with pytest.raises(PlatformAbsent) as error:
                await client.platform.usage()
    assert error.value.next_step
    assert "again" not in error.value.next_step


async def test_a_backends_name_that_no_file_can_have_is_unknown() -> None:
    transport = gateway_transport(Account(channel=Channel.LOCAL, host="http://127.0.0.1:9"))
    assert await LocalPlatform(transport).backend("fake_" + "a" * 300) is None
    await transport.aclose()
