"""Every type that Qiskit's encoders know, both ways: ours to the official decoder, the official encoder to ours."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, library
from qiskit.circuit.random import random_circuit
from qiskit.primitives import EstimatorResult, SamplerResult
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.quantum_info import (
    PTM,
    Chi,
    Choi,
    Kraus,
    PauliLindbladMap,
    PauliList,
    SparsePauliOp,
    Stinespring,
    SuperOp,
    random_clifford,
    random_density_matrix,
    random_pauli,
    random_statevector,
    random_unitary,
)
from qiskit.result import Result
from qiskit_aer.noise import NoiseModel, depolarizing_error
from qiskit_ibm_runtime.execution_span import (
    DoubleSliceSpan,
    ExecutionSpans,
    SliceSpan,
    TwirledSliceSpan,
    TwirledSliceSpanV2,
)
from qiskit_ibm_runtime.results.estimator_pub import EstimatorPubResult
from qiskit_ibm_runtime.results.noise_learner import LayerError, NoiseLearnerResult, PauliLindbladError
from qiskit_serverless.serializers.program_serializers import QiskitObjectsDecoder, QiskitObjectsEncoder
from scipy.sparse import random as random_sparse
from scipy.sparse import spmatrix

from qiskit_functions_core.values import decode, encode_arguments

seeds = st.integers(0, 2**31)
floats = st.floats(-1e6, 1e6)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
).filter(lambda value: "__" not in str(value))
metadata = st.dictionaries(st.sampled_from("abc"), st.integers() | st.text(max_size=5) | floats, max_size=3)
numbers = arrays.arrays(
    st.sampled_from(["?", "i1", "u2", "i8", ">f4", "f8", "c8", "c16"]).map(np.dtype),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
texts = arrays.arrays(np.dtype("U4"), 3)


def bit_array(seed: int, num_bits: int, shape: tuple[int, ...] = ()) -> BitArray:
    size = (*shape, 6, -(-num_bits // 8))
    array = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    array[..., 0] &= 0xFF >> (-num_bits % 8)
    return BitArray(array, num_bits)


bit_arrays = st.builds(bit_array, seeds, st.integers(1, 70), st.sampled_from([(), (2,), (2, 2)]))
data_bins = st.builds(lambda a, b: DataBin(a=a, b=b, evs=np.ones(2)), bit_arrays, bit_arrays)
circuits = seeds.map(lambda seed: random_circuit(3, 3, seed=seed, measure=True, conditional=True))
labels = st.text("IXYZ", min_size=3, max_size=3)
pauli_terms = st.lists(st.tuples(labels, st.complex_numbers(max_magnitude=9)), min_size=1)
operators = pauli_terms.map(SparsePauliOp.from_list)
sparse_terms = st.lists(
    st.tuples(st.text("XYZ", min_size=2, max_size=2), st.just([0, 3]), st.floats(0.001, 1)), max_size=4
)
lindblad_maps = sparse_terms.map(lambda terms: PauliLindbladMap.from_sparse_list(terms, num_qubits=5))
unitaries = seeds.map(lambda seed: random_unitary(4, seed=seed))
shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))
slices = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda ends: slice(*ends))


def noise_model(probability: float) -> NoiseModel:
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(probability, 1), ["x", "sx"])
    return model


def estimator_pub(seed: int) -> EstimatorPub:
    circuit = QuantumCircuit(2)
    circuit.rx(Parameter("a"), 0)
    return EstimatorPub.coerce((circuit, ["ZZ", "XX"], np.random.default_rng(seed).random((2, 1)), 0.1))


def sampler_pub(shots: int) -> SamplerPub:
    return SamplerPub.coerce((library.quantum_volume(2, seed=1).measure_all(inplace=False), None, shots))


def learned(seed: int) -> NoiseLearnerResult:
    error = PauliLindbladError(random_pauli_list(seed), np.random.default_rng(seed).random(3))
    return NoiseLearnerResult([LayerError(random_clifford(2, seed).to_circuit(), [3, 5], error)], {"backend": "b"})


def random_pauli_list(seed: int) -> PauliList:
    return PauliList([random_pauli(2, seed=seed + index, group_phase=False) for index in range(3)])


def old_result(counts: dict[str, int]) -> Result:
    experiment = {"success": True, "shots": 9, "data": {"counts": counts}, "header": {"memory_slots": 2}}
    return Result.from_dict({"backend_name": "b", "job_id": "j", "success": True, "results": [experiment]})


SPARSE_FORMATS = ("csr", "csc", "coo")


def spmatrix_of(seed: int) -> spmatrix:
    random = random_sparse(4, 5, 0.5, random_state=np.random.default_rng(seed))
    return random.asformat(SPARSE_FORMATS[seed % 3])


def instruction(name: str, angle: float) -> Any:
    made = getattr(library, name)
    return made(angle) if name.startswith("R") else made()


def span(kind: type, *tail: Any) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda start, stop, shape, cut: kind(start, stop, {0: tuple(part(shape, cut) for part in tail)}),
        moments,
        moments,
        shapes,
        slices,
    )


def shape_of(shape: Any, _: Any) -> Any:
    return shape


def slice_of(_: Any, cut: Any) -> Any:
    return cut


def value_of(value: Any) -> Callable[[Any, Any], Any]:
    return lambda _, __: value


TYPES: dict[str, st.SearchStrategy[Any]] = {
    "JSON, with NaN and infinities": json_values,
    # The official decoder adds 1j * imaginary part, which makes "not a number" of a real part beside infinity.
    "complex": st.complex_numbers(allow_infinity=False, allow_nan=False),
    "set": st.sets(st.integers() | st.text(max_size=5), max_size=5),
    "datetime": moments,
    "array": numbers,
    "array of text": texts,
    "sparse matrix": seeds.map(spmatrix_of),
    "QuantumCircuit": circuits,
    "Parameter": st.text(min_size=1, max_size=9).map(Parameter),
    "Instruction": st.builds(instruction, st.sampled_from(["XGate", "CXGate", "RZGate", "SwapGate"]), floats),
    "SparsePauliOp": operators,
    "Pauli": seeds.map(lambda seed: random_pauli(3, seed=seed)),
    "PauliList": seeds.map(random_pauli_list),
    "Operator": unitaries,
    "SuperOp": unitaries.map(SuperOp),
    "Choi": unitaries.map(Choi),
    "Chi": unitaries.map(Chi),
    "PTM": unitaries.map(PTM),
    "Kraus": unitaries.map(Kraus),
    "Stinespring": unitaries.map(Stinespring),
    "Statevector": seeds.map(lambda seed: random_statevector(4, seed=seed)),
    "DensityMatrix": seeds.map(lambda seed: random_density_matrix(4, seed=seed)),
    "PauliLindbladMap": lindblad_maps,
    "BitArray": bit_arrays,
    "DataBin": data_bins,
    "PubResult": st.builds(PubResult, data_bins, metadata),
    "SamplerPubResult": st.builds(SamplerPubResult, data_bins, metadata),
    "EstimatorPubResult": st.builds(EstimatorPubResult, data_bins, metadata),
    "PrimitiveResult": st.lists(st.builds(PubResult, data_bins, metadata), max_size=3).map(PrimitiveResult),
    "SamplerResult": st.floats(0, 1).map(
        lambda weight: SamplerResult([{"0": weight, "3": 1 - weight}], [{"shots": 2}])
    ),
    "EstimatorResult": st.lists(floats, min_size=1).map(lambda evs: EstimatorResult(np.array(evs), [{} for _ in evs])),
    "Result": st.dictionaries(st.sampled_from(["0x0", "0x3"]), st.integers(1, 9), min_size=1).map(old_result),
    "EstimatorPub": seeds.map(estimator_pub),
    "SamplerPub": st.integers(1, 9999).map(sampler_pub),
    "ObservablesArray": st.lists(st.tuples(labels, st.floats(0.1, 9)), min_size=1, max_size=3).map(
        lambda rows: ObservablesArray([{label: weight} for label, weight in rows])
    ),
    "BindingsArray": seeds.map(lambda seed: BindingsArray({("a", "b"): np.random.default_rng(seed).random((3, 2))})),
    "ExecutionSpan": span(SliceSpan, shape_of, slice_of),
    "DoubleSliceSpan": span(DoubleSliceSpan, shape_of, slice_of, slice_of),
    "TwirledSliceSpan": span(TwirledSliceSpan, value_of((2, 2, 3)), value_of(True), slice_of, slice_of),
    "TwirledSliceSpanV2": span(
        TwirledSliceSpanV2, value_of((2, 2, 3)), value_of(True), slice_of, slice_of, value_of(4)
    ),
    "ExecutionSpans": span(SliceSpan, shape_of, slice_of).map(lambda one: ExecutionSpans([one, one])),
    "NoiseModel": st.floats(0.001, 0.5).map(noise_model),
    "NoiseLearnerResult": seeds.map(learned),
}
# The official decoder leaves states and channels outside ``operators`` encoded; ours reads them.
ENCODED_BY_THE_OFFICIAL_DECODER = {"Statevector", "DensityMatrix"}


def plain(value: Any) -> Any:
    """What a value consists of, as something that compares by value."""
    name = type(value).__name__
    if name in PLAIN:
        return name, plain(PLAIN[name](value))
    if isinstance(value, spmatrix):
        return value.format, plain(value.toarray())
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return "nan" if isinstance(value, float) and math.isnan(value) else value


PLAIN: dict[str, Callable[[Any], Any]] = {
    "ndarray": lambda array: [str(array.dtype), array.shape, array.tolist()],
    "complex": lambda value: [value.real, value.imag],
    "DataBin": lambda data: [dict(data.items()), data.shape],
    "PubResult": lambda pub: [pub.data, pub.metadata],
    "SamplerPubResult": lambda pub: [pub.data, pub.metadata],
    "EstimatorPubResult": lambda pub: [pub.data, pub.metadata],
    "PrimitiveResult": lambda result: [list(result), result.metadata],
    "SamplerResult": lambda result: [result.quasi_dists, result.metadata],
    "EstimatorResult": lambda result: [result.values, result.metadata],
    "Result": lambda result: result.to_dict(),
    "ObservablesArray": lambda found: found.tolist(),
    "BindingsArray": lambda found: [list(found.data), found.as_array(), found.shape],
    "NoiseLearnerResult": lambda found: [list(found.data), found.metadata],
    "LayerError": lambda layer: [layer.circuit, layer.qubits, layer.error],
    "PauliLindbladError": lambda found: [found.generators, found.rates],
    "EstimatorPub": lambda pub: [pub.circuit, pub.observables.tolist(), pub.parameter_values.as_array(), pub.precision],
    "SamplerPub": lambda pub: [pub.circuit, pub.parameter_values.as_array([]), pub.shots],
}


def expected(value: Any) -> Any:
    """Pubs are sent as the tuples that make them."""
    sent = plain(value)
    return sent[1] if type(value).__name__ in ("EstimatorPub", "SamplerPub") else sent


@pytest.mark.parametrize("name", sorted(TYPES.keys() - ENCODED_BY_THE_OFFICIAL_DECODER - {"NoiseModel"}))
def test_what_we_encode_is_read_by_the_official_decoder(name: str) -> None:
    @settings(deadline=None, max_examples=10, derandomize=True, database=None)
    @given(TYPES[name])
    def holds(value: Any) -> None:
        text = encode_arguments({"x": {"$plain": value} if isinstance(value, dict) else value})
        assert plain(json.loads(text, cls=QiskitObjectsDecoder)["x"]) == expected(value)

    holds()


@pytest.mark.parametrize("name", sorted(TYPES.keys() - {"NoiseModel"}))
def test_what_the_official_encoder_writes_is_read_by_us(name: str) -> None:
    @settings(deadline=None, max_examples=10, derandomize=True, database=None)
    @given(TYPES[name])
    def holds(value: Any) -> None:
        assert plain(decode(json.dumps(value, cls=QiskitObjectsEncoder))) == expected(value)

    holds()


@pytest.mark.parametrize("value", [complex(0, math.inf), complex(-math.inf, 1), complex(math.nan, 0)])
def test_infinite_complex_numbers_come_back_as_they_went(value: complex) -> None:
    back = decode(encode_arguments({"x": value}))["x"]
    assert plain(back) == plain(value)


@pytest.mark.parametrize("name", sorted(ENCODED_BY_THE_OFFICIAL_DECODER))
def test_what_the_official_decoder_leaves_alone_is_written_as_the_official_encoder_writes_it(name: str) -> None:
    value = {"Statevector": random_statevector(4, seed=1), "DensityMatrix": random_density_matrix(4, seed=1)}[name]
    assert encode_arguments({"x": value}) == json.dumps({"x": value}, cls=QiskitObjectsEncoder)


def test_noise_models_are_sent_as_such_and_read_as_the_mapping_that_makes_them() -> None:
    model = noise_model(0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Aer's, in the official decoder
        sent = json.loads(encode_arguments({"x": model}), cls=QiskitObjectsDecoder)["x"]
        assert sent == model
        read = decode(json.dumps(model, cls=QiskitObjectsEncoder))
        assert NoiseModel.from_dict(read) == model
