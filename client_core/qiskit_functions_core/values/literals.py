"""Tagged literals: what an assistant writes in JSON where a function wants a Qiskit value.

A literal is an object with one key that starts with ``$`` and the options of that literal beside it. Every reader
takes the value under the tag, the options, and a ``Place`` to complain about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from . import openqasm
from .native import hold_qiskit
from .place import Place

if TYPE_CHECKING:
    import numpy as np

Options = dict[str, Any]


@dataclass(frozen=True)
class Literal:
    read: Callable[[Any, Options, Place], Any]
    example: str
    options: tuple[str, ...] = ()


def read(value: dict[str, Any], place: Place) -> Any:
    """The Qiskit value of a literal.

    Raises:
        LiteralError: with the pointer of what is wrong inside it, and a correct example.
    """
    hold_qiskit()
    tag = _tag(value, place)
    literal = LITERALS[tag]
    place = replace(place, example=literal.example)
    options = {key: option for key, option in value.items() if key != tag}
    if unknown := sorted(set(options) - set(literal.options), key=str):
        allowed = ", ".join(literal.options) or "none"
        place.fail(f"{tag} has no option {unknown[0]!r}; its options: {allowed}.")
    return literal.read(value[tag], options, place.child(tag))


def _tag(value: dict[str, Any], place: Place) -> str:
    tags = [key for key in value if str(key).startswith("$")]
    known = ", ".join(LITERALS)
    if len(tags) > 1:
        place.fail(f"two literals in one object: {', '.join(tags)}.", "Write one object for each.")
    if tags[0] not in LITERALS:
        plain = f'A plain object with such a key is {{"$plain": {{"{tags[0]}": …}}}}.'
        place.fail(f"{tags[0]!r} is not a known literal.", f"Known are {known}. {plain}")
    return tags[0]


def _circuit(value: Any, _: Options, place: Place) -> Any:
    if isinstance(value, list):
        return [_circuit(item, {}, place.child(index)) for index, item in enumerate(value)]
    if not isinstance(value, str):
        place.fail(f"a circuit is OpenQASM text or a list of such texts, not {_kind(value)}.")
    return _openqasm(value, place)


def _openqasm(text: str, place: Place) -> Any:
    try:
        return openqasm.load(text, place.limits)
    except openqasm.OpenQASMError as error:
        place.fail(str(error), error.next_step)


def _observable(value: Any, options: Options, place: Place) -> Any:
    if isinstance(value, list) and not (value and _is_term(value[0])):
        return [_observable(item, options, place.child(index)) for index, item in enumerate(value)]
    from qiskit.quantum_info import SparsePauliOp

    terms, num_qubits = _terms(value, options, place)
    return SparsePauliOp.from_sparse_list(terms, num_qubits=num_qubits)


def _pauli_lindblad(value: Any, options: Options, place: Place) -> Any:
    from qiskit.quantum_info import PauliLindbladMap

    terms, num_qubits = _terms(value, options, place)
    if any(rate.imag for _, _, rate in terms):
        place.fail("rates are real numbers.")
    return PauliLindbladMap.from_sparse_list(
        [(paulis, qubits, rate.real) for paulis, qubits, rate in terms], num_qubits=num_qubits
    )


def _is_term(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], str)


_Term = tuple[str, list[int], complex]


def _terms(value: Any, options: Options, place: Place) -> tuple[list[_Term], int]:
    """Pauli terms in sparse form, and the number of qubits.

    ``value`` is ``"ZZ"``, ``{"ZZ": 1.0}``, ``[["ZZ", 1.0], …]`` or ``[["ZZ", [0, 3], 1.0], …]``.
    """
    rows = _rows(value, place)
    if not rows:
        place.fail("it has no terms.")
    sparse = [at for at, row in rows if len(row) == 3]  # noqa: PLR2004 - Paulis, qubits, coefficient
    if sparse and len(sparse) != len(rows):
        place.fail("terms with and without qubit indices do not mix.")
    dense = None if sparse else len(rows[0][1][0])
    num_qubits = dense or _num_qubits(options, place)
    if dense and options.get("num_qubits", dense) != dense:
        place.fail(f"the labels have {dense} letters, num_qubits says {options['num_qubits']}.")
    return [_term(row, num_qubits, at) for at, row in rows], num_qubits


def _rows(value: Any, place: Place) -> list[tuple[Place, list[Any]]]:
    if isinstance(value, str):
        return [(place, [value, 1.0])]
    if isinstance(value, dict):
        return [(place.child(label), [label, coefficient]) for label, coefficient in value.items()]
    if not isinstance(value, list):
        place.fail(f"an observable is an object, a list or a Pauli label, not {_kind(value)}.")
    rows = [(place.child(index), row) for index, row in enumerate(value)]
    for at, row in rows:
        if not _is_term(row) or len(row) not in (2, 3):
            at.fail("a term is [label, coefficient] or [Paulis, qubit indices, coefficient].")
    return rows


def _term(row: list[Any], num_qubits: int, place: Place) -> _Term:
    paulis, *between, coefficient = row
    if bad := sorted(set(paulis) - set("IXYZ")):
        place.fail(f"{paulis!r} has the letter {bad[0]!r}; Paulis are I, X, Y and Z.")
    # The first letter of a label is the last qubit, as everywhere in Qiskit.
    qubits = between[0] if between else list(range(num_qubits - 1, -1, -1))
    if not between and len(paulis) != num_qubits:
        place.fail(f"{paulis!r} has {len(paulis)} letters, the first label has {num_qubits}.")
    _check_qubits(paulis, qubits, num_qubits, place)
    return paulis, qubits, _number(coefficient, place)


def _check_qubits(paulis: str, qubits: Any, num_qubits: int, place: Place) -> None:
    if not isinstance(qubits, list) or any(type(qubit) is not int for qubit in qubits):
        place.fail("qubit indices are a list of whole numbers.")
    if len(qubits) != len(paulis):
        place.fail(f"{paulis!r} has {len(paulis)} Paulis for {len(qubits)} qubits.")
    if len(set(qubits)) != len(qubits):
        place.fail(f"a qubit appears twice in {qubits}.")
    if outside := [qubit for qubit in qubits if not 0 <= qubit < num_qubits]:
        place.fail(f"qubit {outside[0]} is not one of 0 to {num_qubits - 1}.")


def _num_qubits(options: Options, place: Place) -> int:
    number = options.get("num_qubits")
    if type(number) is not int or not 0 < number <= place.limits.max_qubits:
        place.fail("terms with qubit indices need the option num_qubits, a whole number above 0.")
    return int(number)


def _number(value: Any, place: Place) -> complex:
    if isinstance(value, dict) and list(value) == ["$complex"]:
        return _complex(value["$complex"], {}, place)
    if isinstance(value, bool) or not isinstance(value, int | float):
        place.fail(f'a coefficient is a number or {{"$complex": [re, im]}}, not {_kind(value)}.')
    return complex(value)


def _complex(value: Any, _: Options, place: Place) -> complex:
    pair = value if isinstance(value, list) else []
    if len(pair) != 2 or not all(_is_real(part) for part in pair):  # noqa: PLR2004 - real and imaginary part
        place.fail("a complex number is [real part, imaginary part].")
    return complex(*pair)


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_DTYPES = (
    *("bool", "int", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float", "float32", "float64", "complex", "complex64", "complex128"),
)


def _array(value: Any, options: Options, place: Place) -> Any:
    import numpy as np

    dtype = options.get("dtype")
    if dtype is not None and dtype not in _DTYPES:
        place.fail(f"{dtype!r} is not a dtype for $array; these are: {', '.join(_DTYPES)}.")
    numbers = _elements(value, place)
    _check_rectangle(numbers, place)
    array = np.array(numbers)
    if array.size and (array.dtype == object or _rank(array.dtype) > _rank(np.dtype(dtype or array.dtype))):
        place.fail(f"the numbers do not fit dtype {dtype or 'int64'}.")
    try:
        return array if dtype is None else np.array(numbers, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        place.fail(f"the numbers do not fit dtype {dtype}: {error}.")


def _rank(dtype: np.dtype[Any]) -> int:
    return ("b", "ui", "f", "c").index(dtype.kind if dtype.kind not in "ui" else "ui")


def _elements(value: Any, place: Place, depth: int = 0) -> Any:
    """The nested lists with their ``$complex`` read, and nothing in them but numbers."""
    if isinstance(value, list):
        if depth > 32:  # noqa: PLR2004 - NumPy 1 stops there, and no function needs more
            place.fail("an array has at most 32 dimensions.")
        return [
            item if isinstance(item, int | float) else _elements(item, place.child(index), depth + 1)
            for index, item in enumerate(value)
        ]
    return value if isinstance(value, int | float) else _number(value, place)


def _check_rectangle(value: Any, place: Place) -> None:
    shape = _shape(value, place)
    size = 1
    for length in shape:
        size *= length
    if size > place.limits.max_literal_elements:
        place.fail(
            f"{size:,} elements; a literal has at most {place.limits.max_literal_elements:,}.",
            'Save the array as .npy and write {"$file": "array.npy"}.',
        )


def _shape(value: Any, place: Place) -> tuple[int, ...]:
    if not isinstance(value, list):
        return ()
    shapes = [_shape(item, place.child(index)) if isinstance(item, list) else () for index, item in enumerate(value)]
    for index, shape in enumerate(shapes):
        if shape != shapes[0]:
            first, this = list(shapes[0]), list(shape)
            place.child(index).fail(f"an array needs rows of equal length: shape {this} after {first}.")
    return (len(value), *(shapes[0] if shapes else ()))


def _parameter_values(value: Any, options: Options, place: Place) -> Any:
    """A mapping from parameter names becomes a BindingsArray, lists become an array of floats."""
    from qiskit.primitives.containers.bindings_array import BindingsArray

    if isinstance(value, list):
        return _array(value, {"dtype": "float64"}, place)
    if not isinstance(value, dict):
        place.fail(f"parameter values are an object or a list, not {_kind(value)}.")
    bindings = {name: _array(item, {"dtype": "float64"}, place.child(name)) for name, item in value.items()}
    try:
        return BindingsArray(bindings, shape=options.get("shape"))
    except (TypeError, ValueError) as error:
        place.fail(f"{error}")


def _datetime(value: Any, _: Options, place: Place) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        place.fail(f"{value!r} is no date and time of ISO 8601.")


def _file(value: Any, _: Options, place: Place) -> Any:
    from .files import read_file

    if not isinstance(value, str):
        place.fail(f"a file is given by its path, not by {_kind(value)}.")
    return read_file(value, place)


def _plain(value: Any, _: Options, __: Place) -> Any:
    return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


LITERALS: dict[str, Literal] = {
    "$circuit": Literal(
        _circuit, r'{"$circuit": "OPENQASM 3.0; include \"stdgates.inc\"; qubit[2] q; h q[0]; cx q[0], q[1];"}'
    ),
    "$observable": Literal(
        _observable,
        '{"$observable": {"ZZ": 1.0, "XI": 0.5}} or {"$observable": [["ZZ", [0, 3], 1.0]], "num_qubits": 5}',
        ("num_qubits",),
    ),
    "$array": Literal(_array, '{"$array": [[1.0, 2.0], [3.0, 4.0]], "dtype": "float64"}', ("dtype",)),
    "$complex": Literal(_complex, '{"$complex": [0.5, -1.0]}'),
    "$parameter_values": Literal(
        _parameter_values, '{"$parameter_values": {"theta": [0.1, 0.2], "phi": [0.3, 0.4]}}', ("shape",)
    ),
    "$pauli_lindblad": Literal(
        _pauli_lindblad, '{"$pauli_lindblad": [["ZX", [0, 1], 0.01]], "num_qubits": 2}', ("num_qubits",)
    ),
    "$datetime": Literal(_datetime, '{"$datetime": "2026-01-31T12:00:00+00:00"}'),
    "$file": Literal(_file, '{"$file": "circuit.qasm"} (.qasm, .qpy, .npy or .json)'),
    "$plain": Literal(_plain, '{"$plain": {"$key": "kept as it is"}}'),
}
