from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit, qasm3
from qiskit.circuit import Parameter
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult
from qiskit.quantum_info import PauliLindbladMap, SparsePauliOp
from qiskit_ibm_runtime import RuntimeEncoder

from qiskit_functions_core.errors import InputError
from qiskit_functions_core.values import Counts, Summary, ValueSummary, summarize


def encoded(value: Any) -> str:
    return json.dumps(value, cls=RuntimeEncoder)


def summary_of(value: Any, **options: Any) -> Summary:
    return summarize(encoded(value), **options)


def only(value: Any, **options: Any) -> ValueSummary:
    (part,) = summary_of(value, **options).parts
    return part


def samples(shots: int, num_bits: int, shape: tuple[int, ...] = (), seed: int = 7) -> BitArray:
    """Random bytes, also in the bits above ``num_bits``, as a device may leave them."""
    size = (*shape, shots, -(-num_bits // 8))
    return BitArray(np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8), num_bits)


def all_counts(counts: Counts) -> dict[str, int]:
    return {outcome.bits: outcome.count for outcome in counts.top}


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 40), st.integers(1, 70), st.sampled_from([(), (3,), (2, 2)]))
def test_counts_are_those_of_qiskit(shots: int, num_bits: int, shape: tuple[int, ...]) -> None:
    bits = samples(shots, num_bits, shape)
    counts = only(bits, limit=1000, budget=10**6).counts
    assert counts is not None
    assert all_counts(counts) == bits.get_counts()
    assert (counts.shots, counts.num_bits, counts.shape) == (shots, num_bits, list(shape) or None)


def test_counts_of_a_register_without_bits_are_one_empty_outcome() -> None:
    counts = only(BitArray(np.zeros((5, 0), np.uint8), 0)).counts
    assert counts is not None
    assert all_counts(counts) == {"": 5}


def test_the_most_frequent_outcomes_come_first_and_the_others_are_counted() -> None:
    bits = samples(2000, 8)
    counts = only(bits).counts
    assert counts is not None
    expected = [count for _, count in Counter(bits.get_counts()).most_common(20)]
    assert [outcome.count for outcome in counts.top] == expected
    assert counts.top[0].probability == pytest.approx(expected[0] / 2000)
    assert counts.other_outcomes == counts.distinct - 20
    assert counts.other_count == 2000 - sum(expected)


def test_a_large_register_is_counted() -> None:
    counts = only(samples(100_000, 127)).counts
    assert counts is not None
    assert (counts.distinct, counts.other_outcomes) == (100_000, 99_980)


def test_every_pub_and_every_register_is_there() -> None:
    pubs = [SamplerPubResult(DataBin(a=samples(10, 2), b=samples(10, 3)), {"shots": 10}) for _ in range(3)]
    summary = summary_of(PrimitiveResult(pubs, {"version": 2}))
    root, *rest = summary.parts
    assert (summary.kind, root.size, root.metadata) == ("primitive_result", 3, {"version": 2})
    assert [part.pointer for part in rest] == [f"/pub_results/{index}" for index in range(3)]
    for part in rest:
        assert part.kind == "sampler_pub"
        assert part.registers is not None
        assert {name: counts.num_bits for name, counts in part.registers.items()} == {"a": 2, "b": 3}
        assert part.metadata == {"shots": 10}


def test_expectation_values_come_with_standard_errors_and_the_other_fields() -> None:
    data = DataBin(
        evs=np.array([[0.5, -1.0]]), stds=np.array([[0.1, np.nan]]), ensemble_size=np.array([[3, 4]]), shape=(1, 2)
    )
    pub, ensemble = summary_of(PubResult(data, {"target_precision": 0.1})).parts
    assert (pub.kind, pub.shape) == ("estimator_pub", [1, 2])
    assert (pub.values, pub.stds) == ([[0.5, -1.0]], [[0.1, "nan"]])
    assert pub.metadata == {"target_precision": 0.1}
    assert (ensemble.pointer, ensemble.values) == ("/data/ensemble_size", [[3, 4]])


def test_an_estimator_pub_without_errors_and_one_value_is_read() -> None:
    pub = only(PubResult(DataBin(evs=np.array(0.25))))
    assert (pub.kind, pub.values, pub.stds, pub.shape) == ("estimator_pub", [0.25], None, [])


