"""A run from its first request to its job: what is asked, what is loaded, whose clock counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import anyio.to_thread
import pytest
from pydantic import SecretStr

from qiskit_functions_core import Account, Channel, FunctionsClient
from qiskit_functions_core.errors import (
    ArgumentsInvalid,
    PreflightRefused,
    QiskitFunctionsError,
    SubmissionUnknown,
    Unauthorized,
)
from qiskit_functions_core.http.transport import RetryPolicy, Timeouts
from support import fault_proxy, ibm_cloud
from support.fault_proxy import FaultProxy, answer
from support.ibm_cloud import CRN, IBMCloud, device
from support.serving import handling
from support.still_gateway import TOKEN, still_gateway

ACCOUNT_IN_CRN = "0123456789abcdef"


@dataclass
class World:
    """A fake IBM Cloud, and a gateway that starts no job behind a proxy that counts."""

    cloud: IBMCloud
    proxy: FaultProxy
    host: str

    @property
    def requests(self) -> list[str]:
        gateway = [f"{method} {urlsplit(path).path}" for method, path in self.proxy.seen]
        return [f"{request.method} {request.path}" for request in self.cloud.seen] + gateway

    def client(self, token: str = TOKEN) -> FunctionsClient:
        account = Account(channel=Channel.IBM_QUANTUM_PLATFORM, host=self.host, token=SecretStr(token), instance=CRN)
        return FunctionsClient(account, retries=RetryPolicy(base=0.01), timeouts=Timeouts(late=0.1))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    cloud = IBMCloud(devices=[device("ibm_fez")])
    with still_gateway(tmp_path) as gateway, ibm_cloud.running(cloud) as cloud_proxy:
        gateway.put_function("f")
        proxy = FaultProxy(gateway.host)
        with fault_proxy.running(proxy) as host:
            variables = {**cloud.variables(cloud_proxy), "no_proxy": "127.0.0.1", "QISKIT_IBM_TOKEN": TOKEN}
            for name, value in {**variables, "IBM_SERVERLESS_HOST_URL_OVERRIDE": host}.items():
                monkeypatch.setenv(name, value)
            yield World(cloud, proxy, host)


_RUN = """
import json, sys
import anyio
from qiskit_functions_core import FunctionsClient, resolve_account

async def main():
    async with FunctionsClient(resolve_account()) as client:
        submission = await client.run("f", json.loads(sys.argv[1]))
    heavy = [name for name in ("qiskit", "numpy", "qiskit_ibm_runtime", "click") if name in sys.modules]
    print(json.dumps({"job": submission.job.id, "heavy": heavy}))

anyio.run(main)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        {"shots": 1000},
        {"shots": 1000, "backend_name": "ibm_fez"},
        {"circuit": {"$circuit": "OPENQASM 3.0; qubit[1] q;"}},
    ],
)
async def test_a_run_in_a_new_process_makes_five_requests_and_loads_nothing_heavy(
    world: World, arguments: dict[str, Any]
) -> None:
    command = [sys.executable, "-c", _RUN, json.dumps(arguments)]
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(command, check=True, capture_output=True, env=dict(os.environ))
    )
    said = json.loads(done.stdout)
    assert said["heavy"] == []
    assert sorted(world.requests) == [
        "GET /api/v1/backends",
        "GET /api/v1/instances/usage",
        "GET /api/v1/programs/get_by_title/f/",
        "POST /api/v1/programs/run/",
        "POST /identity/token",
    ]


async def test_a_warm_client_does_not_fetch_a_second_token(world: World) -> None:
    async with world.client() as client:
        await client.run("f", {})
        world.cloud.seen.clear()
        world.proxy.seen.clear()
        await client.run("f", {})
    assert len(world.requests) == 4


@pytest.mark.parametrize(
    ("usage", "devices", "arguments"),
    [
        ({"usage_consumed_seconds": 600, "usage_limit_seconds": 600}, ["ibm_fez"], {}),
        ({"usage_limit_reached": True}, ["ibm_fez"], {}),
        ({}, [], {}),
        ({}, ["ibm_fez"], {"backend_name": "ibm_gone"}),
    ],
)
async def test_a_refused_run_sends_nothing_and_hides_the_account(
    world: World, usage: dict[str, Any], devices: list[str], arguments: dict[str, Any]
) -> None:
    world.cloud.usage, world.cloud.devices = usage, [device(name) for name in devices]
    async with world.client() as client:
        with pytest.raises(PreflightRefused) as raised:
            await client.run("f", arguments)
    assert raised.value.submitted == "no"
    assert not [request for request in world.requests if "run" in request]
    assert ACCOUNT_IN_CRN not in f"{raised.value} {raised.value.next_step}"


