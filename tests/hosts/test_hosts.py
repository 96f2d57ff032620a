"""What a person and a model get to see of this server in Claude Code, Codex and Gemini CLI.

Each host runs twice: once without a terminal, where a request is all that it gets, and once in a terminal, where it
can ask. docs/hosts/tried.md tells what was seen.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from qiskit_functions_gateway.storage.data_folder import DataFolder
from support.hosts import CLAUDE_CODE, CODEX, GEMINI_CLI, Host, Run
from support.scripted_model import Call, Script, ScriptedModel, Seen
from support.terminal import Terminal

BELL = """\
OPENQASM 3.0;
include "stdgates.inc";
qubit[2] q;
bit[2] c;
h q[0];
cx q[0], q[1];
c = measure q;
"""

NO_JOB = "00000000-0000-4000-8000-000000000000"

WANTED, FURTHER, UNWANTED = "Create the function 'wanted'", "Upload 'wanted' again", "Create the function 'unwanted'"
"""How the server's questions begin in a terminal: upload this, upload it again without a question, upload that."""

ENTER, DOWN, ESCAPE = "\r", "\x1b[B", "\x1b"

STEP_SECONDS = 60.0
"""For what a person in a terminal waits for; a quiet machine needs two."""


class Headless:
    """A run without a terminal.

    Attributes:
        seen: what the model saw of each step.
    """

    def __init__(self, host: Host, folder: Path) -> None:
        self.seen: dict[str, Seen] = {}
        self.run: Run
        self.model: ScriptedModel
        self.run, self.model = host.run(folder, self._script())

    def _script(self) -> Script:
        self.seen["list"] = yield Call("list_functions")
        arguments = {"circuit": {"$circuit": BELL}, "backend_name": "fake_manila"}
        call = {"function": "examples/sampler", "arguments": arguments, "wait_seconds": 50}
        seen = yield Call("run_function", call)
        job = {"job_id": seen.json["job_id"]}
        while seen.json["status"] not in ("DONE", "ERROR", "CANCELED"):
            seen = yield Call("wait_for_job", job)
        self.seen["end"] = seen
        self.seen["result"] = yield Call("get_job_result", job)
        self.seen["picture"] = yield Call("get_job_result", {**job, "view": "plot"})
        self.seen["error"] = yield Call("get_job", {"job_id": NO_JOB})
        self.seen["upload"] = seen = yield Call("upload_function", {"title": "greet", "source": "print('hello')\n"})
        if token := token_in(seen):
            self.seen["confirmed"] = yield Call("upload_function", {"title": "greet", "confirm": token})
        return "That is all."


