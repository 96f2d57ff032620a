"""The inputs that values belong to, where a result says them: parameters with their values, and observables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.quantum_info import Pauli, PauliList, SparsePauliOp

# What functions call them, in their results as in their arguments.
_PARAMETERS = ("parameter_values", "parameters", "parameter_sets", "params", "angles", "thetas", "theta", "θ", "sweep")
_OBSERVABLES = ("observables", "observable", "hamiltonian", "labels")
# Longer names are cut, and more parameters are told by their pointers.
_LONGEST_NAME, _MOST_NAMES = 40, 4


@dataclass(frozen=True)
class Inputs:
    """The inputs of a sweep.

    Attributes:
        parameters: the values of each parameter, one for each parameter set.
        observables: the name of each observable.
        keys: where the mapping holds them.
    """

    parameters: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    observables: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def sets(self) -> int:
        return len(next(iter(self.parameters.values()), ()))

    def axes(self, shape: tuple[int, ...]) -> tuple[int | None, int | None]:
        """Return the axis of the parameter sets and that of the observables, each None if the shape does not tell."""
        sets, observables = self.sets, len(self.observables)
        if len(shape) == 1 and shape[0] > 1:
            return (0 if shape[0] == sets else None), (0 if shape[0] == observables else None)
        if len(shape) == 2 and shape[0] != shape[1]:  # noqa: PLR2004 - parameter sets, observables
            for axis in (0, 1):
                if shape[axis] == sets and shape[1 - axis] == observables:
                    return axis, 1 - axis
            # One of both is enough, as the other axis has another length.
            if sets == 0 and observables in shape:
                return None, shape.index(observables)
            if observables == 0 and sets in shape:
                return shape.index(sets), None
        return None, None

    def row_labels(self, indices: range, *, with_observables: bool) -> list[dict[str, Any]]:
        """Return the parameter values of each parameter set, and its observable if each set has its own."""
        names = list(self.parameters)[:_MOST_NAMES]
        labels: list[dict[str, Any]] = []
        for index in indices:
            label: dict[str, Any] = {name: float(f"{self.parameters[name][index]:.6g}") for name in names}
            if with_observables:
                label["observable"] = self.observables[index]
            labels.append(label)
        return labels


def inputs_of(value: Any) -> Inputs | None:
    """Return the inputs that a mapping holds beside its results; None if it holds none that can be told."""
    if not isinstance(value, Mapping):
        return None
    parameters: dict[str, NDArray[np.float64]] = {}
    observables: tuple[str, ...] = ()
    for key in _PARAMETERS:
        if not parameters and key in value:
            parameters = _parameters(value[key], key)
    for key in _OBSERVABLES:
        if not observables and key in value:
            observables = _observables(value[key])
    keys = tuple(key for key in (*_PARAMETERS, *_OBSERVABLES) if key in value)
    return Inputs(parameters, observables, keys) if parameters or observables else None


def _parameters(value: Any, key: str) -> dict[str, NDArray[np.float64]]:
    """Return the values of each parameter along one axis."""
    if isinstance(value, BindingsArray):
        value = {
            name: array[..., at] for names, array in value.data.items() for at, name in enumerate(names[:_MOST_NAMES])
        }
    if isinstance(value, Mapping):
        columns = {str(name)[:_LONGEST_NAME]: _numbers(column) for name, column in value.items()}
    else:
        numbers = _numbers(value)
        if numbers is None:
            return {}
        if numbers.ndim == 1:
            # A list of values of one parameter is often called by its name.
            columns = {key if key in ("theta", "θ") else "parameter": numbers}
        else:
            columns = {f"parameter {at}": column for at, column in enumerate(np.moveaxis(numbers, -1, 0)[:_MOST_NAMES])}
    kept = {name: column for name, column in columns.items() if column is not None and column.ndim == 1}
    return kept if len({len(column) for column in kept.values()}) == 1 else {}


def _numbers(value: Any) -> NDArray[np.float64] | None:
    try:
        numbers = np.asarray(value)
    except ValueError:  # rows of unequal length
        return None
    return numbers.astype(np.float64) if numbers.dtype.kind in "iuf" and numbers.ndim in (1, 2) else None


def _observables(value: Any) -> tuple[str, ...]:
    if isinstance(value, ObservablesArray):
        value = value.tolist()
    if isinstance(value, PauliList):
        value = list(value)
    if not isinstance(value, list | tuple):
        value = [value]
    names = [_name(item) for item in value[:1_000]]
    return tuple(name for name in names if name) if all(names) else ()


def _name(observable: Any) -> str:
    """Return how a person would write an observable: `ZZ`, or `ZZ + 0.5 XI`; empty if it is something else."""
    if isinstance(observable, str):
        return observable[:_LONGEST_NAME]
    if isinstance(observable, Pauli):
        return str(observable)[:_LONGEST_NAME]
    if isinstance(observable, SparsePauliOp):
        terms = [(label, complex(coefficient)) for label, coefficient in observable[:_MOST_NAMES].to_list()]
    elif isinstance(observable, Mapping):
        terms = [
            (str(label), number) for label, number in observable.items() if isinstance(number, int | float | complex)
        ]
    else:
        return ""
    shown = [label if number == 1 else f"{_short(number)} {label}" for label, number in terms[:_MOST_NAMES]]
    text = " + ".join(shown)
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def _short(number: complex) -> str:
    number = complex(number)
    return f"{number.real:.4g}" if not number.imag else f"({number:.4g})"
