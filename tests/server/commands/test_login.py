"""``qiskit-functions-mcp login`` in a terminal, with IBM Cloud on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.ibm_cloud import API_KEY, CRN, IBMCloud, device, running
from support.terminal import Terminal

LOGIN = [sys.executable, "-m", "qiskit_functions_mcp", "login"]

DEFAULT = "default-ibm-quantum-platform"

SECONDS = 60.0


@contextmanager
def terminal(cloud: IBMCloud, home: Path, **environ: str) -> Iterator[Terminal]:
    with running(cloud) as proxy:
        variables = cloud.variables(proxy)
        found = {name: variables[name] for name in ("QISKIT_IBM_URL", "IAM_URL", "http_proxy", "no_proxy")}
        shell = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm", "LANG": "C.UTF-8"}
        program = Terminal(LOGIN, {**shell, **found, **environ}, home)
        try:
            yield program
        finally:
            program.close()


@pytest.fixture
def cloud() -> IBMCloud:
    return IBMCloud(devices=[device("ibm_torino"), device("ibm_brisbane")])


def saved(home: Path) -> dict[str, Any]:
    return dict(json.loads((home / ".qiskit" / "qiskit-ibm.json").read_text()))


def test_an_account_is_checked_and_saved_and_never_shown(cloud: IBMCloud, tmp_path: Path) -> None:
    with terminal(cloud, tmp_path) as program:
        program.wait_for("API key:", SECONDS)
        program.press(f"{API_KEY}\r")
        program.wait_for("1  test  open, us-east", SECONDS)
        program.press("7\r")
        program.wait_for("Enter a number from 1 to 1.", SECONDS)
        program.press("\r")
        program.wait_for("Assistants use it", SECONDS)
        text = program.text
    assert "It has 2 backends." in text
    assert API_KEY not in text
    assert CRN not in text
    assert saved(tmp_path)[DEFAULT]["token"] == API_KEY
    assert saved(tmp_path)[DEFAULT]["instance"] == CRN
    assert (tmp_path / ".qiskit" / "qiskit-ibm.json").stat().st_mode & 0o777 == 0o600
    # As the library itself finds it.
    from qiskit_ibm_runtime import QiskitRuntimeService

    accounts = QiskitRuntimeService.saved_accounts(filename=str(tmp_path / ".qiskit" / "qiskit-ibm.json"))
    assert accounts[DEFAULT]["instance"] == CRN


def test_a_key_that_ibm_cloud_does_not_accept_is_not_saved(cloud: IBMCloud, tmp_path: Path) -> None:
    cloud.failures["/identity/token"] = 400, {"errorMessage": "Provided API key could not be found."}, {}
    with terminal(cloud, tmp_path) as program:
        program.wait_for("API key:", SECONDS)
        program.press(f"{API_KEY}\r")
        program.wait_for("IBM Cloud does not accept this API key", SECONDS)
        assert API_KEY not in program.text
    assert not (tmp_path / ".qiskit").exists()


def test_a_key_that_may_not_list_instances_is_asked_for_one(cloud: IBMCloud, tmp_path: Path) -> None:
    cloud.failures["/v3/resources/search"] = 403, {"errors": [{"message": "no"}]}, {}
    with terminal(cloud, tmp_path) as program:
        program.wait_for("API key:", SECONDS)
        program.press(f"{API_KEY}\r")
        program.wait_for("Instance (CRN):", SECONDS)
        program.press(f"{CRN}\r")
        program.wait_for("Assistants use it", SECONDS)
        assert CRN not in program.text
    assert saved(tmp_path)[DEFAULT]["instance"] == CRN


def test_an_account_that_is_there_is_replaced_only_after_a_yes(cloud: IBMCloud, tmp_path: Path) -> None:
    file = tmp_path / ".qiskit" / "qiskit-ibm.json"
    file.parent.mkdir()
    file.write_text(json.dumps({DEFAULT: {"channel": "ibm_quantum_platform", "token": "old", "instance": "crn:old"}}))
    with terminal(cloud, tmp_path) as program:
        program.wait_for("Replace it? [y/N]", SECONDS)
        program.press("\r")
        program.wait_for("Nothing was saved.", SECONDS)
    assert saved(tmp_path)[DEFAULT]["token"] == "old"
    with terminal(cloud, tmp_path) as program:
        program.wait_for("Replace it? [y/N]", SECONDS)
        program.press("y\r")
        program.wait_for("API key:", SECONDS)
        program.press(f"{API_KEY}\r")
        program.wait_for("Number of the instance", SECONDS)
        program.press("1\r")
        program.wait_for("Assistants use it", SECONDS)
    assert saved(tmp_path)[DEFAULT]["token"] == API_KEY


def test_it_says_which_account_is_used_before_the_new_one(cloud: IBMCloud, tmp_path: Path) -> None:
    variables = {"QISKIT_FUNCTIONS_HOST": "https://gateway.example.org", "QISKIT_FUNCTIONS_TOKEN": "other"}
    with terminal(cloud, tmp_path, **variables) as program:
        program.wait_for("API key:", SECONDS)
        program.press(f"{API_KEY}\r")
        program.wait_for("Number of the instance", SECONDS)
        program.press("1\r")
        program.wait_for("Another one is used before it: QISKIT_FUNCTIONS_* variables", SECONDS)


def test_without_a_terminal_it_takes_no_key(tmp_path: Path) -> None:
    refused = subprocess.run(
        LOGIN, input=API_KEY, capture_output=True, text=True, env={**os.environ, "HOME": str(tmp_path)}, check=False
    )
    assert refused.returncode == 1
    assert "needs a terminal" in refused.stderr
    assert API_KEY not in refused.stdout + refused.stderr
