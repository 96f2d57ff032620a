"""A backtracking matcher that counts its steps, for a check that no pattern takes more than linear time.

It takes the parse tree of ``re`` and tries what ``re`` tries, in the same order and without its shortcuts. What a step
costs does not depend on the machine, as seconds do.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

Then = Callable[[int], bool]

REPEATS = 10
"""How many times a text is repeated, and then twice as many times."""

MANY_REPEATS = 20 * REPEATS
"""The same, once more for what seemed to take longer."""

MOST_STEPS = 100_000
"""Exponential time is not waited for."""

FACTOR = 3.0
"""Twice the text may take at most this many times the steps: linear time takes 2 times, quadratic time 4 times."""


class TooManySteps(Exception):
    """The count has reached ``MOST_STEPS``."""


class Matcher:
    """One pattern.

    Attributes:
        steps: how many items of the pattern were tried.
    """

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self._tree = parser.parse(pattern, flags)
        self._flags = self._tree.state.flags
        self.steps = 0

    def steps_of(self, method: str, text: str) -> int:
        """Return the number of steps of this method of a pattern, ``MOST_STEPS`` at most."""
        self.steps, self._text, self._groups = 0, text, dict[int, tuple[int, int]]()
        ends = list[int]()

        def accept(end: int) -> bool:
            ends.append(end)
            return method != "fullmatch" or end == len(text)

        start = 0
        try:
            while start <= len(text):
                ends.clear()
                found = self._sequence(list(self._tree), 0, start, accept)
                if method in ("match", "fullmatch"):
                    break
                start = max(ends[-1], start + 1) if found else start + 1
        except TooManySteps:
            return MOST_STEPS
        return self.steps

    def _sequence(self, items: list[Any], index: int, at: int, then: Then) -> bool:  # noqa: PLR0911 - a kind of item each
        if index == len(items):
            return then(at)
        self.steps += 1
        if self.steps >= MOST_STEPS:
            raise TooManySteps
        kind, value = items[index]

        def rest(end: int) -> bool:
            return self._sequence(items, index + 1, end, then)

        if kind in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN):
            return at < len(self._text) and self.takes(kind, value, self._text[at]) and rest(at + 1)
        if kind is op.BRANCH:
            return any(self._sequence(list(branch), 0, at, rest) for branch in value[1])
        if kind is op.SUBPATTERN:
            return self._group(value, at, rest)
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            least, most, body = value
            return self._repeat(list(body), int(least), int(most), at, rest, lazy=kind is op.MIN_REPEAT)
        if kind in (op.POSSESSIVE_REPEAT, op.ATOMIC_GROUP):
            ends = list[int]()

            def keep(end: int) -> bool:
                ends.append(end)
                return True

            if kind is op.ATOMIC_GROUP:
                self._sequence(list(value), 0, at, keep)
            else:
                self._repeat(list(value[2]), int(value[0]), int(value[1]), at, keep, lazy=False)
            return bool(ends) and rest(ends[0])
        if kind in (op.ASSERT, op.ASSERT_NOT):
            return self._looks(value, at) is (kind is op.ASSERT) and rest(at)
        if kind is op.GROUPREF:
            start, end = self._groups.get(value, (0, 0))
            return self._text.startswith(self._text[start:end], at) and rest(at + end - start)
        assert kind is op.AT, f"{kind} is not counted yet"
        return self._is_at(value, at) and rest(at)

    def _group(self, value: Any, at: int, rest: Then) -> bool:
        number, _, _, body = value

        def close(end: int) -> bool:
            self._groups[number or 0] = (at, end)
            return rest(end)

        return self._sequence(list(body), 0, at, close)

    def _repeat(self, body: list[Any], least: int, most: int, at: int, rest: Then, *, lazy: bool) -> bool:
        def again(end: int) -> bool:
            return end > at and self._repeat(body, max(least - 1, 0), most - 1, end, rest, lazy=lazy)

        if lazy and not least and rest(at):
            return True
        if most > 0 and self._sequence(body, 0, at, again):
            return True
        return not lazy and not least and rest(at)

    def _looks(self, value: tuple[int, Any], at: int) -> bool:
        direction, body = value
        width = body.getwidth()[0] if direction < 0 else 0
        return at >= width and self._sequence(list(body), 0, at - width, lambda _: True)

    def takes(self, kind: Any, value: Any, character: str) -> bool:
        if kind is op.ANY:
            return character != "\n" or bool(self._flags & re.DOTALL)
        if kind is op.IN:
            negated = value[0][0] is op.NEGATE
            return any(self._is_in(item, character) for item in value[negated:]) is not negated
        return (ord(character) == value) is (kind is op.LITERAL)

    @staticmethod
    def _is_in(item: tuple[Any, Any], character: str) -> bool:
        kind, value = item
        if kind is op.RANGE:
            return bool(value[0] <= ord(character) <= value[1])
        if kind is op.CATEGORY:
            known: dict[str, Callable[[str], bool]] = {
                "DIGIT": str.isdigit,
                "SPACE": str.isspace,
                "WORD": lambda c: c.isalnum() or c == "_",
            }
            name = str(value).removeprefix("CATEGORY_")
            return known[name.removeprefix("NOT_")](character) is not name.startswith("NOT_")
        return bool(ord(character) == value)

    def _is_at(self, value: Any, at: int) -> bool:
        if value in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
            return at == 0 or bool(self._flags & re.MULTILINE and self._text[at - 1] == "\n")
        if value in (op.AT_END, op.AT_END_STRING):
            return at == len(self._text) or bool(self._flags & re.MULTILINE and self._text[at] == "\n")
        around = [0 <= place < len(self._text) and self._text[place].isalnum() for place in (at - 1, at)]
        return (around[0] != around[1]) is (value is op.AT_BOUNDARY)


def superlinear(method: str, pattern: str, flags: int = 0) -> str:
    """Return a text whose repetition takes more than linear time; empty if none was found.

    Args:
        method: the one that is called, such as ``fullmatch`` or ``sub``.
    """
    matcher = Matcher(pattern, flags)
    befores, units = _samples(pattern, flags)
    with _deep_recursion():
        for before, unit, after in product(befores, units, ("", "\0")):
            # Repeats that are bounded show only in longer texts that they take linear time.
            for repeats in (REPEATS, MANY_REPEATS):
                few, many = (
                    matcher.steps_of(method, f"{before}{unit * times}{after}") for times in (repeats, 2 * repeats)
                )
                if many <= FACTOR * few and many < MOST_STEPS:
                    break
            else:
                return f"{before!r} + {unit!r} * n + {after!r}"
    return ""


def _samples(pattern: str, flags: int) -> tuple[list[str], list[str]]:
    """Return what may stand before a text that is repeated, and such texts.

    These are a character of each kind in the pattern, pairs of them, and what the pattern's parts match.
    """
    characters, parts, beginnings = dict[str, None](), dict[str, None](), {"": None}

    def sample(items: Any) -> str:
        text = ""
        for kind, value in items:
            chosen = ""
            if kind in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN):
                literal = chr(value) if kind is op.LITERAL else ""
                fitting = [c for c in literal or _ALPHABET if Matcher("", flags).takes(kind, value, c)]
                characters.update(dict.fromkeys(fitting[:2]))
                chosen = fitting[0] if fitting else ""
            elif kind is op.BRANCH:
                chosen = [sample(branch) for branch in value[1]][-1]
            elif kind is op.SUBPATTERN:
                chosen = sample(value[3])
            elif kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
                chosen = sample(value[2]) * max(int(value[0]), 1)
            elif kind is op.ATOMIC_GROUP:
                chosen = sample(value)
            text += chosen
            parts[text] = parts[chosen] = None
        return text

    items = list(parser.parse(pattern, flags))
    for end in range(1, len(items) + 1):
        beginnings[sample(items[:end])] = None
    few = list(characters)[:_MOST_CHARACTERS]
    pairs = ["".join(pair) for pair in product(few, few)]
    return list(beginnings)[:_MOST_BEGINNINGS], [text for text in dict.fromkeys([*few, *pairs, *parts]) if text]


_ALPHABET = "a0 A./-_x\"'(\n\t*:=!<"
_MOST_CHARACTERS = 6
_MOST_BEGINNINGS = 5


@contextmanager
def _deep_recursion() -> Iterator[None]:
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(50_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(usual)
