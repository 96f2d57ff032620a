"""Our platform and the real QiskitRuntimeService, side by side on one fake IBM Cloud."""

from __future__ import annotations

import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio.to_thread
import pytest
from pydantic import SecretStr
from qiskit_ibm_runtime import QiskitRuntimeService

from qiskit_functions_core import Account, Channel
from qiskit_functions_core.concurrency import gather
from qiskit_functions_core.errors import (
    AccountError,
    Forbidden,
    GatewayError,
    GatewayFault,
    GatewayTimeout,
    GatewayUnreachable,
    PlatformUnavailable,
    QiskitFunctionsError,
    TooManyRequests,
    Unauthorized,
)
from qiskit_functions_core.http.transport import RetryPolicy, Timeouts
from qiskit_functions_core.platforms.ibm import IBMPlatform, runtime_url
from qiskit_functions_core.platforms.platform import least_busy
from support.ibm_cloud import API_KEY, CRN, IBMCloud, Seen, device, running

USAGE = "/api/v1/instances/usage"
BACKENDS = "/api/v1/backends"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[IBMCloud]:
    found = IBMCloud(devices=[device("ibm_fez"), device("ibm_torino", status="offline", reason="maintenance")])
    with running(found) as proxy:
        for name, value in found.variables(proxy).items():
            monkeypatch.setenv(name, value)
        yield found


@asynccontextmanager
async def ours(*, attempts: int = 1, seconds: float = 10) -> AsyncIterator[IBMPlatform]:
    account = Account(
        channel=Channel.IBM_QUANTUM_PLATFORM, host="http://gw.test", token=SecretStr(API_KEY), instance=CRN
    )
    platform = IBMPlatform.of(
        account, timeouts=Timeouts(total=seconds), retries=RetryPolicy(attempts=attempts, base=0.01)
    )
    try:
        yield platform
    finally:
        await platform.aclose()


def official() -> Any:
    with warnings.catch_warnings():
        # The library warns of its own defaults; what it answers is the point here.
        warnings.simplefilter("ignore")
        return QiskitRuntimeService()


@pytest.mark.parametrize(
    "usage",
    [
        {"usage_consumed_seconds": 10},
        {"usage_consumed_seconds": 10, "usage_limit_seconds": 600},
        {"usage_consumed_seconds": 599.5, "usage_limit_seconds": 600},
        {"usage_consumed_seconds": 900, "usage_limit_seconds": 600, "usage_limit_reached": True},
        {"usage_consumed_seconds": 10, "usage_allocation_seconds": 120},
        {"usage_consumed_seconds": 10, "usage_limit_seconds": 0, "usage_limit_reached": False},
        {"usage_consumed_seconds": 10, "usage_limit_reached": True},
    ],
)
async def test_usage_is_what_the_library_says(cloud: IBMCloud, usage: dict[str, Any]) -> None:
    cloud.usage = usage
    async with ours() as platform:
        found = await platform.usage()
    expected = await anyio.to_thread.run_sync(lambda: official().usage())
    assert found.remaining == expected.get("usage_remaining_seconds")
    assert found.limit_reached == expected.get("usage_limit_reached", False)


async def test_a_backend_is_there_or_not_as_the_library_says(cloud: IBMCloud) -> None:
    service = await anyio.to_thread.run_sync(official)
    names = await anyio.to_thread.run_sync(lambda: sorted(backend.name for backend in service.backends()))
    async with ours() as platform:
        listing = await platform.backends()
        assert sorted(backend.name for backend in listing.backends) == names
        fez, retired = await platform.details("ibm_fez"), await platform.backend("ibm_retired")
        torino = await platform.backend("ibm_torino")
    assert retired is None
    assert fez is not None
    library = await anyio.to_thread.run_sync(lambda: service.backend("ibm_fez"))
    assert (fez.num_qubits, fez.operational) == (library.num_qubits, True)
    assert set(fez.basis_gates) == set(library.configuration().basis_gates)
    assert torino is not None
    assert (torino.operational, torino.status_message) == (False, "maintenance")
    best = least_busy(listing.backends)
    assert best is not None
    assert best.name == "ibm_fez"


async def test_our_requests_are_a_subset_of_the_librarys_header_by_header(cloud: IBMCloud) -> None:
    async with ours() as platform:
        await platform.usage()
        await platform.details("ibm_fez")
    own = list(cloud.seen)
    cloud.seen.clear()

    def use_the_library() -> None:
        service = official()
        service.usage()
        service.backend("ibm_fez").properties()

    await anyio.to_thread.run_sync(use_the_library)
    theirs = {_identity(request) for request in cloud.seen}
    assert {_identity(request) for request in own} <= theirs
    assert len(own) == 5, "a token, the quota, the backends, one configuration and its properties"