def sweep(*shape: int) -> PubResult:
    values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    return PubResult(DataBin(evs=values, stds=values / 100, shape=shape))


def test_a_sweep_of_several_observables_is_a_table_with_the_extremes_of_each_column() -> None:
    pub = sweep(20, 3)
    part = only(pub)
    assert part.values == pub.data.evs.tolist()
    assert part.stds == pub.data.stds.tolist()
    assert part.extremes is not None
    assert part.extremes[1] == {"column": 1, "min": 1.0, "min_at": [0, 1], "max": 58.0, "max_at": [19, 1]}
    assert [extremes["column"] for extremes in part.extremes] == [0, 1, 2]
    assert only(sweep(5)).extremes == [{"min": 0.0, "min_at": [0], "max": 4.0, "max_at": [4]}]


@pytest.mark.parametrize("turned", [False, True], ids=["sets first", "observables first"])
def test_rows_and_columns_have_the_names_that_the_result_says(turned: bool) -> None:
    pub = sweep(4, 2)
    table = pub.data.evs
    if turned:
        pub = PubResult(DataBin(evs=table.T.copy(), stds=table.T / 100, shape=(2, 4)))
    thetas = [0.0, 0.5, 1.0, 1.5]
    result = {
        "result": PrimitiveResult([pub]),
        "parameter_values": {"θ": thetas},
        "observables": ["ZZ", SparsePauliOp(["XI", "IX"], [1, 0.5])],
    }
    part = next(part for part in summary_of(result, offset=0, limit=3).parts if part.kind == "estimator_pub")
    assert part.values == table[:3].tolist()
    assert part.row_labels == [{"θ": theta} for theta in thetas[:3]]
    assert part.columns == ["ZZ", "XI + 0.5 IX"]
    assert part.row_axis == (1 if turned else None)
    assert part.extremes is not None
    assert part.extremes[1] == {
        "column": "XI + 0.5 IX",
        "min": 1.0,
        "min_at": [1, 0] if turned else [0, 1],
        "max": 7.0,
        "max_at": [1, 3] if turned else [3, 1],
    }
    at_pub = only(result, pointer="/result/pub_results/0", offset=1, limit=1)
    assert at_pub.row_labels == [{"θ": 0.5}]


def test_names_that_fit_no_axis_or_both_are_not_guessed() -> None:
    result = {
        "result": PrimitiveResult([sweep(3, 3)]),
        "parameter_values": {"θ": [0, 1, 2]},
        "observables": ["Z", "X", "Y"],
    }
    part = next(part for part in summary_of(result).parts if part.kind == "estimator_pub")
    assert (part.row_labels, part.columns) == (None, None)


def test_offset_and_limit_count_rows_of_a_table() -> None:
    page = only(sweep(20, 3), offset=18, limit=1)
    assert page.values == [[54.0, 55.0, 56.0]]
    assert page.stds == [[0.54, 0.55, 0.56]]
    assert (page.offset, page.omitted, page.next_offset) == (18, 1, 19)


@pytest.mark.parametrize("budget", [2_000, 3_000, 12_000])
def test_a_table_is_cut_by_whole_rows(budget: int) -> None:
    part = only(sweep(300, 7), limit=300, budget=budget)
    assert part.values
    assert part.values == sweep(300, 7).data.evs[: len(part.values)].tolist()
    assert part.omitted == 300 - len(part.values)


def test_of_a_row_that_is_too_long_the_beginning_is_shown_and_the_rest_counted() -> None:
    summary = summary_of(sweep(3, 1000))
    (part,) = summary.parts
    assert part.values
    assert [len(row) for row in part.values] == [40] * 3
    assert part.omitted_columns == 960
    assert "path='/0'" in str(summary_of(np.ones((3, 1000))).note)
    assert only(np.ones((3, 1000)), pointer="/0").values == [1.0] * 20


def test_a_limit_needs_no_path() -> None:
    result = {"result": PrimitiveResult([SamplerPubResult(DataBin(c=samples(2000, 8)))] * 3), "text": "a" * 700, "b": 1}
    summary = summary_of(result, limit=3)
    pubs = [part for part in summary.parts if part.registers]
    assert len(pubs) == 3
    assert all(len(part.registers["c"].top) == 3 for part in pubs if part.registers)
    assert summary.parts[0].value == {"b": 1}
    assert next(part for part in summary.parts if part.kind == "text").value == "a" * 700
    assert (summary.note, summary.truncated) == (None, None)


