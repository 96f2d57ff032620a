"""``qiskit-functions-mcp doctor`` as people run it, on this machine and with IBM Cloud on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from qiskit_functions_gateway.storage.locks import locked
from support.ibm_cloud import API_KEY, CRN, IBMCloud, device, running


def doctor(home: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    shell = {"PATH": os.environ["PATH"], "HOME": str(home), "QISKIT_FUNCTIONS_HOME": str(home / "data")}
    idle = {"QISKIT_FUNCTIONS_GATEWAY_IDLE_SECONDS": "60"}
    return subprocess.run(
        [sys.executable, "-m", "qiskit_functions_mcp", "doctor", *arguments],
        env={**shell, **idle, **environ},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def report(home: Path, **environ: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """The exit code, and the findings of each area."""
    done = doctor(home, "--json", **environ)
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["ok"] == (done.returncode == 0)
    return done.returncode, answer["areas"]


def levels(findings: list[dict[str, str]]) -> set[str]:
    return {finding["level"] for finding in findings}


def finding(findings: list[dict[str, str]], part: str) -> dict[str, str]:
    (found,) = [one for one in findings if part in one["message"]]
    return found


def test_on_a_machine_where_all_is_well_a_job_runs_and_every_area_is_told(tmp_path: Path) -> None:
    done = doctor(tmp_path)
    assert done.returncode == 0, done.stdout
    assert [line for line in done.stdout.splitlines() if not line.startswith(" ")] == [
        "installation",
        "assistants",
        "account",
        "this machine",
        "network",
    ]
    assert f"ok       {tmp_path / 'data'} can be used" in done.stdout
    assert "ok       a job of examples/sampler ran to its end" in done.stdout
    assert "qiskit-functions-mcp login" in done.stdout
    assert "warning  no assistant has an entry" in done.stdout


def test_an_account_that_works_is_told_without_its_token(tmp_path: Path) -> None:
    cloud = IBMCloud(devices=[device("ibm_torino"), device("ibm_brisbane", status="offline")])
    cloud.usage = {"usage_consumed_seconds": 10, "usage_limit_seconds": 600}
    cloud.failures["/api/v1/programs/"] = 200, [], {}
    with running(cloud) as proxy:
        variables = {**cloud.variables(proxy), "IBM_SERVERLESS_HOST_URL_OVERRIDE": "http://gateway.test"}
        code, areas = report(tmp_path, **variables)
    assert code == 0, areas
    account = areas["account"]
    assert "QISKIT_IBM_* variables" in account[0]["message"]
    assert finding(account, "takes the token")["level"] == "ok"
    assert finding(account, "the instance is 'test', open, us-east")["level"] == "ok"
    assert finding(account, "2 backends, 1 of them operational")["level"] == "ok"
    assert finding(account, "590")["level"] == "warning"
    assert finding(areas["network"], "gateway.test is reached through")["level"] == "ok"
    assert finding(areas["network"], "gateway.test's")["level"] == "ok"
    text = json.dumps(areas)
    assert API_KEY not in text
    assert CRN not in text


def test_an_account_that_is_refused_is_an_error_with_what_to_do(tmp_path: Path) -> None:
    cloud = IBMCloud()
    cloud.failures["/identity/token"] = 400, {"errorMessage": f"Provided API key {API_KEY} could not be found."}, {}
    cloud.failures["/api/v1/programs/"] = 401, {"message": "Incorrect authentication credentials."}, {}
    with running(cloud) as proxy:
        variables = {**cloud.variables(proxy), "IBM_SERVERLESS_HOST_URL_OVERRIDE": "http://gateway.test"}
        code, areas = report(tmp_path, **variables)
    assert code == 1
    assert finding(areas["account"], "Incorrect authentication")["level"] == "error"
    assert "login" in json.dumps(areas["account"])
    assert API_KEY not in json.dumps(areas)


def test_several_problems_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / ".cursor").mkdir()
    gone = {"command": "/gone/bin/qiskit-functions-mcp", "args": []}
    (tmp_path / ".cursor" / "mcp.json").write_text(json.dumps({"mcpServers": {"qiskit-functions": gone}}))
    (tmp_path / ".claude.json").write_text("{broken")
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    missing = str(tmp_path / "missing.pem")
    code, areas = report(tmp_path, QISKIT_FUNCTIONS_CHANNEL="ibm_quantum_platform", SSL_CERT_FILE=missing)
    assert code == 1
    assert finding(areas["assistants"], "/gone/bin/qiskit-functions-mcp, which is not there")["next_step"] == (
        "Run `qiskit-functions-mcp install cursor`."
    )
    assert finding(areas["assistants"], "line 1, column 2")["level"] == "warning"
    assert "qiskit-functions-mcp login" in areas["account"][0]["next_step"]
    assert finding(areas["this machine"], "other users can write in it")["level"] == "error"
    assert finding(areas["network"], "certificates")["next_step"] == "Check SSL_CERT_FILE and SSL_CERT_DIR."


def test_a_lock_that_a_process_does_not_give_back_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    with locked(tmp_path / "data" / "dispatch.lock", timeout=1):
        code, areas = report(tmp_path)
    assert code == 1
    assert "lsof" in finding(areas["this machine"], "dispatch.lock for more than")["next_step"]


def test_what_this_machine_lacks_is_a_warning_where_the_account_is_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    elsewhere = {"QISKIT_FUNCTIONS_HOST": "http://127.0.0.1:9", "QISKIT_FUNCTIONS_TOKEN": "a-token-that-is-not-shown"}
    code, areas = report(tmp_path, **elsewhere)
    assert code == 1
    assert levels(areas["this machine"]) == {"warning"}
    assert finding(areas["account"], "cannot be reached")["level"] == "error"
    assert "a-token-that-is-not-shown" not in json.dumps(areas)
