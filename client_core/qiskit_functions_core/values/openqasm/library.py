"""The gates of Qiskit's library, by the names that OpenQASM texts give them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from qiskit.circuit import Gate, QuantumCircuit
from qiskit.circuit.library import (
    C3SXGate,
    C3XGate,
    C4XGate,
    CPhaseGate,
    CXGate,
    PhaseGate,
    RC3XGate,
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import Operator

# Names of stdgates.inc and qelib1.inc that differ from the names of Qiskit's classes.
_OTHER_NAMES: dict[str, tuple[type[Gate], int, int]] = {
    "CX": (CXGate, 0, 2),
    "phase": (PhaseGate, 1, 1),
    "cphase": (CPhaseGate, 1, 2),
    "c3x": (C3XGate, 0, 4),
    "c3sqrtx": (C3SXGate, 0, 4),
    "c4x": (C4XGate, 0, 5),
    "rc3x": (RC3XGate, 0, 4),
}
_MAX_COMPARED = 6  # qubits: two matrices of 64 x 64


@dataclass(frozen=True)
class LibraryGate:
    build: Callable[..., Gate]
    num_params: int
    num_qubits: int


@cache
def library_gates() -> dict[str, LibraryGate]:
    """Return every gate with a fixed number of qubits; 50 or so."""
    named = {
        name: LibraryGate(gate.base_class, len(gate.params), gate.num_qubits)
        for name, gate in get_standard_gate_name_mapping().items()
        if isinstance(gate, Gate) and gate.num_qubits
    }
    return named | {name: LibraryGate(*found) for name, found in _OTHER_NAMES.items()}


def is_the_library_gate(name: str, define: Callable[[list[float]], QuantumCircuit | None]) -> bool | None:
    """Return whether a text's own gate does what Qiskit's gate of that name does, up to a global phase.

    Qiskit's transpiler and simulators go by names: a gate named `swap` is swapped, whatever its definition says.

    Args:
        name: the gate's name.
        define: returns its definition for parameters, or None if it has none.

    Returns:
        None if Qiskit's library has no gate of that name.
    """
    if (known := library_gates().get(name)) is None:
        return None
    # Two points: no two different gates in use agree at both.
    for start in (0.3, 1.9):
        parameters: list[Any] = [start + 0.7 * index for index in range(known.num_params)]
        definition = define(parameters)
        if definition is None or definition.num_qubits != known.num_qubits or known.num_qubits > _MAX_COMPARED:
            return False
        if not Operator(definition).equiv(Operator(known.build(*parameters))):
            return False
    return True