def _identity(request: Seen) -> tuple[str, ...]:
    """What must be the same; tokens differ by the second in which they were made."""
    names = ("service-crn", "ibm-api-version")
    bearer = request.headers.get("authorization", "").partition(" ")[0]
    return (request.method, request.host, request.path, bearer, *(request.headers.get(name, "") for name in names))


async def test_the_api_key_goes_to_iam_and_nowhere_else(cloud: IBMCloud) -> None:
    async with ours() as platform:
        await platform.usage()
        await platform.backends()
    elsewhere = [request for request in cloud.seen if request.host != "iam.cloud.test"]
    assert len(elsewhere) == 2
    assert API_KEY not in str(elsewhere)


async def test_one_token_serves_until_shortly_before_it_ends(cloud: IBMCloud) -> None:
    async with ours() as platform, anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(platform.usage)
    assert [request.path for request in cloud.seen].count("/identity/token") == 1
    cloud.seen.clear()
    cloud.token_seconds = 60
    async with ours() as platform:
        await platform.usage()
        await platform.usage()
    assert [request.path for request in cloud.seen].count("/identity/token") == 2


FAILURES: list[tuple[tuple[int, Any, dict[str, str]] | None, type[GatewayError] | type[GatewayTimeout]]] = [
    ((500, "<html><body>Internal error</body></html>", {}), GatewayFault),
    ((429, {"errors": [{"message": "slow down"}]}, {"Retry-After": "0"}), TooManyRequests),
    ((403, {"errors": [{"code": 1, "message": "this instance is not yours"}]}, {}), Forbidden),
    ((200, "half an ans", {}), GatewayFault),
    (None, GatewayTimeout),
]


@pytest.mark.parametrize("path", [USAGE, BACKENDS])
@pytest.mark.parametrize(("failure", "error"), FAILURES)
async def test_a_failure_is_told_as_it_is(
    cloud: IBMCloud, path: str, failure: tuple[int, Any, dict[str, str]] | None, error: type[QiskitFunctionsError]
) -> None:
    cloud.failures[path] = failure
    async with ours(seconds=0.5) as platform:
        with pytest.raises(error, match=r"IBM Quantum|slow down|not yours|no JSON"):
            await (platform.usage() if path == USAGE else platform.backends())


async def test_a_busy_platform_is_asked_again(cloud: IBMCloud) -> None:
    cloud.failures[USAGE] = (503, "", {})
    async with ours(attempts=3) as platform:
        with pytest.raises(GatewayFault):
            await platform.usage()
    assert [request.path for request in cloud.seen].count(USAGE) == 3


@pytest.mark.parametrize("body", [{}, {"devices": None}, []])
async def test_an_answer_without_a_listing_is_never_no_backends(cloud: IBMCloud, body: Any) -> None:
    cloud.failures[BACKENDS] = (200, body, {})
    async with ours() as platform:
        with pytest.raises(PlatformUnavailable):
            await platform.backends()


async def test_a_refused_api_key_ends_at_once_and_is_not_shown(cloud: IBMCloud) -> None:
    cloud.failures["/identity/token"] = (400, {"errorMessage": f"Provided API key {API_KEY} could not be found."}, {})
    async with ours() as platform:
        with pytest.raises(Unauthorized) as raised:
            await platform.usage()
    assert (raised.value.person, raised.value.status) == (True, 400)
    assert "API key" in raised.value.next_step
    assert API_KEY not in f"{raised.value} {raised.value.message}"
    assert [request.path for request in cloud.seen] == ["/identity/token"]


async def test_a_silent_iam_ends_within_the_deadline(cloud: IBMCloud) -> None:
    cloud.failures["/identity/token"] = None
    async with ours(seconds=0.5) as platform:
        with pytest.raises(GatewayTimeout, match="IBM"):
            await platform.usage()


