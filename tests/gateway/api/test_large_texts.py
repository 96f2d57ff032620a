"""Results, logs and events of any size: a job's status does not depend on them, and memory stays flat."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from qiskit_functions_gateway.storage.data_folder import DataFolder
from qiskit_functions_gateway.storage.results import keep_result
from support.gateways import gateway_process
from support.still_gateway import StillGateway, still_gateway

MEBIBYTE = 1024**2


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[StillGateway]:
    with still_gateway(tmp_path / "home") as running:
        running.put_function("counts")
        yield running


def folder_of(gateway: StillGateway) -> DataFolder:
    return gateway.gateway.data_folder


@pytest.mark.parametrize(
    "text", ["", "é" * 300_000, '\u2028\x00\\"\n' * 100_000, json.dumps({"list": list(range(100_000))})]
)
def test_a_result_arrives_as_it_was_saved_whether_it_is_sent_at_once_or_in_pieces(
    gateway: StillGateway, text: str
) -> None:
    job = gateway.put_job("counts", "", "SUCCEEDED")
    folder_of(gateway).job(job.id).path.mkdir(parents=True)
    folder_of(gateway).job(job.id).result.write_text(text, encoding="utf-8", newline="")
    assert gateway.send("GET", f"jobs/{job.id}/result/").body == {"result": text}
    assert gateway.send("GET", f"jobs/{job.id}/", params={"with_result": "true"}).body["result"] == text


def test_bytes_that_are_not_utf8_become_replacements_in_a_large_log_too(gateway: StillGateway) -> None:
    job = gateway.put_job("counts", "", "SUCCEEDED")
    folder_of(gateway).job(job.id).path.mkdir(parents=True)
    folder_of(gateway).job(job.id).log.write_bytes(b"\xff" * MEBIBYTE + "é\n".encode() * 1000)
    assert gateway.send("GET", f"jobs/{job.id}/logs/").body == {"logs": "\ufffd" * MEBIBYTE + "é\n" * 1000}


def test_long_events_are_shortened_and_the_newest_are_kept(gateway: StillGateway) -> None:
    job = gateway.put_job("counts", "", "RUNNING")
    database = gateway.gateway.database
    for number in range(520):
        texts = {"exception": "x" * 100_000, "code": str(number), "message": f"begin {'y' * 100_000} end"}
        database.add_error(job.id, {"args": ["z" * 100_000], **texts})
    events = gateway.send("GET", f"jobs/{job.id}/events/", params={"type": "ERROR"}).body
    assert [event["data"]["code"] for event in events] == [str(number) for number in range(519, 19, -1)]
    message = events[0]["data"]["message"]
    assert message.startswith("begin y")
    assert message.endswith("y end")
    assert "characters were left out]" in message
    assert len(json.dumps(events)) < 16 * MEBIBYTE
    whole = gateway.send("GET", f"jobs/{job.id}/events/").body
    assert whole[-1]["data"] == {"status": "QUEUED"}


def test_a_sparse_result_and_a_binary_log_take_no_memory_and_hide_no_status(tmp_path: Path) -> None:
    home = DataFolder(tmp_path / "home")
    with still_gateway(home.path) as still:
        still.put_function("counts")
        job = still.put_job("counts", "", "SUCCEEDED").id
    home.job(job).path.mkdir(parents=True)
    with home.job(job).result.open("wb") as file:
        file.truncate(300 * MEBIBYTE)
    home.job(job).log.write_bytes(os.urandom(MEBIBYTE) * 75)
    with gateway_process(home.path) as gateway:
        host, token = gateway.address()
        memory = psutil.Process(gateway.process.pid).memory_info
        with httpx.Client(base_url=f"{host}/api/v1/jobs/{job}/", trust_env=False, timeout=60) as http:
            http.headers["Authorization"] = f"Bearer {token}"
            assert http.get("").json()["status"] == "SUCCEEDED"
            before = memory().rss
            for part in ("result/", "logs/"):
                with http.stream("GET", part) as answer:
                    for _ in zip(range(100), answer.iter_raw(MEBIBYTE), strict=False):
                        assert memory().rss - before < 60 * MEBIBYTE
                assert http.get("").json()["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("text", "is_whole"),
    [
        (b'{"a": "' + b"x" * 3_000_000 + b'"}', True),
        (b'["' + b'\\"' * 1_500_000 + b'"]', True),
        (b'["' + b"\\" * 3_000_000 + b'"]', True),
        (b"[" + b'"a", ' * 600_000 + b'"b"]\n', True),
        (b"[" + b"[1], " * 600_000 + b"2]", True),
        (b'{"a": "' + b"x" * 3_000_000, False),
        (b'["' + b"\\" * 3_000_001 + b'"]', False),
        (b"[" + b"[1], " * 600_000, False),
        (b'{"a": [1]}' + bytes(3_000_000), False),
        (b"1" * 3_000_000, False),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_large_result_that_was_cut_off_is_found_without_parsing_it(
    gateway: StillGateway, text: bytes, is_whole: bool
) -> None:
    job = gateway.put_job("counts", "", "SUCCEEDED")
    home = folder_of(gateway)
    saved = home.function_data("", "counts").result(job.id)
    saved.parent.mkdir(parents=True)
    saved.write_bytes(text)
    home.job(job.id).path.mkdir(parents=True)
    assert keep_result(home, job, only_if_whole=False) == (None if is_whole else len(text))
    assert home.job(job.id).result.read_bytes() == text
