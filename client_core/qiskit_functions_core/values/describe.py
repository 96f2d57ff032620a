"""One value, one ``ValueSummary``: what each kind of value is worth telling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from . import describe_circuits, describe_data, navigate, plain
from .decoding import Opaque
from .page import FIRST, ROWS, Page
from .panics import panics_as_errors
from .summary_models import ValueSummary

_TEXT = 2_000
_CHILDREN = 50
_PUBS = 100


def describe(value: Any, pointer: str, page: Page = FIRST) -> ValueSummary:
    """The summary of a value by itself; what it holds beyond that is for the caller to walk."""
    for name in navigate.class_names(value):
        if name in _DESCRIBERS:
            try:
                with panics_as_errors():
                    return _DESCRIBERS[name](value, pointer, page)
            except Exception as error:  # values from strangers can break in any method; the rest must show
                return _opaque(Opaque(name, 0, f"it cannot be summarised: {error}"[:300]), pointer, page)
    return _other(value, pointer, page)


def own_parts(value: Any, page: Page = FIRST) -> list[tuple[tuple[str | int, ...], Any]]:
    """What a value holds and its own summary leaves out: the tokens that lead there, and the part."""
    kinds = set(navigate.class_names(value))
    if kinds & _LEAVES:
        return []
    if "PrimitiveResult" in kinds:
        pubs = [(("pub_results", index), value[index]) for index in _span(len(value), page, _PUBS)]
        return [*pubs, *_long(("metadata",), value.metadata)]
    if "PubResult" in kinds:
        told = describe_data.told_in_pub(value)
        fields = [(("data", name), field) for name, field in value.data.items() if name not in told]
        return [*fields, *_long(("metadata",), value.metadata)]
    return [((name,), part) for name, part in _children(value, page) if not plain.fits(part)]


def _long(tokens: tuple[str | int, ...], value: Any) -> list[tuple[tuple[str | int, ...], Any]]:
    return [] if plain.fits(value) else [(tokens, value)]


def _span(total: int, page: Page, usual: int = _CHILDREN) -> range:
    return range(total)[page.offset : page.end(usual)]


def _children(value: Any, page: Page) -> list[tuple[str | int, Any]]:
    held = navigate.parts(value)
    is_told = page == FIRST and plain.fits(value)  # by itself, and whole
    if held is None or plain.is_distribution(value) or is_told:
        return []
    if isinstance(held, Mapping):
        return list(islice(held.items(), page.offset, page.end(_CHILDREN)))
    return [(index, held[index]) for index in _span(len(held), page)]


def _primitive_result(result: Any, pointer: str, page: Page) -> ValueSummary:
    shown = len(_span(len(result), page, _PUBS))
    return ValueSummary(
        pointer=pointer,
        kind="primitive_result",
        size=len(result),
        metadata=plain.short(result.metadata),
        **page.rest(len(result), shown),
    )


def _container(value: Any, pointer: str, page: Page) -> ValueSummary:
    """Mappings and lists, and Qiskit's containers that are no more than those."""
    if plain.is_distribution(value) and not plain.fits(value):
        return _distribution(value, pointer, page)
    held = navigate.parts(value)
    is_list = not isinstance(held, Mapping)
    name = None if isinstance(value, dict | list) else type(value).__name__
    common: dict[str, Any] = {"pointer": pointer, "kind": "list" if is_list else "object", "type": name}
    if page == FIRST and plain.fits(value):
        return ValueSummary(**common, value=plain.inline(value))
    short = {key: plain.inline(part) for key, part in _children(value, page) if plain.fits(part)}
    shown = len(_children(value, page))
    beginning = (list(short.values()) if len(short) == shown else None) if is_list else short
    size = len(held or ())
    return ValueSummary(**common, value=beginning or None, size=size, **page.rest(size, shown))


def _distribution(value: dict[Any, float], pointer: str, page: Page) -> ValueSummary:
    rows = sorted(value.items(), key=lambda row: -abs(row[1]))[page.offset : page.end()]
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
    shown = value if isinstance(value, int) and len(str(value)) <= plain.INLINE else plain.number(value)
    return ValueSummary(pointer=pointer, kind="number", value=shown)


def _scalar(value: Any, pointer: str, page: Page) -> ValueSummary:
    """One of NumPy's, as an array's element is."""
    return describe(value.item(), pointer, page).model_copy(update={"type": type(value).__name__})


def _boolean(value: bool, pointer: str, _: Page) -> ValueSummary:
    return ValueSummary(pointer=pointer, kind="boolean", value=value)


def _null(_: None, pointer: str, __: Page) -> ValueSummary:
    return ValueSummary(pointer=pointer, kind="null")


def _datetime(value: Any, pointer: str, _: Page) -> ValueSummary:
    return ValueSummary(pointer=pointer, kind="datetime", value=value.isoformat())


def _opaque(value: Opaque, pointer: str, page: Page) -> ValueSummary:
    facts = {
        "kind": "opaque",
        "type": plain.text(value.type_name)[:100],
        "size": value.size,
        "reason": plain.text(value.reason)[:300],
    }
    if value.parts is None:
        return ValueSummary(pointer=pointer, **facts)
    return _container(value.parts, pointer, page).model_copy(update=facts)


def _span_of_time(span: Any, pointer: str, _: Page) -> ValueSummary:
    facts = {"start": str(span.start), "stop": str(span.stop), "pubs": list(span.pub_idxs)[:ROWS]}
    return ValueSummary(pointer=pointer, kind="other", type=type(span).__name__, value=facts)


def _other(value: Any, pointer: str, _: Page) -> ValueSummary:
    return ValueSummary(pointer=pointer, kind="other", type=type(value).__name__)


_DESCRIBERS: dict[str, Callable[[Any, str, Page], ValueSummary]] = {
    "PrimitiveResult": _primitive_result,
    "PubResult": describe_data.pub_result,
    "BitArray": describe_data.bit_array,
    "ndarray": describe_data.array,
    "generic": _scalar,
    "QuantumCircuit": describe_circuits.circuit,
    "SparsePauliOp": describe_circuits.pauli_operator,
    "PauliLindbladMap": describe_circuits.pauli_lindblad_map,
    "PauliLindbladError": describe_circuits.pauli_lindblad_error,
    "PauliList": describe_circuits.paulis,
    "Pauli": describe_circuits.pauli,
    "Operator": describe_data.matrix,
    "Statevector": describe_data.matrix,
    "DensityMatrix": describe_data.matrix,
    "Choi": describe_data.matrix,
    "SuperOp": describe_data.matrix,
    "Chi": describe_data.matrix,
    "PTM": describe_data.matrix,
    "_spbase": describe_data.sparse_matrix,
    "ExecutionSpan": _span_of_time,
    "Instruction": describe_circuits.instruction,
    "Parameter": describe_circuits.parameter,
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
