"""``$observable`` and ``$pauli_lindblad``: Pauli terms with numbers."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from qiskit.quantum_info import PauliLindbladMap, SparsePauliOp

from .context import LiteralContext, kind_of
from .numbers import number as plain_number
from .pauli_sums import NotAPauliSum, PauliTerm, read_coefficient, read_sum

Options = dict[str, Any]
_Placed = tuple[LiteralContext, PauliTerm]

# What other packages call the lists, or the fields of a term.
_PAULIS = ("paulis", "labels", "pauli_list", "pauli", "label")
_COEFFICIENTS = ("coeffs", "coefficients", "coeff", "coefficient")
# Qiskit keeps a bit or two for each letter.
_MAX_LETTERS = 100_000_000


def observable(value: Any, options: Options, context: LiteralContext) -> Any:
    """Return a SparsePauliOp, or a list of them for a list of observables."""
    if isinstance(value, list) and not _is_term(value) and not (value and _is_term(value[0])):
        return [observable(item, options, context.child(index)) for index, item in enumerate(value)]
    terms, num_qubits = _terms(value, options, context)
    return SparsePauliOp.from_sparse_list(
        [(term.paulis, term.qubits, term.coefficient) for _, term in terms], num_qubits=num_qubits
    )


def pauli_lindblad(value: Any, options: Options, context: LiteralContext) -> PauliLindbladMap:
    """Return the map of generators with their rates, written as an observable's terms are."""
    terms, num_qubits = _terms(value, options, context)
    if any(term.coefficient.imag for _, term in terms):
        context.fail("rates are real numbers.")
    return PauliLindbladMap.from_sparse_list(
        [(term.paulis, term.qubits, term.coefficient.real) for _, term in terms], num_qubits=num_qubits
    )


def _is_term(value: Any) -> bool:
    """Return whether a value is one term.

    These are: `["ZZ", 1]`, `[1, "ZZ"]`, `["ZZ", [0, 3], 1]`, `{"pauli": "ZZ", "coeff": 1}`.
    """
    if isinstance(value, dict):
        # A list there has all terms.
        return any(isinstance(value.get(key), str) for key in _PAULIS)
    if not isinstance(value, list) or len(value) not in (2, 3):
        return False
    first, *between, last = value
    if between and not isinstance(between[0], list):
        return False
    return _is_coefficient(last) != _is_coefficient(first) and any(
        isinstance(end, str) and not _is_coefficient(end) for end in (first, last)
    )


def _is_coefficient(value: Any) -> bool:
    if isinstance(value, str):
        with suppress(NotAPauliSum):
            read_coefficient(value)
            return True
        return False
    if isinstance(value, list):
        return len(value) == 2 and all(type(part) in (int, float) for part in value)  # real, imaginary
    return isinstance(value, int | float) or (isinstance(value, dict) and list(value) == ["$complex"])


def _terms(value: Any, options: Options, context: LiteralContext) -> tuple[list[_Placed], int]:
    """Return Pauli terms, each with its qubits, and the number of qubits.

    Raises:
        LiteralError: the value has none of the forms that `LITERALS` shows, or more than one meaning.
    """
    rows, said = _rows(value, context)
    if not rows:
        context.fail("it has no terms.")
    labels = [(at, term) for at, term in rows if term.qubits is None]
    indexed = [(at, term) for at, term in rows if term.qubits]
    # Beside terms with qubits, a lone I is the identity.
    if indexed and (mixed := [at for at, term in labels if term.paulis != "I"]):
        mixed[0].fail("labels and terms with qubits do not mix.")
    letters = len(labels[0][1].paulis) if labels and not indexed else None
    num_qubits = options.get("num_qubits", letters if letters is not None else said)
    if type(num_qubits) is not int or not 0 < num_qubits <= max(context.limits.max_qubits, letters or 0):
        context.fail(
            "terms with qubits, and multiples of the identity, need the option num_qubits, a whole number above 0.",
            'Write it beside the terms: {"$observable": {"Z0 Z1": 1.0}, "num_qubits": 5}.',
        )
    if letters is not None and num_qubits != letters:
        context.fail(f"the labels have {letters} letters, num_qubits says {num_qubits}.")
    if len(rows) * num_qubits > _MAX_LETTERS:
        context.fail(f"{len(rows):,} terms on {num_qubits:,} qubits are more than can be encoded.", "Give fewer terms.")
    return [(at, _with_qubits(at, term, num_qubits, indexed=bool(indexed))) for at, term in rows], num_qubits


def _with_qubits(at: LiteralContext, term: PauliTerm, num_qubits: int, *, indexed: bool) -> PauliTerm:
    """Return the term with the qubit of each Pauli."""
    paulis, qubits = term.paulis, term.qubits
    if qubits is None and indexed:
        paulis, qubits = "", []
    if qubits is None:
        if len(paulis) != num_qubits:
            at.fail(f"{paulis!r} has {len(paulis)} letters, the first label has {num_qubits}.")
        # The first letter of a label is the last qubit, as everywhere in Qiskit.
        qubits = list(range(num_qubits - 1, -1, -1))
    if len(set(qubits)) != len(qubits):
        at.fail(f"a qubit appears twice in {qubits}.")
    if outside := [qubit for qubit in qubits if not 0 <= qubit < num_qubits]:
        at.fail(f"qubit {outside[0]} is not one of 0 to {num_qubits - 1}.")
    return PauliTerm(paulis, qubits, term.coefficient)


