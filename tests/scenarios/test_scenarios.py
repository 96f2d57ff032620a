"""Conversations that show the intended use, played against a real server over stdio."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.over_stdio import assistant
from support.scenario import Era, Scenario, filled, kept_part, misfits, play

FILES = sorted(Path(__file__).parent.glob("*.json"))


def scenarios() -> Iterator[Any]:
    for file in FILES:
        scenario = Scenario.read(file)
        for era in scenario.eras:
            yield pytest.param(scenario, era, id=f"{file.stem}-{era}")


@pytest.mark.parametrize(("scenario", "era"), [*scenarios()])
async def test_the_conversation_goes_as_it_should(scenario: Scenario, era: Era, tmp_path: Path) -> None:
    async with assistant(tmp_path / "home", era, **scenario.settings) as client:
        trouble = await play(scenario, client, tmp_path)
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
