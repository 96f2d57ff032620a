"""Medians of a backend's errors and coherence times."""

from __future__ import annotations

import pytest

from qiskit_functions_core.errors import GatewayFault
from qiskit_functions_core.models import Backend, BackendMedians
from qiskit_functions_core.platforms.calibration import medians
from qiskit_functions_core.platforms.platform import useful_first


def qubit(t1: float, unit: str, readout: float) -> list[dict[str, object]]:
    return [{"name": "T1", "value": t1, "unit": unit}, {"name": "readout_error", "value": readout, "unit": ""}]


def gate(name: str, error: float) -> dict[str, object]:
    return {"gate": name, "qubits": [0], "parameters": [{"name": "gate_error", "value": error, "unit": ""}]}


def test_times_are_in_microseconds_and_a_gate_that_is_no_operation_does_not_count() -> None:
    properties = {
        "qubits": [qubit(100, "us", 0.01), qubit(0.2, "ms", 0.02), qubit(300_000, "ns", 0.9)],
        "gates": [gate("rz", 0), gate("sx", 0.0002), gate("cz", 0.003), gate("cz", 0.005), gate("rzz", 0.5)],
    }
    assert medians(properties) == BackendMedians(
        two_qubit_error=0.004, single_qubit_error=0.0002, readout_error=0.02, t1_us=200.0, t2_us=None
    )


def test_what_is_no_calibration_is_a_fault() -> None:
    with pytest.raises(GatewayFault):
        medians({"qubits": 3})


def test_useful_backends_come_first() -> None:
    def simulated(name: str, qubits: int) -> Backend:
        return Backend(name=name, num_qubits=qubits, simulator=True, queue_length=0)

    fakes = [simulated("a5", 5), simulated("b5", 5), simulated("c1", 1), simulated("d127", 127)]
    assert [backend.name for backend in useful_first(fakes)] == ["a5", "d127", "c1", "b5"]
    real = [
        Backend(name="long", num_qubits=156, queue_length=90),
        Backend(name="down", num_qubits=156, queue_length=0, operational=False),
        Backend(name="short", num_qubits=133, queue_length=2),
    ]
    assert [backend.name for backend in useful_first(real)] == ["short", "long", "down"]
