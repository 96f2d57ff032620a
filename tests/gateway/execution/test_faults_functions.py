"""Functions that misbehave."""

from __future__ import annotations

from pathlib import Path

import pytest

from qiskit_functions_gateway.execution.limits import Limits
from qiskit_functions_gateway.storage.data_folder import DataFolder
from support.gateways import SAVE, WAIT, Gate, functions_about, user_of

FORKS = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("forking", flush=True)
while True:  # always some dozens, none of them old
    if os.fork() == 0:
        os.setsid()
        os.fork()
        time.sleep(0.5)
        os._exit(0)
    time.sleep(0.05)
"""

READS_ARGUMENTS = "import json, os\nprint(json.load(open(os.environ['ARGUMENTS_PATH']))['number'])\n" + SAVE


async def test_one_that_forks_on_and_on_and_ignores_to_be_ended_is_ended_with_all_its_children(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("forks", FORKS)
        job = await user.run("forks")
        await user.says(job, "forking")
        await user.stop(job)
        assert await user.status(job) == "STOPPED"
        assert not functions_about(home)


async def test_one_that_prints_200_mb_leaves_a_log_of_50_mb_that_says_so(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("loud", f"line = 'x' * 9999\nfor n in range(20_000): print(n, line)\n{SAVE}print('end')\n")
        job = await user.run("loud")
        assert await user.ended(job) == "SUCCEEDED"
        log = DataFolder(home).job(job).log.read_bytes()
    assert log.startswith(b"[older lines were cut: this log keeps the last 50 MB]\n")
    assert 49 < len(log) / 1024**2 <= 50.1
    lines = log.splitlines()[1:]
    assert lines[-1] == b"end"
    numbers = [int(line.split()[0]) for line in lines[:-1]]
    assert numbers == list(range(numbers[0], 20_000))  # whole lines, none missing


async def test_one_long_line_is_kept_to_the_bound(home: Path) -> None:
    async with user_of(home, Limits(log_mb=0.5)) as user:
        await user.upload("long-line", "print('x' * 2_000_000 + 'end', end='')")
        job = await user.run("long-line")
        assert await user.ended(job) == "SUCCEEDED"
        log = await user.log(job)
    assert log.startswith("[older lines were cut: this log keeps the last 0.5 MB]\nxxx")
    assert log.endswith("xend")
    assert 500_000 < len(log) < 530_000


async def test_bytes_that_are_no_text_are_shown_as_replacements(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload(
            "binary", "import sys\nsys.stdout.buffer.write(bytes(range(256)) + b'\\nno newline at the end')\n"
        )
        job = await user.run("binary")
        assert await user.ended(job) == "SUCCEEDED"
        log = await user.log(job)
        assert log.startswith("\x00\x01\x02")
        assert "\ufffd" in log
        assert log.endswith("no newline at the end")


async def test_one_that_fills_memory_is_ended_at_its_limit_with_its_children(home: Path) -> None:
    async with user_of(home, Limits(memory_mb=200)) as user:
        # Neither process alone is over the limit.
        fills = (
            "import os, time\nos.fork()\nhoard = [bytearray(40 * 2**20)]\nprint('full', flush=True)\ntime.sleep(600)\n"
        )
        await user.upload("fits", fills.replace("600", "0.5"))
        await user.upload("fills", fills.replace("40", "120"))
        fits, job = await user.run("fits"), await user.run("fills")
        assert await user.ended(fits) == "SUCCEEDED"
        assert await user.ended(job) == "FAILED"
        assert await user.errors(job) == ["MEMORY_LIMIT"]
        assert (await user.log(job)).endswith("The function used more memory than 200 MiB.\n")


async def test_one_that_runs_too_long_is_ended_at_its_limit(home: Path) -> None:
    async with user_of(home, Limits(seconds=0.5)) as user:
        await user.upload("slow", "import time\nprint('no newline', end='', flush=True)\ntime.sleep(600)\n")
        job = await user.run("slow")
        assert await user.ended(job) == "FAILED"
        assert await user.errors(job) == ["TIME_LIMIT"]
        assert await user.log(job) == "no newline\nThe function ran longer than its limit of 0.5 s.\n"


async def test_one_that_deletes_all_it_can_reach_harms_no_other_job(home: Path, gate: Gate) -> None:
    async with user_of(home, Limits(max_jobs=1)) as user:
        deletes = "import os, shutil\nshutil.rmtree(os.environ['DATA_PATH'])\nshutil.rmtree(os.getcwd())\n"
        await user.upload("deletes", WAIT + deletes, env_vars=gate.variables)
        await user.upload("reads", READS_ARGUMENTS)
        before, job, after = (
            await user.run("reads", number=1),
            await user.run("deletes"),
            await user.run("reads", number=2),
        )
        assert await user.ended(before) == "SUCCEEDED"
        gate.open()
        assert [await user.ended(job), await user.ended(after)] == ["SUCCEEDED"] * 2
        assert await user.log(after) == "2\n"
        assert [await user.result(job) for job in (before, after)] == [{"saved": True}] * 2


async def test_one_that_deletes_its_jobs_own_records_has_ended_all_the_same(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload(
            "deletes", "import os, shutil\nprint('x', flush=True)\nshutil.rmtree(os.path.dirname(os.getcwd()))\n"
        )
        job = await user.run("deletes")
        assert await user.ended(job) in ("SUCCEEDED", "FAILED")  # a gateway may see first that its lock is gone


@pytest.mark.parametrize("instead", ["os.mkfifo(path)", "os.mkdir(path)", "os.symlink('/etc/passwd', path)"])
async def test_what_is_no_file_is_no_result(home: Path, gate: Gate, instead: str) -> None:
    async with user_of(home) as user:
        source = f"import os\npath = os.environ['RESULTS_PATH']\n{instead}\nprint('made', flush=True)\n{WAIT}"
        await user.upload("odd", source, env_vars=gate.variables)
        job = await user.run("odd")
        await user.says(job, "made")
        assert await user.result(job) is None
        gate.open()
        assert await user.ended(job) == "SUCCEEDED"
        assert await user.result(job) is None


async def test_one_that_fails_leaves_its_exit_code_to_be_told_from_being_killed(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("exits", "raise SystemExit(3)\n")
        job = await user.run("exits")
        assert await user.ended(job) == "FAILED"
        assert await user.errors(job) == []
