"""What a family module says about each of its types."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar

from ..drawing.panels import Panel, Place, Sweep, WholeFigure
from ..summary_models import ValueSummary
from .row_window import RowWindow
from .unpacking import Unpacker

if TYPE_CHECKING:
    from .inputs import Inputs

T = TypeVar("T")

Parts = Mapping[str, Any] | Sequence[Any]
UntoldParts = list[tuple[tuple[str | int, ...], Any]]
"""Parts, each with the tokens of the JSON pointer that lead to it from its container."""


class TypeSupport(Generic[T]):
    """All that this package does with one class of values and its subclasses.

    The families derive from this; what they leave out is not possible with their values.

    Attributes:
        cls: the class.
        names: what its values are called in encoded data.
        rows_are_characters: whether a value is paged through by its characters.
    """

    cls: type[T]
    names: tuple[str, ...] = ()
    rows_are_characters = False

    def read(self, value: Any, unpacker: Unpacker) -> T:
        """Return the value of a decoded ``__value__``; raises any exception if that does not match its format."""
        raise ValueError("not a type that is rebuilt here")

    def encode(self, value: T) -> Any:
        """Return the JSON of a value, or NotImplemented if that is left to Qiskit's encoder."""
        return NotImplemented

    def describe(self, value: T, pointer: str, window: RowWindow) -> ValueSummary:
        """Summarise a value by itself, given its JSON pointer and the rows to show."""
        raise NotImplementedError

    def parts(self, value: T) -> Parts | None:
        """Return what a value holds, by name or index, for JSON pointers; None if it holds nothing."""
        return None

    def untold(self, value: T, window: RowWindow) -> UntoldParts:
        """Return the parts that the value's own summary does not show."""
        return []

    def axes(self, value: T) -> tuple[int, ...]:
        """Return the lengths of the axes that belong to the inputs of a sweep, to parameter sets or observables."""
        return ()

    def drawing(self, value: T, place: Place) -> Panel | WholeFigure | None:
        """Return how to draw a value by itself; None if it cannot be drawn, or only part by part."""
        return None

    def save(self, value: T, ending: str, file: IO[bytes], inputs: Inputs | None) -> str | None:
        """Write a value in the format that a file's ending names, and say what was written; None if it does not fit.

        Args:
            inputs: the names and values of what the axes of a sweep belong to, where they are known.

        Raises:
            InputError: it does not fit for a reason that is worth telling.
        """
        return None


def sweep_of(place: Place, length: int) -> Sweep | None:
    """Return the parameter that changes with the values of a place, if it is the only one and has as many values."""
    changing = place.inputs.changing if place.inputs and place.inputs.sets == length else {}
    return Sweep(*next(iter(changing.items()))) if len(changing) == 1 else None


def write_csv(rows: Iterable[Iterable[Any]], file: IO[bytes]) -> None:
    """Write rows, the first of which is usually their heading, as UTF-8."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    csv.writer(text).writerows(rows)
    text.detach()


def mapping(value: Any, *keys: str) -> list[Any]:
    """Return the values of a mapping that has exactly these keys.

    Raises:
        ValueError: it is not such a mapping.
    """
    if not isinstance(value, dict) or set(value) != set(keys):
        raise ValueError(f"its value must have the keys {', '.join(keys)}")
    return [value[key] for key in keys]


def text(value: Any) -> str:
    """Return the value if it is text.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, str):
        raise ValueError("its value must be text")
    return value
