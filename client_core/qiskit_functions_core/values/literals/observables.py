"""``$observable`` and ``$pauli_lindblad``: Pauli terms with numbers."""

from __future__ import annotations

from typing import Any

from qiskit.quantum_info import PauliLindbladMap, SparsePauliOp

from .context import LiteralContext, kind_of
from .numbers import number

Options = dict[str, Any]
_Term = tuple[str, list[int], complex]


def observable(value: Any, options: Options, context: LiteralContext) -> Any:
    """Return a SparsePauliOp, or a list of them for a list of observables."""
    if isinstance(value, list) and not (value and _is_term(value[0])):
        return [observable(item, options, context.child(index)) for index, item in enumerate(value)]
    terms, num_qubits = _terms(value, options, context)
    return SparsePauliOp.from_sparse_list(terms, num_qubits=num_qubits)


def pauli_lindblad(value: Any, options: Options, context: LiteralContext) -> PauliLindbladMap:
    """Return the map of generators with their rates, written as an observable's terms are."""
    terms, num_qubits = _terms(value, options, context)
    if any(rate.imag for _, _, rate in terms):
        context.fail("rates are real numbers.")
    return PauliLindbladMap.from_sparse_list(
        [(paulis, qubits, rate.real) for paulis, qubits, rate in terms], num_qubits=num_qubits
    )


def _is_term(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], str)


def _terms(value: Any, options: Options, context: LiteralContext) -> tuple[list[_Term], int]:
    """Return Pauli terms in sparse form, and the number of qubits.

    ``value`` is ``"ZZ"``, ``{"ZZ": 1.0}``, ``[["ZZ", 1.0], …]`` or ``[["ZZ", [0, 3], 1.0], …]``.
    """
    rows = _rows(value, context)
    if not rows:
        context.fail("it has no terms.")
    sparse = [at for at, row in rows if len(row) == 3]  # noqa: PLR2004 - Paulis, qubits, coefficient
    if sparse and len(sparse) != len(rows):
        context.fail("terms with and without qubit indices do not mix.")
    dense = None if sparse else len(rows[0][1][0])
    num_qubits = dense or options.get("num_qubits")
    if type(num_qubits) is not int or not (dense or 0 < num_qubits <= context.limits.max_qubits):
        context.fail("terms with qubit indices need the option num_qubits, a whole number above 0.")
    if dense and options.get("num_qubits", dense) != dense:
        context.fail(f"the labels have {dense} letters, num_qubits says {options['num_qubits']}.")
    return [_term(row, num_qubits, at) for at, row in rows], num_qubits


def _rows(value: Any, context: LiteralContext) -> list[tuple[LiteralContext, list[Any]]]:
    if isinstance(value, str):
        return [(context, [value, 1.0])]
    if isinstance(value, dict):
        return [(context.child(label), [label, coefficient]) for label, coefficient in value.items()]
    if not isinstance(value, list):
        context.fail(f"an observable is an object, a list or a Pauli label, not {kind_of(value)}.")
    rows = [(context.child(index), row) for index, row in enumerate(value)]
    for at, row in rows:
        if not _is_term(row) or len(row) not in (2, 3):
            at.fail("a term is [label, coefficient] or [Paulis, qubit indices, coefficient].")
    return rows


def _term(row: list[Any], num_qubits: int, context: LiteralContext) -> _Term:
    paulis, *between, coefficient = row
    if bad := sorted(set(paulis) - set("IXYZ")):
        context.fail(f"{paulis!r} has the letter {bad[0]!r}; Paulis are I, X, Y and Z.")
    # The first letter of a label is the last qubit, as everywhere in Qiskit.
    qubits = between[0] if between else list(range(num_qubits - 1, -1, -1))
    if not between and len(paulis) != num_qubits:
        context.fail(f"{paulis!r} has {len(paulis)} letters, the first label has {num_qubits}.")
    if not isinstance(qubits, list) or any(type(qubit) is not int for qubit in qubits):
        context.fail("qubit indices are a list of whole numbers.")
    if len(qubits) != len(paulis):
        context.fail(f"{paulis!r} has {len(paulis)} Paulis for {len(qubits)} qubits.")
    if len(set(qubits)) != len(qubits):
        context.fail(f"a qubit appears twice in {qubits}.")
    if outside := [qubit for qubit in qubits if not 0 <= qubit < num_qubits]:
        context.fail(f"qubit {outside[0]} is not one of 0 to {num_qubits - 1}.")
    return paulis, qubits, number(coefficient, context)
