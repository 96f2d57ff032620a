"""The inputs that values belong to, where a result or its job's arguments name them: parameters, and observables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.quantum_info import Pauli, PauliList, SparsePauliOp

from . import short_json

# What functions call them, in their results as in their arguments.
_PARAMETERS = ("parameter_values", "parameters", "parameter_sets", "params", "angles", "thetas", "theta", "θ", "sweep")
_OBSERVABLES = ("observables", "observable", "hamiltonian", "labels")
# A list of values of one parameter is often called by its name.
_NAMED_BY_KEY = {"theta": "theta", "thetas": "theta", "θ": "θ", "angles": "angle"}
# What one set of values, such as an optimum, is called as well.
_ONE_SET_OR_MANY = ("parameters", "params")
# Longer names are cut, and more parameters or terms are told by their pointers.
_LONGEST_NAME, _MOST_NAMES = 40, 4
# Of a parameter's value in a label: enough to tell a million points apart.
_DIGITS = 6
# Parameters whose values are looked at to find those that change.
_MOST_PARAMETERS = 1_000


@dataclass(frozen=True)
class Inputs:
    """The inputs of a sweep.

    Attributes:
        parameters: the values of each parameter, one for each parameter set.
        observables: the name of each observable.
        grid: of a sweep of two axes, the parameter that changes along each, with its values there.
        keys: where the mapping holds them.
        pubs: the inputs of each pub, if there are several; None of one that tells none.
    """

    parameters: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    observables: tuple[str, ...] = ()
    grid: tuple[tuple[str, NDArray[np.float64]], ...] = ()
    keys: tuple[str, ...] = ()
    pubs: tuple[Inputs | None, ...] = ()

    @property
    def sets(self) -> int:
        return len(next(iter(self.parameters.values()), ()))

    @property
    def changing(self) -> dict[str, NDArray[np.float64]]:
        """Return the parameters that differ between the sets."""
        return {name: column for name, column in self.parameters.items() if len(column) and np.ptp(column) > 0}

    def completed_by(self, others: Inputs | None) -> Inputs:
        """Return these inputs, with the others' parameters or observables where there are none."""
        if others is None:
            return self
        has_parameters = bool(self.parameters or self.grid)
        return replace(
            self,
            parameters=self.parameters if has_parameters else others.parameters,
            grid=self.grid if has_parameters else others.grid,
            observables=self.observables or others.observables,
            pubs=self.pubs or others.pubs,
        )

    def of_pub(self, index: int, count: int) -> Inputs:
        """Return the inputs of one of ``count`` pubs; what belongs to pubs is left out if there are not as many."""
        common = replace(self, pubs=())
        own = self.pubs[index] if len(self.pubs) == count else None
        return own.completed_by(common) if own else common

    def is_grid(self, shape: tuple[int, ...]) -> bool:
        """Return whether the axes of the shape are those of the grid."""
        return bool(self.grid) and shape == tuple(len(points) for _, points in self.grid)

    def names_all_axes(self, shape: tuple[int, ...]) -> bool:
        """Return whether every axis of the shape, or the only one, belongs to parameter sets or observables."""
        named = set(self.axes(shape)) - {None}
        return len(named) == len(shape) or self.is_grid(shape)

    def axes(self, shape: tuple[int, ...]) -> tuple[int | None, int | None]:
        """Return the axis of the parameter sets and that of the observables, each None if the shape does not tell."""
        sets, observables = self.sets, len(self.observables)
        if len(shape) == 1 and shape[0] > 1:
            return (0 if shape[0] == sets else None), (0 if shape[0] == observables else None)
        if len(shape) == 2 and shape[0] != shape[1]:  # parameter sets, observables
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
        changing = self.changing
        names = sorted(self.parameters, key=lambda name: name not in changing)[:_MOST_NAMES]
        labels: list[dict[str, Any]] = []
        for index in indices:
            label: dict[str, Any] = {
                name: short_json.number(float(self.parameters[name][index]), _DIGITS) for name in names
            }
            if with_observables:
                label["observable"] = self.observables[index]
            labels.append(label)
        return labels


