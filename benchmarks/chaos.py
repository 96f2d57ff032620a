"""Random faults, played with a seed, against the gateway, its jobs, two clients of one account, and a server.

    uv run benchmarks/chaos.py [--rounds 300] [--seed 1] [--first 0] [--at-once 1]

A round has a new data folder and its own seed, so that ``--first N --rounds 1`` plays one again. Some calls start jobs
while some faults happen; then all that was broken is put right again, and it is counted what is not as it should be:

doubled   a call that started more than one job, or a job whose function ran more than once
lost      a job that a call was told of and the gateway does not know, or a job that has ended well without its result
false     an answer that is not true: "nothing was submitted" about a call that started a job; the job of another call;
          a result of another job; a job that failed, or was stopped, though nothing happened that would explain it; a
          job that ended well after its stop was confirmed
hung      a call without an answer after a minute, a job that has not ended a minute after the faults, or a gateway that
          does not start in one
orphaned  a process of the data folder that lives on a minute after the gateway was told to end; a job's working folder
          or a file that was being received, a minute after the next start

A minute is one on an idle machine. The seconds of a busy one count as far as the round's processes got a processor when
they wanted one (`FairClock`), so that a machine that starves them is not taken for a process that hangs. What hangs
wants no processor, or gets one, and is found on a busy machine too.

Prints the seed and the counts, and each finding with its round. Exits with 1 if a count is not 0.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

# This folder comes first, and in it a file with the name of the package.
sys.path.pop(0)
sys.path.append(str(Path(__file__).parents[1] / "tests"))

import anyio
import psutil
from pydantic import SecretStr

from qiskit_functions_core import Account, Artifact, Channel, FunctionsClient
from qiskit_functions_core.errors import QiskitFunctionsError, SubmissionUnknown
from qiskit_functions_core.http.transport import RetryPolicy, Timeouts
from qiskit_functions_core.serverless.local_gateway import RunningGateway, find_gateway
from qiskit_functions_gateway.execution.warm_start import MeetingPlace
from qiskit_functions_gateway.storage.data_folder import DataFolder
from qiskit_functions_gateway.storage.database import Database, JobFilter
from qiskit_functions_gateway.storage.job_states import ACTIVE, JobStatus
from support import fault_proxy
from support.fault_proxy import ACTS, BROKEN, MISLEADING, REFUSALS, Acts, FaultProxy
from support.over_stdio import IDLE, assistant

KINDS = ("doubled", "lost", "false", "hung", "orphaned")

FUNCTION = """
import json, os, pathlib, sys, time
arguments = json.load(open(os.environ["ARGUMENTS_PATH"]))
is_warm = "qiskit_serverless" in sys.modules
with open(os.environ["RAN"], "a") as ran:
    ran.write(os.environ["ENV_JOB_ID_GATEWAY"] + "\\n")
