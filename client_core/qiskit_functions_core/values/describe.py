"""One value, one ``ValueSummary``: what each kind of value is worth telling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from . import navigate, plain
from .decode import Opaque
from .summary_models import Counts, Outcome, ValueSummary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from qiskit import QuantumCircuit
    from qiskit.primitives import BitArray, PubResult

OPENQASM_SHOWN = 4_000
INLINE = 600
_ROWS = 20
_TEXT = 2_000
_CHILDREN = 50
# Writing a circuit as OpenQASM takes time that grows with its size; above this it is long anyway.
_MAX_EXPORTED = 20_000
# What a pub of an estimator shows by itself; further fields become parts of their own.
_EXPECTATION = ("evs", "stds")


@dataclass(frozen=True)
class Page:
    """Which rows of a value to show; ``limit`` None is the usual number for its kind."""

    offset: int = 0
    limit: int | None = None

    def end(self, usual: int) -> int:
        return self.offset + (usual if self.limit is None else self.limit)

    def rest(self, total: int, shown: int) -> dict[str, int | None]:
        """The fields that say what comes before and after the rows shown."""
        after = max(total - self.offset - shown, 0)
        return {
            "offset": self.offset or None,
            "omitted": after or None,
            "next_offset": self.offset + shown if after else None,
        }


def describe(value: Any, pointer: str, page: Page = Page()) -> ValueSummary:
    """The summary of a value by itself; what it holds beyond that is for the caller to walk."""
    for name in navigate.class_names(value):
        if name in _DESCRIBERS:
            try:
                return _DESCRIBERS[name](value, pointer, page)
            except Exception as error:  # values from strangers can break in any method; the rest must show
                return _opaque(Opaque(name, 0, f"it cannot be summarised: {error}"[:300]), pointer, page)
    return _other(value, pointer, page)


def own_parts(value: Any, page: Page = Page()) -> list[tuple[tuple[str | int, ...], Any]]:
    """What a value holds and its own summary leaves out: the tokens that lead there, and the part."""
    kinds = set(navigate.class_names(value))
    if kinds & _LEAVES:
        return []
    if "PrimitiveResult" in kinds:
        pubs = [(("pub_results", index), value[index]) for index in _span(len(value), page)]
        return [*pubs, *_long(("metadata",), value.metadata)]
    if "PubResult" in kinds:
        fields = [(("data", name), field) for name, field in value.data.items() if not _in_pub(value, name)]
        return [*fields, *_long(("metadata",), value.metadata)]
    return [((name,), part) for name, part in _children(value, page) if not plain.fits(part, INLINE)]


def _long(tokens: tuple[str | int, ...], value: Any) -> list[tuple[tuple[str | int, ...], Any]]:
    return [] if plain.fits(value, INLINE) else [(tokens, value)]


def _span(total: int, page: Page) -> range:
    return range(total)[page.offset : page.end(_CHILDREN)]


def _children(value: Any, page: Page) -> list[tuple[str | int, Any]]:
    held = navigate.parts(value)
    if held is None or plain.is_distribution(value) or plain.fits(value, INLINE):
        return []
    if isinstance(held, Mapping):
        return list(islice(held.items(), page.offset, page.end(_CHILDREN)))
    return [(index, held[index]) for index in _span(len(held), page)]


def _in_pub(pub: PubResult, name: str) -> bool:
    if _kind_of_pub(pub) == "estimator_pub":
        return name in _EXPECTATION
    return type(pub.data[name]).__name__ == "BitArray"


def _kind_of_pub(pub: PubResult) -> str:
    kinds = {name: type(field).__name__ for name, field in pub.data.items()}
    if kinds.get("evs") == "ndarray" and kinds.get("stds", "ndarray") == "ndarray":
        return "estimator_pub"
    return "sampler_pub" if "BitArray" in kinds.values() else "pub"


def _metadata(metadata: Any) -> Any:
    return plain.inline(metadata, INLINE) if metadata and plain.fits(metadata, INLINE) else None


def _primitive_result(result: Any, pointer: str, page: Page) -> ValueSummary:
    shown = len(_span(len(result), page))
    return ValueSummary(
        pointer=pointer,
        kind="primitive_result",
        size=len(result),
        metadata=_metadata(result.metadata),
        **page.rest(len(result), shown),
    )


def _pub(pub: PubResult, pointer: str, page: Page) -> ValueSummary:
    kind = _kind_of_pub(pub)
    common = {"pointer": pointer, "type": type(pub).__name__, "metadata": _metadata(pub.metadata)}
    if kind == "estimator_pub":
        return ValueSummary(kind="estimator_pub", **common, **_expectation_values(pub, page))
    shape = list(pub.data.shape or ()) or None
    if kind == "pub":
        return ValueSummary(kind="pub", **common, shape=shape, size=len(pub.data))
    registers = {
        plain.text(name): count(field, page) for name, field in pub.data.items() if type(field).__name__ == "BitArray"
    }
    return ValueSummary(kind="sampler_pub", **common, shape=shape, registers=registers)


def _expectation_values(pub: PubResult, page: Page) -> dict[str, Any]:
    fields = dict(pub.data.items())
    values, errors = fields["evs"], fields.get("stds")
    shown = _elements(values, page)
    return {
        "shape": list(values.shape),
        "values": shown,
        "stds": None if errors is None else _elements(errors, page),
        **page.rest(int(values.size), len(shown)),
    }


def count(bits: BitArray, page: Page) -> Counts:
    """Counts without a Python object for each shot: outcomes are compared as packed bytes."""
    outcomes, counts = _distinct(bits)
    total = int(counts.sum())
    order = (-counts).argsort(kind="stable")[page.offset : page.end(_ROWS)]
    top = [
        Outcome(bits=_bitstring(outcomes[at], bits.num_bits), count=int(counts[at]), probability=counts[at] / total)
        for at in order
    ]
    return Counts(
        shots=bits.num_shots,
        num_bits=bits.num_bits,
        shape=list(bits.shape) or None,
        distinct=len(counts),
        top=[outcome.model_copy(update={"probability": plain.rounded(outcome.probability)}) for outcome in top],
        other_outcomes=len(counts) - len(top),
        other_count=total - sum(outcome.count for outcome in top),
    )


def _distinct(bits: BitArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Outcomes as rows of bytes in ascending order, and how often each was measured."""
    import numpy as np

    rows = bits.array.reshape(-1, bits.array.shape[-1])
    if not rows.size:
        return np.zeros((min(len(rows), 1), 0), np.uint8), np.array([len(rows)][: len(rows)], np.int64)
    rows = rows.copy()
    # BitArray ignores the bits above num_bits, whatever they are.
    rows[:, 0] &= 0xFF >> (-bits.num_bits % 8)
    whole = rows.view(np.dtype((np.void, rows.shape[1]))).ravel()
    outcomes, counts = np.unique(whole, return_counts=True)
    return outcomes.view(np.uint8).reshape(len(outcomes), -1), counts