def test_a_note_is_there_only_if_something_is_missing_and_names_the_argument() -> None:
    pub = PrimitiveResult([SamplerPubResult(DataBin(c=samples(2000, 8)))])
    assert summary_of(pub).note == ("Shortened. To see more, give path='/pub_results/0/data/c', offset=20 and limit.")
    assert summary_of(pub, limit=1000, budget=60_000).note is None
    assert summary_of(np.arange(100), offset=90, limit=4).note is None
    assert summary_of(np.arange(100)).note == "Shortened. To see more, give offset=20 and limit."
    assert summary_of(SamplerPubResult(DataBin(c=samples(9, 2)))).note is None


def test_the_order_of_bits_is_said_once() -> None:
    pub = SamplerPubResult(DataBin(a=samples(9, 2), b=samples(9, 3)))
    summary = summary_of([pub, pub])
    assert summary.bit_order == "Outcomes are sorted by count. Bit 0 of a register is the rightmost."
    assert summary_of(np.eye(2)).bit_order is None
    assert summary_of(SamplerPubResult(DataBin(a=samples(9, 1)))).bit_order is None


def test_a_pub_that_measured_nothing_says_why_it_has_no_counts() -> None:
    _, pub = summary_of(PrimitiveResult([SamplerPubResult(DataBin())])).parts
    assert (pub.kind, pub.size) == ("pub", 0)
    assert pub.reason
    assert "no classical register, so there are no counts" in pub.reason


WHOLE = encoded({"energies": [1.5, -2.25], "note": "a, b", "done": True})


@pytest.mark.parametrize("length", [3, 13, 20, 30, 40, len(WHOLE) - 4, len(WHOLE) - 1])
def test_json_that_breaks_off_is_flagged(length: int) -> None:
    part = summarize(WHOLE[:length]).parts[0]
    assert (part.kind, part.value) == ("text", WHOLE[:length])
    assert part.reason
    assert f"breaks off after {length} characters" in part.reason


@pytest.mark.parametrize(
    "text", ["[INFO] it is done, all is well", "{x} is a set of things that are", "done", "", '"a" b c d e f g']
)
def test_text_that_is_no_json_is_not_flagged(text: str) -> None:
    assert summarize(text).parts[0].reason is None


def test_values_beside_a_primitive_result_are_there_too() -> None:
    result = PrimitiveResult([SamplerPubResult(DataBin(c=samples(5, 1)))])
    summary = summary_of({"result": result, "energy": -1.5, "none": None, "text": "ok"})
    assert summary.parts[0].value == {"energy": -1.5, "none": None, "text": "ok"}
    assert [part.pointer for part in summary.parts] == ["", "/result", "/result/pub_results/0"]


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        (3, "number", 3),
        (float("nan"), "number", "nan"),
        (1 - 2j, "number", {"$complex": [1.0, -2.0]}),
        (True, "boolean", True),
        (None, "null", None),
        ("hello", "text", "hello"),
        ({"a": [1, {"b": None}]}, "object", {"a": [1, {"b": None}]}),
        ([], "list", []),
        ({3}, "list", [3]),
    ],
)
def test_plain_values_are_shown_as_they_are(value: Any, kind: str, shown: Any) -> None:
    part = only(value)
    assert (part.kind, part.value) == (kind, shown)


def test_text_that_is_not_json_is_shown_as_text() -> None:
    part = summarize("Traceback: it broke").parts[0]
    assert (part.kind, part.value) == ("text", "Traceback: it broke")


def test_arrays_tell_shape_dtype_range_and_the_first_values() -> None:
    part = only(np.array([[1.0, np.inf], [3.0, np.nan]], np.float32))
    assert (part.kind, part.shape, part.dtype) == ("array", [2, 2], "float32")
    assert (part.min, part.max, part.mean) == (1.0, 3.0, 2.0)
    assert part.values == [[1.0, "inf"], [3.0, "nan"]]


def test_arrays_are_paged_by_offset_and_limit() -> None:
    part = only(np.arange(100), offset=90, limit=4)
    assert (part.values, part.offset, part.omitted, part.next_offset) == ([90, 91, 92, 93], 90, 6, 94)
    assert only(np.arange(3), offset=9).values == []


