"""What a function leaves in its DATA_PATH, and what is left of killed processes, breaks no later job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from qiskit_functions_core.serverless.local_gateway import find_gateway
from qiskit_functions_gateway.storage.data_folder import DataFolder
from qiskit_functions_gateway.storage.database import Database
from support.gateways import SAVE, speaking, user_of
from support.programs import WITHOUT_CAPABILITIES
from support.serving import eventually

SECRET = "secret" * 6

READS = "import json, os\nprint(json.load(open(os.environ['ARGUMENTS_PATH']))['number'])\n" + SAVE

LEAVES = {
    "a file": "open(path, 'w').write('mine')",
    "a link": "os.symlink('/tmp', path)",
    "a link to itself": "os.symlink(path, path)",
    "a closed folder": "os.mkdir(path, 0)",
}


@pytest.mark.parametrize("left", LEAVES)
async def test_what_is_called_arguments_or_results_there_is_moved_out_of_the_way(home: Path, left: str) -> None:
    leaves = f"""
import os, shutil
for name in ("arguments", "results"):
    path = os.path.join(os.environ["DATA_PATH"], name)
    shutil.rmtree(path)
    {LEAVES[left]}
"""
    async with user_of(home) as user:
        await user.upload("leaves", leaves)
        await user.upload("reads", READS)
        await user.ended(await user.run("leaves"))
        job = await user.run("reads", number=7)
        assert await user.ended(job) == "SUCCEEDED", await user.log(job)
        assert (await user.log(job)).endswith("7\n")
        assert await user.result(job) == {"saved": True}
        if left == "a file":
            assert "results was in the way in DATA_PATH; it is called results-1 now." in await user.log(job)
            listed = (await user.http.get("/api/v1/files/", params={"function": "reads"})).json()["results"]
            assert listed == ["arguments-1", "results-1"]


async def test_no_file_is_uploaded_under_the_name_of_such_a_folder(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("reads", READS)
        answer = await user.http.post(
            "/api/v1/files/upload/", params={"function": "reads"}, files={"file": ("results", b"text")}
        )
        assert answer.status_code == 400


async def test_what_killed_processes_left_is_swept_at_the_next_start(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("saves", SAVE)
        done = await user.run("saves")
        await user.ended(done)
    folder, orphan = DataFolder(home), DataFolder(home).job(str(uuid4()))
    partial = f".{'0' * 16}"
    orphan.path.mkdir()
    for path in (orphan.arguments, folder.job(done).path / partial, home / partial, folder.artifacts / partial):
        path.touch()
        os.utime(path, (0, 0))
    folder.job(done).work.mkdir()
    (folder.uploads / "left").touch()

    async with user_of(home) as user:

        async def swept() -> bool:
            return not orphan.path.exists()

        await eventually(swept)
        assert await user.result(done) == {"saved": True}
    assert not {partial, "work", "left"} & {name for _, folders, files in os.walk(home) for name in (*folders, *files)}


READS_ENVIRONMENTS = """
import json, os, pathlib
gateway = json.loads(pathlib.Path(os.environ["HOME_OF_GATEWAY"], "gateway.json").read_text())["pid"]
for pid in (os.getppid(), gateway):
    try:
        print("secret" in pathlib.Path(f"/proc/{pid}/environ").read_text())
    except PermissionError:
        print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
async def test_a_function_reads_no_secret_of_its_gateway_or_supervisor(home: Path) -> None:
    with program(home):

        async def served() -> bool:
            return find_gateway(home) is not None

        await eventually(served)
        gateway = find_gateway(home)
        assert gateway
        async with speaking(gateway.host, SECRET) as user:
            await user.upload("reads", READS_ENVIRONMENTS, env_vars={"HOME_OF_GATEWAY": str(home)})
            job = await user.run("reads")
            assert await user.ended(job) == "SUCCEEDED"
            assert await user.log(job) == "refused\nrefused\n"


@contextmanager
def program(home: Path) -> Iterator[None]:
    """The gateway as a person starts it, with accounts in its environment; not even root may read all of /proc."""
    gateway = [sys.executable, "-m", "qiskit_functions_gateway", "--home", str(home), "--port", "0"]
    environ = {**os.environ, "QISKIT_IBM_TOKEN": "secret", "QISKIT_FUNCTIONS_GATEWAY_TOKEN": SECRET}
    with subprocess.Popen([*WITHOUT_CAPABILITIES, *gateway], env=environ) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


async def test_a_supervisor_gets_no_account(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "secret")
    monkeypatch.setenv("MY_PASSWORD", "secret")
    async with user_of(home) as user:
        await user.upload(
            "reads", "import os, pathlib\nprint(pathlib.Path(f'/proc/{os.getppid()}/environ').read_text())\n"
        )
        job = await user.run("reads")
        await user.ended(job)
        assert "secret" not in await user.log(job)


async def test_a_job_whose_row_is_gone_does_not_come_back(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("saves", SAVE)
        job = await user.run("saves")
        await user.ended(job)
        with closing(Database(DataFolder(home).database_file)) as database:
            assert database.forget_job(job)
        assert (await user.http.get(f"/api/v1/jobs/{job}/")).status_code == 404
        assert (await user.http.post(f"/api/v1/jobs/{job}/stop/", json={})).status_code == 404