async def test_messages_show_an_instances_crn_without_the_account(world: World) -> None:
    async with world.client() as client:
        assert client.instance == CRN.replace(ACCOUNT_IN_CRN, "***")
        assert ACCOUNT_IN_CRN not in f"{client.account!r} {client.account}"


async def test_arguments_larger_than_a_gateway_takes_are_refused_before_anything_is_submitted(world: World) -> None:
    async with world.client() as client:
        with pytest.raises(ArgumentsInvalid) as raised:
            await client.run("f", {"text": '"' * 700_000})
    assert raised.value.submitted == "no"
    assert not [request for request in world.requests if "run" in request]


async def test_a_wrong_token_is_unauthorized_and_not_shown(world: World) -> None:
    async with world.client(token="a-wrong-token") as client:
        with pytest.raises(Unauthorized, match="not valid") as raised:
            await client.run("f", {})
    assert raised.value.person
    assert raised.value.submitted == "no"
    assert "a-wrong-token" not in f"{raised.value} {raised.value.next_step}"


@pytest.mark.parametrize(
    "said",
    ["Authorization token has expired.", "Instance is required.", "Channel ibm_cloud is not allowed."],
)
async def test_a_refused_account_is_reported_in_the_gateways_words_with_what_to_check(world: World, said: str) -> None:
    world.proxy.fault = answer(401, {"detail": said})
    async with world.client() as client:
        with pytest.raises(Unauthorized, match=said) as raised:
            await client.run("f", {})
    for part in ("token", "instance", "channel"):
        assert part in raised.value.next_step


@dataclass
class Elsewhen:
    """A gateway whose clock is off; its answer to a run never comes.

    Attributes:
        tells: whether its answers carry its clock.
        ahead: how far the clock of a proxy that dates its answers is ahead of it.
        answers: whether the answer to a run comes all the same.
        age: how many seconds its answers to GET lay in a cache.
    """

    off: timedelta
    tells: bool = True
    ahead: timedelta = timedelta(0)
    answers: bool = False
    age: int = 0
    jobs: list[dict[str, Any]] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.off

    def add_job(self, age: timedelta = timedelta(0)) -> str:
        job = {"id": str(uuid4()), "status": "QUEUED", "created": (self.now() - age).isoformat()}
        self.jobs.insert(0, {**job, "program": {"id": "1", "title": "f"}})
        return job["id"]

    def answer(self, method: str, path: str, query: dict[str, list[str]]) -> Any:
        """JSON; none to hang up."""
        if method == "POST":
            self.add_job()
            return {**self.jobs[0], "program": "1"} if self.answers else None
        if path.endswith("/jobs/"):
            after = query.get("created_after")
            since = datetime.fromisoformat(after[0]) if after else datetime.min.replace(tzinfo=UTC)
            found = [job for job in self.jobs if datetime.fromisoformat(job["created"]) >= since]
            return {"count": len(found), "results": found}
        return {"title": "f", "id": "1"}


@contextmanager
def served(gateway: Elsewhen) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            url = urlsplit(self.path)
            said = gateway.answer(self.command, url.path, parse_qs(url.query))
            if said is None:
                return
            self.send_response_only(200)
            if gateway.tells:
                shift = (gateway.off + gateway.ahead).total_seconds()
                self.send_header("Date", formatdate(time.time() + shift - gateway.age, usegmt=True))
                self.send_header("Age", str(gateway.age))
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            pass

    with handling(Handler) as host:
        yield host


def self_hosted(host: str) -> FunctionsClient:
    account = Account(channel=Channel.LOCAL, host=host, token=SecretStr(TOKEN))
    return FunctionsClient(account, timeouts=Timeouts(late=0.1), retries=RetryPolicy(base=0.01))


@pytest.mark.parametrize("off", [timedelta(days=-400), timedelta(0), timedelta(hours=3)])
async def test_a_lost_job_is_named_by_the_gateways_own_clock(off: timedelta) -> None:
    gateway = Elsewhen(off)
    gateway.add_job(age=timedelta(minutes=1))
    assert await candidates_of_a_run(gateway) == [gateway.jobs[0]["id"]]


