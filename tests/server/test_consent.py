"""The person is asked before code is uploaded, a file deleted, or a low quota spent; in both protocol eras."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult

from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.settings import Settings
from support.over_stdio import structured

Mode = Literal["auto", "legacy"]
UPLOAD = {"title": "asked", "source": "print('hello')\n"}


class Person:
    """Answers every question in one way, and remembers them."""

    def __init__(self, answer: Literal["accept", "decline", "cancel"]) -> None:
        self.answer: Literal["accept", "decline", "cancel"] = answer
        self.asked: list[str] = []

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        return ElicitResult(action=self.answer, content={"go_ahead": True} if self.answer == "accept" else None)


@asynccontextmanager
async def client(home: Path, mode: Mode, person: Person | None = None, **settings: Any) -> AsyncIterator[Client]:
    server = build_server(Settings(channel="local", home=home, **settings))
    async with Client(server, mode=mode, elicitation_callback=person) as opened:
        yield opened


async def function_names(opened: Client) -> list[str]:
    listed = structured(await opened.call_tool("list_functions", {"kind": "own"}))
    return [function["name"] for function in listed["functions"]]


async def refused(opened: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    answer = await opened.call_tool(tool, arguments)
    assert answer.is_error, answer
    error = structured(answer)
    assert (error["code"], error["submitted"], error["person"]) == ("consent_needed", "no", True)
    return error


def token_in(error: dict[str, Any]) -> str:
    found = re.search(r"confirm='([^']+)'", error["next_step"])
    assert found, error
    return found[1]


async def test_a_person_who_agrees_is_asked_once_and_the_upload_happens(tmp_path: Path, mode: Mode) -> None:
    person = Person("accept")
    async with client(tmp_path, mode, person) as opened:
        answer = await opened.call_tool("upload_function", UPLOAD)
        assert structured(answer)["name"] == "asked"
        assert await function_names(opened) == ["asked"]
    (question,) = person.asked
    assert "'asked'" in question
    assert "run on this machine" in question


@pytest.mark.parametrize("answer", ["decline", "cancel"])
async def test_a_person_who_does_not_agree_gets_an_answer_and_nothing_is_done(
    tmp_path: Path, mode: Mode, answer: Literal["decline", "cancel"]
) -> None:
    async with client(tmp_path, mode, Person(answer)) as opened:
        reply = await opened.call_tool("upload_function", UPLOAD)
        assert not reply.is_error
        assert "Nothing was done" in structured(reply)["declined"]
        assert await function_names(opened) == []


async def test_where_the_client_cannot_ask_a_token_passes_the_consent_on(tmp_path: Path, mode: Mode) -> None:
    async with client(tmp_path, mode) as opened:
        error = await refused(opened, "upload_function", UPLOAD)
        assert "Ask the person" in error["next_step"]
        assert await function_names(opened) == []
        agreed = await opened.call_tool("upload_function", {**UPLOAD, "confirm": token_in(error)})
        assert structured(agreed)["name"] == "asked"


async def test_a_token_is_bound_to_the_tool_and_the_exact_arguments(tmp_path: Path, mode: Mode) -> None:
    async with client(tmp_path, mode) as opened:
        token = token_in(await refused(opened, "upload_function", UPLOAD))
        other = {**UPLOAD, "source": "import os; os.remove('everything')\n", "confirm": token}
        assert "for another call" in (await refused(opened, "upload_function", other))["message"]
        assert await function_names(opened) == []
        await opened.call_tool("upload_file", {"function": "examples/vqe", "name": "data.json", "content": "1"})
        await refused(opened, "delete_file", {"function": "examples/vqe", "name": "data.json", "confirm": token})


@pytest.mark.parametrize("token", ["yes", "true", "9999999999-0", "-", "0-" + "0" * 32, "9999999999-0-ü"])
async def test_an_invented_token_is_refused(tmp_path: Path, token: str) -> None:
    async with client(tmp_path, "auto") as opened:
        await refused(opened, "upload_function", {**UPLOAD, "confirm": token})


async def test_with_consent_never_no_question_is_asked(tmp_path: Path, mode: Mode) -> None:
    person = Person("decline")
    async with client(tmp_path, mode, person, consent="never") as opened:
        assert not (await opened.call_tool("upload_function", UPLOAD)).is_error
    assert person.asked == []


async def test_with_consent_always_a_call_is_refused_where_the_client_cannot_ask(tmp_path: Path, mode: Mode) -> None:
    async with client(tmp_path, mode, consent="always") as opened:
        error = await refused(opened, "upload_function", UPLOAD)
        assert "confirm=" not in error["next_step"]


@pytest.mark.parametrize("suppress", [False, True])
async def test_a_low_quota_is_spent_only_after_a_question(tmp_path: Path, mode: Mode, suppress: bool) -> None:
    person = Person("decline")
    async with client(tmp_path, mode, person, local_usage_limit_seconds=300) as opened:
        # To suppress the warning is not to agree.
        circuit = {"$circuit": "OPENQASM 3.0; qubit[1] q; bit[1] c; c[0] = measure q[0];"}
        run: dict[str, Any] = {"function": "examples/sampler", "arguments": {"circuit": circuit}}
        run["suppress_low_usage_warning"] = suppress
        reply: CallToolResult = await opened.call_tool("run_function", run)
        assert "declined" in structured(reply)
        assert structured(await opened.call_tool("list_jobs", {}))["total"] == 0
    assert person.asked == ["The quota is low. Run 'examples/sampler' anyway?"]


async def test_a_run_with_enough_quota_asks_nothing(tmp_path: Path, mode: Mode) -> None:
    person = Person("decline")
    async with client(tmp_path, mode, person) as opened:
        answer = await opened.call_tool("run_function", {"function": "examples/sampler", "arguments": {}})
        assert structured(answer)["code"] == "invalid_arguments"
    assert person.asked == []


async def test_a_file_is_deleted_only_after_a_question(tmp_path: Path, mode: Mode) -> None:
    person = Person("accept")
    async with client(tmp_path, mode, person) as opened:
        await opened.call_tool("upload_function", UPLOAD)
        await opened.call_tool("upload_file", {"function": "asked", "name": "data.txt", "content": "1,2\n"})
        person.answer = "decline"
        deletion = {"function": "asked", "name": "data.txt"}
        assert "declined" in structured(await opened.call_tool("delete_file", deletion))
        listed = structured(await opened.call_tool("list_files", {"function": "asked"}))
        assert [file["name"] for file in listed["files"]] == ["data.txt"]
    assert person.asked[-1] == "Delete the file 'data.txt' of 'asked' for good?"


async def test_a_token_is_good_for_one_call(tmp_path: Path, mode: Mode) -> None:
    async with client(tmp_path, mode, local_usage_limit_seconds=300) as opened:
        await opened.call_tool("list_functions", {})
        upload = {"title": "once", "source": "print(1)"}
        token = token_in(await refused(opened, "upload_function", upload))
        assert not (await opened.call_tool("upload_function", {**upload, "confirm": token})).is_error
        run = {"function": "once"}
        token = token_in(await refused(opened, "run_function", run))
        assert not (await opened.call_tool("run_function", {**run, "confirm": token})).is_error
        error = await refused(opened, "run_function", {**run, "confirm": token})
        assert "was used" in error["message"]
        assert structured(await opened.call_tool("list_jobs", {}))["total"] == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("upload_function", {"title": "bad title!", "source": "print(1)"}, "invalid_input"),
        ("upload_function", {"title": "f", "source": "def ("}, "invalid_artifact"),
        ("upload_function", {"title": "f"}, "invalid_input"),
        ("delete_file", {"function": "examples/vqe", "name": "nothing.txt"}, "not_found"),
        ("delete_file", {"function": "unknown", "name": "nothing.txt"}, "not_found"),
        ("run_function", {"function": "nothing"}, "not_found"),
        ("run_function", {"function": "examples/sampler", "arguments": {"shots": 0}}, "invalid_arguments"),
        ("run_function", {"function": "examples/sampler", "arguments": {"$circuit": "junk"}}, "invalid_literal"),
    ],
)
async def test_the_person_is_not_asked_about_a_call_that_would_fail(
    tmp_path: Path, mode: Mode, tool: str, arguments: dict[str, Any], code: str
) -> None:
    person = Person("accept")
    for asker in (person, None):
        async with client(tmp_path, mode, asker, local_usage_limit_seconds=300) as opened:
            answer = await opened.call_tool(tool, arguments)
        assert answer.is_error
        assert structured(answer)["code"] == code
    assert person.asked == []


async def test_an_answer_that_does_not_match_the_form_is_not_a_yes(tmp_path: Path, mode: Mode) -> None:
    class Confused(Person):
        async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
            return ElicitResult(action="accept", content={"go_ahead": "banana"})

    async with client(tmp_path, mode, Confused("accept")) as opened:
        answer = await opened.call_tool("upload_function", UPLOAD)
        assert answer.is_error
        error = structured(answer)
        assert (error["code"], error["submitted"]) == ("consent_needed", "no")
        assert await function_names(opened) == []
