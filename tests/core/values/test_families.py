"""Every type that is read, in every respect: a new one needs a sample here."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import RZGate
from qiskit.primitives import EstimatorResult, SamplerResult
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.quantum_info import (
    PTM,
    Chi,
    Choi,
    DensityMatrix,
    Kraus,
    Operator,
    Pauli,
    PauliLindbladMap,
    PauliList,
    SparsePauliOp,
    Statevector,
    Stinespring,
    SuperOp,
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
from qiskit_ibm_runtime.options.zne_options import ExtrapolatorType
from qiskit_ibm_runtime.results.estimator_pub import EstimatorPubResult
from qiskit_ibm_runtime.results.noise_learner import LayerError, NoiseLearnerResult, PauliLindbladError
from qiskit_serverless.serializers.program_serializers import QiskitObjectsEncoder
from scipy.sparse import csr_matrix

from qiskit_functions_core.values import Opaque, decode, summarize
from qiskit_functions_core.values import Result as ReadResult
from qiskit_functions_core.values.families.arrays import EXTRAPOLATORS
from qiskit_functions_core.values.families.registry import REGISTRY
from qiskit_functions_core.values.object_encoding import encode_object

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
BITS = BitArray(np.array([[1], [3]], np.uint8), 2)
DATA = DataBin(meas=BITS)
CHANNEL = Operator(np.eye(2))
ERROR = PauliLindbladError(PauliList(["XX"]), np.array([0.1]))
LAYER = LayerError(QuantumCircuit(2), [3, 5], ERROR)
SPAN = SliceSpan(NOON, NOON, {0: ((4,), slice(0, 4))})


class WithToJson:
    def to_json(self) -> dict[str, int]:
        return {"a": 1}


def noise_model() -> NoiseModel:
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.1, 1), ["x"])
    return model


SAMPLES: dict[str, Any] = {
    "BindingsArray": BindingsArray({("a", "b"): [[1.0, 2.0]]}),
    "BitArray": BITS,
    "DataBin": DATA,
    "DoubleSliceSpan": DoubleSliceSpan(NOON, NOON, {0: ((2, 3), slice(0, 1), slice(0, 2))}),
    "EstimatorPubResult": EstimatorPubResult(DataBin(evs=np.ones(2), shape=(2,)), {"a": 1}),
    "EstimatorResult": EstimatorResult(np.ones(1), [{}]),
    "ExecutionSpan": SPAN,
    "ExecutionSpans": ExecutionSpans([SPAN]),
    "Instruction": RZGate(0.5),
    "NoiseLearnerResult": NoiseLearnerResult([LAYER], {"b": 1}),
    "NoiseModel": noise_model(),
    "ObservablesArray": ObservablesArray([{"XX": 1.0}]),
    "Parameter": Parameter("θ"),
    "PauliLindbladMap": PauliLindbladMap.from_sparse_list([("ZX", [0, 1], 0.1)], num_qubits=2),
    "PrimitiveResult": PrimitiveResult([SamplerPubResult(DATA)], {"version": 2}),
    "PubResult": PubResult(DATA, {"shots": 2}),
    "QuantumCircuit": QuantumCircuit(2, 1),
    "Result": Result.from_dict({"backend_name": "b", "job_id": "j", "success": True, "results": []}),
    "SamplerPubResult": SamplerPubResult(DATA, {"shots": 2}),
    "SamplerResult": SamplerResult([{"0": 1.0}], [{"shots": 2}]),
    "TwirledSliceSpan": TwirledSliceSpan(NOON, NOON, {0: ((2, 2, 3), True, slice(0, 1), slice(0, 2))}),
    "TwirledSliceSpanV2": TwirledSliceSpanV2(NOON, NOON, {0: ((2, 2, 3), True, slice(0, 1), slice(0, 2), 4)}),
    "complex": 1 - 2j,
    "datetime": NOON,
    "ndarray": np.arange(6).reshape(2, 3),
    "noise_learner.LayerError": LAYER,
    "noise_learner.PauliLindbladError": ERROR,
    "quantum_info.Chi": Chi(CHANNEL),
    "quantum_info.Choi": Choi(CHANNEL),
    "quantum_info.DensityMatrix": DensityMatrix([[1, 0], [0, 0]]),
    "quantum_info.Kraus": Kraus([np.eye(2) / 2**0.5, np.eye(2) / 2**0.5]),
    "quantum_info.Operator": CHANNEL,
    "quantum_info.PTM": PTM(CHANNEL),
    "quantum_info.Pauli": Pauli("-iXY"),
    "quantum_info.PauliList": PauliList(["XX", "ZZ"]),
    "quantum_info.SparsePauliOp": SparsePauliOp(["XX", "ZI"], [1j, 0.5]),
    "quantum_info.Statevector": Statevector([1, 0]),
    "quantum_info.Stinespring": Stinespring(CHANNEL),
    "quantum_info.SuperOp": SuperOp(CHANNEL),
    "set": {1},
    "spmatrix": csr_matrix(np.eye(3)),
    "to_json": WithToJson(),
}
# Written only by older releases of qiskit-ibm-runtime.
NO_LONGER_WRITTEN = {"ExecutionSpanCollection"}
# Read as plain JSON: the class is not rebuilt.
READ_AS_JSON = {"NoiseModel", "to_json"}


def encoded(value: Any) -> str:
    return json.dumps(value, cls=QiskitObjectsEncoder)


def test_there_is_a_sample_of_every_type_that_is_read() -> None:
    names = {name for support in REGISTRY.all_types() for name in support.names}
    assert names == SAMPLES.keys() | NO_LONGER_WRITTEN


@pytest.mark.parametrize("name", SAMPLES)
def test_a_type_that_is_read_is_described(name: str) -> None:
    value = decode(encoded(SAMPLES[name]))
    assert not isinstance(value, Opaque)
    if name not in READ_AS_JSON:
        assert isinstance(value, type(SAMPLES[name]))
    part = summarize(encoded(SAMPLES[name])).parts[0]
    assert part.kind not in ("other", "opaque")


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - READ_AS_JSON))
def test_a_type_that_is_read_is_encoded_as_it_was(name: str) -> None:
    text = encoded(SAMPLES[name])
    again = json.dumps(decode(text), default=encode_object)
    # The encoder wraps an instruction in a circuit with another name each time.
    assert again == text or (name == "Instruction" and decode(again) == SAMPLES[name])


@pytest.mark.parametrize("name", SAMPLES)
def test_every_pointer_in_the_summary_of_a_type_leads_somewhere(name: str) -> None:
    text = encoded(SAMPLES[name])
    for part in summarize(text).parts:
        assert summarize(text, pointer=part.pointer).parts[0] == part


def test_spans_in_the_collection_of_older_releases_are_read() -> None:
    text = encoded(ExecutionSpans([SPAN])).replace('"ExecutionSpans"', '"ExecutionSpanCollection"')
    assert list(decode(text)) == [SPAN]


@pytest.mark.parametrize(
    ("channel", "shape"), [(SAMPLES["quantum_info.Kraus"], [2, 2, 2]), (SAMPLES["quantum_info.Stinespring"], [2, 2])]
)
def test_channels_in_kraus_and_stinespring_form_show_their_matrices(channel: Any, shape: list[int]) -> None:
    (part,) = summarize(encoded(channel)).parts
    assert (part.kind, part.type, part.shape) == ("array", type(channel).__name__, shape)


def test_maps_that_differ_on_both_sides_are_read_and_show_both() -> None:
    zero, one = np.zeros((2, 2)), np.eye(2)
    kraus, stinespring = Kraus(([one, zero], [zero, one])), Stinespring((one, zero))
    assert decode(encoded(kraus)) == kraus
    assert decode(encoded(stinespring)) == stinespring
    assert summarize(encoded(kraus)).parts[0].shape == [2, 2, 2, 2]
    assert summarize(encoded(stinespring)).parts[0].shape == [2, 2, 2]


def test_a_noise_model_is_shown_as_the_mapping_that_makes_it() -> None:
    text = encoded(SAMPLES["NoiseModel"])
    assert ReadResult(text, pointer="/errors/0/type").part == "qerror"


def test_the_names_of_extrapolators_are_those_of_the_runtime() -> None:
    assert frozenset(get_args(ExtrapolatorType)) == EXTRAPOLATORS
