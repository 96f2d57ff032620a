"""The embedded gateway against what a real one answered: every recorded request is sent to it again.

Status, content type and shape must be the same, and so must every error's text; or the capture stands in
``DIFFERENCES``, with the reason, and the answer is the one that is given there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.captured import Capture, captures
from support.captured_world import PROVIDER, RUNS, SOURCES, World, captured_world
from support.raw_http import Answer, encoded, send, tar_of

REPLAYED = [exchange for exchange in captures() if not exchange.name.startswith("fleets/")]
"""Those of the Fleets runner are for the core: this gateway speaks as the one on Ray does."""

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "embedded-gateway.md"


@dataclass(frozen=True)
class Difference:
    """What this gateway does otherwise, on purpose.

    Attributes:
        reason: a sentence that the documentation has too.
        status: of the answer here; none when there is nothing here to send the request to.
        says: what the answer's text has in it.
    """

    reason: str
    status: int | None = None
    says: str = ""


def _each(numbers: str, reason: str, status: int | None = None, says: str = "") -> dict[str, Difference]:
    return dict.fromkeys(numbers.split(), Difference(reason, status, says))


DIFFERENCES: dict[str, Difference] = {
    **_each("067 116", "A body that is not JSON is 400 and says where it breaks, not 500.", 400, "not valid JSON"),
    **_each("068", "A content type that cannot be read is 415, not 500.", 415, "text/plain"),
    **_each("362", "A JSON body over 2.5 MB is 413 and names the limit, not 500.", 413, "2621440"),
    **_each("070 089 121 155 305", "A wrong method is 405 with `Allow`, not 500.", 405, "not allowed"),
    **_each("091", "`OPTIONS` is answered with a token as it is without one, not with 500.", 200),
    **_each("050", "`env_vars` that are not a JSON object of strings are 400 and named, not 500.", 400, "env_vars"),
    **_each("055", "A runner other than `ray` is 400 and named: there is none here.", 400, "fleets"),
    **_each("190", "A `service` that is not JSON is 400 and named, and the job is left alone.", 400, "service"),
    **_each("001", '`/version` also says `"idempotency_key": true`.', 200, "idempotency_key"),
    **_each(
        "002", "`/version`, `/liveness` and `/readiness` need no slash at the end and no redirect.", 200, "version"
    ),
    **_each("059 061 062", "An image is 400, and the answer says what can run it.", 400, "Kubernetes"),
    **_each("046", "A dependency may be any package of the index in one fixed version, not only of a list.", 200),
    **_each(
        "173",
        "A runtime job that is already known gets a message of the API's, not of the database's.",
        200,
        "already exists",
    ),
    **_each("229 233", "A job that cannot start has an ERROR event and a log that say why.", 200, "CANNOT_START"),
    **_each("323", "A file is found by the name it was uploaded with, not only by the one it was given.", 200),
    **_each("410", "A file of unknown type comes as `application/octet-stream`, not as a web page.", 200),
    **_each("421", "Binary data of an unknown type is accepted, where libmagic guesses a type.", 200),
    **_each("358", "A browser gets JSON: there are no web pages to try the API with.", 200),
    **_each("119", "Functions cannot be disabled here, so nothing is 423."),
    **_each("344 346 347 350 355", "There is one user: no other user's jobs, and no deactivated user."),
}

STATUSES = {
    **dict.fromkeys(("124", "125", "203", "406", "407"), "QUEUED"),
    "128": "PENDING",
    **dict.fromkeys(("131", "178", "179", "181", "182", "185", "187", "188", "190", "199"), "RUNNING"),
    **dict.fromkeys(("194", "196", "197", "205"), "STOPPED"),
}
"""Of the job that a capture is about, where its answer does not tell."""

PROGRAMS = {
    "e17276e6-d27d-47b7-9bdb-0da1cc22db11": ("boom-fn", ""),
    "fb5310ca-71ae-4b89-9ee0-a43b1fd25414": ("p-fn", PROVIDER),
}

_SAME = ("message", "detail", "status", "sub_status", "title", "type", "runner", "entrypoint", "valid", "result")
"""Texts that must be equal, not only of the same type, outside of listings."""

_JOB_ID = re.compile(r"/jobs/([0-9a-f-]{36})/")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with captured_world(tmp_path_factory.mktemp("captured") / "home") as remade:
        yield remade


@pytest.mark.parametrize("exchange", REPLAYED, ids=lambda exchange: exchange.name)
def test_a_captured_request_is_answered_as_it_was_or_as_documented(world: World, exchange: Capture) -> None:
    difference = DIFFERENCES.get(exchange.number)
    if difference and difference.status is None:
        return
    try:
        prepare(world, exchange)
        answer = replay(world, exchange)
        found = problems(world, exchange, answer)
    finally:
        world.tidy()
    if difference is None:
        assert not found, answer
    else:
        assert answer.status == difference.status, answer
        assert difference.says in str(answer.body)
        assert found, "it is no difference any more"


@pytest.mark.parametrize("number", DIFFERENCES)
def test_every_difference_is_of_a_capture_and_in_the_documentation(number: str) -> None:
    assert [exchange.number for exchange in REPLAYED].count(number) == 1
    assert DIFFERENCES[number].reason in DOCUMENTATION.read_text(encoding="utf-8")


def replay(world: World, exchange: Capture) -> Answer:
    title = exchange.request_body.get("multipart", {}).get("fields", {}).get("title", "") if is_form(exchange) else ""
    body = here(world, exchange.request_body)
    if exchange.number == "362":
        body = {**body, "arguments": json.dumps({"x": "a" * 2_700_000})}
    content, content_type = encoded(body, tar_of(SOURCES.get(title, SOURCES["echo-fn"])))
    headers = {name: value for name, value in exchange.request_headers.items() if name != "Content-Length"}
    if content_type:
        headers["Content-Type"] = content_type
    return send(
        world.host,
        exchange.method,
        here(world, exchange.path),
        params=here(world, exchange.params),
        headers=headers,
        content=content,
    )


def is_form(exchange: Capture) -> bool:
    return isinstance(exchange.request_body, dict)


def here(world: World, value: Any) -> Any:
    """With the ids of this world."""
    text = json.dumps(value, ensure_ascii=False)
    for captured, own in (*world.ids.items(), *program_ids(world)):
        text = text.replace(captured, own)
    return json.loads(text)


def program_ids(world: World) -> Iterator[tuple[str, str]]:
    for captured, name in PROGRAMS.items():
        program = world.gateway.database.program(*name)
        assert program is not None
        yield captured, program.id


def prepare(world: World, exchange: Capture) -> None:
    """What was there when the request was recorded."""
    if "/files/" in exchange.path:
        prepare_files(world, exchange)
    if exchange.number == "364":
        for _ in range(50):
            world.still.put_job("noresult-fn", "", "QUEUED")
    in_path = _JOB_ID.search(exchange.path + "/")
    if in_path and not in_path[1].startswith("00000000"):
        prepare_job(world, in_path[1], exchange)


def prepare_job(world: World, captured_id: str, exchange: Capture) -> None:
    body = exchange.body if isinstance(exchange.body, dict) else {}
    shown = body.get("job", body)
    status = STATUSES.get(exchange.number) or shown.get("status")
    if captured_id not in RUNS or status in ("QUEUED", "PENDING", "RUNNING"):
        world.put_job(captured_id, status)
    store, job_id = world.gateway.database, world.ids[captured_id]
    if shown.get("sub_status") and exchange.method != "PATCH":
        with_sub_status(world, captured_id, status, shown["sub_status"])
    if exchange.number in ("160", "163", "196"):
        folder = world.gateway.data_folder
        folder.write_text(folder.job(job_id).result, body["result"])
    if exchange.number == "173":
        store.add_runtime_job(job_id, "rt-1", None)
    if exchange.number == "175":
        store.add_runtime_job(job_id, "rt-3", "sess-1")
        store.add_runtime_job(job_id, "rt-4", None)
    if exchange.number == "131":
        log = world.gateway.data_folder.job(job_id).log
        log.parent.mkdir(parents=True)
        log.write_text("Runtime env is setting up.\n")
    if exchange.number in ("187", "197"):
        store.add_error(job_id, {"args": None, "code": "7", "message": "no args", "exception": "MyError"})


def with_sub_status(world: World, captured_id: str, status: str, sub_status: str) -> None:
    """Only a job that runs can be given one; it keeps it when it is stopped."""
    world.put_job(captured_id, "RUNNING")
    store, job_id = world.gateway.database, world.ids[captured_id]
    store.set_sub_status(job_id, sub_status)
    if status != "RUNNING":
        assert world.still.lifecycle.stop(job_id)


def prepare_files(world: World, exchange: Capture) -> None:
    """The files that were listed, downloaded or deleted, and no others."""
    provider = PROVIDER in str(exchange.params)
    folder = world.gateway.data_folder.function_data(PROVIDER if provider else "", "p-fn").path
    if "/files/provider" in exchange.path:
        folder = world.gateway.data_folder.path / "data" / "of-providers" / PROVIDER / "p-fn"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.is_file():
            old.unlink()
    (folder / "arguments").mkdir(exist_ok=True)
    (folder / ".hidden").touch()
    if exchange.status == 200 and isinstance(exchange.body, dict) and "results" in exchange.body:
        for name in exchange.body["results"]:
            (folder / name).touch()
    elif exchange.status == 200 and exchange.params.get("file"):
        (folder / exchange.params["file"].strip("/")).write_bytes(content_of(exchange))
    if exchange.number == "319":
        (folder / "notes.txt").touch()
    if exchange.number == "323":
        (folder / "my_file_1_.txt").touch()


def content_of(exchange: Capture) -> bytes:
    return str(exchange.body).encode() if isinstance(exchange.body, str) else b""


def problems(world: World, exchange: Capture, answer: Answer) -> list[str]:
    """In what the answer is another than the captured one; empty when it is the same."""
    found = [] if answer.status == exchange.status else [f"status {answer.status}"]
    wanted_type = exchange.headers.get("content-type", "application/json" if exchange.number == "362" else None)
    if answer.headers.get("content-type") != wanted_type:
        found.append(f"content type {answer.headers.get('content-type')}")
    if "attachment" in exchange.headers.get("content-disposition", ""):
        return found + ([] if answer.content == content_of(exchange) else ["content"])
    wanted = here(world, exchange.body)
    if exchange.number == "223":
        wanted, body = (json.loads(each["result"]) for each in (wanted, answer.body))
        return found + list(differing(wanted, body))
    if "/files" in exchange.path and answer.status == 200 and "/upload" in exchange.path:
        wanted, body = (Path(each["message"]).name for each in (wanted, answer.body))
        return found + ([] if wanted == body else [f"{body} is not {wanted}"])
    return found + list(differing(wanted, answer.body))


def differing(wanted: Any, given: Any, at: str = "", *, listed: bool = False) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(given, dict):
        if wanted.keys() != given.keys():
            yield f"{at}: keys {sorted(wanted.keys() ^ given.keys())}"
        for key in wanted.keys() & given.keys():
            yield from differing(wanted[key], given[key], f"{at}/{key}", listed=listed)
    elif isinstance(wanted, list) and isinstance(given, list):
        if wanted and not given:
            yield f"{at}: empty"
        for item in given if wanted else ():
            if all(list(differing(kind, item, listed=True)) for kind in wanted):
                yield f"{at}: {item}"
    elif None not in (wanted, given) and type(wanted) is not type(given):
        yield f"{at}: {type(given).__name__} is not {type(wanted).__name__}"
    elif isinstance(wanted, str) and not listed and at.rpartition("/")[2] in _SAME and wanted != given:
        yield f"{at}: {given!r} is not {wanted!r}"
    elif not at and not listed and wanted != given:
        yield f"{given!r} is not {wanted!r}"
