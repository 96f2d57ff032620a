"""Conversations as data, and the scripted client that plays them.

A scenario (``tests/scenarios/*.json``) holds what a person wants, the calls that a sensible assistant then
makes, what each answer must hold, and what must be there in the end. The fields are those of ``Scenario``
and ``Call``. In the arguments of a call, ``$name`` in a text stands for a value kept from an earlier
answer, ``$folder`` for the folder that tools may use, and a list under ``$lines`` for a text of such lines.

What an answer must hold is a pattern, see ``misfits``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any, Literal, Self

import anyio
from mcp_types import CallToolResult
from pydantic import BaseModel, ConfigDict, Field, model_validator

from .over_stdio import Assistant, text_of

Era = Literal["auto", "legacy"]

MOST_SECONDS = 90
"""Of one call that is repeated until its answer fits."""

MOST_CHARACTERS = 20_000
"""Of a reply, by default."""


class Call(BaseModel):
    """One call of the assistant.

    Attributes:
        why: what it thinks.
        call: the tool.
        with_: the arguments (``with`` in JSON).
        until: the same call is made again until its answer fits this.
        answers, fails, says: what must be in the structured answer, in the error, in an answer that is
            only text; one of them.
        keep: names for parts of the answer, given by JSON pointer; after " ~ ", a regular expression whose
            group is the part of a text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    why: str = ""
    call: str
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    until: Any = None
    answers: Any = None
    fails: Any = None
    says: Any = None
    keep: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _expects_one_thing(self) -> Self:
        if [self.answers, self.fails, self.says].count(None) != 2:
            raise ValueError("a call needs one of answers, fails and says")
        return self

    @property
    def expected(self) -> Any:
        return next(pattern for pattern in (self.answers, self.fails, self.says) if pattern is not None)


class End(BaseModel):
    """What is there in the end.

    Attributes:
        jobs: as "function STATUS", in the order of their start.
        own_functions: by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    jobs: list[str]
    own_functions: list[str]


class Scenario(BaseModel):
    """A conversation.

    Attributes:
        person: what the person wants.
        shows: what the scenario is here for.
        eras: in which protocol eras it is played.
        settings: of the server, as environment variables.
        given: what has happened before.
        talk: what the assistant does now.
        at_most: how many calls an expert would need; the talk has no more, and repeats none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    person: str
    shows: str
    eras: list[Era] = ["auto", "legacy"]
    settings: dict[str, str] = Field(default_factory=dict)
    given: list[Call] = Field(default_factory=list)
    talk: list[Call] = Field(min_length=1)
    in_the_end: End
    at_most: int | None = None

    @model_validator(mode="after")
    def _is_as_short_as_it_says(self) -> Self:
        if self.at_most is not None and (len(self.talk) > self.at_most or any(call.until for call in self.talk)):
            raise ValueError(f"the talk has more than {self.at_most} calls")
        return self

    @classmethod
    def read(cls, file: Path) -> Scenario:
        return cls.model_validate_json(file.read_bytes())


async def play(scenario: Scenario, assistant: Assistant, folder: Path) -> str:
    """Make all calls, and tell what went wrong first; empty when all went as it should.

    Args:
        folder: where tools may read and write.
    """
    kept = {"folder": str(folder)}
    for number, call in enumerate([*scenario.given, *scenario.talk], 1):
        answer = await _answer(assistant, call, filled(call.with_, kept))
        content = read(answer)
        problems = [*_common_problems(call, answer), *misfits(filled(call.expected, kept), content)]
        if problems:
            return "\n".join([f"call {number}, {call.call}: {call.why}", *problems, f"the answer: {content}"])
        kept |= {name: kept_part(content, where) for name, where in call.keep.items()}
    end = await _end(assistant)
    return "" if end == scenario.in_the_end else f"in the end there is {end}"


async def _answer(assistant: Assistant, call: Call, arguments: dict[str, Any]) -> CallToolResult:
    """The first that the call waits for; the last one when it does not come."""
    answer = await assistant.call(call.call, **arguments)
    with anyio.move_on_after(MOST_SECONDS):
        while call.until is not None and list(misfits(call.until, read(answer))):
            await anyio.sleep(0.02)
            answer = await assistant.call(call.call, **arguments)
    return answer


def read(answer: CallToolResult) -> Any:
    """What a model reads: the structured content, else the text."""
    return text_of(answer) if answer.structured_content is None else answer.structured_content