async def candidates_of_a_run(gateway: Elsewhen, *, jump: timedelta | None = None) -> list[str]:
    """The jobs named after a run whose answer is lost; the dates of answers jump just before it."""
    with served(gateway) as host:
        async with self_hosted(host) as client:
            await client.functions.get("f")
            gateway.ahead = gateway.ahead if jump is None else jump
            with pytest.raises(SubmissionUnknown) as raised:
                await client.run("f", {})
    assert raised.value.submitted == "unknown"
    return raised.value.candidates


@pytest.mark.parametrize("ahead", [timedelta(seconds=30), timedelta(seconds=-30)])
async def test_an_answer_is_believed_although_the_proxys_clock_differs_from_the_gateways(ahead: timedelta) -> None:
    gateway = Elsewhen(timedelta(0), ahead=ahead, answers=True)
    with served(gateway) as host:
        async with self_hosted(host) as client:
            for _ in range(2):
                assert (await client.run("f", {})).job.id == gateway.jobs[0]["id"]


async def test_an_answer_from_a_cache_does_not_make_an_old_job_look_new() -> None:
    gateway = Elsewhen(timedelta(0), age=900)
    gateway.add_job(age=timedelta(minutes=10))
    assert await candidates_of_a_run(gateway) == [gateway.jobs[0]["id"]]


async def test_a_clock_that_goes_back_does_not_make_an_old_job_look_like_the_likely_one() -> None:
    gateway = Elsewhen(timedelta(0))
    gateway.add_job(age=timedelta(minutes=10))
    assert (await candidates_of_a_run(gateway, jump=timedelta(hours=-1)))[0] == gateway.jobs[0]["id"]


@pytest.mark.parametrize("hours", [-2, 2, 73 * 8766])
async def test_a_clock_that_jumps_before_a_lost_answer_hides_no_candidate(hours: int) -> None:
    gateway = Elsewhen(timedelta(0))
    assert (await candidates_of_a_run(gateway, jump=timedelta(hours=hours)))[0] == gateway.jobs[0]["id"]


async def test_without_the_gateways_clock_no_job_is_taken_for_the_lost_one_and_the_newest_are_named() -> None:
    gateway = Elsewhen(timedelta(days=-400), tells=False)
    with served(gateway) as host:
        async with self_hosted(host) as client:
            with pytest.raises(SubmissionUnknown) as raised:
                await client.run("f", {})
    assert raised.value.candidates == [gateway.jobs[0]["id"]]


async def test_a_second_new_job_makes_the_first_one_uncertain() -> None:
    """Another account's, of the same second."""
    gateway = Elsewhen(timedelta(0))
    with served(gateway) as host:
        async with self_hosted(host) as client:
            await client.functions.get("f")
            other = gateway.add_job()
            with pytest.raises(SubmissionUnknown) as raised:
                await client.run("f", {})
    assert set(raised.value.candidates) == {other, gateway.jobs[0]["id"]}
    assert "Do not resubmit" in raised.value.next_step


async def test_a_run_that_is_cancelled_while_it_is_submitted_is_logged(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    sent = threading.Event()

    def never_answer(wire: fault_proxy.Wire, _: fault_proxy.Reply) -> None:
        sent.set()
        fault_proxy.say_nothing(wire, _)

    with still_gateway(tmp_path) as gateway:
        gateway.put_function("f")
        proxy = FaultProxy(gateway.host, fault=never_answer, matches=lambda method, _: method == "POST")
        with fault_proxy.running(proxy) as host:
            async with self_hosted(host) as client, anyio.create_task_group() as group:
                group.start_soon(client.run, "f", {})
                await anyio.to_thread.run_sync(sent.wait)
                group.cancel_scope.cancel()
    assert "a job may have started" in caplog.text


async def test_an_error_of_a_run_says_that_nothing_was_submitted(tmp_path: Path) -> None:
    with still_gateway(tmp_path) as gateway:
        async with self_hosted(gateway.host) as client:
            with pytest.raises(QiskitFunctionsError) as raised:
                await client.run("no-such-function", {})
    assert raised.value.submitted == "no"


async def test_an_empty_backend_name_is_the_same_as_none(world: World) -> None:
    async with world.client() as client:
        verdict = await client.check("f", {"backend_name": ""})
    assert (verdict.checks[2].code, "no backend is named" in verdict.checks[2].message) == ("ok", True)
