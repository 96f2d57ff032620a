"""Runs through a proxy that spoils what passes: never two jobs, never one lost, never another program's.

Gateways that honour ``Idempotency-Key`` tell which job is whose, and others do not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count

import anyio
import pytest
from pydantic import SecretStr

from qiskit_functions_core import Account, Channel, FunctionsClient, Submission
from qiskit_functions_core.errors import BadRequest, QiskitFunctionsError, SubmissionUnknown
from qiskit_functions_core.http.transport import RetryPolicy, Timeouts
from support import fault_proxy
from support.fault_proxy import FAULTS, REFUSALS, STRANGER, Acts, Fault, FaultProxy, Reply, Wire, answer, redirect_to
from support.serving import eventually
from support.still_gateway import TOKEN, StillGateway, still_gateway

TIMEOUTS = Timeouts(connect=5, read=0.8, total=1.5, late=0.12)
RETRIES = RetryPolicy(base=0.01)

_titles = (f"cell-{number}" for number in count())


@dataclass
class World:
    """A gateway that starts no job, so that new ones stay in its queue, and a proxy before it."""

    gateway: StillGateway
    proxy: FaultProxy
    host: str

    def client(self) -> FunctionsClient:
        account = Account(channel=Channel.LOCAL, host=self.host, token=SecretStr(TOKEN))
        return FunctionsClient(account, timeouts=TIMEOUTS, retries=RETRIES)

    def new_function(self) -> str:
        title = next(_titles)
        self.gateway.put_function(title)
        return title

    def jobs_of(self, function: str) -> list[str]:
        """What the gateway lists."""
        listing = self.gateway.send("GET", "jobs/", params={"function": function}).body
        return [job["id"] for job in listing["results"]]

    def forget_jobs_of(self, function: str) -> None:
        """A gateway takes 50 active jobs."""
        for job_id in self.jobs_of(function):
            self.gateway.lifecycle.stop(job_id)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with still_gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        proxy = FaultProxy(gateway.host)
        with fault_proxy.running(proxy) as host:
            yield World(gateway, proxy, host)


@pytest.fixture(params=["keys", "no keys"])
def world(shared: World, request: pytest.FixtureRequest) -> World:
    """Before a gateway that honours keys, and before one that does not."""
    proxy = shared.proxy
    proxy.knows_keys = request.param == "keys"
    proxy.fault, proxy.matches, proxy.acts, proxy.times = None, is_run, "never", float("inf")
    proxy.passed.clear()
    proxy.seen.clear()
    return shared


def is_run(method: str, path: str) -> bool:
    return method == "POST" and path.endswith("/programs/run/")


REDIRECTS = (301, 302, 303, 307, 308)


async def attempt(client: FunctionsClient, function: str) -> Submission | QiskitFunctionsError:
    """What became of one run; the guard is far beyond every deadline that is promised."""
    with anyio.fail_after(60):
        try:
            return await client.run(function, {})
        except QiskitFunctionsError as error:
            return error


async def attempt_twice(client: FunctionsClient, function: str) -> list[Submission | QiskitFunctionsError]:
    """What became of two runs at once."""
    outcomes: list[Submission | QiskitFunctionsError] = []

    async def run() -> None:
        outcomes.append(await attempt(client, function))

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        group.start_soon(run)
    return outcomes


def check(outcome: Submission | QiskitFunctionsError, jobs: list[str], *, found: bool = True) -> None:
    """The promise, in all cases.

    Args:
        found: whether the job was there in time to be found.
    """
    assert len(jobs) <= 1, "never two jobs"
    if isinstance(outcome, Submission):
        assert [outcome.job.id] == jobs, "a Submission is of the job that exists"
    elif isinstance(outcome, SubmissionUnknown):
        assert outcome.submitted == "unknown"
        assert set(outcome.candidates) == (set(jobs) if found else set(outcome.candidates) & set(jobs))
    else:
        assert outcome.submitted == "no"
        assert not jobs, "nothing was submitted, it says"


async def run_through(world: World, fault: Fault, acts: Acts) -> tuple[Submission | QiskitFunctionsError, str]:
    function = world.new_function()
    async with world.client() as client:
        world.proxy.fault, world.proxy.acts = fault, acts
        return await attempt(client, function), function


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_before_the_gateway_acts_starts_no_job(world: World, name: str) -> None:
    outcome, function = await run_through(world, FAULTS[name], "never")
    jobs = world.jobs_of(function)
    check(outcome, jobs)
    assert jobs == []
    assert not isinstance(outcome, Submission)
    sent = [is_run(*request) for request in world.proxy.seen].count(True)
    assert sent == 1 or world.proxy.knows_keys, "sent again only where that cannot start a second job"


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_after_the_gateway_acted_does_not_lose_the_job(world: World, name: str) -> None:
    outcome, function = await run_through(world, FAULTS[name], "first")
    jobs = world.jobs_of(function)
    check(outcome, jobs)
    assert len(jobs) == 1
    assert not isinstance(outcome, Submission), "without an answer, the job may be another program's"
    world.forget_jobs_of(function)


@pytest.mark.parametrize("name", ["cut", "reset", "cut inside the head", "200 {}", "502 page", "504 json", "408 page"])
async def test_a_request_that_arrives_late_is_never_reported_as_not_submitted(world: World, name: str) -> None:
    outcome, function = await run_through(world, FAULTS[name], "later")

    async def arrived() -> list[str]:
        return world.jobs_of(function)

    jobs = await eventually(arrived)
    check(outcome, jobs, found=False)
    world.forget_jobs_of(function)


@pytest.mark.parametrize("acts", ["never", "first"])
@pytest.mark.parametrize("status", REDIRECTS)
async def test_a_run_does_not_follow_redirects(world: World, status: int, acts: Acts) -> None:
    stranger = FaultProxy(world.proxy.gateway, fault=answer(200, STRANGER))
    with fault_proxy.running(stranger) as elsewhere:
        outcome, function = await run_through(world, redirect_to(f"{elsewhere}/api/v1/programs/run/", status), acts)
        check(outcome, world.jobs_of(function))
        assert stranger.seen == []
    world.forget_jobs_of(function)


async def test_a_redirect_of_a_run_back_to_the_gateway_submits_nothing_more(world: World) -> None:
    back = redirect_to(f"{world.proxy.gateway}/api/v1/programs/run/", 307)
    outcome, function = await run_through(world, back, "first")
    check(outcome, world.jobs_of(function))
    world.forget_jobs_of(function)


@pytest.mark.parametrize("acts", ["never", "first"])
@pytest.mark.parametrize("name", sorted(FAULTS.keys() - REFUSALS.keys()))
async def test_a_gateway_that_honours_keys_tells_which_job_is_whose_lost_answer(
    world: World, name: str, acts: Acts
) -> None:
    world.proxy.times = 1
    outcome, function = await run_through(world, FAULTS[name], acts)
    check(outcome, world.jobs_of(function))
    assert isinstance(outcome, Submission) is world.proxy.knows_keys
    if isinstance(outcome, Submission):
        assert any("answer was lost" in warning for warning in outcome.warnings)
    world.forget_jobs_of(function)


@pytest.mark.parametrize("acts", ["never", "first"])
async def test_a_proxy_that_drops_the_key_makes_no_second_job(shared: World, acts: Acts) -> None:
    function, proxy = shared.new_function(), shared.proxy
    proxy.fault, proxy.matches, proxy.acts, proxy.times = fault_proxy.cut, is_run, acts, 1
    proxy.knows_keys = proxy.drops_keys = True
    try:
        async with shared.client() as client:
            outcome = await attempt(client, function)
    finally:
        proxy.drops_keys = False
    jobs = shared.jobs_of(function)
    check(outcome, jobs)
    assert isinstance(outcome, SubmissionUnknown)
    assert len(jobs) == (acts == "first")
    shared.forget_jobs_of(function)


@pytest.mark.parametrize("name", ["cut", "silence", "502 page", "200 {}", "400 json", "429 later"])
async def test_the_job_that_another_program_starts_in_the_same_second_is_never_claimed(world: World, name: str) -> None:
    """The request of one program does not arrive, and that of the other does, for the same function."""
    function = world.new_function()
    async with world.client() as first, world.client() as second:
        world.proxy.fault, world.proxy.times = FAULTS[name], 1
        outcomes: dict[str, Submission | QiskitFunctionsError] = {}

        async with anyio.create_task_group() as group:

            async def run(which: str, client: FunctionsClient) -> None:
                outcomes[which] = await attempt(client, function)

            group.start_soon(run, "first", first)
            group.start_soon(run, "second", second)
    jobs = world.jobs_of(function)
    claimed = [outcome.job.id for outcome in outcomes.values() if isinstance(outcome, Submission)]
    assert len(claimed) == len(set(claimed)), "each job has one owner"
    assert set(claimed) <= set(jobs)
    for outcome in outcomes.values():
        if isinstance(outcome, SubmissionUnknown):
            assert set(outcome.candidates) == set(jobs)
            assert outcome.candidates[0] in outcome.message
        elif isinstance(outcome, QiskitFunctionsError):
            assert outcome.submitted == "no"
    world.forget_jobs_of(function)


@pytest.mark.parametrize("seconds", [-7200, 7200, 73 * 365 * 86400])
@pytest.mark.parametrize("when", ["before the run", "while it runs", "one answer"])
async def test_a_clock_that_jumps_leaves_a_run_and_a_refusal_what_they_are(
    world: World, seconds: int, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = world.new_function()
    jumped = when == "before the run"
    database = world.gateway.gateway.database
    monkeypatch.setattr(database, "_clock", lambda: datetime.now(UTC) + timedelta(seconds=seconds if jumped else 0))

    def shift(method: str, path: str) -> bool:
        nonlocal jumped
        jumped = jumped or (when == "while it runs" and is_run(method, path))
        return jumped or when == "one answer"

    def shift_dates(wire: Wire, reply: Reply) -> None:
        said = wire.forward()
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        headers = tuple((name, date if name.lower() == "date" else value) for name, value in said.headers)
        wire.send(Reply(said.status, said.body, headers).on_the_wire())

    async with world.client() as client:
        world.proxy.matches, world.proxy.fault = shift, shift_dates
        world.proxy.times = 1 if when == "one answer" else float("inf")
        outcomes = [await attempt(client, function) for _ in range(3)]
        world.proxy.fault, world.proxy.matches, world.proxy.times = answer(400, {"message": "no"}), is_run, 1
        refused = await attempt(client, function)
    assert [type(outcome) for outcome in outcomes] == [Submission] * 3
    assert isinstance(refused, BadRequest)
    world.forget_jobs_of(function)


async def test_an_answer_of_an_older_run_from_a_cache_is_not_claimed(world: World) -> None:
    function = world.new_function()
    said: list[Reply] = []

    def remember(wire: Wire, _: Reply) -> None:
        said.append(wire.forward())
        wire.send(said[0].on_the_wire())

    async with world.client() as other:
        world.proxy.fault = remember
        assert isinstance(await attempt(other, function), Submission)
    body = json.loads(said[0].body) | {"created": "2020-01-01T00:00:00Z"}
    async with world.client() as client:
        world.proxy.fault = answer(200, body)
        assert isinstance(await attempt(client, function), SubmissionUnknown)
    world.forget_jobs_of(function)


async def test_an_undisturbed_run_has_no_warning_about_its_answer(world: World) -> None:
    function = world.new_function()
    async with world.client() as client:
        outcome = await attempt(client, function)
    assert isinstance(outcome, Submission)
    assert not any("answer was lost" in warning for warning in outcome.warnings)
    world.forget_jobs_of(function)


async def test_an_answer_replayed_by_a_cache_is_not_taken_for_a_new_job(world: World) -> None:
    function = world.new_function()
    said: list[Reply] = []

    def remember(wire: Wire, reply: Reply) -> None:
        said.append(reply)
        wire.send(reply.on_the_wire())

    def replay(wire: Wire, _: Reply) -> None:
        wire.send(said[0].on_the_wire())

    async with world.client() as client:
        world.proxy.fault, world.proxy.acts = remember, "first"
        first = await attempt(client, function)
        world.proxy.fault, world.proxy.acts = replay, "never"
        second = await attempt(client, function)
    assert isinstance(first, Submission)
    assert isinstance(second, SubmissionUnknown)
    assert second.candidates == []
    world.forget_jobs_of(function)


async def test_two_runs_at_once_of_which_one_answer_is_lost_never_claim_the_same_job(world: World) -> None:
    function = world.new_function()
    world.proxy.fault, world.proxy.acts, world.proxy.times = fault_proxy.cut, "first", 1
    async with world.client() as client:
        outcomes = await attempt_twice(client, function)
    jobs = world.jobs_of(function)
    assert len(jobs) == 2
    claimed = {outcome.job.id for outcome in outcomes if isinstance(outcome, Submission)}
    named = {job for outcome in outcomes if isinstance(outcome, SubmissionUnknown) for job in outcome.candidates}
    assert claimed | named == set(jobs)
    assert len(claimed) == (2 if world.proxy.knows_keys else 1)
    world.forget_jobs_of(function)


async def test_two_lost_answers_and_one_job_are_not_told_apart_by_guessing(world: World) -> None:
    """The first request reached the gateway, the second did not; only keys tell whose the job is."""
    function = world.new_function()

    arrives = iter((True, False))

    def lose(wire: Wire, reply: Reply) -> None:
        if next(arrives):
            wire.forward()
        fault_proxy.cut(wire, reply)

    world.proxy.fault, world.proxy.times = lose, 2
    async with world.client() as client:
        outcomes = await attempt_twice(client, function)
    jobs = world.jobs_of(function)
    if world.proxy.knows_keys:
        assert sorted(outcome.job.id for outcome in outcomes if isinstance(outcome, Submission)) == sorted(jobs)
        world.forget_jobs_of(function)
        return
    assert len(jobs) == 1
    for outcome in outcomes:
        assert isinstance(outcome, SubmissionUnknown)
        assert outcome.candidates == jobs
    world.forget_jobs_of(function)