def test_circuits_tell_depths_operations_parameters_and_openqasm() -> None:
    circuit = QuantumCircuit(3, 1)
    circuit.h(0)
    circuit.rx(Parameter("θ"), 0)
    circuit.cx(0, 1)
    circuit.barrier(0, 1)
    circuit.cx(1, 2)
    circuit.measure(0, 0)
    part = only(circuit)
    assert (part.num_qubits, part.num_clbits, part.depth, part.two_qubit_depth) == (3, 1, 4, 2)
    assert part.operations == {"cx": 2, "h": 1, "rx": 1, "measure": 1, "barrier": 1}
    assert part.parameters == ["θ"]
    assert part.openqasm == qasm3.dumps(circuit)


def test_a_summary_does_not_compute_how_a_large_gate_is_made() -> None:
    circuit = QuantumCircuit(9)
    circuit.unitary(np.eye(2**9), range(9))
    part = only(circuit)
    assert (part.kind, part.operations, part.openqasm) == ("circuit", {"unitary": 1}, None)


def test_pubs_of_many_registers_tell_twenty_and_point_at_the_others() -> None:
    pub = SamplerPubResult(DataBin(**{f"c{index}": samples(9, 2) for index in range(50)}))
    first, *others = summary_of(pub, budget=100_000).parts
    assert first.registers is not None
    assert list(first.registers) == [f"c{index}" for index in range(20)]
    assert [part.pointer for part in others] == [f"/data/c{index}" for index in range(20, 50)]


def test_registers_that_do_not_fit_are_pointed_at() -> None:
    pub = SamplerPubResult(DataBin(**{f"c{index}": samples(9, 127) for index in range(20)}))
    summary = summary_of(pub, budget=2_500)
    (part,) = summary.parts
    assert part.registers is not None
    shown = len(part.registers)
    assert 0 < shown < 20
    assert summary.omitted_parts == 20 - shown
    assert summary.omitted_pointers is not None
    assert summary.omitted_pointers[0] == f"/data/c{shown}"


def test_the_openqasm_of_a_long_circuit_is_read_in_pieces() -> None:
    circuit = QuantumCircuit(1)
    for _ in range(1000):
        circuit.x(0)
    whole = qasm3.dumps(circuit)
    part = only(circuit)
    assert (part.openqasm, part.next_offset) == (None, 0)
    pieces, offset = [], 0
    while offset < len(whole):
        piece = only(circuit, offset=offset, limit=3000)
        assert piece.openqasm
        pieces.append(piece.openqasm)
        offset += len(piece.openqasm)
    assert "".join(pieces) == whole


def test_operators_tell_the_largest_terms_first() -> None:
    part = only(SparsePauliOp(["XX", "ZZ", "YY"], [0.1, -3, 2j]))
    assert (part.kind, part.num_qubits, part.size) == ("operator", 2, 3)
    assert part.terms == [["ZZ", -3.0], ["YY", {"$complex": [0.0, 2.0]}], ["XX", 0.1]]
    noise = only(PauliLindbladMap.from_sparse_list([("ZX", [0, 1], 0.1)], num_qubits=2))
    assert noise.terms == [["Z0 X1", 0.1]]


def test_quasi_distributions_and_plain_counts_are_sorted_when_they_are_long() -> None:
    quasi = {index: 1 / (index + 2) for index in range(200)}
    first_version = {"__type__": "SamplerResult", "__value__": {"quasi_dists": [quasi], "metadata": [{"shots": 1}]}}
    parts = summarize(json.dumps(first_version)).parts
    (distribution,) = [part for part in parts if part.kind == "distribution"]
    assert distribution.terms is not None
    assert distribution.terms[0] == ["0", 0.5]
    assert (len(distribution.terms), distribution.omitted) == (20, 180)


def test_any_part_is_reached_by_its_pointer() -> None:
    bits = samples(30, 3, (2, 4))
    value = {"a/b": [PrimitiveResult([SamplerPubResult(DataBin(shape=(2, 4), meas=bits))])]}
    counts = only(value, pointer="/a~1b/0/pub_results/0/data/meas/1/2").counts
    assert counts is not None
    assert all_counts(counts) == bits[1, 2].get_counts()
    assert only(value, pointer="/a~1b/0/pub_results/0/data/meas").counts is not None
    assert only({"x": np.eye(3)}, pointer="/x/1").values == [0.0, 1.0, 0.0]
    with pytest.raises(InputError, match="has no 'y'"):
        summary_of({"x": 1}, pointer="/y")
    with pytest.raises(InputError, match="0 or more"):
        summary_of([], offset=-1)