async def test_an_unreachable_cloud_is_unreachable(cloud: IBMCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with ours() as platform:
        with pytest.raises(GatewayUnreachable):
            await platform.usage()


async def test_the_listing_is_cached_whole_and_a_look_up_refreshes_its_own_entry(cloud: IBMCloud) -> None:
    async with ours() as platform:
        await platform.backends()
        cloud.devices = [device("ibm_fez", status="offline"), device("ibm_torino"), device("ibm_brisbane")]
        assert {b.name for b in (await platform.backends()).backends} == {"ibm_fez", "ibm_torino"}
        await platform.backend("ibm_fez")
        cached = {b.name: b.operational for b in (await platform.backends()).backends}
        assert cached == {"ibm_fez": False, "ibm_torino": False}
        again = {b.name: b.operational for b in (await platform.backends(refresh=True)).backends}
        assert again == {"ibm_fez": False, "ibm_torino": True, "ibm_brisbane": True}


def test_the_region_of_the_crn_is_in_the_address() -> None:
    assert runtime_url("https://cloud.ibm.com", CRN) == "https://quantum.cloud.ibm.com"
    european = CRN.replace("us-east", "eu-de")
    assert runtime_url("https://cloud.ibm.com", european) == "https://eu-de.quantum.cloud.ibm.com"


@pytest.mark.parametrize("region", ["127.0.0.1/?", "evil.test#", "us-east.evil.test", "user@x", "US-EAST", "-"])
def test_what_is_not_a_region_does_not_become_a_host_name(region: str) -> None:
    with pytest.raises(AccountError, match="region"):
        runtime_url("https://cloud.ibm.com", CRN.replace("us-east", region))


@pytest.mark.parametrize(
    "ask", [IBMPlatform.usage, lambda p: p.backends(refresh=True), lambda p: p.cancel_runtime_job("j")]
)
async def test_a_token_that_was_revoked_is_renewed_once(
    cloud: IBMCloud, ask: Callable[[IBMPlatform], Awaitable[object]]
) -> None:
    valid = ""

    class Strict(IBMCloud):
        def answer(self, request: Seen) -> tuple[int, Any, dict[str, str]] | None:
            if request.path != "/identity/token" and request.headers["authorization"] != f"Bearer {valid}":
                return 401, {"errors": [{"message": "the token was revoked"}]}, {}
            if request.path == "/identity/token":
                return 200, {"access_token": valid, "expires_in": 3600}, {}
            return (200, {}, {}) if request.method == "POST" else super().answer(request)

    strict = Strict(devices=cloud.devices)
    with running(strict) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("http_proxy", proxy)
        async with ours() as platform:
            valid = "first"
            await ask(platform)
            valid = "second"
            await gather([partial(ask, platform)] * 2)
            assert [request.path for request in strict.seen].count("/identity/token") == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (BACKENDS, {"devices": [{"qubits": 5}]}),
        (BACKENDS, {"devices": [{"name": "ibm_fez", "status": "online"}]}),
        (BACKENDS, {"devices": [{"name": "ibm_fez", "processor_type": "Heron"}]}),
        (BACKENDS, {"devices": [{"name": "ibm_fez", "qubits": "many"}]}),
        (BACKENDS, {"devices": ["ibm_fez"]}),
        (USAGE, {"usage_limit_seconds": "x"}),
        (USAGE, [1]),
        ("/identity/token", {"access_token": "t", "expires_in": None}),
        ("/identity/token", {"access_token": "t", "expires_in": "soon"}),
        ("/identity/token", {"access_token": "two\nlines", "expires_in": 3600}),
        ("/identity/token", {"access_token": "gr\u00fcn", "expires_in": 3600}),
        ("/api/v1/backends/ibm_fez/configuration", {"coupling_map": [[1]]}),
        ("/api/v1/backends/ibm_fez/configuration", {"basis_gates": "cz"}),
    ],
)
async def test_an_answer_in_another_shape_is_an_error_of_ours(cloud: IBMCloud, path: str, body: Any) -> None:
    cloud.failures[path] = (200, body, {})
    async with ours() as platform:
        with pytest.raises((GatewayFault, PlatformUnavailable)):
            await (platform.usage() if path == USAGE else platform.details("ibm_fez"))


async def test_what_a_configuration_leaves_open_is_empty(cloud: IBMCloud) -> None:
    empty = {"basis_gates": None, "coupling_map": None}
    cloud.failures["/api/v1/backends/ibm_fez/configuration"] = (200, empty, {})
    async with ours() as platform:
        found = await platform.details("ibm_fez")
    assert found is not None
    assert (found.basis_gates, found.coupling_map, found.max_shots) == ([], [], None)


async def test_fresh_listings_do_not_wait_for_each_other(cloud: IBMCloud) -> None:
    meeting = threading.Barrier(5)

    class Meeting(IBMCloud):
        def answer(self, request: Seen) -> tuple[int, Any, dict[str, str]] | None:
            if request.path == BACKENDS:
                meeting.wait(30)
            return super().answer(request)

    with running(Meeting(devices=cloud.devices)) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("http_proxy", proxy)
        async with ours() as platform, anyio.create_task_group() as group:
            for _ in range(meeting.parties):
                group.start_soon(partial(platform.backends, refresh=True))


async def test_a_backend_that_is_gone_leaves_the_listing(cloud: IBMCloud) -> None:
    async with ours() as platform:
        await platform.backends()
        cloud.devices = [device("ibm_torino")]
        assert await platform.backend("ibm_fez") is None
        assert [b.name for b in (await platform.backends()).backends] == ["ibm_torino"]


async def test_a_wrong_token_is_unauthorized(cloud: IBMCloud) -> None:
    cloud.failures[USAGE] = (401, {"errors": [{"message": "the token has expired"}]}, {})
    async with ours() as platform:
        with pytest.raises(Unauthorized, match="expired"):
            await platform.usage()
