"""Summaries of circuits and operators."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from . import plain
from .page import FIRST, ROWS, Page
from .qpy_runs import standard_names
from .summary_models import ValueSummary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from qiskit import QuantumCircuit

OPENQASM_SHOWN = 4_000
# Depths take half a second for 50,000 instructions.
_MAX_DEPTH = 50_000
# Writing so many instructions as OpenQASM takes a fifth of a second; more of it is for files.
_MAX_EXPORTED = 5_000
# What Qiskit does not count as an operation.
_DIRECTIVES = ("barrier", "snapshot", "save", "load", "noise")


def circuit(circuit: QuantumCircuit, pointer: str, page: Page) -> ValueSummary:
    operations = {plain.text(name): times for name, times in circuit.count_ops().items()}
    return ValueSummary(
        pointer=pointer,
        kind="circuit",
        type=type(circuit).__name__,
        num_qubits=circuit.num_qubits,
        num_clbits=circuit.num_clbits,
        **_depths(circuit),
        size=sum(times for name, times in operations.items() if name not in _DIRECTIVES),
        operations=_most(operations),
        parameters=_names([parameter.name for parameter in islice(circuit.parameters, ROWS)], circuit.num_parameters),
        **_openqasm(circuit, page),
    )


def _depths(circuit: QuantumCircuit) -> dict[str, int]:
    if len(circuit.data) > _MAX_DEPTH:
        return {}
    return {"depth": circuit.depth(), "two_qubit_depth": circuit.depth(_is_two_qubit)}


def _is_two_qubit(instruction: Any) -> bool:
    return len(instruction.qubits) == 2 and not getattr(instruction.operation, "_directive", False)  # noqa: PLR2004


def _most(operations: dict[str, int]) -> dict[str, int]:
    shown = dict(islice(operations.items(), ROWS))
    others = sum(operations.values()) - sum(shown.values())
    return {**shown, "(others)": others} if others else shown


def _names(names: list[str], total: int) -> list[str] | None:
    more = [f"… and {total - len(names)} more"] if total > len(names) else []
    return [plain.text(name)[:100] for name in names] + more or None


def _openqasm(circuit: QuantumCircuit, page: Page) -> dict[str, Any]:
    """OpenQASM 3 when it is short, or the piece of it that a page asks for."""
    from qiskit import qasm3

    if len(circuit.data) > _MAX_EXPORTED or not has_all_definitions(circuit):
        return {}
    try:
        text = plain.text(qasm3.dumps(circuit))
    except Exception:  # the exporter refuses some instructions, and fails on others in its own ways
        return {}
    if page == FIRST and len(text) > OPENQASM_SHOWN:
        return {"omitted": len(text), "next_offset": 0}
    shown = text[page.offset : page.end(OPENQASM_SHOWN)]
    return {"openqasm": shown, **page.rest(len(text), len(shown))}


def has_all_definitions(circuit: QuantumCircuit) -> bool:
    """Whether OpenQASM can be written without computing how gates are made, which takes minutes for a large unitary."""
    waiting, looked_at = [circuit], 0
    while waiting:
        for row in waiting.pop().data:
            looked_at += 1
            inside = _definitions(row.operation)
            if inside is None or looked_at > 2 * _MAX_EXPORTED:
                return False
            waiting += inside
    return True


def _definitions(operation: Any) -> list[QuantumCircuit] | None:
    """The circuits that an operation consists of, none for a standard one; None if they would have to be computed."""
    if operation.base_class.__name__.encode() in standard_names():
        return []
    if (blocks := getattr(operation, "blocks", None)) is not None:
        return list(blocks)
    # The public property would compute it.
    definition = getattr(operation, "_definition", None)
    return None if definition is None else [definition]


def pauli_operator(operator: Any, pointer: str, page: Page) -> ValueSummary:
    import numpy as np

    order = np.argsort(-_magnitudes(operator.coeffs), kind="stable")[page.offset : page.end()]
    terms = [[operator.paulis[at].to_label(), plain.rounded(_real_if_close(operator.coeffs[at]))] for at in order]
    return _operator(operator, pointer, terms, page, len(operator))


def _magnitudes(coefficients: NDArray[Any]) -> NDArray[np.float64]:
    """Sizes to sort by; coefficients with free parameters come first, as if largest."""
    import numpy as np

    if coefficients.dtype == object:
        return np.full(coefficients.shape, np.inf)
    magnitudes: NDArray[np.float64] = np.abs(coefficients)
    return magnitudes


def _real_if_close(coefficient: Any) -> Any:
    number = getattr(coefficient, "item", lambda: coefficient)()
    return number.real if isinstance(number, complex) and not number.imag else number


def pauli_lindblad_map(generators: Any, pointer: str, page: Page) -> ValueSummary:
    rows = sorted(generators.to_sparse_list(), key=lambda term: -abs(term[2]))
    terms = [_sparse_term(*row) for row in rows[page.offset : page.end()]]
    return _operator(generators, pointer, terms, page, len(rows))


def _sparse_term(paulis: str, qubits: list[int], rate: float) -> list[Any]:
    named = sorted(zip(qubits, paulis, strict=True))
    return [" ".join(f"{pauli}{qubit}" for qubit, pauli in named) or "I", plain.rounded(rate)]


def pauli_lindblad_error(error: Any, pointer: str, page: Page) -> ValueSummary:
    order = (-error.rates).argsort(kind="stable")[page.offset : page.end()]
    terms = [[error.generators[at].to_label(), plain.rounded(error.rates[at].item())] for at in order]
    return _operator(error, pointer, terms, page, len(error.rates))


def paulis(paulis: Any, pointer: str, page: Page) -> ValueSummary:
    terms = [[label, 1.0] for label in paulis[page.offset : page.end()].to_labels()]
    return _operator(paulis, pointer, terms, page, len(paulis))


def pauli(pauli: Any, pointer: str, page: Page) -> ValueSummary:
    return _operator(pauli, pointer, [[pauli.to_label(), 1.0]], page, 1)


def _operator(value: Any, pointer: str, terms: list[list[Any]], page: Page, total: int) -> ValueSummary:
    return ValueSummary(
        pointer=pointer,
        kind="operator",
        type=type(value).__name__,
        num_qubits=value.num_qubits,
        size=total,
        terms=terms,
        **page.rest(total, len(terms)),
    )


def instruction(value: Any, pointer: str, _: Page) -> ValueSummary:
    shown = {"name": plain.text(value.name), "params": [plain.rounded(item) for item in value.params[:ROWS]]}
    return ValueSummary(
        pointer=pointer,
        kind="other",
        type=type(value).__name__,
        num_qubits=value.num_qubits,
        num_clbits=value.num_clbits,
        value=shown,
    )


def parameter(value: Any, pointer: str, _: Page) -> ValueSummary:
    return ValueSummary(pointer=pointer, kind="other", type="Parameter", value=plain.text(value.name)[:200])
