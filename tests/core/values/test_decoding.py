from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector, library
from qiskit.circuit.library import CXGate
from qiskit.circuit.random import random_circuit
from qiskit.primitives import EstimatorResult, SamplerResult, StatevectorEstimator, StatevectorSampler
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.quantum_info import (
    Choi,
    DensityMatrix,
    Kraus,
    Operator,
    Pauli,
    PauliLindbladMap,
    PauliList,
    SparsePauliOp,
    Statevector,
    random_clifford,
)
from qiskit.result import Result
from qiskit_ibm_runtime import RuntimeEncoder
from qiskit_ibm_runtime.execution_span import (
    DoubleSliceSpan,
    ExecutionSpans,
    SliceSpan,
    TwirledSliceSpan,
    TwirledSliceSpanV2,
)
from qiskit_ibm_runtime.results.estimator_pub import EstimatorPubResult
from qiskit_ibm_runtime.results.noise_learner import LayerError, NoiseLearnerResult, PauliLindbladError
from scipy.sparse import coo_matrix, csr_matrix

from qiskit_functions_core.values import Limits, Opaque, decode

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def encoded(value: Any) -> str:
    return json.dumps(value, cls=RuntimeEncoder)


def decoded(value: Any) -> Any:
    """A value through the official encoder and our decoder."""
    return decode(encoded(value))


def parametrised() -> QuantumCircuit:
    circuit = QuantumCircuit(3, 2, metadata={"a": [1]}, global_phase=Parameter("p"))
    vector = ParameterVector("v", 2)
    circuit.rx(vector[0] * 2 + Parameter("a"), 0)
    circuit.ry(vector[1], 1)
    inner = QuantumCircuit(2, name="inner")
    inner.cz(0, 1)
    circuit.append(inner.to_gate().control(1), [0, 1, 2])
    with circuit.if_test((0, True)):
        circuit.x(1)
    circuit.measure([0, 1], [0, 1])
    return circuit


BITS = BitArray(np.array([[1, 255], [0, 3]], np.uint8), 9)
OPERATOR = SparsePauliOp(["XX", "ZI"], [1j, 0.5])


