"""Which part of a result is asked for, and whether it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Theme = Literal["light", "dark"]
Form = Literal["png", "svg"]


@dataclass(frozen=True)
class ResultQuery:
    """Which part of a result to read, and how.

    Attributes:
        pointer: JSON pointer (RFC 6901) to the part, such as ``/pub_results/0/data/meas``; empty for all of it.
        offset: how many rows of the part to skip: outcomes, elements of an array, terms, keys, items.
        limit: at most so many rows; None for as many as fit.
        budget: the most characters of the summary's JSON, 2,000 at least.
        draw: draw the part for this background; None draws nothing.
        form: the format of the picture.
    """

    pointer: str = ""
    offset: int = 0
    limit: int | None = None
    budget: int = 12_000
    draw: Theme | None = None
    form: Form = "png"