def inputs_of(value: Any) -> Inputs | None:
    """Return the inputs that a mapping holds beside its results; None if it holds none that can be told."""
    if not isinstance(value, Mapping):
        return None
    observables = next(filter(None, (_observables(value[key]) for key in _OBSERVABLES if key in value)), ())
    names = value.get("parameter_names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        names = _names_of_parameters(value.values())
    columns: dict[str, NDArray[np.float64]] = {}
    for key in _PARAMETERS:
        if key not in value or columns:
            continue
        columns = _columns(value[key], key, names)
        if key in _ONE_SET_OR_MANY and list(columns) == ["parameter"]:
            columns = {} if len(columns["parameter"]) == len(observables) else columns
    keys = tuple(key for key in (*_PARAMETERS, *_OBSERVABLES, "parameter_names") if key in value)
    return _inputs(columns, observables, keys)


def _inputs(
    columns: dict[str, NDArray[np.float64]], observables: tuple[str, ...], keys: tuple[str, ...]
) -> Inputs | None:
    parameters = {name: column for name, column in columns.items() if column.ndim == 1}
    if len({len(column) for column in parameters.values()}) > 1:
        parameters = {}
    found = Inputs(parameters, observables, _grid(columns), keys)
    return found if found.parameters or found.observables or found.grid else None


def _grid(columns: dict[str, NDArray[np.float64]]) -> tuple[tuple[str, NDArray[np.float64]], ...]:
    """Return the parameter that changes along each of two axes and not along the other, if it is the only one."""
    along: tuple[list[tuple[str, NDArray[np.float64]]], ...] = ([], [])
    tables = [(name, column) for name, column in columns.items() if column.ndim == 2 and column.size]
    for name, column in tables:
        changes = [bool(np.ptp(column, axis=axis).any()) for axis in (0, 1)]
        if changes[0] != changes[1]:
            axis = changes.index(True)
            along[axis].append((name, column[:, 0] if axis == 0 else column[0]))
        elif changes[0]:
            return ()
    same_shape = len({column.shape for _, column in tables}) == 1
    return (along[0][0], along[1][0]) if same_shape and len(along[0]) == len(along[1]) == 1 else ()


def inputs_of_arguments(arguments: Any) -> Inputs | None:
    """Return the inputs among a job's decoded arguments: those with the names of inputs, else the only ones of a type.

    The items of a pub are looked at as if they were arguments.
    """
    if not isinstance(arguments, Mapping):
        return None
    pubs = arguments.get("pubs")
    items = [
        {f"pub {at}": item for at, item in enumerate(pub)} if isinstance(pub, list) else {}
        for pub in (pubs if isinstance(pubs, list) else [])
    ]
    of_pubs: tuple[Inputs | None, ...] = ()
    if len(items) == 1:
        arguments = {**arguments, **items[0]}
    else:
        of_pubs = tuple(inputs_of_arguments(pub) for pub in items)
    named = inputs_of(arguments) or Inputs()
    operators = [item for item in arguments.values() if isinstance(next(_flat(item), None), SparsePauliOp | Pauli)]
    names = _names_of_parameters(arguments.values())
    values = [
        found
        for key, item in arguments.items()
        if isinstance(item, BindingsArray)
        or ((array := _numbers(item)) is not None and array.ndim > 1 and array.shape[-1] == len(names))
        if (found := _columns(item, key, names))
    ]
    by_type = _inputs(
        values[0] if len(values) == 1 else {}, _observables(operators[0]) if len(operators) == 1 else (), ()
    )
    inputs = replace(named.completed_by(by_type), keys=(), pubs=of_pubs)
    return inputs if inputs.parameters or inputs.observables or inputs.grid or any(inputs.pubs) else None


def _names_of_parameters(values: Any) -> tuple[str, ...]:
    """Return the names of the parameters of the only circuit among values that has some."""
    circuits = [item for item in values if isinstance(item, QuantumCircuit) and item.num_parameters]
    if len(circuits) != 1 or circuits[0].num_parameters > _MOST_PARAMETERS:
        return ()
    return tuple(parameter.name for parameter in circuits[0].parameters)


def _columns(value: Any, key: str, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return the values of each parameter along one axis or two; ``names`` are those of the circuit, if known."""
    if isinstance(value, BindingsArray):
        value = {
            name: array[..., at]
            for names_of_array, array in value.data.items()
            for at, name in enumerate(names_of_array[:_MOST_PARAMETERS])
        }
    if isinstance(value, Mapping):
        columns = {str(name)[:_LONGEST_NAME]: _numbers(column) for name, column in value.items()}
    else:
        numbers = _numbers(value)
        if numbers is None:
            return {}
        if numbers.ndim == 1:
            if len(names) == len(numbers):  # one set
                return {}
            columns = {names[0] if len(names) == 1 else _NAMED_BY_KEY.get(key, "parameter"): numbers}
        else:
            rows = np.moveaxis(numbers, -1, 0)[:_MOST_PARAMETERS]
            fitting = names if len(names) == numbers.shape[-1] else [f"parameter {at}" for at in range(len(rows))]
            columns = {name[:_LONGEST_NAME]: row for name, row in zip(fitting, rows, strict=False)}
    return {name: column for name, column in columns.items() if column is not None and column.ndim in (1, 2)}


def _numbers(value: Any) -> NDArray[np.float64] | None:
    first = value
    while isinstance(first, list | tuple) and first:
        first = first[0]
    # NumPy would take a circuit apart, and fail.
    if not isinstance(value, list | tuple | np.ndarray) or not isinstance(first, int | float | np.number | np.ndarray):
        return None
    try:
        numbers = np.asarray(value)
    except ValueError:  # rows of unequal length
        return None
    return numbers.astype(np.float64) if numbers.dtype.kind in "iuf" and numbers.ndim in (1, 2, 3) else None


def _observables(value: Any) -> tuple[str, ...]:
    names = [_name(item) for _, item in zip(range(1_000), _flat(value), strict=False)]
    return tuple(names) if all(names) else ()


def _flat(value: Any) -> Iterator[Any]:
    """Yield the observables of nested lists, as those that stand as a column beside parameter sets are."""
    if isinstance(value, ObservablesArray):
        value = value.tolist()
    if not isinstance(value, list | tuple | PauliList):
        yield value
        return
    for item in value:
        yield from _flat(item)


def _name(observable: Any) -> str:
    """Return how a person would write an observable: `ZZ`, or `ZZ - 0.5 XI`; empty if it is something else."""
    if isinstance(observable, str):
        return _cut(observable)
    if isinstance(observable, Pauli):
        return _cut(str(observable))
    if isinstance(observable, SparsePauliOp):
        terms = [(label, complex(number)) for label, number in observable[: _MOST_NAMES + 1].to_list()]
    elif isinstance(observable, Mapping):
        terms = [
            (str(label), complex(number))
            for label, number in observable.items()
            if isinstance(number, int | float | complex)
        ]
    else:
        return ""
    text = ""
    for label, number in terms[:_MOST_NAMES]:
        is_negative = not number.imag and number.real < 0
        size = "" if abs(number) == 1 and not number.imag else _short(-number if is_negative else number) + " "
        sign = ("- " if is_negative else "+ ") if text else ("-" if is_negative else "")
        text += f"{' ' if text else ''}{sign}{size}{label}"
    return _cut(text) if len(text) > _LONGEST_NAME or len(terms) <= _MOST_NAMES else f"{text} + …"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def _short(number: complex) -> str:
    return f"{number.real:.4g}" if not number.imag else f"({number:.4g})"
