"""A full disk: jobs can be stopped, and a result that was cut off is called that."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from qiskit_functions_gateway.storage.data_folder import DataFolder
from support.gateways import SAVE, WAIT, Gate, assert_in_order, functions_about, user_of
from support.serving import eventually

FILL = """
import os, pathlib
filler = pathlib.Path(os.environ["DATA_PATH"], "filler")
with filler.open("wb", buffering=0) as file:
    for size in (65536, 512, 1):
        try:
            while file.write(bytes(size)):
                pass
        except OSError:
            pass
"""

HALF = """
with open(os.environ["RESULTS_PATH"], "wb", buffering=0) as file:
    try:
        file.write(b'{"half": [' + b"1, " * 100_000)
        file.write(b"1]}")
    except OSError:
        pass
"""

SLEEP = "import time\ntime.sleep(600)\n"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
async def small_disk(disk: Path) -> AsyncIterator[Path]:
    """A data folder on it."""
    yield disk
    await assert_in_order(disk)


def filler(home: Path) -> Path:
    return DataFolder(home).function_data("", "any").path / "filler"


def is_full(home: Path) -> bool:
    try:
        (home / "room").write_bytes(bytes(4096))
    except OSError:
        return True
    finally:
        (home / "room").unlink(missing_ok=True)
    return False


async def test_a_job_that_fills_the_disk_is_ended_at_once_and_stopped_when_that_can_be_written(
    small_disk: Path,
) -> None:
    async with user_of(small_disk) as user:
        await user.upload("fills", FILL + SLEEP)
        job = await user.run("fills")
        await user.becomes(job, "RUNNING")

        async def full() -> bool:
            return is_full(small_disk)

        await eventually(full)
        await user.stop(job)
        assert not functions_about(small_disk)
        filler(small_disk).unlink()
        assert await user.ended(job) == "STOPPED"


async def test_a_job_that_waits_and_was_stopped_on_a_full_disk_is_not_started_when_there_is_room(
    small_disk: Path, gate: Gate, tmp_path: Path
) -> None:
    async with user_of(small_disk) as user:
        await user.upload("waits", WAIT, env_vars=gate.variables)
        running = [await user.run("waits") for _ in range(2)]
        for job in running:
            await user.becomes(job, "RUNNING")
        await user.upload("touches", f"open({str(tmp_path / 'ran')!r}, 'w')\n")
        queued = await user.run("touches")
        with (small_disk / "filler").open("wb", buffering=0) as file:
            for size in (65536, 512, 1):
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    pass
        await user.stop(queued)
        (small_disk / "filler").unlink()
        gate.open()
        assert await user.ended(queued) == "STOPPED"
        assert {await user.ended(job) for job in running} == {"SUCCEEDED"}
    assert not (tmp_path / "ran").exists()


async def test_a_result_that_was_cut_off_is_called_that(small_disk: Path) -> None:
    async with user_of(small_disk) as user:
        await user.upload("fills", FILL + HALF)
        job = await user.run("fills")

        async def begun() -> bool:
            return filler(small_disk).exists()

        async def ended() -> bool:
            return not functions_about(small_disk)

        await eventually(begun)
        await eventually(ended)
        filler(small_disk).unlink(missing_ok=True)
        assert await user.ended(job) == "SUCCEEDED"
        assert await user.errors(job) == ["RESULT_CUT_OFF"]
        (event,) = (await user.http.get(f"/api/v1/jobs/{job}/events/", params={"type": "ERROR"})).json()
        assert "is not whole JSON (" in event["data"]["message"]


async def test_a_result_that_is_not_json_is_flagged_and_a_whole_one_is_not(home: Path) -> None:
    broken = "import os\nopen(os.environ['RESULTS_PATH'], 'w').write('{\"half\": [1, 2')\n"
    async with user_of(home) as user:
        await user.upload("whole", SAVE)
        await user.upload("broken", broken)
        whole, job = await user.run("whole"), await user.run("broken")
        assert [await user.ended(whole), await user.ended(job)] == ["SUCCEEDED"] * 2
        assert await user.errors(whole) == []
        assert await user.errors(job) == ["RESULT_CUT_OFF"]
        assert await user.log(job) == "The result that the function saved is not whole JSON (14 bytes).\n"