@pytest.fixture(scope="class")
def headless(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Headless:
    host: Host = request.cls.host
    return Headless(host, tmp_path_factory.mktemp(host.program))


class HostTests:
    """What holds in every host.

    Attributes:
        versions: of the protocol; more than one where the host falls back if a server starts slowly.
        asks: whether it declares that it shows questions.
        flags_errors: whether the model is told apart from the text that a call failed.
        answers: what the screen shows of each question and of the choice, and the key that changes the choice or
            makes it, so that "wanted" is uploaded, and "unwanted" is not.
    """

    host: ClassVar[Host]
    versions: ClassVar[set[str]]
    asks: ClassVar[bool]
    flags_errors: ClassVar[bool]
    answers: ClassVar[list[tuple[str, str, str]]]

    def test_it_speaks_the_protocol_as_the_documentation_says(self, headless: Headless) -> None:
        version, capabilities = headless.run.declared()
        assert version in self.versions
        assert ("elicitation" in capabilities) == self.asks

    def test_the_model_gets_every_tool_with_a_description_and_a_schema(self, headless: Headless) -> None:
        listed = [message["result"] for message in headless.run.sent("server") if "tools" in message.get("result", {})]
        assert set(headless.model.tools) == {tool["name"] for tool in listed[0]["tools"]}
        for tool in headless.model.tools.values():
            assert tool["description"]
            schema = tool.get("input_schema") or tool.get("parameters") or tool["parametersJsonSchema"]
            assert schema["type"] == "object"

    def test_the_model_gets_the_instructions(self, headless: Headless) -> None:
        assert "Find, run and follow Qiskit Functions" in headless.model.instructions

    def test_the_model_finds_a_function_and_runs_it_to_the_end(self, headless: Headless) -> None:
        assert "examples/sampler" in headless.seen["list"].text
        assert headless.seen["end"].json["status"] == "DONE"

    def test_the_model_reads_the_counts(self, headless: Headless) -> None:
        assert '"bits":"00"' in headless.seen["result"].text
        assert '"bits":"11"' in headless.seen["result"].text

    def test_the_model_sees_a_picture(self, headless: Headless) -> None:
        assert headless.seen["picture"].pictures == ["image/png"]

    def test_the_model_sees_an_error_as_one(self, headless: Headless) -> None:
        error = headless.seen["error"]
        assert error.is_error is (True if self.flags_errors else None)
        assert "not_found" in error.text

    def test_a_person_in_a_terminal_says_yes_to_one_upload_and_no_to_another(self, tmp_path: Path) -> None:
        def script() -> Script:
            for title in ("wanted", "unwanted"):
                answer = yield Call("upload_function", {"title": title, "source": "print('hello')\n"})
                if token := token_in(answer):
                    yield Call("upload_function", {"title": title, "confirm": token})
            return "That is all."

        with self.host.terminal(tmp_path, script()) as (terminal, run):
            for question, choice, key in self.answers:
                terminal.wait_for(question, within=STEP_SECONDS)
                terminal.wait_for(choice, within=STEP_SECONDS)
                sent = len(run.sent("host"))
                terminal.press_until(key, partial(self._has_effect, terminal, run, choice, sent))
        with closing(sqlite3.connect(DataFolder(run.data).database_file)) as connection:
            titles = {title for (title,) in connection.execute("SELECT title FROM programs WHERE provider = ''")}
        assert titles == {"wanted"}
        assert bool(forms(run)) == self.asks
        assert [form for form in forms(run) if form != {"type": "object", "properties": {}}] == []

    def _has_effect(self, terminal: Terminal, run: Run, choice: str, sent: int) -> bool:
        """Return whether the choice has gone, or the host has sent more messages to the server than those."""
        return choice not in terminal.text or len(run.sent("host")) > sent


class TestClaudeCode(HostTests):
    host = CLAUDE_CODE
    versions: ClassVar = {"2026-07-28", "2025-11-25"}
    asks = True
    flags_errors = True
    answers: ClassVar = [
        (WANTED, "❯ Accept", ENTER),
        (FURTHER, "❯ Accept", DOWN),
        (FURTHER, "❯ Decline", ENTER),
        (UNWANTED, "❯ Accept", DOWN),
        (UNWANTED, "❯ Decline", ENTER),
    ]

    def test_a_question_that_it_cancels_without_a_terminal_becomes_a_token(self, headless: Headless) -> None:
        assert forms(headless.run)
        assert uploads_by_token(headless)


class TestCodex(HostTests):
    host = CODEX
    versions: ClassVar = {"2025-06-18"}
    asks = True
    flags_errors = False
    answers: ClassVar = [
        (WANTED, "1. Allow", "1"),
        (FURTHER, "2. Deny", "2"),
        (UNWANTED, "2. Deny", "2"),
    ]

    def test_a_question_that_it_declines_without_a_terminal_says_what_a_person_can_do(self, headless: Headless) -> None:
        assert forms(headless.run)
        upload = headless.seen["upload"].json
        assert "declined" in upload
        assert "--consent never" in upload["next_step"]


class TestGeminiCli(HostTests):
    host = GEMINI_CLI
    versions: ClassVar = {"2025-06-18"}
    asks = False
    flags_errors = True
    # It asks before each call of a tool, and so shows the person what a token stands for.
    answers: ClassVar = [
        ('"title":"wanted","source"', "Allow once", ENTER),
        ('"title":"wanted","confirm"', "Allow once", ENTER),
        ('"title":"unwanted"', "Allow once", ESCAPE),
    ]

    def test_an_upload_needs_a_token(self, headless: Headless) -> None:
        assert uploads_by_token(headless)


def token_in(seen: Seen) -> str | None:
    """Return the token that a refusal gives, which hosts may have escaped."""
    found = re.search(r"confirm=[\\'\"]*([0-9a-f-]+)", seen.text)
    return found[1] if found else None


def uploads_by_token(headless: Headless) -> bool:
    return "consent_needed" in headless.seen["upload"].text and headless.seen["confirmed"].json["name"] == "greet"


def forms(run: Run) -> list[dict[str, Any]]:
    """Return the forms of all questions, in both eras."""
    questions = []
    for message in run.sent("server"):
        if message.get("method") == "elicitation/create":
            questions.append(message)
        questions += message.get("result", {}).get("inputRequests", {}).values()
    return [question["params"]["requestedSchema"] for question in questions]