@pytest.mark.parametrize(
    "value",
    [
        QuantumCircuit(0),
        parametrised(),
        CXGate(),
        Parameter("θ"),
        OPERATOR,
        Pauli("-iXY"),
        PauliList(["XX", "ZZ"]),
        Operator(np.eye(4)),
        Statevector([1, 0]),
        DensityMatrix([[1, 0], [0, 0]]),
        Choi(Operator(np.eye(2))),
        Kraus([np.eye(2) / 2**0.5, np.eye(2) / 2**0.5]),
        BITS,
        NOON,
        {1, "a"},
        complex(1, -2),
        float("inf"),
        ["a", None, True, {"b": 1.5}],
        PauliLindbladMap.from_sparse_list([("ZX", [0, 1], 0.1)], num_qubits=2),
        SliceSpan(NOON, NOON, {0: ((10, 10), slice(0, 5))}),
        DoubleSliceSpan(NOON, NOON, {0: ((2, 3), slice(0, 1), slice(0, 2))}),
        TwirledSliceSpan(NOON, NOON, {0: ((2, 2, 3), True, slice(0, 1), slice(0, 2))}),
        TwirledSliceSpanV2(NOON, NOON, {0: ((2, 2, 3), True, slice(0, 1), slice(0, 2), 4)}),
        ExecutionSpans([SliceSpan(NOON, NOON, {0: ((4,), slice(0, 4))})]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_official_encoder_writes_is_read_by_value(value: Any) -> None:
    got = decoded(value)
    assert type(got) is type(value)
    assert got == value


def test_results_of_the_first_primitives_come_back() -> None:
    # As the encoder of qiskit_serverless writes them.
    sampled = {"quasi_dists": [{0: 0.5, 3: 0.5}], "metadata": [{"shots": 2}]}
    got = decode(json.dumps({"__type__": "SamplerResult", "__value__": sampled}))
    assert isinstance(got, SamplerResult)
    assert got.quasi_dists == [{"0": 0.5, "3": 0.5}]
    estimated = {"values": np.ones(1), "metadata": [{}]}
    got = decode(json.dumps({"__type__": "EstimatorResult", "__value__": estimated}, cls=RuntimeEncoder))
    assert isinstance(got, EstimatorResult)
    np.testing.assert_array_equal(got.values, np.ones(1))


@settings(deadline=None, max_examples=60)
@given(
    arrays.arrays(
        st.sampled_from(["?", "i1", "u2", "i8", ">f4", "f8", "c8", "c16", "U3"]).map(np.dtype),
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    st.booleans(),
)
def test_arrays_of_every_plain_dtype_come_back(array: np.ndarray[Any, Any], fortran: bool) -> None:
    value = np.asfortranarray(array) if fortran else array
    got = decoded(value)
    assert got.dtype == value.dtype
    np.testing.assert_array_equal(got, value, strict=True)


def test_object_arrays_come_back_as_their_elements() -> None:
    got = decoded(np.array([["a", None], [1, {"b": 2}]], dtype=object))
    assert got.tolist() == [["a", None], [1, {"b": 2}]]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.booleans())
def test_random_circuits_come_back(seed: int, conditional: bool) -> None:
    circuit = random_circuit(4, 4, seed=seed, conditional=conditional, measure=True)
    assert decoded(circuit) == circuit


def test_gates_that_python_makes_come_back() -> None:
    made = QuantumCircuit(4, 4)
    for gate in (
        library.UnitaryGate(np.eye(4)),
        library.PauliGate("XYZ"),
        library.PermutationGate([1, 0, 2]),
        library.Initialize([0, 1]),
        library.StatePreparation("01"),
        library.QFTGate(3),
        library.MCXGate(3),
        library.MCPhaseGate(0.5, 3),
        library.HamiltonianGate(np.eye(2), 0.5),
        library.PauliEvolutionGate(SparsePauliOp(["XX", "ZI"]), 0.5),
        library.LinearFunction([[1, 0], [1, 1]]),
        random_clifford(2, seed=1),
    ):
        made.append(gate, range(gate.num_qubits))
    with made.for_loop(range(3)), made.switch(made.clbits[0]) as case, case(0, 1):
        made.x(0)
    with made.while_loop((made.clbits[0], True)):
        made.break_loop()
    made.delay(10, 0)
    made.barrier()
    assert decoded(made) == made


@pytest.mark.parametrize("matrix", [csr_matrix(np.eye(3)), coo_matrix(np.eye(3))])
def test_sparse_matrices_come_back(matrix: Any) -> None:
    got = decoded(matrix)
    assert (got != matrix).nnz == 0
    assert got.format == matrix.format


def test_primitive_results_come_back_with_every_pub_and_register() -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    measured = circuit.measure_all(inplace=False)
    sampled = StatevectorSampler(seed=1).run([measured, measured], shots=50).result()
    got = decoded(sampled)
    assert [pub.data.meas for pub in got] == [pub.data.meas for pub in sampled]
    assert isinstance(got[0], SamplerPubResult)
    assert got.metadata == sampled.metadata
    estimated = StatevectorEstimator().run([(circuit, ["ZZ", "XX"])]).result()
    np.testing.assert_array_equal(decoded(estimated)[0].data.evs, estimated[0].data.evs)


def test_other_containers_come_back() -> None:
    runtime = PrimitiveResult([EstimatorPubResult(DataBin(evs=np.ones(2), shape=(2,)), {"a": NOON})])
    assert decoded(runtime)[0].metadata == {"a": NOON}
    assert isinstance(decoded(runtime)[0], EstimatorPubResult)
    bindings = BindingsArray({("a", "b"): [[1, 2], [3, 4]]})
    assert decoded(bindings).as_array().tolist() == [[1, 2], [3, 4]]
    observables = ObservablesArray([{"XX": 1.0}, {"ZZ": 2.0}])
    assert decoded(observables).tolist() == observables.tolist()
    layer = LayerError(QuantumCircuit(2), [3, 5], PauliLindbladError(PauliList(["XX"]), [0.1]))
    learned = decoded(NoiseLearnerResult([layer], {"b": 1}))
    assert learned[0].error.generators == PauliList(["XX"])
    assert learned[0].circuit == QuantumCircuit(2)
    counts = {"success": True, "shots": 3, "data": {"counts": {"0x0": 3}}, "header": {"memory_slots": 1}}
    old = Result.from_dict({"backend_name": "b", "job_id": "j", "success": True, "results": [counts]})
    assert decoded(old).get_counts() == {"0": 3}


def test_the_names_of_extrapolators_are_read() -> None:
    assert decode('{"__type__": "ndarray", "__value__": "linear"}') == "linear"


@pytest.mark.parametrize("text", ["", "not JSON", "{", "[1, 2", "Traceback …", "\ud800"])
def test_text_that_is_not_json_is_shown_as_text(text: str) -> None:
    assert decode(text) == text


def test_an_unknown_type_is_opaque_with_its_name_and_size() -> None:
    tagged = {"__type__": "Mystery", "__value__": [1, 2, 3]}
    got = decode(json.dumps({"a": tagged, "b": 1}))
    assert got["b"] == 1
    assert (got["a"].type_name, got["a"].size) == ("Mystery", len(json.dumps(tagged)))


def test_a_broken_register_does_not_hide_the_others() -> None:
    result = PrimitiveResult([SamplerPubResult(DataBin(a=BITS, b=BITS)), SamplerPubResult(DataBin(a=BITS))])
    tree = json.loads(encoded(result))
    broken = tree["__value__"]["pub_results"][0]["__value__"]["data"]["__value__"]["fields"]["a"]
    broken["__value__"]["num_bits"] = 900
    got = decode(json.dumps(tree))
    assert isinstance(got[0].data.a, Opaque)
    assert got[0].data.b == got[1].data.a == BITS


def test_a_container_that_does_not_fit_together_shows_its_parts() -> None:
    got = decode(encoded({"x": PubResult(DataBin(a=BITS))}).replace('"data":', '"other":', 1))["x"]
    assert got.type_name == "PubResult"
    assert got.parts["other"].a == BITS


def test_text_longer_than_the_limit_is_not_parsed() -> None:
    assert decode("[1, 2, 3]", limits=Limits(max_text=5)).type_name == "text"


def test_the_bound_on_payloads_counts_all_of_one_text() -> None:
    array = np.zeros(1000)
    text = encoded([array] * 3)
    got = decode(text, limits=Limits(max_memory=2 * array.nbytes + len(text)))
    assert [isinstance(item, Opaque) for item in got] == [False, False, True]
