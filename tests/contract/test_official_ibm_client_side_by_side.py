"""The official IBM client and ours, with one gateway of this machine and one fake IBM Cloud between them."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import pytest
from pydantic import SecretStr
from qiskit_serverless import IBMServerlessClient, QiskitServerlessException

from qiskit_functions_core import Account, Artifact, Channel, FunctionsClient
from qiskit_functions_core.errors import PreflightRefused
from qiskit_functions_core.platforms.platform import least_busy
from support.gateways import gateway_process
from support.ibm_cloud import CRN, IBMCloud, device, running


@dataclass
class World:
    """One gateway behind IBM's channel, and the cloud that both clients ask."""

    host: str
    token: str
    cloud: IBMCloud


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with gateway_process(tmp_path_factory.mktemp("ibm") / "home") as process:
        yield process.address()


@pytest.fixture
def world(gateway: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    cloud = IBMCloud(devices=[device("ibm_fez"), device("ibm_torino")])
    cloud.devices[0]["queue_length"] = 9
    with running(cloud) as proxy:
        host, token = gateway
        environ = {**cloud.variables(proxy), "QISKIT_IBM_TOKEN": token, "no_proxy": "127.0.0.1"}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        yield World(host, token, cloud)


@asynccontextmanager
async def ours_of(world: World) -> AsyncIterator[FunctionsClient]:
    account = Account(channel=Channel.IBM_QUANTUM_PLATFORM, host=world.host, token=SecretStr(world.token), instance=CRN)
    async with FunctionsClient(account) as client:
        yield client


async def official(world: World, ask: Any) -> Any:
    """What the official client answers, in a thread of its own."""

    def answer() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library warns of its own defaults
            return ask(IBMServerlessClient(host=world.host))

    return await anyio.to_thread.run_sync(answer)


async def test_usage_backends_and_the_least_busy_one_are_the_same(world: World) -> None:
    world.cloud.usage = {"usage_consumed_seconds": 10, "usage_limit_seconds": 600}

    def ask(client: IBMServerlessClient) -> Any:
        usage = client.usage()["usage_remaining_seconds"]
        large = [backend.name for backend in client.backends(min_num_qubits=140, refresh_cache=True)]
        return usage, sorted(large), client.least_busy().name, client.backend("ibm_fez").num_qubits

    async with ours_of(world) as client:
        usage, listing = await client.platform.usage(), await client.platform.backends()
        large = sorted(backend.name for backend in listing.matching(min_num_qubits=140))
        best, fez = least_busy(listing.backends), await client.platform.backend("ibm_fez")
    assert best and fez
    assert (usage.remaining, large, best.name, fez.num_qubits) == await official(world, ask)


@dataclass(frozen=True)
class Case:
    """A run, and what pre-flight makes of it.

    Attributes:
        outcome: "job", "warned" or "refused".
    """

    usage: dict[str, Any]
    arguments: dict[str, Any]
    outcome: str
    devices: tuple[str, ...] = ("ibm_fez",)


PLENTY = {"usage_consumed_seconds": 10}
LOW = {"usage_consumed_seconds": 100, "usage_limit_seconds": 600}
USED_UP = {"usage_consumed_seconds": 600, "usage_limit_seconds": 600}

CASES = {
    "unlimited": Case(PLENTY, {}, "job"),
    "low": Case(LOW, {}, "warned"),
    "used up": Case(USED_UP, {}, "refused"),
    "limit reached": Case({**PLENTY, "usage_limit_reached": True}, {}, "refused"),
    "backend": Case(PLENTY, {"backend_name": "ibm_fez"}, "job"),
    "no such backend": Case(PLENTY, {"backend_name": "ibm_nowhere"}, "refused"),
    "no backends": Case(PLENTY, {}, "refused", devices=()),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_run_is_let_through_or_refused_by_both(world: World, case: Case) -> None:
    world.cloud.usage = case.usage
    world.cloud.devices = [device(name) for name in case.devices]
    world.cloud.failures["/api/v1/backends/ibm_nowhere/configuration"] = (404, {"errors": [{"message": "none"}]}, {})
    async with ours_of(world) as client:
        await client.functions.upload("here", Artifact.from_source("print('ran')"))
        assert await our_outcome(client, case) == await their_outcome(world, case) == case.outcome


async def our_outcome(client: FunctionsClient, case: Case) -> str:
    try:
        submission = await client.run("here", case.arguments)
    except PreflightRefused:
        return "refused"
    await client.jobs.wait(submission.job.id, timeout=60)
    return "warned" if submission.warnings else "job"


async def their_outcome(world: World, case: Case) -> str:
    def run() -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client = IBMServerlessClient(host=world.host)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                client.run("here", arguments=case.arguments)
            except QiskitServerlessException:
                return "refused"
        return "warned" if any("low remaining" in str(warning.message) for warning in caught) else "job"

    return await anyio.to_thread.run_sync(run)
