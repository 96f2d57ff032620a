"""One result, decoded once: to be summarised, drawn and saved."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

from ..errors import InputError
from . import json_pointer, summaries
from .decoding import decode
from .families.registry import REGISTRY, inputs_beside
from .families.row_window import RowWindow
from .pictures import draw
from .result_query import Form, Theme
from .saving import save
from .summary_models import Picture, Summary

# Parts looked at to find one whose rows or columns have no name; a summary shows fewer.
_LOOKED_AT = 200


class Result:
    """A result, or the part of it at a JSON pointer.

    Everything here runs in the calling thread, and a hostile or enormous value can take its time and memory there;
    see ``decode``.

    Args:
        text: the whole result as the gateway keeps it.
        pointer: where the part is; empty for the whole.
        arguments: what the job was given, encoded; it names rows and columns that the result does not name.

    Attributes:
        part: the decoded part.

    Raises:
        InputError: there is nothing at ``pointer``.
    """

    def __init__(self, text: str, *, pointer: str = "", arguments: str = "") -> None:
        self.text = text
        self.pointer = "" if pointer == "/" else pointer
        whole = decode(text)
        self.part = json_pointer.resolve(whole, pointer)
        self._inputs = inputs_beside(whole) if isinstance(whole, dict) else None
        if arguments and self.lacks_names:
            # Imports Qiskit, as what lacks names has.
            from .families.inputs import Inputs, inputs_of_arguments

            with suppress(Exception):  # a broken value in the arguments can fail in any method; the result is readable
                self._inputs = (self._inputs or Inputs()).completed_by(inputs_of_arguments(decode(arguments)))
                if pub := _pub_at(self.pointer, whole):
                    self._inputs = self._inputs.of_pub(*pub)

    @property
    def lacks_names(self) -> bool:
        """Whether there are rows or columns of a sweep that the result names no parameter values or observables for."""
        window = RowWindow(inputs=self._inputs)
        for _, value, its_window in islice(summaries.walk_parts(self.part, self.pointer, window), _LOOKED_AT):
            support, inputs = REGISTRY.support_for(value), its_window.inputs
            axes = support.axes(value) if support else ()
            if prod(axes) > 1 and not (inputs and inputs.names_all_axes(axes)):
                return True
        return False

    def summary(self, *, offset: int = 0, limit: int | None = None, budget: int = 12_000) -> Summary:
        """Summarise the part.

        ``offset`` and ``limit`` page through its rows: outcomes, array elements, terms, keys, items, or the
        characters of text and of OpenQASM. ``budget`` bounds the summary's JSON in characters (2,000 at least).

        Raises:
            InputError: ``offset`` or ``limit`` is negative.
        """
        if offset < 0 or (limit is not None and limit < 0):
            raise InputError("offset and limit are 0 or more.", next_step="Leave them out for the beginning.")
        return summaries.summarize(self.part, self.pointer, RowWindow(offset, limit, self._inputs), budget)

    def picture(self, *, theme: Theme = "light", form: Form = "png") -> Picture:
        """Draw the part.

        Raises:
            InputError: nothing in the part can be drawn.
        """
        return draw(self.part, self.pointer, theme=theme, form=form, inputs=self._inputs)

    def save(self, path: Path) -> str:
        """Write the part to a new file, in the format that its ending names, and say what was written.

        Raises:
            InputError: the part does not go into such a file, the file exists, or it cannot be written.
        """
        return save(self.text, self.part, self.pointer, path, self._inputs)


def _pub_at(pointer: str, whole: Any) -> tuple[int, int] | None:
    """Return the index of the pub that the pointer leads into, and how many there are; None outside of pubs."""
    tokens = json_pointer.parse(pointer)
    if "pub_results" not in tokens[:-1]:
        return None
    at = tokens.index("pub_results") + 1
    pubs = json_pointer.resolve(whole, "".join(json_pointer.join("", token) for token in tokens[:at]))
    return (int(tokens[at]), len(pubs)) if isinstance(pubs, list) else None


def summarize(
    text: str, *, pointer: str = "", offset: int = 0, limit: int | None = None, budget: int = 12_000
) -> Summary:
    """Summarise the text of a result in one step; see ``Result``."""
    return Result(text, pointer=pointer).summary(offset=offset, limit=limit, budget=budget)
