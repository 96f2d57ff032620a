"""Values as the JSON of a summary: short, and never anything that JSON lacks."""

from __future__ import annotations

import math
import re
from datetime import date
from itertools import islice
from typing import Any

# Ten digits tell apart more than any shot noise does, and halve the length of most floats.
_DIGITS = 10
_LONGEST_INTEGER = 10**30
# What a container shows of its parts without giving them a summary of their own.
INLINE = 600
# Keys that are looked at to tell a distribution of a million outcomes.
_LOOKED_AT = 1_000
_OUTCOME = re.compile(r"[01 ]+|0x[0-9a-fA-F]+|\d+")


class NotShort(Exception):
    """The value is not plain JSON, or is longer than there is room for."""


def inline(value: Any, room: int = INLINE) -> Any:
    """Return the whole value as JSON of about ``room`` characters at most.

    Raises:
        NotShort: it needs more, or holds what JSON lacks.
    """
    shown, _ = _inline(value, room)
    return shown


def fits(value: Any, room: int = INLINE) -> bool:
    """Return whether ``inline`` can show the whole value."""
    try:
        _inline(value, room)
    except NotShort:
        return False
    return True


def short(value: Any) -> Any:
    """Return the value as JSON if it is short and not empty, else None."""
    return inline(value) if value and fits(value) else None


def _inline(value: Any, room: int) -> tuple[Any, int]:
    """Return the value as JSON, and the room that is left."""
    if isinstance(value, dict):
        shown: dict[str, Any] = {}
        for key, item in value.items():
            name = text(str(key))
            shown[name], room = _inline(item, room - len(name) - 4)
        return shown, room
    if isinstance(value, list | tuple):
        items = []
        for item in value:
            shown_item, room = _inline(item, room - 2)
            items.append(shown_item)
        return items, room
    scalar: Any
    if isinstance(value, float | complex):
        scalar = number(value)
    elif isinstance(value, str):
        scalar = text(value)
    elif isinstance(value, date):
        scalar = value.isoformat()
    elif value is None or isinstance(value, bool):
        scalar = value
    elif isinstance(value, int):
        scalar = value if abs(value) < _LONGEST_INTEGER else str(value)
    else:
        raise NotShort
    room -= len(str(scalar)) + 2
    if room < 0:
        raise NotShort
    return scalar, room


def text(value: str) -> str:
    """Return text that any encoder accepts: lone surrogates become question marks."""
    return value.encode("utf-8", "replace").decode()


def number(value: Any, digits: int = 17) -> Any:
    """Return a number as JSON: what JSON lacks as text, complex numbers as the literal that makes them."""
    if isinstance(value, complex):
        return {"$complex": [number(value.real, digits), number(value.imag, digits)]}
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else str(value)
    return value


def rounded(value: Any) -> Any:
    """Return an element of an array, or a coefficient, with the digits that are worth showing."""
    if isinstance(value, int | float | complex):
        return number(value, _DIGITS)
    return text(str(value))[:200]


def is_distribution(value: Any) -> bool:
    """Return whether a mapping goes from outcomes (bitstrings, hexadecimal, integers) to numbers, by its first keys."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(_OUTCOME.fullmatch(str(key)) for key in islice(value, _LOOKED_AT))
        and all(type(weight) in (int, float) for weight in value.values())
    )