def _rows(value: Any, context: LiteralContext) -> tuple[list[_Placed], int | None]:
    """Return the terms with their places, and the number of qubits if a text says it."""
    if isinstance(value, str):
        terms, num_qubits = _sum(value, context)
        return [(context, term) for term in terms], num_qubits
    if isinstance(value, dict) and (key := next((name for name in _PAULIS if name in value), None)):
        return _columns(value, key, context), None
    if isinstance(value, dict):
        return [
            (context.child(text), _scaled(text, coefficient, context.child(text)))
            for text, coefficient in value.items()
        ], None
    if not isinstance(value, list):
        context.fail(f"an observable is an object, a list or text, not {kind_of(value)}.")
    if _is_term(value):
        return [(context, _row(value, context))], None
    placed = [(context.child(index), _row(row, context.child(index))) for index, row in enumerate(value)]
    if all(isinstance(row, list) and len(row) == 2 and type(row[1]) is int for row in value):  # as below
        numbers = [row[1] for row in value]
        if 0 in numbers and len(set(numbers)) == len(numbers) > 1 and all(len(row[0]) == 1 for row in value):
            context.fail(
                f"{numbers} may be qubits or coefficients.",
                f'Write {{"$observable": [["{value[0][0]}", [{numbers[0]}], 1.0], …], "num_qubits": …}} for qubits, or '
                "the coefficients as decimals.",
            )
    return placed, None


def _columns(value: dict[str, Any], key: str, context: LiteralContext) -> list[_Placed]:
    """Return the terms of lists that stand beside each other: `{"paulis": […], "coeffs": […]}`."""
    if isinstance(value[key], str):
        return [(context, _row(value, context))]
    others = set(value) - {key}
    name = others.pop() if len(others) == 1 else ""
    texts, numbers = value[key], value.get(name)
    if name not in _COEFFICIENTS or not isinstance(texts, list) or not isinstance(numbers, list):
        context.fail(f"beside the list {key!r} there must be one list {_COEFFICIENTS[0]!r}.")
    if len(texts) != len(numbers):
        context.fail(f"{len(texts)} {key} for {len(numbers)} {name}.")
    places = [context.child(key).child(index) for index in range(len(texts))]
    return [(at, _scaled(text, number, at)) for at, text, number in zip(places, texts, numbers, strict=True)]


def _row(row: Any, at: LiteralContext) -> PauliTerm:
    """Return the term of a row: a label and a coefficient in either order, or Paulis, qubits and a coefficient."""
    if isinstance(row, dict) and _is_term(row):
        key = next(name for name in _PAULIS if name in row)
        numbers = [row[name] for name in _COEFFICIENTS if name in row]
        if len(row) != 2 or not numbers:  # Paulis, coefficient
            at.fail(f"a term has {key!r} and {_COEFFICIENTS[2]!r}, not {', '.join(map(repr, row))}.")
        return _scaled(row[key], numbers[0], at)
    if not isinstance(row, list) or not _is_term(row):
        at.fail("a term is [label, coefficient] or [Paulis, qubit indices, coefficient].")
    if len(row) == 2:  # label, coefficient
        text, coefficient = reversed(row) if _is_coefficient(row[0]) else row
        if isinstance(coefficient, list) and len(coefficient) == len(text) and all(type(n) is int for n in coefficient):
            at.fail(
                f"{coefficient} may be qubits, or real and imaginary part of a coefficient.",
                f'Write [{text!r}, {coefficient}, 1.0] for qubits, or {{"$complex": {coefficient}}}.'.replace("'", '"'),
            )
        return _scaled(text, coefficient, at)
    paulis, qubits, coefficient = reversed(row) if _is_coefficient(row[0]) else row
    terms, _ = _sum(paulis, at) if paulis else ([PauliTerm("", None, 1.0)], None)
    if len(terms) != 1 or terms[0].qubits is not None or terms[0].coefficient != 1:
        at.fail(f"{paulis!r} stands before qubits, so it must be letters of I, X, Y and Z.")
    if not isinstance(qubits, list) or any(type(qubit) is not int for qubit in qubits):
        at.fail("qubit indices are a list of whole numbers.")
    if len(qubits) != len(paulis):
        at.fail(f"{paulis!r} has {len(paulis)} Paulis for {len(qubits)} qubits.")
    return PauliTerm(terms[0].paulis, qubits, _coefficient(coefficient, at))


def _scaled(text: Any, coefficient: Any, at: LiteralContext) -> PauliTerm:
    """Return the one term of a text, times a coefficient beside it."""
    if not isinstance(text, str):
        at.fail(f"a Pauli term is text, not {kind_of(text)}.")
    terms, _ = _sum(text, at) if text.strip() else ([PauliTerm("", [], 1.0)], None)
    if len(terms) != 1:
        at.fail(f"{text[:100]!r} has {len(terms)} terms for one coefficient.")
    (term,) = terms
    return PauliTerm(term.paulis, term.qubits, term.coefficient * _coefficient(coefficient, at))


def _sum(text: str, at: LiteralContext) -> tuple[list[PauliTerm], int | None]:
    if len(text) > at.limits.max_openqasm:
        at.fail(f"longer than {at.limits.max_openqasm:,} characters.", 'Save it as JSON and write {"$file": "h.json"}.')
    try:
        return read_sum(text)
    except NotAPauliSum as error:
        at.fail(f"{error}.")


def _coefficient(value: Any, at: LiteralContext) -> complex:
    """Return a number, `"0.5+0j"`, `[re, im]` or `{"$complex": [re, im]}`."""
    if isinstance(value, str):
        try:
            return read_coefficient(value)
        except NotAPauliSum as error:
            at.fail(f"{error}.")
    return plain_number({"$complex": value} if isinstance(value, list) else value, at)
