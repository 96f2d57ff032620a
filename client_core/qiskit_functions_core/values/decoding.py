"""Result text from outside becomes Python and Qiskit values.

A gate in front of Qiskit's own decoders: a type is rebuilt only if it is on the list in ``readers``, its payload is
bounded while it is unpacked, and whatever is refused or broken becomes an ``Opaque`` in its place, so that the rest
stays readable.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from . import readers
from .limits import Limits
from .native import hold_qiskit
from .payloads import Payloads

hold_qiskit()


@dataclass(frozen=True)
class Opaque:
    """A value that was not rebuilt.

    Attributes:
        type_name: what the value says it is.
        size: the characters of its JSON.
        reason: why it was not rebuilt.
        parts: what it holds, when that could be read: a container that does not fit together still shows it.
    """

    type_name: str
    size: int
    reason: str
    parts: dict[str, Any] | list[Any] | None = field(default=None, compare=False)


# Keys and items looked at to say how large the refused values of a text are.
_MAX_SIZED = 500_000


def decode(text: str, *, limits: Limits = Limits()) -> Any:  # noqa: B008 - frozen
    """Decode a result; text that is not JSON comes back as it is, and nothing ever raises."""
    return Decoder(limits).text(text)


class Decoder:
    """Decodes one text, or values of one text, within one set of bounds.

    Attributes:
        refusals: everything that became opaque so far.
    """

    def __init__(self, limits: Limits) -> None:
        self.refusals: list[Opaque] = []
        self._limits = limits
        self._payloads = Payloads(limits)
        self._sizing_left = _MAX_SIZED

    def text(self, text: str) -> Any:
        if len(text) > self._limits.max_text:
            return self._refuse("text", len(text), f"longer than {self._limits.max_text:,} characters")
        if text.count("{") + text.count("[") > self._limits.max_containers or text.count(",") > self._limits.max_items:
            return self._refuse("JSON", len(text), "more objects, lists or items than are read")
        self._payloads.spend(len(text))
        try:
            tree = _load(text)
        except json.JSONDecodeError:
            return text
        except RecursionError:
            return self._refuse("JSON", len(text), "nested too deeply")
        return self.value(tree)

    def value(self, tree: Any, depth: int = 0) -> Any:
        """Decode parsed JSON, tagged values innermost first."""
        if not isinstance(tree, dict | list):
            return tree
        if depth > self._limits.max_depth:
            return self._refuse("JSON", self._size(tree), f"nested deeper than {self._limits.max_depth}")
        if isinstance(tree, list):
            return [self.value(item, depth + 1) if isinstance(item, dict | list) else item for item in tree]
        if "__type__" in tree:
            return self._tagged(tree, depth)
        return {key: self.value(item, depth + 1) for key, item in tree.items()}

    def _tagged(self, tree: dict[str, Any], depth: int) -> Any:
        name = readers.name_of(tree)
        read = readers.READERS.get(name)
        if read is None:
            return self._refuse(name, self._size(tree), readers.REFUSED.get(name, "not a type that is rebuilt here"))
        if "__value__" not in tree:
            return self._refuse(name, self._size(tree), "it has no __value__")
        value = self.value(tree["__value__"], depth + 1)
        try:
            return read(value, self._payloads)
        except Exception as error:  # over bytes from strangers, other people's readers raise anything
            parts = value if isinstance(value, dict | list) else None
            return self._refuse(name, self._size(tree), _first_line(error), parts)

    def _size(self, tree: Any) -> int:
        """About the characters of its JSON; of many refused values inside each other, only the first are sized."""
        if isinstance(tree, str):
            return len(tree) + 2
        if not isinstance(tree, dict | list):
            return len(str(tree))
        self._sizing_left -= len(tree)
        if self._sizing_left < 0:
            return 0
        keys = sum(len(key) + 4 for key in tree) if isinstance(tree, dict) else 0
        return keys + sum(map(self._size, tree.values() if isinstance(tree, dict) else tree)) + max(2 * len(tree), 2)

    def _refuse(
        self, type_name: str, size: int, reason: str, parts: dict[str, Any] | list[Any] | None = None
    ) -> Opaque:
        refusal = Opaque(type_name, size, reason, parts)
        self.refusals.append(refusal)
        return refusal


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Python refuses integers of more than 4,300 digits; the hook is slow, so it is not there from the start.
        return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int | Opaque:
    try:
        return int(digits)
    except ValueError:
        return Opaque("integer", len(digits), "more digits than Python reads")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().strip("'\"").splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]
