"""A run request with an Idempotency-Key makes one job, however often and from wherever it is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.raw_http import Answer, send
from support.still_gateway import StillGateway, still_gateway

SCHEMA = '{"type": "object", "required": ["shots"]}'


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[StillGateway]:
    with still_gateway(tmp_path / "home") as still:
        still.put_function("mine")
        yield still


def run(gateway: StillGateway, key: str | None, **fields: Any) -> Answer:
    headers = {"Content-Type": "application/json", **({} if key is None else {"Idempotency-Key": key})}
    body = {"title": "mine", "arguments": "{}", "config": {}, **fields}
    return gateway.send("POST", "programs/run/", headers=headers, content=json.dumps(body).encode())


def job_folders(gateway: StillGateway) -> list[str]:
    return [path.name for path in (gateway.gateway.data_folder.path / "jobs").iterdir()]


def test_the_same_request_again_is_answered_with_the_same_job(gateway: StillGateway) -> None:
    first = run(gateway, "key-1")
    again = run(gateway, "key-1")
    assert (first.status, first.headers["idempotency-key"]) == (200, "key-1")
    assert (again.status, again.headers["idempotency-key"], again.body) == (200, "key-1", first.body)
    assert job_folders(gateway) == [first.body["id"]]


def test_the_same_fields_in_another_order_are_the_same_request(gateway: StillGateway) -> None:
    first = run(gateway, "key-1")
    body = b'{"config": {}, "title": "mine",\n "arguments": "{}"}'
    headers = {"Content-Type": "application/json", "Idempotency-Key": "key-1"}
    again = gateway.send("POST", "programs/run/", headers=headers, content=body)
    assert again.body["id"] == first.body["id"]


def test_another_key_and_no_key_make_further_jobs(gateway: StillGateway) -> None:
    answers = [run(gateway, key) for key in ("key-1", "key-2", None, None)]
    assert len({answer.body["id"] for answer in answers}) == 4
    assert "idempotency-key" not in answers[-1].headers


def test_another_body_with_the_same_key_is_refused(gateway: StillGateway) -> None:
    first = run(gateway, "key-1")
    other = run(gateway, "key-1", arguments='{"a": 1}')
    assert (other.status, "was used for another request" in other.body["message"]) == (422, True)
    assert job_folders(gateway) == [first.body["id"]]


def test_requests_with_one_key_at_the_same_time_make_one_job(gateway: StillGateway) -> None:
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: run(gateway, "key-1"), range(32)))
    assert {answer.status for answer in answers} == {200}
    ids = {answer.body["id"] for answer in answers}
    assert sorted(ids) == job_folders(gateway)
    assert gateway.gateway.database.active_jobs() == 1


def test_requests_with_one_key_and_different_bodies_at_the_same_time_make_one_job(gateway: StillGateway) -> None:
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda number: run(gateway, "key-1", arguments=f"[{number}]"), range(32)))
    assert sorted(answer.status for answer in answers) == [200, *[422] * 31]
    assert len(job_folders(gateway)) == 1


def test_a_key_is_known_after_a_restart(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with still_gateway(home) as before:
        before.put_function("mine")
        first = run(before, "key-1")
    with still_gateway(home) as after:
        assert run(after, "key-1").body == first.body
        assert run(after, "key-1", arguments='{"a": 1}').status == 422


def test_a_job_that_is_over_is_still_the_answer(gateway: StillGateway) -> None:
    first = run(gateway, "key-1")
    gateway.stop_all()
    assert run(gateway, "key-1").body == {**first.body, "status": "STOPPED"}


def test_a_request_that_was_accepted_is_answered_even_if_it_would_now_be_refused(gateway: StillGateway) -> None:
    first = run(gateway, "key-1")
    gateway.gateway.database.put_program("mine", "", {"arguments_schema": SCHEMA})
    assert run(gateway, "key-2").status == 400
    assert run(gateway, "key-1").body == first.body


def test_a_refused_request_keeps_no_key(gateway: StillGateway) -> None:
    gateway.gateway.database.put_program("mine", "", {"arguments_schema": SCHEMA})
    assert run(gateway, "key-1").status == 400
    assert run(gateway, "key-1", arguments='{"shots": 1}').status == 200


@pytest.mark.parametrize("key", ["", "a b", "\u00e4", "x" * 256])
def test_a_key_that_is_none_is_refused(gateway: StillGateway, key: str) -> None:
    answer = run(gateway, key)
    assert (answer.status, "'Idempotency-Key' is" in answer.body["message"]) == (400, True)
    assert job_folders(gateway) == []


def test_the_longest_key_and_every_visible_character_are_accepted(gateway: StillGateway) -> None:
    visible = "".join(map(chr, range(0x21, 0x7F)))
    assert [run(gateway, key).status for key in ("x" * 255, visible)] == [200, 200]


def test_the_version_says_that_keys_are_honoured_and_which_one_arrived(gateway: StillGateway) -> None:
    without, given = (send(gateway.host, "GET", "/version", headers=h) for h in ({}, {"Idempotency-Key": "key-1"}))
    assert without.body["idempotency_key"] is True
    assert "idempotency-key" not in without.headers
    assert given.headers["idempotency-key"] == "key-1"
