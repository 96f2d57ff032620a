"""Plain JSON, and what else Python has in its place: sets, dates, complex numbers; and values that were refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Self

from ..drawing import panels
from ..drawing.panels import Panel, Place
from ..summary_models import ValueSummary
from . import short_json
from .row_window import BEGINNING, ROWS, RowWindow
from .type_support import Parts, T, TypeSupport, UntoldParts, sweep_of, text, write_csv
from .unpacking import Unpacker

if TYPE_CHECKING:
    from .inputs import Inputs

# Characters of a text, and keys or items of a container, that a summary shows.
_TEXT = 2_000
_CHILDREN = 50
# An ISO 8601 date-time takes 32.
_MAX_DATETIME = 40


class ContainerSupport(TypeSupport[T]):
    """Values that are no more than their parts: summarised by those of them that are short."""

    def describe(self, value: T, pointer: str, window: RowWindow) -> ValueSummary:
        held = self.parts(value)
        is_list = not isinstance(held, Mapping)
        name = None if type(value) in (dict, list) else type(value).__name__
        common: dict[str, Any] = {"pointer": pointer, "kind": "list" if is_list else "object", "type": name}
        if window == BEGINNING and short_json.fits(value):
            return ValueSummary(**common, value=short_json.inline(value))
        children = self._children(value, window)
        short = {key: short_json.inline(part) for key, part in children if short_json.fits(part)}
        beginning = (list(short.values()) if len(short) == len(children) else None) if is_list else short
        size = len(held or ())
        return ValueSummary(**common, value=beginning or None, size=size, **window.rest(size, len(children)))

    def untold(self, value: T, window: RowWindow) -> UntoldParts:
        return [((name,), part) for name, part in self._children(value, window) if not short_json.fits(part)]

    def _children(self, value: T, window: RowWindow) -> list[tuple[str | int, Any]]:
        held = self.parts(value)
        is_told_whole = window == BEGINNING and short_json.fits(value)
        if held is None or is_told_whole:
            return []
        if isinstance(held, Mapping):
            # The keys of a small object are no rows: a limit is for the rows of what it holds.
            if not window.offset and len(held) <= _CHILDREN:
                return list(held.items())
            return list(islice(held.items(), window.offset, window.end(_CHILDREN)))
        return [(index, held[index]) for index in range(len(held))[window.offset : window.end(_CHILDREN)]]


class Dicts(ContainerSupport[dict[Any, Any]]):
    """JSON objects, and among them distributions: outcomes with their weights."""

    cls = dict
    # Whatever has a method to_json() is sent as the JSON that it gives.
    names = ("to_json",)

    def read(self, value: Any, unpacker: Unpacker) -> Any:
        return value

    def describe(self, value: dict[Any, Any], pointer: str, window: RowWindow) -> ValueSummary:
        if short_json.fits(value) or not short_json.is_distribution(value):
            return super().describe(value, pointer, window)
        rows = self._largest(value)[window.offset : window.end()]
        return ValueSummary(
            pointer=pointer,
            kind="distribution",
            size=len(value),
            terms=[[str(outcome), short_json.rounded(weight)] for outcome, weight in rows],
            **window.rest(len(value), len(rows)),
        )

    def parts(self, value: dict[Any, Any]) -> Parts:
        return value if all(isinstance(key, str) for key in value) else {str(key): part for key, part in value.items()}

    def untold(self, value: dict[Any, Any], window: RowWindow) -> UntoldParts:
        return [] if short_json.is_distribution(value) else super().untold(value, window)

    def drawing(self, value: dict[Any, Any], place: Place) -> Panel | None:
        if not short_json.is_distribution(value):
            return None
        rows = [(str(outcome), weight) for outcome, weight in self._largest(value)[:ROWS]]
        shown, total = sum(weight for _, weight in rows), sum(value.values())
        if all(isinstance(weight, int) and weight >= 0 for weight in value.values()):
            share = f"{100 * shown / total:.3g} % of " if shown < total else ""
            return panels.histogram(rows, len(value), f"{share}{total:,} shots", place, "shots")
        share = f"weights {shown:.4g} of {total:.4g} in all" if len(rows) < len(value) else f"sum {total:.4g}"
        return panels.histogram(rows, len(value), share, place, "weight")

    def save(self, value: dict[Any, Any], ending: str, file: IO[bytes], inputs: Inputs | None) -> str | None:
        if ending != ".csv" or not short_json.is_distribution(value):
            return None
        write_csv([("outcome", "weight"), *value.items()], file)
        return "The distribution"

    def _largest(self, weights: dict[Any, float]) -> list[tuple[Any, float]]:
        return sorted(weights.items(), key=lambda row: -abs(row[1]))


class Lists(ContainerSupport[list[Any]]):
    cls = list

    def parts(self, value: list[Any]) -> Parts:
        return value

    def drawing(self, value: list[Any], place: Place) -> Panel | None:
        # Whole numbers alone count or number things, such as nodes or qubits: their curve would show nothing.
        if len(value) > 1 and {type(item) for item in value} <= {int, float} and float in map(type, value):
            return panels.curve([float(item) for item in value], place, "values", sweep_of(place, len(value)))
        return None


class Tuples(ContainerSupport[tuple[Any, ...]]):
    cls = tuple

    def parts(self, value: tuple[Any, ...]) -> Parts:
        return value


class Sets(ContainerSupport[set[Any]]):
    cls = set
    names = ("set",)

    def read(self, value: Any, unpacker: Unpacker) -> set[Any]:
        if len(value) > unpacker.limits.max_set_items:
            raise ValueError(f"a set of more than {unpacker.limits.max_set_items:,} items")
        return set(value)

    def parts(self, value: set[Any]) -> Parts:
        return sorted(value, key=repr)


class Texts(TypeSupport[str]):
    cls: type[str] = str
    rows_are_characters = True

    def describe(self, value: str, pointer: str, window: RowWindow) -> ValueSummary:
        shown = short_json.text(value[window.offset : window.end(_TEXT)])
        rest = window.rest(len(value), len(shown))
        return ValueSummary(pointer=pointer, kind="text", value=shown, size=len(value), **rest)


class NotWholeJSON(str):
    """Text that begins as JSON and is not.

    Attributes:
        reason: where it breaks off.
    """

    reason: str

    def __new__(cls, text: str, reason: str) -> Self:
        made = super().__new__(cls, text)
        made.reason = reason
        return made


class NotWholeJSONTexts(Texts):
    cls: type[str] = NotWholeJSON

    def describe(self, value: str, pointer: str, window: RowWindow) -> ValueSummary:
        reason = value.reason if isinstance(value, NotWholeJSON) else None
        return super().describe(value, pointer, window).model_copy(update={"reason": reason})


class TruthValues(TypeSupport[bool]):
    cls = bool

    def describe(self, value: bool, pointer: str, window: RowWindow) -> ValueSummary:
        return ValueSummary(pointer=pointer, kind="boolean", value=value)


class Null(TypeSupport[None]):
    cls = type(None)

    def describe(self, value: None, pointer: str, window: RowWindow) -> ValueSummary:
        return ValueSummary(pointer=pointer, kind="null")


class Numbers(TypeSupport[Any]):
    """One of Python's classes of numbers."""

    def __init__(self, cls: type) -> None:
        self.cls = cls

    def describe(self, value: Any, pointer: str, window: RowWindow) -> ValueSummary:
        return describe_number(value, pointer)