print("call", arguments["call"], flush=True)
time.sleep(arguments["seconds"])
pathlib.Path(os.environ["RESULTS_PATH"]).write_text(json.dumps({"call": arguments["call"], "is_warm": is_warm}))
"""

BELL = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nh q[0];\ncx q[0], q[1];\n'

MINUTE = 60.0
ROUND_SECONDS = 300.0
WARM_SECONDS = 30.0
DISK_MEGABYTES = 24

TIMEOUTS = Timeouts(connect=5, read=10, total=25, late=0.5)
RETRIES = RetryPolicy(base=0.05)

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None) if sys.platform == "linux" else None

SLEEPS_BY_SELECT = """
import runpy, select, sys, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Runs a module. libfaketime 0.9.10 lets ``clock_nanosleep``, with which Python sleeps, fail with EINVAL."""

ENDS_A_JOB = frozenset({"kill function", "kill supervisor", "kill gateway", "suspend supervisor", "fill the disk"})
"""Faults that may end a job; each of the others may not."""


class FairClock:
    """Seconds that pass the slower, the longer a round's processes wait for a processor.

    A second counts as the time that their threads ran in it, of the time that they ran or waited to run, as Linux
    counts both in ``/proc/PID/schedstat``. It counts whole if they did neither, and on other systems.

    Attributes:
        seconds: since it was started.

    Args:
        home: the commands of the processes name it; and there is this process.
    """

    def __init__(self, home: Path) -> None:
        self.seconds = 0.0
        self._name = os.fsencode(home)
        self._ends: dict[anyio.CancelScope, float] = {}

    async def run(self) -> None:
        looked, used = time.monotonic(), self._used()
        while True:
            await anyio.sleep(1)
            passed, before = time.monotonic() - looked, used
            looked, used = looked + passed, self._used()
            since = [
                (ran - before.get(thread, (0, 0))[0], waited - before.get(thread, (0, 0))[1])
                for thread, (ran, waited) in used.items()
            ]
            ran, waited = (sum(part) for part in zip(*since, strict=True)) if since else (0, 0)
            self.seconds += passed * (ran / (ran + waited) if waited else 1)
            for scope, end in self._ends.items():
                if self.seconds > end:
                    scope.cancel()

    @contextmanager
    def fail_after(self, seconds: float) -> Iterator[None]:
        """Raise `TimeoutError` if the block takes longer."""
        with anyio.CancelScope() as scope:
            self._ends[scope] = self.seconds + seconds
            try:
                yield
            finally:
                del self._ends[scope]
        if scope.cancelled_caught:
            raise TimeoutError

    def _used(self) -> dict[Path, tuple[int, int]]:
        """Return for how many nanoseconds each thread has run, and has waited to run."""
        used = {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended
                if process.name == str(os.getpid()) or self._name in (process / "cmdline").read_bytes():
                    for thread in process.glob("task/*/schedstat"):
                        ran, waited, _ = thread.read_text().split()
                        used[thread] = int(ran), int(waited)
        return used


class WithoutWorker(FunctionsClient):
    """Starts no worker in advance: most rounds have no use for it, and it takes half a second of a processor."""

    async def start_worker(self) -> None:
        pass


@dataclass
class Call:
    """A call that runs the function.

    Attributes:
        name: what its job is known by, in its arguments.
        job: the job that it was told of.
        error: the error that it got instead.
        is_answered: False of one whose server was killed.
        stop: what a stop of its job was answered with.
    """

    name: str
    seconds: float
    job: str = ""
    error: QiskitFunctionsError | None = None
    is_answered: bool = False
    stop: str = ""


@dataclass
class Round:
    """What one round is made of."""

    number: int
    dice: random.Random
    home: Path
    outside: Path
    can_fill: bool
    calls: list[Call] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[str, str]] = field(default_factory=list)
    faked_clock: Path | None = None
    gateways: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = FairClock(self.home)

    @property
    def folder(self) -> DataFolder:
        return DataFolder(self.home)

    @property
    def ran(self) -> Path:
        """A line for each start of the function: its job."""
        return self.outside / "ran"

    def found(self, kind: str, what: str) -> None:
        self.findings.append((kind, what))

    # Calls

    async def run(self, client: FunctionsClient, call: Call, with_circuit: bool) -> None:
        arguments: dict[str, Any] = {"call": call.name, "seconds": call.seconds}
        if with_circuit:
            arguments["circuit"] = {"$circuit": BELL}
        await anyio.sleep(self.dice.random() * 0.5)
        try:
            with self.clock.fail_after(MINUTE):
                call.job = (await client.run("chaos", arguments)).job.id
        except QiskitFunctionsError as error:
            call.error = error
        except TimeoutError:
            self.found("hung", f"run {call.name}")
            return
        call.is_answered = True
        if call.job and self.dice.random() < 0.25:
            await anyio.sleep(self.dice.random())
            try:
                with self.clock.fail_after(MINUTE):
                    call.stop = str((await client.jobs.stop(call.job)).job.status)
            except QiskitFunctionsError:
                call.stop = "unknown"
            except TimeoutError:
                self.found("hung", f"stop of {call.job}")

    async def run_through_server(self, call: Call) -> None:
        """Through a server, which may be killed meanwhile."""
        arguments = {"call": call.name, "seconds": call.seconds}
        with suppress(Exception), self.clock.fail_after(MINUTE):  # whatever a client raises whose server is gone
            async with assistant(self.home) as server:
                answer = await server.call("run_function", function="chaos", arguments=arguments)
                content = answer.structured_content
                if isinstance(content, dict) and "job_id" in content:
                    call.job, call.is_answered = str(content["job_id"]), True

    # Faults

    async def play(self, fault: str, proxy: FaultProxy) -> None:
        await anyio.sleep(self.dice.random() * 2.5)
        if fault == "answer in a hostile way":
            name = self.dice.choice([*BROKEN, *MISLEADING, *REFUSALS])
            fault = f"{fault}: {name}"
            # Who says no and passes the request on afterwards is not to be told from a gateway that says no. Who has
            # passed it on before is found by the times of jobs; in the gateway's own words, only if its clock is right.
            is_refused = name in REFUSALS and name.startswith("4") and not name.startswith("408")
            is_sure = is_refused and name.endswith("json") and "set the clock" in self.faults
            acts: tuple[Acts, ...] = ("never",) if is_sure else ("never", "first") if is_refused else ACTS
            proxy.times, proxy.acts = 1, self.dice.choice(acts)
            proxy.fault = (BROKEN | MISLEADING | REFUSALS)[name]
        elif fault == "set the clock":
            if self.faked_clock:
                self.faked_clock.write_text(self.dice.choice(("-2h", "-1d", "+10d", "+3h")))
        elif fault == "fill the disk":
            with fills_disk(self.home):
                await anyio.sleep(0.5 + self.dice.random())
        else:
            verb, who = fault.split(maxsplit=1)
            if not (victim := await self.victim(who)):
                return
            with suppress(psutil.Error):
                if verb == "kill":
                    victim.kill()
                else:
                    victim.suspend()
                    await anyio.sleep(self.dice.random() * 3)
                    victim.resume()
        self.happened.append(fault)

    async def victim(self, who: str) -> psutil.Process | None:
        for _ in range(40):
            found = self.processes(who)
            # What a process has just forked, and what that has forked, still have its command.
            if victims := [process for process in found if not _descends_from_any(process, found)]:
                return self.dice.choice(victims)
            await anyio.sleep(0.05)
        return None

    def processes(self, *whose: str) -> list[psutil.Process]:
        """Return the gateways, warm parents, supervisors, functions, servers, or workers of this round."""
        markers = {
            "gateway": {"qiskit_functions_gateway", str(self.home)},
            "supervisor": {"qiskit_functions_gateway.supervisor", str(self.home)},
            "warm parent": {"qiskit_functions_gateway.execution.warm_parent", str(self.home)},
            "server": {"qiskit_functions_mcp", str(self.home)},
            "worker": {"qiskit_functions_core.values.worker.process"},
        }
        wanted = [markers[who] for who in whose if who in markers]
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                command = set(process.cmdline())
                is_one = any(words <= command for words in wanted)
                if "worker" in whose:
                    is_one = is_one and os.getpid() in [parent.pid for parent in process.parents()]
                if "function" in whose and command and not is_one:
                    is_one = process.environ().get("RAN") == str(self.ran)
                if is_one and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    # The round

    def start_gateway(self, *flags: str, with_clock: bool = False) -> None:
        """Start the gateway's program, with a clock that can be set if asked."""
        environ = {**os.environ, IDLE: "60"}
        command = [sys.executable, "-m"]
        if with_clock:
            self.faked_clock = self.outside / "clock"
            self.faked_clock.write_text("+0")
            environ |= {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(self.faked_clock),
                "FAKETIME_CACHE_DURATION": "1",  # without it, each look at any clock reads the file
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
            command = [sys.executable, "-c", SLEEPS_BY_SELECT]
        command += ["qiskit_functions_gateway", "--home", str(self.home), "--port", "0", "--idle-seconds", "60", *flags]
        nowhere = subprocess.DEVNULL
        self.gateways.append(subprocess.Popen(command, env=environ, stdout=nowhere, stderr=nowhere))

    async def serves(self) -> RunningGateway:
        """Return the gateway once there is one."""
        while not (running := find_gateway(self.home)):  # noqa: ASYNC110 - of another process
            await anyio.sleep(0.02)
        return running

    async def play_all(self) -> None:
        self.faults = chosen = self.choose()
        # Only where it is needed: with libfaketime a gateway takes three times as much of a processor.
        self.start_gateway(with_clock="set the clock" in chosen)
        client = FunctionsClient if "kill worker" in chosen else WithoutWorker
        if self.dice.random() < 0.8:  # else the first client starts one too, at the same time
            await self.serves()
        async with AsyncExitStack() as opened:
            direct = await opened.enter_async_context(
                client(Account.local(), home=self.home, timeouts=TIMEOUTS, retries=RETRIES)
            )
            gateway = await self.serves()
            account = Account(channel=Channel.LOCAL, host=gateway.host, token=SecretStr(gateway.token))
            async with FunctionsClient(account) as patient:  # on a busy machine too
                await patient.functions.upload("chaos", Artifact.from_source(FUNCTION), env_vars={"RAN": str(self.ran)})
            proxy = FaultProxy(gateway.host, matches=lambda method, path: path.endswith("/programs/run/"))
            proxy.knows_keys = self.dice.random() < 0.7
            account = account.model_copy(update={"host": opened.enter_context(fault_proxy.running(proxy))})
            proxied = await opened.enter_async_context(FunctionsClient(account, timeouts=TIMEOUTS, retries=RETRIES))
            if self.dice.random() < 0.7:  # else jobs start before it is ready, and while it gets ready
                await self.warm_up()
            async with anyio.create_task_group() as following:
                following.start_soon(self.follow_gateway, proxy)
                async with anyio.create_task_group() as group:
                    for number in range(self.dice.randint(3, 6)):
                        self.calls.append(call := Call(f"{self.number}-{number}", self.dice.random()))
                        group.start_soon(self.run, self.dice.choice((direct, proxied)), call, "kill worker" in chosen)
                    if "kill server" in chosen:
                        self.calls.append(call := Call(f"{self.number}-server", 0.2))
                        group.start_soon(self.run_through_server, call)
                    for fault in chosen:
                        group.start_soon(self.play, fault, proxy)
                following.cancel_scope.cancel()
            await self.heal(direct)

    async def warm_up(self) -> None:
        """Wait until jobs start warm."""
        with anyio.move_on_after(WARM_SECONDS):
            while not MeetingPlace.of(self.folder).socket.exists():  # noqa: ASYNC110 - of another process
                await anyio.sleep(0.05)

    async def follow_gateway(self, proxy: FaultProxy) -> None:
        """Let the proxy lead to the gateway that runs now."""
        while True:
            if running := find_gateway(self.home):
                proxy.gateway = running.host
            await anyio.sleep(0.05)

    def choose(self) -> list[str]:
        faults = [
            *("kill gateway", "kill supervisor", "kill function", "kill worker", "kill server"),
            *("kill warm parent", "suspend warm parent", "suspend gateway", "suspend supervisor"),
            *("answer in a hostile way", "answer in a hostile way"),
        ]
        if FAKETIME:
            faults.append("set the clock")
        if self.can_fill:
            faults.append("fill the disk")
        return self.dice.sample(faults, self.dice.randint(1, 3))

    async def heal(self, client: FunctionsClient) -> None:
        """Wait until every job has ended, with a gateway that runs."""
        active: list[str] = ["?"]
        with suppress(TimeoutError), self.clock.fail_after(MINUTE):
            while active:
                with suppress(QiskitFunctionsError):
                    await client.jobs.page(limit=1)  # which starts a gateway if there is none
                    with closing(Database(self.folder.database_file)) as database:
                        active = [job.id for job in database.jobs_in(ACTIVE)]
                await anyio.sleep(0.1)
        for job in active:
            self.found("hung", f"job {job}")

    # What is counted

    async def count(self) -> None:
        with closing(Database(self.folder.database_file)) as database:
            jobs = {job.id: job for job in database.jobs(JobFilter(), limit=0, offset=0)[1]}
        starts = Counter(self.ran.read_text().split() if self.ran.exists() else ())
        for job, times in starts.items():
            if times > 1:
                self.found("doubled", f"job {job} ran {times} times")
        called = {job: json.loads(self.folder.job(job).arguments.read_text())["call"] for job in jobs}
        may_fail = bool(ENDS_A_JOB & set(self.faults))
        for call in self.calls:
            own = [job for job, name in called.items() if name == call.name]
            if len(own) > 1:
                self.found("doubled", f"call {call.name} started {own}")
            if call.job and call.job not in jobs:
                self.found("lost", f"job {call.job} of call {call.name}")
            elif call.job and call.job not in own:
                self.found("false", f"call {call.name} was told of job {call.job}, which is {called[call.job]}'s")
            if call.error and call.error.submitted == "no" and own:
                self.found("false", f"call {call.name} was told that nothing was submitted: {call.error}")
            candidates = call.error.candidates if isinstance(call.error, SubmissionUnknown) else []
            if not set(candidates) <= set(jobs):
                self.found("false", f"call {call.name} was told of candidates that are no jobs: {candidates}")
            self.outcomes["told of its job" if call.job else f"told {call.error.code}" if call.error else "killed"] += 1
            for job in own:
                self.outcomes[f"job {jobs[job].status}"] += 1
                self.check_end(call, job, jobs[job].status, may_fail=may_fail)

    def check_end(self, call: Call, job: str, status: JobStatus, *, may_fail: bool) -> None:
        if status == JobStatus.SUCCEEDED:
            try:
                result = json.loads(self.folder.job(job).result.read_text())
                saved = result["call"]
                self.outcomes[f"job started {'warm' if result['is_warm'] else 'cold'}"] += 1
            except (OSError, ValueError, KeyError):
                if "fill the disk" not in self.faults:
                    self.found("lost", f"the result of job {job}")
                return
            if saved != call.name:
                self.found("false", f"job {job} of call {call.name} has the result of {saved}")
            if call.stop == "CANCELED":
                self.found("false", f"job {job} ended well after its stop was confirmed")
        if status == JobStatus.FAILED and not may_fail:
            with closing(Database(self.folder.database_file)) as database:
                self.found("false", f"job {job} failed by itself: {database.events(job)}")
        if status == JobStatus.STOPPED and not call.stop:
            self.found("false", f"job {job} was stopped by itself")

    async def count_orphans(self) -> None:
        """End the gateway, and look what lives on; then start one, and look what lies about."""
        if gateway := find_gateway(self.home):
            os.kill(gateway.pid, signal.SIGTERM)
        left: list[psutil.Process] = [psutil.Process()]
        with suppress(TimeoutError), self.clock.fail_after(MINUTE):
            while left:
                for program in self.gateways:
                    program.poll()
                left = self.processes("gateway", "warm parent", "supervisor", "function", "server")
                await anyio.sleep(0.05)
        for process in left:
            with suppress(psutil.Error):
                self.found("orphaned", f"process {process.pid}: {' '.join(filter(None, process.cmdline()))}")
                process.kill()
        self.start_gateway("--cold-jobs")  # it runs no job
        try:
            with self.clock.fail_after(MINUTE):
                await self.serves()
        except TimeoutError:
            self.found("hung", "the next gateway does not start")
        files = self.left_files()
        with suppress(TimeoutError), self.clock.fail_after(MINUTE):
            while files := self.left_files():  # noqa: ASYNC110 - as above
                await anyio.sleep(0.05)
        for path in files:
            self.found("orphaned", f"file {path}")

    def left_files(self) -> list[Path]:
        with closing(Database(self.folder.database_file)) as database:
            known = {job.id for job in database.jobs(JobFilter(), limit=0, offset=0)[1]}
        folders = [path for path in (self.home / "jobs").iterdir() if path.name not in known]
        return [*folders, *(self.home / "jobs").glob("*/work"), *self.folder.uploads.iterdir()]


@contextmanager
def fills_disk(folder: Path) -> Iterator[None]:
    filler = folder.parent / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            for size in (65536, 512):
                with suppress(OSError):
                    while file.write(bytes(size)):
                        pass
        yield
    finally:
        filler.unlink(missing_ok=True)


@contextmanager
def small_disk() -> Iterator[tuple[Path, bool]]:
    """Give a folder on a small file system of its own, and True; else one on the usual one, and False."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as mounted:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=0700", "tmpfs", folder]
        can_fill = (
            shutil.which("mount") is not None and not subprocess.run(mount, capture_output=True, check=False).returncode
        )
        if can_fill:
            mounted.callback(subprocess.run, ["umount", "-l", folder], check=False)
        yield Path(folder), can_fill


def _descends_from_any(process: psutil.Process, others: list[psutil.Process]) -> bool:
    with suppress(psutil.Error):
        return any(parent in others for parent in process.parents())
    return False


async def play(number: int, seed: int, disk: Path, can_fill: bool) -> Round:
    with tempfile.TemporaryDirectory() as outside:
        home = disk / f"round-{number}"
        played = Round(number, random.Random(f"{seed}-{number}"), home, Path(outside), can_fill)
        steps: list[Callable[[], Awaitable[None]]] = [played.play_all, played.count, played.count_orphans]
        async with anyio.create_task_group() as ticking:
            ticking.start_soon(played.clock.run)
            try:
                with played.clock.fail_after(ROUND_SECONDS):
                    for step in steps:
                        await step()
            except Exception:
                played.found("hung", f"the round itself: {traceback.format_exc()}")
            ticking.cancel_scope.cancel()
        for process in played.processes("gateway", "warm parent", "supervisor", "function", "server"):
            with suppress(psutil.Error):
                process.kill()
        for program in played.gateways:
            program.wait()
        shutil.rmtree(home, ignore_errors=True)
        return played


def play_alone(number: int, seed: int) -> tuple[list[str], Counter[str], list[tuple[str, str]]]:
    """Play a round on a disk of its own; return the faults that happened, the outcomes, and the findings."""
    with small_disk() as (disk, can_fill):
        played = anyio.run(play, number, seed, disk, can_fill)
    return played.happened, played.outcomes, played.findings


def main() -> int:
    parser = argparse.ArgumentParser(description="Play random faults, and count what they break.")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first round")
    parser.add_argument("--at-once", type=int, default=1, help="how many rounds are played at once")
    options = parser.parse_args()
    os.environ[IDLE] = "60"
    logging.basicConfig(level=logging.CRITICAL)
    counts, faults, outcomes = Counter(dict.fromkeys(KINDS, 0)), Counter[str](), Counter[str]()
    begun = time.monotonic()
    with small_disk() as (_, can_fill):
        print(f"seed {options.seed}; the disk can {'' if can_fill else 'not '}be filled, clocks can ", end="")
        print("be set" if FAKETIME else "not be set", flush=True)
    numbers = range(options.first, options.first + options.rounds)
    with ProcessPoolExecutor(options.at_once, get_context("fork")) as players:
        rounds = players.map(play_alone, numbers, [options.seed] * len(numbers))
        for number, (happened, ended, findings) in zip(numbers, rounds, strict=True):
            faults.update(happened)
            outcomes += ended
            for kind, what in findings:
                counts[kind] += 1
                print(f"round {number}, {kind}: {what} (faults: {', '.join(happened)})", flush=True)
    seconds = (time.monotonic() - begun) / max(options.rounds, 1)
    print(f"{options.rounds} rounds of {seconds:.1f} s")
    for title, counted in (("faults", faults), ("calls and jobs", outcomes)):
        print(f"{title}: {', '.join(f'{number} {what}' for what, number in counted.most_common())}")
    print(", ".join(f"{kind} {counts[kind]}" for kind in KINDS))
    return 1 if counts.total() else 0


if __name__ == "__main__":
    sys.exit(main())
