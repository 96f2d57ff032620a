"""An installation without the extra ``local``: what functions import on this machine is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.over_stdio import assistant

HIDE = """
import importlib.util
import sys

HIDDEN = ("qiskit_serverless", "qiskit_aer", "qiskit_qasm3_import")

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in HIDDEN else find_spec(name, package)
sys.meta_path.insert(0, Finder())
"""
"""A ``sitecustomize`` that lets an interpreter find none of them."""


@pytest.fixture
def hidden(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text(HIDE)
    return {"PYTHONPATH": str(tmp_path / "hidden")}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_run_is_refused_with_the_command_that_adds_them(
    mode: str, hidden: dict[str, str], tmp_path: Path
) -> None:
    async with assistant(tmp_path / "home", mode, **hidden) as user:
        assert (await user.ask("list_functions"))["total"]
        error = await user.refused("run_function", function="examples/sampler", arguments={"circuit": {}})
        assert error["submitted"] == "no"
        assert error["reason"] == "local_packages_missing"
        assert error["person"]
        assert "qiskit-serverless" in error["next_step"]
        assert sys.executable in error["next_step"]
        assert await user.job_count() == 0


def test_the_demo_says_in_one_line_what_is_missing(hidden: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "qiskit_functions_mcp", "demo"]
    environment = {**os.environ, **hidden, "QISKIT_FUNCTIONS_HOME": str(tmp_path / "home")}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    (line,) = ended.stdout.splitlines()
    assert "qiskit-serverless is not installed" in line
    assert "install" in line
    assert "Traceback" not in ended.stderr
