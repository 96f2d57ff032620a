"""Tagged literals: what an assistant writes in JSON where a function wants a Qiskit value.

A literal is an object with one key that starts with ``$`` and the options of that literal beside it. Every reader
takes the value under the tag, the options, and the context, which also says where errors are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from .. import openqasm
from .context import LiteralContext, kind_of
from .files import read_file
from .numbers import array, complex_number, parameter_values
from .observables import observable, pauli_lindblad

Options = dict[str, Any]


@dataclass(frozen=True)
class Literal:
    """One kind of literal.

    Attributes:
        read: returns the value of what is under the tag, with the options beside it.
        example: a correct literal, as JSON.
        options: the keys that may stand beside the tag.
    """

    read: Callable[[Any, Options, LiteralContext], Any]
    example: str
    options: tuple[str, ...] = ()


def read(value: dict[str, Any], context: LiteralContext) -> Any:
    """Return the Qiskit value of a literal.

    Raises:
        LiteralError: with the pointer of what is wrong inside it, and a correct example.
    """
    tag, *others = [key for key in value if str(key).startswith("$")]
    if others:
        context.fail(f"two literals in one object: {', '.join([tag, *others])}.", "Write one object for each.")
    if tag not in LITERALS:
        plain = f'A plain object with such a key is {{"$plain": {{"{tag}": …}}}}.'
        context.fail(f"{tag!r} is not a known literal.", f"Known are {', '.join(LITERALS)}. {plain}")
    literal = LITERALS[tag]
    context = replace(context, example=literal.example)
    options = {key: option for key, option in value.items() if key != tag}
    if unknown := sorted(set(options) - set(literal.options), key=str):
        allowed = ", ".join(literal.options) or "none"
        context.fail(f"{tag} has no option {unknown[0]!r}; its options: {allowed}.")
    return literal.read(value[tag], options, context.child(tag))


def _circuit(value: Any, _: Options, context: LiteralContext) -> Any:
    if isinstance(value, list):
        return [_circuit(item, {}, context.child(index)) for index, item in enumerate(value)]
    if not isinstance(value, str):
        context.fail(f"a circuit is OpenQASM text or a list of such texts, not {kind_of(value)}.")
    try:
        return openqasm.load(value, context.limits)
    except openqasm.OpenQASMError as error:
        context.fail(str(error), error.next_step)


def _datetime(value: Any, _: Options, context: LiteralContext) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        context.fail(f"{value!r} is not an ISO 8601 date-time.")


LITERALS: dict[str, Literal] = {
    "$circuit": Literal(
        _circuit, r'{"$circuit": "OPENQASM 3.0; include \"stdgates.inc\"; qubit[2] q; h q[0]; cx q[0], q[1];"}'
    ),
    "$observable": Literal(
        observable,
        '{"$observable": {"ZZ": 1.0, "XI": 0.5}} (the last letter is qubit 0), {"$observable": "1.0*ZZ + 0.5*XI"}, '
        '{"$observable": {"Z0 Z3": 1.0}, "num_qubits": 5} or {"$observable": [["ZZ", [0, 3], 1.0]], "num_qubits": 5}',
        ("num_qubits",),
    ),
    "$array": Literal(array, '{"$array": [[1.0, 2.0], [3.0, 4.0]], "dtype": "float64"}', ("dtype",)),
    "$complex": Literal(complex_number, '{"$complex": [0.5, -1.0]}'),
    "$parameter_values": Literal(
        parameter_values,
        '{"$parameter_values": {"theta": [0.1, 0.2], "phi": [0.3, 0.4]}} '
        'or {"$parameter_values": {"theta": {"linspace": [0, 3.14159, 11]}}}',
        ("shape",),
    ),
    "$pauli_lindblad": Literal(
        pauli_lindblad, '{"$pauli_lindblad": [["ZX", [0, 1], 0.01]], "num_qubits": 2}', ("num_qubits",)
    ),
    "$datetime": Literal(_datetime, '{"$datetime": "2026-01-31T12:00:00+00:00"}'),
    "$file": Literal(read_file, '{"$file": "circuit.qasm"} (.qasm, .qpy, .npy or .json)'),
    "$plain": Literal(lambda value, *_: value, '{"$plain": {"$key": "kept as it is"}}'),
}