def _bitstring(row: NDArray[np.uint8], num_bits: int) -> str:
    return format(int.from_bytes(row.tobytes(), "big"), "b").zfill(num_bits) if num_bits else ""


def _bit_array(bits: BitArray, pointer: str, page: Page) -> ValueSummary:
    counts = count(bits, page)
    rest = page.rest(counts.distinct, len(counts.top))
    return ValueSummary(pointer=pointer, kind="counts", type="BitArray", counts=counts, **rest)


def _elements(array: NDArray[Any], page: Page) -> list[Any]:
    return [plain.rounded(item) for item in array.flat[page.offset : page.end(_ROWS)].tolist()]


def _array(array: NDArray[Any], pointer: str, page: Page) -> ValueSummary:
    shown = _elements(array, page)
    return ValueSummary(
        pointer=pointer,
        kind="array",
        type=type(array).__name__,
        shape=list(array.shape),
        dtype=str(array.dtype),
        values=shown,
        **_statistics(array),
        **page.rest(array.size, len(shown)),
    )


def _statistics(array: NDArray[Any]) -> dict[str, Any]:
    """Range and mean of the finite numbers; nothing for what has no order or no mean."""
    import numpy as np

    if array.dtype.kind not in "biufc" or not array.size:
        return {}
    finite = array[np.isfinite(array)]
    if not finite.size:
        return {}
    mean = {"mean": plain.rounded(finite.mean().item())}
    if array.dtype.kind == "c":
        return mean
    return {"min": plain.rounded(finite.min().item()), "max": plain.rounded(finite.max().item()), **mean}


def _matrix(value: Any, pointer: str, page: Page) -> ValueSummary:
    """Operators, states and channels, by their data."""
    import numpy as np

    summary = _array(np.asarray(value.data), pointer, page)
    return summary.model_copy(update={"type": type(value).__name__})


def _sparse_matrix(matrix: Any, pointer: str, _: Page) -> ValueSummary:
    return ValueSummary(
        pointer=pointer,
        kind="sparse_matrix",
        type=type(matrix).__name__,
        shape=list(matrix.shape),
        dtype=str(matrix.dtype),
        size=int(matrix.nnz),
        **_statistics(matrix.data),
    )


