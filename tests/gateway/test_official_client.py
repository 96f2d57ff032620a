"""qiskit_serverless 0.37 from PyPI drives the embedded gateway, with functions written as its documentation does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from qiskit_functions_gateway.execution.limits import Limits
from qiskit_functions_gateway.server import GatewayServer

PATTERN = """\
import os
from pathlib import Path

from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorSampler
from qiskit_serverless import (
    Job, get_arguments, get_logger, get_provider_logger, get_runtime_service, is_running_in_serverless, is_trial,
    save_result, update_status,
)

from helpers.counting import counts_of

logger, provider_logger = get_logger(), get_provider_logger()
arguments = get_arguments()
circuit, shots = arguments["circuit"], arguments.get("shots", 100)

update_status(Job.MAPPING)
logger.info("arguments parsed\\nin two lines")
provider_logger.info("the service is %s", "local")
service = get_runtime_service()
backend = service.backend("fake_manila")

update_status(Job.EXECUTING_QPU)
print("a line of no logger")
counts = counts_of(StatevectorSampler(seed=1).run([circuit], shots=shots).result())

update_status(Job.POST_PROCESSING)
data = Path(os.environ["DATA_PATH"])
given = data / "input.csv"
rows = given.read_text().splitlines() if given.exists() else []
(data / "counts.txt").write_text("\\n".join(f"{key} {value}" for key, value in sorted(counts.items())))
provider_logger.warning("wrote %d rows", len(counts))
logger.info("done")
save_result({
    "counts": counts, "qubits": backend.num_qubits, "rows": rows, "circuit": circuit,
    "trial": is_trial(), "inside": is_running_in_serverless(),
})
"""

COUNTING = """\
def counts_of(result):
    return result[0].data.meas.get_counts()
"""

FAILING = """\
from qiskit_serverless import ServerlessError, get_arguments, get_logger, send_error

how = get_arguments()["how"]
get_logger().info("about to fail: %s", how)
if how == "told":
    try:
        raise ServerlessError("1234", "the optimisation does not converge", details={"iterations": 7})
    except ServerlessError as error:
        send_error(error.code, error.message, type(error).__name__, error.details)
        raise
raise ValueError("nothing was told")
"""

WAITING = """\
import time

from qiskit_serverless import Job, update_status

