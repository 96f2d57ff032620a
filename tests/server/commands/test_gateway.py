"""``qiskit-functions-mcp gateway`` as people start it: a process of its own, spoken to with the official client."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.programs import command_of

LONG_TOKEN = "0123456789abcdef0123456789abcdef"

GATED = """\
import os, pathlib, time
while not pathlib.Path(os.environ["GATE"]).exists():
    time.sleep(0.02)
pathlib.Path(os.environ["RESULTS_PATH"]).write_text('{"passed": true}')
"""


class GatewayProcess:
    """A gateway that was started by the command.

    Attributes:
        said: what it has written to stderr before it served.
    """

    def __init__(self, *arguments: str, **environ: str) -> None:
        command = [sys.executable, "-m", "qiskit_functions_mcp", "gateway", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environ}
        )
        assert self.process.stderr
        self.said = self.process.stderr.readline() + self.process.stderr.readline()

    @property
    def host(self) -> str:
        return self.said.split()[2]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=30)
        assert (output, errors) == ("", "")
        return self.process.returncode


@contextmanager
def gateway(*arguments: str, **environ: str) -> Iterator[GatewayProcess]:
    started = GatewayProcess("--port", "0", *arguments, **environ)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.end()


def client_of(host: str, token: str) -> Any:
    from qiskit_serverless import ServerlessClient

    return ServerlessClient(host=host, token=token, instance="local", channel="local")


def refused(*arguments: str, **environ: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "qiskit_functions_mcp", "gateway", *arguments]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environ}
    )
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


def test_a_gateway_leaves_a_job_running_when_it_ends_and_the_next_one_has_it(tmp_path: Path) -> None:
    from qiskit_serverless import QiskitFunction

    home, gate = tmp_path / "home", tmp_path / "gate"
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text(GATED)
    function = QiskitFunction(
        "gated", entrypoint="main.py", working_dir=str(tmp_path / "code"), env_vars={"GATE": str(gate)}
    )
    with gateway("--home", str(home)) as first:
        assert f"the token is in {home / 'token'}" in first.said
        token = (home / "token").read_text()
        assert token not in first.said
        client = client_of(first.host, token)
        client.upload(function)
        job = client.function("gated").run()
        wait_for(client, job.job_id, "RUNNING")
        assert first.end(signal.SIGTERM) == 0
    assert [process for process in psutil.process_iter() if job.job_id in command_of(process)]
    gate.touch()
    with gateway("--home", str(home)) as second:
        client = client_of(second.host, token)
        wait_for(client, job.job_id, "DONE")
        assert client.job(job.job_id).result(wait=False) == {"passed": True}
        assert second.end(signal.SIGINT) == 0


def test_a_second_gateway_of_a_folder_ends_and_says_which_one_there_is(tmp_path: Path) -> None:
    with gateway("--home", str(tmp_path)) as first:
        code, said = refused("--port", "0", "--home", str(tmp_path))
        assert code == 1
        assert f"is served by process {first.process.pid} on {first.host}" in said
        assert "Traceback" not in said


def wait_for(client: Any, job_id: str, status: str) -> None:
    give_up = time.monotonic() + 60
    while (now := client.job(job_id).status()) != status:
        assert now in ("QUEUED", "INITIALIZING", "RUNNING"), now
        assert time.monotonic() < give_up, now


def test_a_token_of_the_environment_is_the_only_one_and_is_not_shown(tmp_path: Path) -> None:
    from qiskit_serverless import QiskitServerlessException

    with gateway("--home", str(tmp_path), QISKIT_FUNCTIONS_GATEWAY_TOKEN=LONG_TOKEN) as started:
        assert LONG_TOKEN not in started.said
        assert client_of(started.host, LONG_TOKEN).jobs() == []
        with pytest.raises(QiskitServerlessException, match="not valid"):
            client_of(started.host, LONG_TOKEN[:-1])
    assert not (tmp_path / "token").exists()


def test_an_address_that_others_reach_is_refused_without_a_good_token(tmp_path: Path) -> None:
    code, said = refused("--host", "0.0.0.0", "--port", "0", "--home", str(tmp_path))
    assert code == 2
    assert "at least 32 characters" in said
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = refused("--port", port, "--home", str(tmp_path))
    assert code == 1
    assert f"port {port}" in said
    assert "Traceback" not in said


def test_a_data_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, said = refused("--port", "0", "--home", str(tmp_path / "file"))
    assert code == 1
    assert str(tmp_path / "file") in said