def _circuit(circuit: QuantumCircuit, pointer: str, page: Page) -> ValueSummary:
    operations = {plain.text(name): times for name, times in circuit.count_ops().items()}
    return ValueSummary(
        pointer=pointer,
        kind="circuit",
        type=type(circuit).__name__,
        num_qubits=circuit.num_qubits,
        num_clbits=circuit.num_clbits,
        depth=circuit.depth(),
        two_qubit_depth=circuit.depth(_is_two_qubit),
        size=circuit.size(),
        operations=_most(operations),
        parameters=_names([parameter.name for parameter in islice(circuit.parameters, _ROWS)], circuit.num_parameters),
        **_openqasm(circuit, page),
    )


def _is_two_qubit(instruction: Any) -> bool:
    return len(instruction.qubits) == 2 and not getattr(instruction.operation, "_directive", False)  # noqa: PLR2004


def _most(operations: dict[str, int]) -> dict[str, int]:
    shown = dict(islice(operations.items(), _ROWS))
    others = sum(operations.values()) - sum(shown.values())
    return {**shown, "(others)": others} if others else shown


def _names(names: list[str], total: int) -> list[str] | None:
    more = [f"… and {total - len(names)} more"] if total > len(names) else []
    return [plain.text(name)[:100] for name in names] + more or None


def _openqasm(circuit: QuantumCircuit, page: Page) -> dict[str, Any]:
    """OpenQASM 3 when it is short, or the piece of it that a page asks for."""
    from qiskit import qasm3

    if circuit.size() > _MAX_EXPORTED:
        return {}
    try:
        text = plain.text(qasm3.dumps(circuit))
    except Exception:  # the exporter refuses some instructions, and fails on others in its own ways
        return {}
    if page == Page() and len(text) > OPENQASM_SHOWN:
        return {"omitted": len(text), "next_offset": 0}
    shown = text[page.offset : page.end(OPENQASM_SHOWN)]
    return {"openqasm": shown, **page.rest(len(text), len(shown))}


def _pauli_operator(operator: Any, pointer: str, page: Page) -> ValueSummary:
    import numpy as np

    order = np.argsort(-_magnitudes(operator.coeffs), kind="stable")[page.offset : page.end(_ROWS)]
    terms = [[operator.paulis[at].to_label(), plain.rounded(_real_if_close(operator.coeffs[at]))] for at in order]
    return _operator(operator, pointer, terms, page, len(operator))


def _magnitudes(coefficients: NDArray[Any]) -> NDArray[np.float64]:
    """Sizes to sort by; coefficients with free parameters come first, as if largest."""
    import numpy as np

    if coefficients.dtype == object:
        return np.full(coefficients.shape, np.inf)
    return np.abs(coefficients).astype(np.float64)


def _real_if_close(coefficient: Any) -> Any:
    number = getattr(coefficient, "item", lambda: coefficient)()
    return number.real if isinstance(number, complex) and not number.imag else number


def _pauli_lindblad_map(generators: Any, pointer: str, page: Page) -> ValueSummary:
    rows = sorted(generators.to_sparse_list(), key=lambda term: -abs(term[2]))
    terms = [_sparse_term(*row) for row in rows[page.offset : page.end(_ROWS)]]
    return _operator(generators, pointer, terms, page, len(rows))


def _sparse_term(paulis: str, qubits: list[int], rate: float) -> list[Any]:
    named = sorted(zip(qubits, paulis, strict=True))
    return [" ".join(f"{pauli}{qubit}" for qubit, pauli in named) or "I", plain.rounded(rate)]


def _pauli_lindblad_error(error: Any, pointer: str, page: Page) -> ValueSummary:
    order = (-error.rates).argsort(kind="stable")[page.offset : page.end(_ROWS)]
    terms = [[error.generators[at].to_label(), plain.rounded(error.rates[at].item())] for at in order]
    return _operator(error, pointer, terms, page, len(error.rates))


def _paulis(paulis: Any, pointer: str, page: Page) -> ValueSummary:
    terms = [[label, 1.0] for label in paulis[page.offset : page.end(_ROWS)].to_labels()]
    return _operator(paulis, pointer, terms, page, len(paulis))


def _pauli(pauli: Any, pointer: str, page: Page) -> ValueSummary:
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


def _container(value: Any, pointer: str, page: Page) -> ValueSummary:
    """Mappings and lists, and Qiskit's containers that are no more than those."""
    if plain.is_distribution(value) and not plain.fits(value, INLINE):
        return _distribution(value, pointer, page)
    held = navigate.parts(value)
    is_list = not isinstance(held, Mapping)
    name = None if isinstance(value, dict | list) else type(value).__name__
    common: dict[str, Any] = {"pointer": pointer, "kind": "list" if is_list else "object", "type": name}
    if page == Page() and plain.fits(value, INLINE):
        return ValueSummary(**common, value=plain.inline(value, INLINE))
    short = {key: plain.inline(part, INLINE) for key, part in _children(value, page) if plain.fits(part, INLINE)}
    shown = len(_children(value, page))
    beginning = (list(short.values()) if len(short) == shown else None) if is_list else short
    size = len(held or ())
    return ValueSummary(**common, value=beginning or None, size=size, **page.rest(size, shown))