update_status(Job.WAITING_QPU)
print("waiting", flush=True)
time.sleep(600)
"""

NO_SERVICE = {"runtime": None}
"""Without a service, the client makes one of its channel, and cannot encode the one of the local channel."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayServer]:
    folder = tmp_path_factory.mktemp("official") / "home"
    with GatewayServer(folder, limits=Limits(max_jobs=2), is_warm=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(gateway: GatewayServer) -> Any:
    from qiskit_serverless import ServerlessClient

    return ServerlessClient(host=gateway.host, token=gateway.token, instance="local", channel="local")


def directory(path: Path, **files: str) -> str:
    for name, content in files.items():
        target = path / name.replace("__", "/")
        target = target.with_name(f"{target.name}.py")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    return str(path)


def uploaded(client: Any, title: str, working_dir: str, **more: Any) -> Any:
    from qiskit_serverless import QiskitFunction

    return client.upload(QiskitFunction(title, entrypoint="main.py", working_dir=working_dir, **more))


@pytest.fixture(scope="module")
def pattern(client: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A provider's function, which tells its public lines from its private ones."""
    working_dir = directory(tmp_path_factory.mktemp("pattern"), main=PATTERN, helpers__counting=COUNTING)
    schema = {"type": "object", "required": ["circuit"], "properties": {"shots": {"type": "integer", "minimum": 1}}}
    described = {"description": "Samples.", "version": "1.0.0", "arguments_schema": schema}
    return uploaded(client, "examples/pattern", working_dir, **described)


def bell() -> Any:
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


@pytest.fixture(scope="module")
def finished(client: Any, pattern: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A job of it that found its input."""
    rows = tmp_path_factory.mktemp("rows") / "input.csv"
    rows.write_text("1,2\n3,4\n")
    client.file_upload(str(rows), pattern)
    job = pattern.run(circuit=bell(), shots=64)
    job.result(cadence=0.05)
    return job


def test_a_wrong_token_is_told_at_once(gateway: GatewayServer) -> None:
    from qiskit_serverless import QiskitServerlessException, ServerlessClient

    with pytest.raises(QiskitServerlessException, match="Authorization token is not valid"):
        ServerlessClient(host=gateway.host, token="wrong", channel="local")


def test_a_function_is_listed_and_found_as_it_was_uploaded(client: Any, pattern: Any) -> None:
    assert (pattern.title, pattern.provider, pattern.version) == ("pattern", "examples", "1.0.0")
    found = client.function("examples/pattern")
    assert (found.description, found.arguments_schema["required"]) == ("Samples.", ["circuit"])
    assert {function.title for function in client.functions(provider="examples")} >= {"pattern", "sampler", "vqe"}
    assert client.functions(filter="serverless") == [f for f in client.functions() if f.provider is None]
    assert (found.sizes(), found.get_default_size()) == ({}, None)


def test_a_result_comes_back_as_the_objects_that_were_saved(finished: Any) -> None:
    result = finished.result(wait=False)
    assert set(result["counts"]) <= {"00", "11"}
    assert sum(result["counts"].values()) == 64
    assert (result["qubits"], result["rows"]) == (5, ["1,2", "3,4"])
    assert (result["inside"], result["trial"]) == (True, False)
    assert result["circuit"] == bell()
    assert (finished.status(), finished.in_terminal_state(), finished.error_message()) == ("DONE", True, "")


def test_a_users_log_has_the_public_lines_and_the_providers_the_others(finished: Any) -> None:
    assert finished.logs() == "INFO: arguments parsed\nINFO: in two lines\nINFO: done\n"
    private = finished.provider_logs()
    assert "INFO: the service is local\n" in private
    assert "a line of no logger\n" in private
    assert "WARNING: wrote " in private
    assert "done" not in private
    assert finished.filtered_logs(include="parsed") == "INFO: arguments parsed\n"
    assert finished.filtered_logs(exclude="parsed|done") == "INFO: in two lines\n"


def test_events_tell_statuses_and_sub_statuses_newest_first(finished: Any) -> None:
    changes = [next(iter(event.data.values())) for event in finished.events()]
    assert changes == ["SUCCEEDED", "POST_PROCESSING", "EXECUTING_QPU", "MAPPING", "RUNNING", "PENDING", "QUEUED"]
    assert finished.events(type="ERROR") == []
    assert (finished.runtime_jobs(), finished.runtime_sessions(), finished.fleet_id) == ([], [], None)


def test_jobs_are_listed_and_filtered_in_qiskits_terms(client: Any, pattern: Any, finished: Any) -> None:
    assert finished.job_id in [job.job_id for job in client.jobs()]
    assert finished.job_id in [job.job_id for job in pattern.jobs(status="DONE", limit=5)]
    assert finished.job_id in [job.job_id for job in client.provider_jobs(pattern, status="DONE")]
    assert pattern.jobs(status="CANCELED") == client.jobs(created_after="2999-01-01T00:00:00Z") == []
    assert client.job(finished.job_id).status() == "DONE"


def test_files_go_in_and_come_out_of_the_functions_data_path(
    client: Any, pattern: Any, finished: Any, tmp_path: Path
) -> None:
    assert client.files(pattern) == ["counts.txt", "input.csv"]
    client.file_download("counts.txt", pattern, target_name="got.txt", download_location=str(tmp_path))
    counts = finished.result(wait=False)["counts"]
    assert (tmp_path / "got.txt").read_text() == "\n".join(f"{key} {counts[key]}" for key in sorted(counts))
    assert client.file_delete("counts.txt", pattern) == "Requested file was deleted."
    assert client.files(pattern) == ["input.csv"]


def test_a_picture_is_no_valid_type_for_users_and_for_providers(client: Any, pattern: Any, tmp_path: Path) -> None:
    from qiskit_serverless import QiskitServerlessException

    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    for upload in (client.file_upload, client.provider_file_upload):
        with pytest.raises(QiskitServerlessException, match="- message: Uploaded file is not a valid type"):
            upload(str(picture), pattern)


def test_a_providers_files_are_apart(client: Any, pattern: Any, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"key": 1}')
    client.provider_file_upload(str(tmp_path / "secret.json"), pattern)
    assert client.provider_files(pattern) == ["secret.json"]
    assert "secret.json" not in client.files(pattern)
    client.provider_file_download("secret.json", pattern, target_name="copy.json", download_location=str(tmp_path))
    assert (tmp_path / "copy.json").read_text() == '{"key": 1}'
    assert client.provider_file_delete("secret.json", pattern) == "Requested file was deleted."
    assert client.provider_files(pattern) == []


def test_arguments_are_checked_as_they_are_encoded(client: Any, pattern: Any) -> None:
    from qiskit_serverless import QiskitServerlessException

    assert pattern.validate_arguments({"circuit": bell(), "shots": 1}) == {"valid": True}
    for wrong in ({"circuit": bell(), "shots": 0}, {}):
        with pytest.raises(QiskitServerlessException, match="validation failed"):
            client.validate_arguments("examples/pattern", wrong)
    with pytest.raises(QiskitServerlessException, match="validation failed"):
        pattern.run(shots="many")


def test_what_a_function_tells_of_its_failure_is_the_error_message(client: Any, tmp_path: Path) -> None:
    from qiskit_serverless import QiskitServerlessException

    failing = uploaded(client, "failing", directory(tmp_path, main=FAILING))
    told, untold = failing.run(how="told"), failing.run(how="not")
    with pytest.raises(QiskitServerlessException, match="Message: the optimisation does not converge"):
        told.result(cadence=0.05)
    assert told.status() == "ERROR"
    message = told.error_message()
    assert "Code: 1234" in message
    assert "Exception: ServerlessError" in message
    assert "iterations: 7" in message
    # A function of the user's own has no secrets from the user.
    assert "INFO: about to fail: told\n" in told.logs()
    assert "[1234] the optimisation does not converge" in told.logs()
    with pytest.raises(QiskitServerlessException, match="ValueError: nothing was told"):
        untold.result(cadence=0.05)
    with pytest.raises(QiskitServerlessException, match="You don't have access to job"):
        untold.provider_logs()


def test_what_an_error_says_comes_without_the_white_space_around_it(client: Any, tmp_path: Path) -> None:
    source = (
        "from qiskit_serverless import send_error\nsend_error(1, 'ValueError: no\\n', 'ValueError')\nraise ValueError"
    )
    job = uploaded(client, "padded", directory(tmp_path, main=source)).run()
    with pytest.raises(Exception, match="no"):
        job.result(cadence=0.05)
    assert job.error_message() == "\n| Message: ValueError: no\n| Code: 1\n| Exception: ValueError"


def test_an_error_of_the_gateway_itself_names_a_kind(client: Any, tmp_path: Path) -> None:
    source = "import os\nos.kill(os.getpid(), 9)"
    job = uploaded(client, "killed", directory(tmp_path, main=source)).run()
    with pytest.raises(Exception, match="ended by signal 9"):
        job.result(cadence=0.05)
    assert "| Code: KILLED\n| Exception: GatewayError" in job.error_message()


def test_a_function_that_cannot_be_imported_says_so_in_the_error(client: Any, tmp_path: Path) -> None:
    from qiskit_serverless import QiskitServerlessException

    job = uploaded(client, "relative", directory(tmp_path, main="from . import nothing\n")).run()
    with pytest.raises(QiskitServerlessException, match="ImportError: attempted relative import"):
        job.result(cadence=0.05)
    with pytest.raises(QiskitServerlessException, match=r"Type is not valid. Valid types: \['ERROR'\]"):
        job.events(type="NoSuchType")


def test_a_job_is_cancelled_and_keeps_its_log(client: Any, tmp_path: Path) -> None:
    waiting = uploaded(client, "waiting", directory(tmp_path, main=WAITING), env_vars={"A": "b"})
    job = waiting.run()
    give_up = time.monotonic() + 60
    while "waiting" not in job.logs():
        assert time.monotonic() < give_up, job.status()
    assert job.status() == "RUNNING: WAITING_FOR_QPU"
    said = job.cancel(service=NO_SERVICE)
    assert "Job has been stopped." in said
    assert "Serverless job was running and has been stopped." in said
    assert (job.status(), job.result(wait=False)) == ("CANCELED", {})
    assert job.logs().startswith("waiting\n")
    assert "already in terminal state" in job.cancel(service=NO_SERVICE)


def test_an_error_event_of_a_function_that_goes_on_keeps_its_arguments(client: Any, tmp_path: Path) -> None:
    source = (
        "from qiskit_serverless import save_result, send_error\n"
        "send_error('1000', 'My error message', 'Mine', {'number': 123, 'text': 'hi'})\n"
        "save_result('went on')"
    )
    job = uploaded(client, "goes-on", directory(tmp_path, main=source)).run()
    assert job.result(cadence=0.05) == "went on"
    (event,) = job.events(type="ERROR")
    assert (event.data["code"], event.data["message"]) == ("1000", "My error message")
    assert event.data["args"] == {"number": 123, "text": "hi"}


def test_functions_run_side_by_side_and_their_jobs_are_found_by_function_status_time_and_page(
    client: Any, tmp_path: Path
) -> None:
    begun = datetime.now(UTC)
    one, two = (uploaded(client, f"side-{n}", directory(tmp_path / n, main=WAITING)) for n in ("one", "two"))
    jobs = [one.run(), two.run()]
    give_up = time.monotonic() + 60
    while any(job.status() != "RUNNING: WAITING_FOR_QPU" for job in jobs):
        assert time.monotonic() < give_up, [job.status() for job in jobs]
    between = datetime.now(UTC)
    jobs.append(one.run())

    def ids(found: list[Any]) -> list[str]:
        return [job.job_id for job in found]

    first, second, third = ids(jobs)
    assert ids(one.jobs()) == [third, first]
    assert ids(one.jobs(limit=1)) == [third]
    assert ids(one.jobs(offset=1)) == [first]
    assert ids(two.jobs()) == [second]
    assert ids(client.jobs(created_after=begun)) == [third, second, first]
    assert ids(client.jobs(created_after=between)) == [third]
    assert {first, second} <= set(ids(client.jobs(status="RUNNING")))
    assert third in ids(client.jobs(status="QUEUED"))
    for job in reversed(jobs):
        job.cancel(service=NO_SERVICE)
    assert ids(one.jobs(status="CANCELED")) == [third, first]


def test_what_is_not_there_is_told_with_its_name(client: Any, pattern: Any) -> None:
    from qiskit_serverless import QiskitServerlessException

    with pytest.raises(QiskitServerlessException, match="Qiskit Function nobody/nothing doesn't exist"):
        client.function("nobody/nothing")
    with pytest.raises(QiskitServerlessException, match="not found"):
        client.job("00000000-0000-4000-8000-000000000000")
    with pytest.raises(QiskitServerlessException, match="Requested file was not found"):
        client.file_delete("nothing.txt", pattern)


def test_the_installed_packages_are_listed_with_their_versions(client: Any) -> None:
    versions = dict(line.split("==") for line in client.dependencies_versions())
    assert versions["qiskit-serverless"] == "0.37.0"
