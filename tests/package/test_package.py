"""The built wheel, as people install it: in a home with nothing in it, and an environment with nothing of this one."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from qiskit_functions_mcp.commands.demo import Demo, Progress
from support.programs import end_gateways, gateways_under

ROOT = Path(__file__).parents[2]

WHEEL = os.environ.get("QISKIT_FUNCTIONS_TEST_WHEEL", "")

PASSED_ON = ("UV_", "PIP_", "SSL_", "HTTP", "NO_PROXY")
"""Of variables that say where packages are downloaded from and how; without them no uv could install anything."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    end_gateways(gateways_under(tmp_path / ".local" / "share"))


def environ(home: Path) -> dict[str, str]:
    uv = shutil.which("uv")
    assert uv
    cache = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    passed = {name: value for name, value in os.environ.items() if name.upper().startswith(PASSED_ON)}
    base = {"PATH": f"{Path(uv).parent}:/usr/bin:/bin", "HOME": str(home), "UV_CACHE_DIR": cache}
    # The interpreter that runs this: a fresh home has none, and uv would download one.
    return {**passed, **base, "UV_PYTHON": sys.executable, "QISKIT_FUNCTIONS_GATEWAY_IDLE_SECONDS": "60"}


def run(home: Path, *command: str, folder: Path | None = None) -> str:
    done = subprocess.run(
        command, env=environ(home), cwd=folder or home, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_runs_at_once_and_tells_its_version(home: Path) -> None:
    version = re.search(r"-(\d+\.\d+\.\d+)-", WHEEL)
    assert version
    assert run(home, "uvx", "--from", WHEEL, "qiskit-functions-mcp", "--version").strip() == version[1]


async def test_in_a_fresh_home_an_assistant_gets_an_entry_and_plays_the_demo(home: Path) -> None:
    requirement = f"qiskit-functions-mcp[local] @ file://{WHEEL}"
    run(home, "uvx", "--from", requirement, "qiskit-functions-mcp", "install", "claude-code")
    entry = json.loads((home / ".claude.json").read_text())["mcpServers"]["qiskit-functions"]
    # What uvx runs is in a cache, which may be emptied.
    assert requirement in entry["args"]
    project = home / "project"
    project.mkdir()
    server = StdioServerParameters(command=entry["command"], args=entry["args"], env=environ(home), cwd=project)
    async with Client(server) as client:
        demo = Demo(client, Progress(sys.stdout))
        await demo.list_functions()
        await demo.run_vqe()
        await demo.run_sampler()


def test_the_steps_of_the_container_make_a_server(home: Path) -> None:
    app = home / "app"
    app.mkdir()
    steps = [line.partition(" ") for line in (ROOT / "server" / "Containerfile").read_text().splitlines()]
    for word, _, rest in steps:
        if word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                (app / target).parent.mkdir(parents=True, exist_ok=True)
                copy(ROOT / source, app / target)
    (sync,) = [rest for word, _, rest in steps if word == "RUN" and rest.startswith("uv sync")]
    # From the cache of the machine, which a container does not have; and without the byte-code of a thousand files.
    spared = ("--no-cache", "--compile-bytecode")
    run(home, *(part for part in shlex.split(sync) if part not in spared), folder=app)
    (entry,) = [json.loads(rest) for word, _, rest in steps if word == "ENTRYPOINT"]
    assert run(home, entry[0].replace("/app", str(app)), "--version")
