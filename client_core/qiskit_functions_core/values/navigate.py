"""How the parts of a decoded value are named, so that a JSON pointer can lead to any of them.

The names are those a Qiskit user knows: ``/pub_results/0/data/meas`` is the register ``meas`` of the first pub.
Types are told by class name, because importing them would load Qiskit to look at plain JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from ..errors import InputError
from . import json_pointer as pointers

_SHOWN = 10


def class_names(value: Any) -> Iterator[str]:
    """The names of a value's class and its bases, nearest first."""
    return (cls.__name__ for cls in type(value).__mro__)


def parts(value: Any) -> Mapping[str, Any] | Sequence[Any] | None:
    """What a value holds, by name or by index; None for what holds nothing that could be looked into."""
    if isinstance(value, dict):
        return value if all(isinstance(key, str) for key in value) else {str(k): v for k, v in value.items()}
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, set):
        return sorted(value, key=repr)
    for name in class_names(value):
        if name in _PARTS:
            held: Mapping[str, Any] | Sequence[Any] | None = _PARTS[name](value)
            return held
    return None


def at(value: Any, pointer: str) -> Any:
    """The part of a value at a JSON pointer.

    Raises:
        InputError: there is none; it says how far the pointer leads, and what is there.
    """
    here = ""
    for token in pointers.parse(pointer):
        held = parts(value)
        try:
            value = _step(held, token)
        except (KeyError, IndexError, ValueError, TypeError):
            raise _missing(held, token, here) from None
        here = pointers.join(here, token)
    return value


def _step(held: Any, token: str) -> Any:
    if isinstance(held, Mapping):
        return held[token]
    if not token.isdecimal():
        raise ValueError(token)
    return held[int(token)]


def _missing(held: Any, token: str, here: str) -> InputError:
    place = here or "the whole value"
    if held is None:
        return InputError(f"Nothing is below {place}: no {token!r}.", next_step=f"Ask for {here or 'no path'}.")
    if isinstance(held, Mapping):
        names: Iterable[object] = held
        there = ", ".join(pointers.join(here, str(name)[:100]) for name in islice(names, _SHOWN))
        more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
        return InputError(f"{place} has no {token!r}.", next_step=f"There are {there or 'no keys'}{more}.")
    return InputError(f"{place} has no {token!r}.", next_step=f"It has the indices 0 to {len(held) - 1}.")


class _Rows(Sequence[Any]):
    """An array-like by its first axis, one row at a time."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __len__(self) -> int:
        return int(self._array.shape[0])

    def __getitem__(self, index: Any) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._array[index]


def _rows(array: Any) -> Sequence[Any] | None:
    return _Rows(array) if array.shape else None


def _attributes(*names: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {name: getattr(value, name) for name in names}


_PARTS: dict[str, Callable[[Any], Any]] = {
    "Opaque": lambda opaque: opaque.parts,
    "PrimitiveResult": lambda result: {"pub_results": list(result), "metadata": result.metadata},
    "PubResult": _attributes("data", "metadata"),
    "DataBin": lambda data: dict(data.items()),
    "BitArray": _rows,
    "ndarray": _rows,
    "SamplerResult": _attributes("quasi_dists", "metadata"),
    "EstimatorResult": _attributes("values", "metadata"),
    "Result": lambda result: result.to_dict(),
    "NoiseLearnerResult": _attributes("data", "metadata"),
    "LayerError": _attributes("circuit", "qubits", "error"),
    "ExecutionSpans": list,
    "BindingsArray": lambda bindings: {", ".join(names): array for names, array in bindings.data.items()},
    "ObservablesArray": lambda observables: observables.tolist() if observables.shape else None,
}