def _distribution(value: dict[Any, float], pointer: str, page: Page) -> ValueSummary:
    rows = sorted(value.items(), key=lambda row: -abs(row[1]))[page.offset : page.end(_ROWS)]
    return ValueSummary(
        pointer=pointer,
        kind="distribution",
        size=len(value),
        terms=[[str(outcome), plain.rounded(weight)] for outcome, weight in rows],
        **page.rest(len(value), len(rows)),
    )


def _text(value: str, pointer: str, page: Page) -> ValueSummary:
    shown = plain.text(value[page.offset : page.end(_TEXT)])
    return ValueSummary(pointer=pointer, kind="text", value=shown, size=len(value), **page.rest(len(value), len(shown)))


def _number(value: complex, pointer: str, _: Page) -> ValueSummary:
    shown = value if isinstance(value, int) and len(str(value)) <= INLINE else plain.number(value)
    return ValueSummary(pointer=pointer, kind="number", value=shown)


def _boolean(value: bool, pointer: str, _: Page) -> ValueSummary:
    return ValueSummary(pointer=pointer, kind="boolean", value=value)


def _null(_: None, pointer: str, __: Page) -> ValueSummary:
    return ValueSummary(pointer=pointer, kind="null")


def _datetime(value: Any, pointer: str, _: Page) -> ValueSummary:
    return ValueSummary(pointer=pointer, kind="datetime", value=value.isoformat())


def _opaque(value: Opaque, pointer: str, _: Page) -> ValueSummary:
    return ValueSummary(
        pointer=pointer,
        kind="opaque",
        type=plain.text(value.type_name)[:100],
        size=value.size,
        reason=plain.text(value.reason)[:300],
    )


def _span_of_time(span: Any, pointer: str, _: Page) -> ValueSummary:
    facts = {"start": str(span.start), "stop": str(span.stop), "pubs": list(span.pub_idxs)[:_ROWS]}
    return ValueSummary(pointer=pointer, kind="other", type=type(span).__name__, value=facts)


def _instruction(value: Any, pointer: str, _: Page) -> ValueSummary:
    shown = {"name": plain.text(value.name), "params": [plain.rounded(item) for item in value.params[:_ROWS]]}
    return ValueSummary(
        pointer=pointer,
        kind="other",
        type=type(value).__name__,
        num_qubits=value.num_qubits,
        num_clbits=value.num_clbits,
        value=shown,
    )


def _parameter(value: Any, pointer: str, _: Page) -> ValueSummary:
    return ValueSummary(pointer=pointer, kind="other", type="Parameter", value=plain.text(value.name)[:_TEXT])


def _other(value: Any, pointer: str, _: Page) -> ValueSummary:
    return ValueSummary(pointer=pointer, kind="other", type=type(value).__name__)


_DESCRIBERS: dict[str, Callable[[Any, str, Page], ValueSummary]] = {
    "PrimitiveResult": _primitive_result,
    "PubResult": _pub,
    "BitArray": _bit_array,
    "ndarray": _array,
    "QuantumCircuit": _circuit,
    "SparsePauliOp": _pauli_operator,
    "PauliLindbladMap": _pauli_lindblad_map,
    "PauliLindbladError": _pauli_lindblad_error,
    "PauliList": _paulis,
    "Pauli": _pauli,
    "Operator": _matrix,
    "Statevector": _matrix,
    "DensityMatrix": _matrix,
    "Choi": _matrix,
    "SuperOp": _matrix,
    "Chi": _matrix,
    "PTM": _matrix,
    "_spbase": _sparse_matrix,
    "ExecutionSpan": _span_of_time,
    "Instruction": _instruction,
    "Parameter": _parameter,
    "Opaque": _opaque,
    "datetime": _datetime,
    "str": _text,
    "bool": _boolean,
    "NoneType": _null,
    "int": _number,
    "float": _number,
    "complex": _number,
    "dict": _container,
    "list": _container,
    "tuple": _container,
    "set": _container,
    "DataBin": _container,
    "SamplerResult": _container,
    "EstimatorResult": _container,
    "Result": _container,
    "NoiseLearnerResult": _container,
    "LayerError": _container,
    "ExecutionSpans": _container,
    "BindingsArray": _container,
    "ObservablesArray": _container,
}
# Their own summary tells all; what they hold is reached by pointer.
_LEAVES = {"BitArray", "ndarray", "str"}