def describe_number(value: complex, pointer: str) -> ValueSummary:
    """Summarise an int, a float or a complex number."""
    shown = value if isinstance(value, int) and len(str(value)) <= short_json.INLINE else short_json.number(value)
    return ValueSummary(pointer=pointer, kind="number", value=shown)


class ComplexNumbers(Numbers):
    names = ("complex",)

    def read(self, value: Any, unpacker: Unpacker) -> complex:
        real, imaginary = value
        return complex(real, imaginary)


class Dates(TypeSupport[date]):
    cls = date
    names = ("datetime",)

    def read(self, value: Any, unpacker: Unpacker) -> datetime:
        if len(text(value)) > _MAX_DATETIME:
            raise ValueError(f"a date-time of more than {_MAX_DATETIME} characters")
        return datetime.fromisoformat(value)

    def describe(self, value: date, pointer: str, window: RowWindow) -> ValueSummary:
        return ValueSummary(pointer=pointer, kind="datetime", value=value.isoformat())


@dataclass(frozen=True)
class Opaque:
    """A value that was not rebuilt.

    Attributes:
        type_name: what the value says it is.
        size: the characters of its JSON.
        reason: why it was not rebuilt.
        parts: what it holds, if that could be read: a container that does not match its format still shows it.
    """

    type_name: str
    size: int
    reason: str
    parts: dict[str, Any] | list[Any] | None = field(default=None, compare=False)


class Opaques(ContainerSupport[Opaque]):
    cls = Opaque

    def describe(self, value: Opaque, pointer: str, window: RowWindow) -> ValueSummary:
        facts = {
            "kind": "opaque",
            "type": short_json.text(value.type_name)[:100],
            "size": value.size,
            "reason": short_json.text(value.reason)[:300],
        }
        if value.parts is None:
            return ValueSummary(pointer=pointer, **facts)
        return super().describe(value, pointer, window).model_copy(update=facts)

    def parts(self, value: Opaque) -> Parts | None:
        return value.parts


TYPES: tuple[TypeSupport[Any], ...] = (
    *(Dicts(), Lists(), Tuples(), Sets(), Texts(), NotWholeJSONTexts(), TruthValues(), Null()),
    *(Numbers(int), Numbers(float), ComplexNumbers(complex), Dates(), Opaques()),
)
