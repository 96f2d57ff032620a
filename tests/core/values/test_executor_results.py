"""What the Executor of qiskit-ibm-runtime and the primitives on top of it return, and how a function saves it.

None of it can be saved as it is: RuntimeEncoder knows neither the results nor their metadata. docs/write-a-function.md
shows the ways that are tried here.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import Executor, QuantumProgram, RuntimeEncoder
from qiskit_ibm_runtime.fake_provider import FakeManilaV2
from qiskit_ibm_runtime.results.estimator_pub import EstimatorPubResult
from qiskit_ibm_runtime.results.quantum_program import (
    ItemMetadata,
    Metadata,
    QuantumProgramItemResult,
    QuantumProgramResult,
)

from qiskit_functions_core.values import Summary, summarize

SHOTS = 50
ANGLES = np.linspace(0, np.pi, 3)


def bits(probability: float) -> np.ndarray[Any, Any]:
    """Two bits, of which the first is 1 that often, and the second never."""
    made = np.zeros((SHOTS, 2), dtype=bool)
    made[: round(SHOTS * probability), 0] = True
    return made


SWEEP = np.stack([bits(float(np.sin(angle / 2) ** 2)) for angle in ANGLES])
RESULT = QuantumProgramResult([{"c": SWEEP}, {"c": bits(1.0), "aux": bits(0.0)}])
SAMPLED = PrimitiveResult(
    [SamplerPubResult(DataBin(c=BitArray.from_bool_array(bits(1.0), "little")), {"executor": ItemMetadata()})],
    {"executor": Metadata(), "shots": SHOTS},
)
ESTIMATED = PrimitiveResult(
    [EstimatorPubResult(DataBin(evs=np.ones(3), stds=np.ones(3), shape=(3,)), {"executor": ItemMetadata()})],
    {"executor": Metadata()},
)


def summary_of(value: Any) -> Summary:
    return summarize(json.dumps(value, cls=RuntimeEncoder))


@pytest.mark.parametrize("value", [RESULT, RESULT[0], RESULT.metadata, SAMPLED, ESTIMATED])
def test_what_the_executor_returns_cannot_be_saved_as_it_is(value: Any) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(value, cls=RuntimeEncoder)


def test_its_items_are_read_as_dictionaries_of_arrays() -> None:
    summary = summary_of({"items": [dict(item) for item in RESULT]})
    arrays = {part.pointer: part for part in summary.parts if part.kind == "array"}
    assert list(arrays) == ["/items/0/c", "/items/1/c", "/items/1/aux"]
    assert (arrays["/items/0/c"].shape, arrays["/items/0/c"].dtype) == ([3, SHOTS, 2], "bool")
    assert arrays["/items/1/c"].mean == 0.5


def test_as_bit_arrays_its_items_are_counts() -> None:
    counts = [{name: BitArray.from_bool_array(one, "little") for name, one in item.items()} for item in RESULT]
    sweep, one, aux = (part.counts for part in summary_of(counts).parts if part.kind == "counts")
    assert sweep
    assert one
    assert aux
    assert (sweep.shape, {outcome.bits: outcome.count for outcome in sweep.top}) == ([3], {"00": 75, "01": 75})
    assert [outcome.bits for outcome in one.top] == ["01"]
    assert [outcome.bits for outcome in aux.top] == ["00"]


@pytest.mark.parametrize(("result", "kind"), [(SAMPLED, "sampler_pub"), (ESTIMATED, "estimator_pub")])
def test_the_primitives_on_top_of_it_are_read_without_their_metadata(result: PrimitiveResult[Any], kind: str) -> None:
    bare = PrimitiveResult([type(pub)(pub.data) for pub in result])
    assert [part.kind for part in summary_of({"result": bare}).parts][-1] == kind


def test_a_program_on_a_fake_backend_returns_what_is_tried_here() -> None:
    pytest.importorskip("qiskit_aer")
    circuit = QuantumCircuit(2)
    circuit.rx(Parameter("angle"), 0)
    circuit.measure_all()
    backend = FakeManilaV2()
    program = QuantumProgram(shots=SHOTS)
    isa_circuit = generate_preset_pass_manager(optimization_level=1, backend=backend).run(circuit)
    program.append_circuit_item(isa_circuit, circuit_arguments=ANGLES[:, None])
    result = Executor(backend).run(program).result()
    assert type(result) is QuantumProgramResult
    assert [type(item) for item in result] == [QuantumProgramItemResult]
    assert (result[0]["meas"].dtype, result[0]["meas"].shape) == (bool, (3, SHOTS, 2))
    # The first bit is that of qubit 0.
    assert result[0]["meas"][-1, :, 0].mean() > 0.8
    assert result[0]["meas"][-1, :, 1].mean() < 0.2
