"""Dependencies of functions, from a folder of wheels that are made here: no network is needed."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from qiskit_functions_gateway.execution.environments import requirements, uv
from qiskit_functions_gateway.storage.data_folder import DataFolder
from support.gateways import user_of

SHOWS = "import tiny_dependency, psutil\nprint(tiny_dependency.VERSION, psutil.__name__)\n"
"""One package of the environment's own, and one of the server's."""


def wheel(folder: Path, version: str) -> None:
    """The smallest wheel there is (PEP 427)."""
    folder.mkdir(exist_ok=True)
    info = f"tiny_dependency-{version}.dist-info"
    files = {
        "tiny_dependency.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny-dependency\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"tiny_dependency-{version}-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


@pytest.fixture(autouse=True)
def only_these_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "wheels", version)
    for tool in ("UV", "PIP"):
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(tmp_path / "wheels"))
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["uv", "pip"])
def tool(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What makes the environment; pip does where there is no uv."""
    if request.param == "pip":
        monkeypatch.setenv("PATH", str(tmp_path))
    if bool(uv()) != (request.param == "uv"):
        pytest.skip("uv is beside this Python" if uv() else "there is no uv")
    return str(request.param)


def environments(home: Path) -> list[Path]:
    folder = DataFolder(home).environments
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


async def test_an_environment_is_made_once_and_shared(home: Path, tool: str) -> None:
    async with user_of(home) as user:
        await user.upload("shows", SHOWS, dependencies=["tiny-dependency==1.0"])
        jobs = await asyncio.gather(user.run("shows"), user.run("shows"))
        assert [await user.ended(job) for job in jobs] == ["SUCCEEDED"] * 2
        logs = [await user.log(job) for job in jobs]
        assert all(log.endswith("1.0 psutil\n") for log in logs)
        assert all(log.startswith("Making an environment with tiny-dependency==1.0") for log in logs)
        assert sum("tiny-dependency-1.0" in log or "tiny-dependency==1.0\nThe" in log for log in logs) == 1
        later = await user.run("shows")
        assert await user.ended(later) == "SUCCEEDED"
        assert await user.log(later) == "1.0 psutil\n"
    assert len(environments(home)) == 1


async def test_each_set_has_an_environment_of_its_own_and_a_job_keeps_the_one_it_was_submitted_with(
    home: Path,
) -> None:
    async with user_of(home) as user:
        for dependencies, version in ((["tiny-dependency==1.0"], "1.0"), ([{"tiny_dependency": "2.0"}], "2.0")):
            await user.upload("shows", SHOWS, dependencies=dependencies)
            job = await user.run("shows")
            assert await user.ended(job) == "SUCCEEDED"
            assert (await user.log(job)).endswith(f"{version} psutil\n")
        await user.upload("shows", "import tiny_dependency\n", dependencies=[])
        job = await user.run("shows")
        assert await user.ended(job) == "FAILED"
        assert "No module named 'tiny_dependency'" in await user.log(job)
    assert len(environments(home)) == 2


async def test_what_cannot_be_installed_fails_the_job_with_the_tools_own_words(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("shows", SHOWS, dependencies=["tiny-dependency==3.0"])
        job = await user.run("shows")
        assert await user.ended(job) == "FAILED"
        assert await user.errors(job) == ["DEPENDENCIES"]
        log = await user.log(job)
        assert "tiny-dependency==3.0" in log.split("\n", 1)[1]
        assert log.endswith("The function's dependencies could not be installed; the log says why.\n")
        (event,) = (await user.http.get(f"/api/v1/jobs/{job}/events/", params={"type": "ERROR"})).json()
        assert "No solution found" in event["data"]["message"] or "No matching distribution" in event["data"]["message"]
    assert environments(home) == []


async def test_what_a_killed_maker_left_is_made_anew(home: Path) -> None:
    async with user_of(home) as user:
        await user.upload("shows", SHOWS, dependencies=["tiny-dependency"])
        assert await user.ended(await user.run("shows")) == "SUCCEEDED"
        (environment,) = environments(home)
        _break(environment)
        job = await user.run("shows")
        assert await user.ended(job) == "SUCCEEDED"
        assert (await user.log(job)).endswith("2.0 psutil\n")


def _break(environment: Path) -> None:
    shutil.rmtree(environment / "lib")
    (environment / "made").unlink()


async def test_an_installer_is_not_given_the_servers_tokens(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "secret-token")
    fake = _fake_uv(tmp_path / "tools")
    monkeypatch.setenv("PATH", str(fake.parent), prepend=":")
    async with user_of(home) as user:
        await user.upload("shows", SHOWS, dependencies=["tiny-dependency"])
        job = await user.run("shows")
        assert await user.ended(job) == "FAILED"
        log = await user.log(job)
    assert "UV_NO_INDEX=1" in log
    assert "secret-token" not in log


def _fake_uv(folder: Path) -> Path:
    """A uv that shows what it is given, and fails."""
    folder.mkdir()
    path = folder / "uv"
    path.write_text(f"#!{sys.executable}\nimport os\nfor item in os.environ.items(): print('='.join(item))\nexit(1)\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ([], ()),
        (["numpy"], ("numpy",)),
        (["b", "a == 1.0", "b"], ("a==1.0", "b")),
        ([{"numpy": "2.1.0"}, {"scipy": ">=1.10,<2"}], ("numpy==2.1.0", "scipy>=1.10,<2")),
        (["package[extra]==1.0"], ("package[extra]==1.0",)),
    ],
)
def test_dependencies_are_understood_as_lists_and_as_the_official_gateway_takes_objects(
    given: list[object], understood: tuple[str, ...]
) -> None:
    assert requirements(json.dumps(given)) == understood


NOT_UNDERSTOOD = [
    "no json",
    "{}",
    '"numpy"',
    "[1]",
    "[null]",
    '["--index-url=http://x"]',
    '["-r/etc/passwd"]',
    '["a @ file:///b"]',
    '["git+https://x/y"]',
    '["./local"]',
    '[{"a": "1", "b": "2"}]',
    '["a; import os"]',
    json.dumps(["a"] * 101),
]


@pytest.mark.parametrize("given", NOT_UNDERSTOOD)
def test_what_is_no_plain_dependency_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"dependenc"):
        requirements(given)
