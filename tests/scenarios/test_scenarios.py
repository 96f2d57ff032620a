"""Conversations that show the intended use, played against a real server over stdio."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.gateways import processes_about
from support.over_stdio import Assistant, assistant
from support.programs import end_gateways, gateways_under
from support.scenario import Era, Scenario, filled, kept_part, misfits, play
from support.warm import start_warm_in

FILES = sorted(Path(__file__).parent.glob("*.json"))


@dataclass(frozen=True)
class ServerOf:
    """What a server is started for.

    Attributes:
        settings: environment variables.
    """

    era: Era
    settings: tuple[tuple[str, str], ...]


def scenarios() -> Iterator[Any]:
    for file in FILES:
        scenario = Scenario.read(file)
        for era in scenario.eras:
            yield pytest.param(scenario, ServerOf(era, tuple(scenario.settings.items())), id=f"{file.stem}-{era}")


@pytest.fixture(scope="module")
async def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Assistant, Path]]:
    """One server for all conversations in the same era and with the same settings, and the folder it may use."""
    server: ServerOf = request.param
    folder = tmp_path_factory.mktemp("server")
    async with assistant(folder / "home", server.era, **dict(server.settings)) as client:
        yield client, folder


@pytest.fixture
def new_server(server: tuple[Assistant, Path]) -> Iterator[tuple[Assistant, Path]]:
    """The server and its folder, where nothing has happened yet."""
    client, folder = server
    start_warm_in(folder / "home")
    yield client, folder
    end_gateways(gateways_under(folder))
    left = processes_about(folder / "home")
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.terminate()  # a supervisor ends its job then
    psutil.wait_procs(left, timeout=10)
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@pytest.mark.parametrize(("scenario", "server"), [*scenarios()], indirect=["server"], scope="module")
async def test_the_conversation_goes_as_it_should(scenario: Scenario, new_server: tuple[Assistant, Path]) -> None:
    client, folder = new_server
    trouble = await play(scenario, client, folder)
    assert not trouble, trouble


def test_there_are_enough_conversations_to_learn_from() -> None:
    assert len(FILES) >= 15


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ([{"a": 1}], [{"a": 1, "b": 2}]),
        ({"$contains": "b"}, "abc"),
        ({"$contains": ["a", "c"]}, "abc"),
        ({"$contains": {"a": 1}}, [{"a": 0}, {"a": 1, "b": 2}]),
        ({"$lacks": "d"}, "abc"),
        ({"$lacks": {"a": 2}}, [{"a": 1}]),
        ({"$between": [0, 1]}, 0.5),
        ({"$one_of": ["a", {"$contains": "b"}]}, "abc"),
        ({"$length": 3}, "abc"),
        ({"$length": {"$between": [1, 2]}}, [1]),
        ({"$absent": ["b"]}, {"a": 1}),
    ],
)
def test_a_value_that_matches_a_pattern_has_no_misfits(pattern: Any, value: Any) -> None:
    assert list(misfits(pattern, value)) == []


@pytest.mark.parametrize(
    ("pattern", "value", "place"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "/a/b"),
        ({"a": 1}, {"b": 1}, "/"),
        ({"a": 1}, "a", "/"),
        ([1, 2], [1, 3], "/1"),
        ([1], [1, 2], "/"),
        ({"a": {"$contains": "d"}}, {"a": "abc"}, "/a"),
        ({"$contains": {"a": 1}}, [{"a": 0}], "/"),
        ({"$lacks": "b"}, "abc", "/"),
        ({"$lacks": "b"}, None, "/"),
        ({"$between": [0, 1]}, 1.5, "/"),
        ({"$between": [0, 1]}, "0.5", "/"),
        ({"$one_of": ["a"]}, "b", "/"),
        ({"$length": 2}, [1], "/"),
        ({"$absent": ["a"]}, {"a": 1}, "/"),
    ],
)
def test_a_misfit_is_reported_with_its_place(pattern: Any, value: Any, place: str) -> None:
    (problem,) = misfits(pattern, value)
    assert problem.startswith(f"at {place}: ")


def test_kept_values_and_lines_are_filled_in() -> None:
    template = {"id": "$job", "file": "$folder/a", "qasm": "x $0;", "source": {"$lines": ["a", "b"]}, "n": [1]}
    assert filled(template, {"job": "j", "folder": "/f"}) == {
        "id": "j",
        "file": "/f/a",
        "qasm": "x $0;",
        "source": "a\nb\n",
        "n": [1],
    }


def test_what_is_kept_is_found_by_pointer_or_by_expression() -> None:
    answer = {"jobs": [{"job_id": "j"}], "next_step": "Call it with confirm='token'."}
    assert kept_part(answer, "/jobs/0/job_id") == "j"
    assert kept_part(answer, "/next_step ~ confirm='([^']+)'") == "token"