def test_every_pointer_of_a_summary_leads_back_to_its_part() -> None:
    value = {
        "r": PrimitiveResult([SamplerPubResult(DataBin(c=samples(9, 2)))]),
        "o": [SparsePauliOp("X")],
        "t": "x" * 999,
    }
    for part in summary_of(value).parts:
        assert summary_of(value, pointer=part.pointer).parts[0] == part


def test_paging_through_the_outcomes_tells_all_of_them() -> None:
    bits = samples(500, 6)
    seen: dict[str, int] = {}
    offset: int | None = 0
    while offset is not None:
        part = only(bits, offset=offset, limit=11)
        assert part.counts is not None
        seen |= all_counts(part.counts)
        offset = part.next_offset
    assert seen == bits.get_counts()


def test_a_broken_part_is_told_with_what_it_holds() -> None:
    tree = {"__type__": "BitArray", "__value__": {"array": np.eye(2), "num_bits": 5}}
    opaque, held = summary_of({"x": tree}, pointer="/x").parts
    assert (opaque.kind, opaque.type, opaque.value) == ("opaque", "BitArray", {"num_bits": 5})
    assert opaque.reason
    assert (held.pointer, held.kind) == ("/x/array", "array")


LARGE: dict[str, Any] = {
    "300 wide pubs": PrimitiveResult(
        [SamplerPubResult(DataBin(a=samples(100, 127), b=samples(100, 127))) for _ in range(300)]
    ),
    "a text": "é" * 10**5,
    "long keys": {"k" * 10**5: {"l" * 10**5: [1.5] * 1000}},
    "many keys": {f"key {index}": "value " * 20 for index in range(5000)},
    "many lists": [[[1.5] * 300] * 300],
    "an array": np.random.default_rng(0).random(10**5) * 1j,
    "texts": np.array(["é" * 300] * 300),
    "terms of 1,000 qubits": SparsePauliOp(["X" * 1000] * 100),
    "one long register name": SamplerPubResult(DataBin(**{"r" * 50_000: samples(4, 2)})),
}


@pytest.mark.parametrize("value", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("budget", [2_000, 12_000])
def test_a_summary_stays_under_its_budget_and_says_that_it_is_short(value: Any, budget: int) -> None:
    summary = summary_of(value, budget=budget)
    dumped = summary.model_dump(exclude_none=True)
    assert len(json.dumps(dumped, allow_nan=False)) <= budget
    assert Summary.model_validate_json(summary.model_dump_json()) == summary
    assert summary.note


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=50), inner, max_size=30),
    max_leaves=100,
)


@settings(deadline=None, max_examples=60)
@given(json_values, st.sampled_from([2_000, 5_000]))
def test_a_summary_of_any_json_stays_under_its_budget(value: Any, budget: int) -> None:
    summary = summarize(json.dumps(value), budget=budget)
    assert len(json.dumps(summary.model_dump(exclude_none=True), allow_nan=False)) <= budget


def test_what_was_cut_to_stay_under_the_budget_is_counted() -> None:
    part = only(np.arange(5000), limit=5000, budget=3_000)
    assert part.values is not None
    assert part.values == list(range(len(part.values)))
    assert part.omitted == 5000 - len(part.values)
    assert part.next_offset == len(part.values)


def test_parts_that_were_left_out_are_counted_and_pointed_at() -> None:
    summary = summary_of(LARGE["300 wide pubs"])
    shown = len(summary.parts) - 1
    assert summary.parts[0].next_offset == 100
    assert summary.omitted_parts == 100 - shown
    assert summary.omitted_pointers is not None
    assert summary.omitted_pointers[0] == f"/pub_results/{shown}"


def test_the_schema_is_small_enough_for_a_tool() -> None:
    # Pydantic's titles repeat the names, and its defaults are null; the server leaves both out.
    schema = re.sub(r'"title": "[^"]*"(, )?|"default": null(, )?', "", json.dumps(Summary.model_json_schema()))
    assert len(schema) < 6_900
