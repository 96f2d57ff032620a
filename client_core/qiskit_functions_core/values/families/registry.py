"""Finds the support for a type, by the class of a value or by the name that encoded data gives it."""

from __future__ import annotations

from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any

from .type_support import TypeSupport

if TYPE_CHECKING:
    from .inputs import Inputs

# From light to heavy, and imported in this order until one knows the type: most results are plain JSON or counts, and
# qiskit_ibm_runtime, which the last two need, doubles the memory of a process that has imported Qiskit (to 185 MB).
FAMILIES = ("containers", "arrays", "circuits", "primitives", "operators", "runtime_results", "noise")


class Registry:
    """The types of all families."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._imported = 0
        self._by_class: dict[type, TypeSupport[Any]] = {}
        self._by_name: dict[str, TypeSupport[Any]] = {}

    def support_for(self, value: Any) -> TypeSupport[Any] | None:
        """Return the support for a value's class or its nearest base class; None if there is nothing."""
        while (found := self._nearest(value)) is None and self._import_next():
            pass
        return found or self._nearest(value)

    def named(self, name: str) -> TypeSupport[Any] | None:
        """Return the support for a type by its name in encoded data; None if the type is not on the list."""
        while name not in self._by_name and self._import_next():
            pass
        return self._by_name.get(name)

    def all_types(self) -> list[TypeSupport[Any]]:
        """Return all types, with all families imported."""
        while self._import_next():
            pass
        return list(self._by_class.values())

    def _nearest(self, value: Any) -> TypeSupport[Any] | None:
        for cls in type(value).__mro__:
            if cls in self._by_class:
                return self._by_class[cls]
        return None

    def _import_next(self) -> bool:
        """Import one more family; False if there are no more."""
        with self._lock:
            if self._imported == len(FAMILIES):
                return False
            for support in import_module(f".{FAMILIES[self._imported]}", __package__).TYPES:
                self._by_class[support.cls] = support
                self._by_name.update(dict.fromkeys(support.names, support))
            self._imported += 1
            return True


def inputs_beside(value: Any, *, is_plain: bool = False) -> Inputs | None:
    """Return the inputs that a mapping holds beside its results.

    Without results that Qiskit makes, which have axes to name, there are none, unless the mapping ``is_plain``.
    """
    if not is_plain and not any(type(part).__module__.startswith("qiskit") for part in value.values()):
        return None
    # Imports Qiskit, which plain JSON does not need.
    from .inputs import inputs_of

    return inputs_of(value)


# Filled once, by imports, like the registry of a singledispatch function.
REGISTRY = Registry()
