"""Values for a circuit's parameters, in the order that their author meant.

Functions bind values by position in the order of `circuit.parameters`, which Qiskit sorts by name, except within a
vector: t1, t10, t2. A person who numbers parameters means t1, t2, t10. So values by position are refused where two
orders give a parameter different values, and values by name are bound to the parameters of the circuit beside them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVectorElement
from qiskit.primitives.containers.bindings_array import BindingsArray

from ...suggestions import did_you_mean
from ..openqasm import declared_inputs
from .context import LiteralContext

Numbers = NDArray[np.float64]

# Lists beside a circuit that are not for its parameters, however long they are.
_OTHER_LISTS = re.compile(r"layout|qubit|edge|coupling|seed|shots|weight", re.IGNORECASE)
# Names as Qiskit's exporter writes them if OpenQASM does not allow them (`_a_b`) or if they are taken (`t_6`).
_REWRITTEN = re.compile(r"_.*|.*_\d+")
_MOST_SHOWN = 100


@dataclass(frozen=True)
class NamedValues:
    """What `$parameter_values` gives names; which parameters these are is known once the circuit beside it is read."""

    arrays: dict[str, Numbers]
    shape: Any
    context: LiteralContext

    def bindings(self, arrays: dict[Any, Numbers]) -> BindingsArray:
        """Return the values by name; a parameter with one value has it in every set."""
        # Of a vector, the last axis is its elements.
        shapes = {key: array.shape[: array.ndim - isinstance(key, tuple)] for key, array in arrays.items()}
        several = {shape for shape in shapes.values() if shape}
        if len(several) == 1 and self.shape is None:
            (shape,) = several
            arrays = {
                key: array if shapes[key] else np.broadcast_to(array, shape + array.shape)
                for key, array in arrays.items()
            }
        try:
            return BindingsArray(arrays, shape=self.shape)
        except (TypeError, ValueError) as error:
            if self.shape is not None or len(several) < 2:  # two that differ
                self.context.fail(f"{error}")
            given = ", ".join(
                f"{key[0] if isinstance(key, tuple) else key}: {list(shape)}" for key, shape in shapes.items() if shape
            )
            self.context.fail(
                f"the parameters have values of different shapes ({given}).",
                "Give each parameter as many values as the others, or one number for all sets.",
            )


@dataclass(frozen=True)
class Encoded:
    """A value that came encoded, and goes on as it came."""

    value: Any
    decoded: Any


def settle(value: Any, context: LiteralContext) -> Any:
    """Return arguments with the values of `$parameter_values` bound to the parameters of the circuit beside them.

    Beside is the same object, or the same list, as in a pub.

    Raises:
        LiteralError: names that the circuit lacks, parameters without values, or values by position that could be
            meant in two orders.
    """
    if isinstance(value, NamedValues):
        return value.bindings(dict(value.arrays))
    if not isinstance(value, dict | list | tuple) or (value and not isinstance(value, dict) and _is_number(value[0])):
        return value
    keys = list(value) if isinstance(value, dict) else range(len(value))
    circuits = [found for key in keys if (found := _circuit(value[key])) is not None]
    settled = [_beside(circuits, value[key], context.child(key)) for key in keys]
    return dict(zip(keys, settled, strict=True)) if isinstance(value, dict) else settled


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)


def _circuit(value: Any) -> QuantumCircuit | None:
    value = value.decoded if isinstance(value, Encoded) else value
    return value if isinstance(value, QuantumCircuit) and value.num_parameters else None


def _beside(circuits: list[QuantumCircuit], value: Any, context: LiteralContext) -> Any:
    """Settle a value that stands beside circuits; two of them leave open whose values it holds."""
    if len(circuits) == 1:
        if isinstance(value, NamedValues):
            return _named(circuits[0], value)
        if (numbers := _numbers(value)) is not None and not _OTHER_LISTS.search(context.pointer.rpartition("/")[2]):
            _check_order(circuits[0], numbers, context)
            return value
    return settle(value, context)


def _numbers(value: Any) -> Numbers | None:
    """Return the array of nested lists of numbers, or None if it is something else."""
    value = value.decoded if isinstance(value, Encoded) else value
    first = value
    while isinstance(first, list | tuple) and first:
        first = first[0]
    if not isinstance(value, list | tuple | np.ndarray) or not (_is_number(first) or isinstance(first, np.ndarray)):
        return None
    try:
        numbers = np.asarray(value)
    except ValueError:  # lists of unequal length
        return None
    return numbers.astype(np.float64) if numbers.dtype.kind in "iuf" else None


def _check_order(circuit: QuantumCircuit, numbers: Numbers, context: LiteralContext) -> None:
    parameters = list(circuit.parameters)
    if not numbers.ndim or numbers.shape[-1] != len(parameters):
        return
    orders = {"by number": sorted(parameters, key=_by_number)}
    vectors = {parameter.vector.name for parameter in parameters if isinstance(parameter, ParameterVectorElement)}
    if vectors.intersection(parameter.name for parameter in parameters):
        # Qiskit 2.3 leaves the order of a parameter and the first element of a vector of its name to chance.
        for how, is_first in (("with the vector first", True), ("with the vector last", False)):
            orders[how] = sorted(
                parameters, key=lambda one: (_by_number(one), isinstance(one, ParameterVectorElement) is not is_first)
            )
    declared = declared_inputs(circuit)
    if any(map(_REWRITTEN.fullmatch, declared)):
        # Qiskit's exporter declares inputs in the order of the circuit's parameters.
        orders["as declared"] = list(declared.values())
    columns = np.moveaxis(numbers, -1, 0)
    for how, meant in orders.items():
        by_meaning = dict(zip(meant, columns, strict=True))
        pairs = [(column, by_meaning[name]) for name, column in zip(parameters, columns, strict=True)]
        if all(np.array_equal(one, other, equal_nan=True) for one, other in pairs):
            continue
        named = {parameter.name: by_meaning[parameter].tolist() for parameter in meant[:_MOST_SHOWN]}
        more = f" and so on for the other {len(meant) - _MOST_SHOWN}" if len(meant) > _MOST_SHOWN else ""
        context.fail(
            f"{len(parameters)} values by position could mean two orders: {_listed(parameters)} as Qiskit sorts them, "
            f"or {_listed(meant)} {how}.",
            f"Give them by name; {how} they are {json.dumps({'$parameter_values': named}, ensure_ascii=False)}{more}. "
            "Or rename the parameters so that both orders agree: t01, t02, …, t10.",
        )


def _by_number(parameter: Parameter) -> tuple[list[tuple[str, int]], int]:
    """Sort as Qiskit does, but t2 before t10: a run of digits counts as a number, and stands where digits do."""
    name, index = parameter.name, 0
    if isinstance(parameter, ParameterVectorElement):
        name, index = parameter.vector.name, parameter.index
    return [("0", int(part)) if part.isdecimal() else (part, 0) for part in re.findall(r"\d+|\D", name)], index


def _listed(parameters: list[Parameter]) -> str:
    names = [parameter.name for parameter in parameters[:6]]
    return ", ".join(names) + (", …" if len(parameters) > len(names) else "")


def _named(circuit: QuantumCircuit, values: NamedValues) -> BindingsArray:
    """Return the values by the circuit's own names; a vector's name stands for all its elements in the circuit."""
    own = {parameter.name: parameter for parameter in circuit.parameters}
    vectors: dict[str, list[ParameterVectorElement]] = {}
    for parameter in circuit.parameters:
        if isinstance(parameter, ParameterVectorElement):
            vectors.setdefault(parameter.vector.name, []).append(parameter)
    # As Qiskit's exporter writes it, since OpenQASM has no brackets in names.
    exported = {"_" + re.sub(r"\W", "_", parameter.name): parameter for parameter in circuit.parameters}
    arrays: dict[Any, Numbers] = {}
    given: list[str] = []
    for name, array in values.arrays.items():
        place = values.context.child(name)
        if name in vectors and name not in own:
            key, values_of_vector = _vector(vectors[name], array, place)
            given += key
            arrays[key] = values_of_vector
        elif (parameter := own.get(name) or exported.get(name)) is not None:
            given.append(parameter.name)
            arrays[parameter.name] = array
        else:
            known = [*vectors, *own] if len(own) > len(vectors) else list(own)
            place.fail(f"the circuit has no parameter {name!r}.", f"{did_you_mean(name, known)}It has {_names(own)}.")
    if twice := {name for name in given if given.count(name) > 1}:
        values.context.fail(f"two values for {_names(twice)}.", "Give each parameter one.")
    if missing := [name for name in own if name not in given]:
        values.context.fail(f"no values for {_names(missing)}.", f"Give each parameter values: {_names(own)}.")
    return values.bindings(arrays)


def _names(names: Any) -> str:
    shown = list(names)[:_MOST_SHOWN]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")


def _vector(
    elements: list[ParameterVectorElement], array: Numbers, place: LiteralContext
) -> tuple[tuple[str, ...], Numbers]:
    """Return the names of a vector's elements, and their values along the last axis."""
    length = len(elements[0].vector)
    if not array.ndim or array.shape[-1] not in (len(elements), length):
        place.fail(
            f"the vector has {len(elements)} elements in the circuit, but the values' shape is {list(array.shape)}.",
            "Give a list with one number for each element, or a list of such lists.",
        )
    if array.shape[-1] != len(elements):  # the circuit does not use all of them
        array = array[..., [element.index for element in elements]]
    return tuple(element.name for element in elements), array
