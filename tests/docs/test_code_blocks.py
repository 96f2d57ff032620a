"""The code in README.md and docs/ runs, as a reader would run it: in order, in a new home, without an account.

A comment before a block says what is special about it:

    <!-- not run: the reason -->
    <!-- before: a command that prepares what the block takes for granted -->
    <!-- runs on, at port 8000 -->                                  in the background, at a free port
    <!-- a function, in main.py; run with {…} it saves {…} -->       or without a file
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from qiskit_functions_core import Account, Artifact, FunctionsClient
from support.programs import end_gateways, end_with_children

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

BLOCK = re.compile(r"^(?:<!-- (?P<comment>[^\n]*) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S)
FUNCTION = re.compile(r"a function(?:, in (?P<file>\S+))?; run with (?P<arguments>\{.*\}) it saves (?P<result>\{.*\})")

RUNS_ON = "runs on, at port 8000"

MOST_SECONDS = 120.0

UNTIL_IT_ANSWERS = 60.0


@dataclass(frozen=True)
class Block:
    """A piece of code.

    Attributes:
        comment: that before it; empty without one.
    """

    language: str
    code: str
    comment: str

    @property
    def is_run(self) -> bool:
        return self.language in ("bash", "console", "python") and not self.comment.startswith("not run: ")


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(found["language"], found["code"], found["comment"] or "") for found in BLOCK.finditer(text)]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@dataclass
class Reader:
    """A person with a shell, in a project of theirs.

    Attributes:
        home: their home folder.
        data_folder: of their gateway.
    """

    home: Path
    data_folder: Path
    environ: dict[str, str]
    running: list[subprocess.Popen[bytes]]
    port: int = 0

    @property
    def project(self) -> Path:
        return self.home / "project"

    def run(self, *command: str) -> None:
        ran = subprocess.run(
            command,
            cwd=self.project,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=MOST_SECONDS,
        )
        assert ran.returncode == 0, f"{command[-1]}\n{ran.stdout}\n{ran.stderr}"

    def start(self, command: str) -> None:
        """Start a gateway that goes on, at a free port, and wait until it answers."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        arguments = ["bash", "-c", f"exec {command} --port {self.port}"]
        log = self.home / "gateway.txt"
        with log.open("wb") as output:
            self.running.append(
                subprocess.Popen(arguments, cwd=self.project, env=self.environ, stdout=output, stderr=output)
            )
        give_up = time.monotonic() + UNTIL_IT_ANSWERS
        while True:
            assert self.running[-1].poll() is None and time.monotonic() < give_up, log.read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/liveness", timeout=5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the data of several readers, so that not each of them has to start a gateway."""
    folder = tmp_path_factory.mktemp("shared")
    yield folder
    end_gateways([folder / "qiskit-functions-mcp"])


@pytest.fixture
def reader(tmp_path: Path, shared: Path, page: Path) -> Iterator[Reader]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "OPENBLAS_CORETYPE") if name in os.environ}
    programs = str(Path(sys.executable).parent)
    environ = {**kept, "HOME": str(tmp_path), "PATH": f"{programs}{os.pathsep}{kept['PATH']}"}
    data = tmp_path / ".local" / "share"
    if not any(block.comment == RUNS_ON for block in blocks(page)):
        data = shared
        environ["XDG_DATA_HOME"] = str(shared)
    found = Reader(tmp_path, data / "qiskit-functions-mcp", environ, [])
    found.project.mkdir()
    yield found
    for process in found.running:
        end_with_children(process)


@pytest.mark.parametrize("page", [page for page in PAGES if any(block.is_run for block in blocks(page))], ids=name)
async def test_the_code_of_a_page_runs(page: Path, reader: Reader) -> None:
    for block in blocks(page):
        if not block.is_run:
            continue
        lines = [line.removeprefix("$ ") for line in block.code.splitlines() if line.startswith("$ ")]
        code = "\n".join(lines) if block.language == "console" else block.code
        kind, _, rest = block.comment.partition(": ")
        if kind == "before":
            reader.run("bash", "-euo", "pipefail", "-c", rest)
        if block.comment == RUNS_ON:
            reader.start(code.strip())
        elif about := FUNCTION.fullmatch(block.comment):
            file = reader.project / (about["file"] or "main.py")
            file.parent.mkdir(exist_ok=True)
            file.write_text(code)
            await saves(reader, file, json.loads(about["arguments"]), json.loads(about["result"]))
        elif block.language == "python":
            reader.run(sys.executable, "-c", code.replace("8000", str(reader.port or 8000)))
        else:
            reader.run("bash", "-euo", "pipefail", "-c", code)


async def saves(reader: Reader, file: Path, arguments: dict[str, object], result: object) -> None:
    """Run the file as a function on this machine and compare what it saves."""
    async with FunctionsClient(Account.local(), home=reader.data_folder) as client:
        await client.functions.upload("documented", Artifact.from_file(file))
        job = await client.jobs.wait((await client.run("documented", arguments)).job.id, timeout=MOST_SECONDS)
        assert job.qiskit_status == "DONE", await client.jobs.logs(job.id)
        assert json.loads(await client.jobs.result(job.id)) == result


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_block_says_its_language_and_each_comment_is_understood(page: Path) -> None:
    for block in blocks(page):
        assert block.language in ("bash", "console", "json", "python", "text", "toml"), block.code
        understood = block.comment.startswith(("not run: ", "before: ", RUNS_ON))
        assert not block.comment or understood or FUNCTION.fullmatch(block.comment), block.comment
        if block.language == "json":
            json.loads(block.code)
        if block.language == "toml":
            tomllib.loads(block.code)
