"""Budgets: how much of a text or a list fits into a reply, and how the reply says what is missing."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel, Field

from qiskit_functions_core.errors import InputError

Item = TypeVar("Item", bound=BaseModel)

ENVELOPE = 500
"""Characters of a reply that are kept free for what stands around its longest part."""


class Bounded(BaseModel):
    """A reply that may not hold everything."""

    left_out: str | None = Field(default=None, description="what did not fit into this reply")
    truncated: bool | None = Field(default=None, description="whether something is left out")

    @property
    def is_cut(self) -> bool:
        """Whether something is missing."""
        return bool(self.left_out)


class Listing(Bounded):
    """A page of a list."""

    total: int
    next_cursor: str | None = None

    @property
    def is_cut(self) -> bool:
        """Whether something is missing."""
        return bool(self.next_cursor or self.left_out)


def text_of(model: BaseModel) -> str:
    """Return a reply as compact JSON, without the fields that have no value."""
    return model.model_dump_json(exclude_none=True)


def cut(text: str, room: int) -> str:
    """Return the start of a text, with the number of characters left out.

    Args:
        room: characters of JSON.
    """
    length = fitting(text, room)
    return text if length == len(text) else f"{text[:length]}… ({len(text) - length} more characters)"


def cut_start(text: str, room: int, *, before: int = 0) -> str:
    """Return the end of a text, with the number of characters left out; ``room`` as in ``cut``.

    Args:
        before: characters before the text that were left out already.
    """
    start = len(text) - fitting(text[::-1], room)
    return f"({before + start} characters before) …{text[start:]}" if before + start else text


def fitting(text: str, room: int) -> int:
    """Return how many of the first characters fit into ``room`` characters of JSON, which escapes some as six."""
    length = min(len(text), room)
    while length and (size := len(json.dumps(text[:length], ensure_ascii=False)) - 2) > room:
        length = min(length - 1, length * room // size)
    return length


def page(items: list[Item], *, offset: int, total: int, budget: int) -> tuple[list[Item], str | None]:
    """Return as many of the items as fit, at least one, and the cursor of the rest.

    Args:
        offset: the index of the first item in the whole list of ``total`` items.
        budget: characters of JSON.
    """
    room, count = budget - ENVELOPE, 0
    for item in items:
        room -= len(text_of(item)) + 1
        if room < 0 and count:
            break
        count += 1
    end = offset + count
    return items[:count], str(end) if end < total else None


def offset_of(cursor: str) -> int:
    """Return the offset that a cursor stands for, 0 for an empty one.

    Raises:
        InputError: ``page`` never returned such a cursor.
    """
    if cursor and not cursor.isdecimal():
        raise InputError("that is not a cursor", next_step="Pass next_cursor from the previous reply, or nothing.")
    return int(cursor or 0)