def _common_problems(call: Call, answer: CallToolResult) -> Iterator[str]:
    """Breaches of what holds for every answer."""
    text, content = text_of(answer), answer.structured_content
    if bool(answer.is_error) != (call.fails is not None):
        yield "this failed" if answer.is_error else "this did not fail"
    if len(text) > MOST_CHARACTERS:
        yield f"it has {len(text)} characters"
    if (content is None) != (call.says is not None):
        yield "only answers that are text have no structured content"
    if content is not None and json.loads(text) != content:
        yield "text and structured content differ"
    if answer.is_error and not (isinstance(content, dict) and content.get("next_step")):
        yield "an error without a next step"


async def _end(assistant: Assistant) -> End:
    jobs = (await assistant.ask("list_jobs", limit=200))["jobs"]
    functions = (await assistant.ask("list_functions", kind="own"))["functions"]
    return End(
        jobs=[f"{job['function']} {job['status']}" for job in reversed(jobs)],
        own_functions=[function["name"] for function in functions],
    )


def filled(value: Any, kept: Mapping[str, str]) -> Any:
    """The value with kept ones in place of their names, and texts in place of their lines."""
    if isinstance(value, str):
        return Template(value).safe_substitute(kept)
    if isinstance(value, list):
        return [filled(item, kept) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$lines"}:
        return "".join(f"{line}\n" for line in value["$lines"])
    return {key: filled(item, kept) for key, item in value.items()}


def kept_part(value: Any, where: str) -> str:
    """What is at a JSON pointer without escapes, or what a regular expression finds there."""
    pointer, _, expression = where.partition(" ~ ")
    for step in pointer.split("/")[1:]:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return re.findall(expression, value)[0] if expression else str(value)


def misfits(pattern: Any, value: Any, place: str = "") -> Iterator[str]:
    """How a value does not fit a pattern, one text a place; none when it does.

    An object fits when each of its patterns does, and may have more; a list fits item by item. Whatever
    else stands in a pattern must be equal. These keys test the value that they stand for: ``$contains``
    (a text has this part, a list has an item that fits; a list of them: all), ``$lacks`` (the opposite),
    ``$between`` (two numbers, both included), ``$one_of``, ``$length`` (of a list or text) and ``$absent``
    (keys that the object does not have).
    """
    if isinstance(pattern, dict):
        yield from _object_misfits(pattern, value, place)
    elif isinstance(pattern, list) and isinstance(value, list) and len(pattern) == len(value):
        for number, (part, item) in enumerate(zip(pattern, value, strict=True)):
            yield from misfits(part, item, f"{place}/{number}")
    elif pattern != value:
        yield _misfit(pattern, value, place)


def _object_misfits(pattern: dict[str, Any], value: Any, place: str) -> Iterator[str]:
    for key, part in pattern.items():
        if key in _TESTS:
            if not _TESTS[key](part, value):
                yield _misfit({key: part}, value, place)
        elif isinstance(value, dict) and key in value:
            yield from misfits(part, value[key], f"{place}/{key}")
        else:
            yield _misfit({key: part}, value, place)


def _misfit(pattern: Any, value: Any, place: str) -> str:
    return f"at {place or '/'}: {json.dumps(value)[:1000]} is not {json.dumps(pattern)}"


def _fits(pattern: Any, value: Any) -> bool:
    return next(misfits(pattern, value), None) is None


def _contains(wanted: Any, value: Any) -> bool:
    parts = wanted if isinstance(wanted, list) else [wanted]
    if isinstance(value, str):
        return all(part in value for part in parts)
    return isinstance(value, list) and all(any(_fits(part, item) for item in value) for part in parts)


def _lacks(unwanted: Any, value: Any) -> bool:
    parts = unwanted if isinstance(unwanted, list) else [unwanted]
    return isinstance(value, str | list) and not any(_contains([part], value) for part in parts)


def _between(bounds: Any, value: Any) -> bool:
    return isinstance(value, int | float) and bounds[0] <= value <= bounds[1]


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "$contains": _contains,
    "$lacks": _lacks,
    "$between": _between,
    "$one_of": lambda choices, value: any(_fits(choice, value) for choice in choices),
    "$length": lambda length, value: isinstance(value, list | str) and _fits(length, len(value)),
    "$absent": lambda keys, value: isinstance(value, dict) and not set(keys) & value.keys(),
}
