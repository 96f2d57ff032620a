"""The errors and coherence times of a backend, from the properties that IBM's backends report.

The format is ``BackendProperties`` of qiskit-ibm-runtime, which its fake backends keep in ``props_*.json`` and IBM
Quantum's REST API sends for ``backends/{name}/properties``.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from ..models import BackendMedians, Wire, parsed

_MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "µs": 1.0, "ns": 1e-3}

_ENTANGLING = ("cz", "ecr", "cx", "rzz")
_ROTATING = ("sx", "x", "u2", "u3")
"""The gates whose error stands for that of two qubits, or of one: the first of them that the backend has. ``rz`` is
left out because it is done in software, without an error."""


class _Value(Wire):
    name: str
    value: float
    unit: str = ""


class _Gate(Wire):
    gate: str
    parameters: list[_Value]


class _Properties(Wire):
    qubits: list[list[_Value]]
    gates: list[_Gate]


def medians(properties: dict[str, Any]) -> BackendMedians:
    """Return the medians over a backend's qubits and gates.

    Raises:
        GatewayFault: these are not a backend's properties.
    """
    read = parsed(_Properties, properties)
    times = {name: _median(_time(value) for value in _named(read.qubits, name)) for name in ("T1", "T2")}
    return BackendMedians(
        two_qubit_error=_gate_error(read.gates, _ENTANGLING),
        single_qubit_error=_gate_error(read.gates, _ROTATING),
        readout_error=_median(value.value for value in _named(read.qubits, "readout_error")),
        t1_us=times["T1"],
        t2_us=times["T2"],
    )


def _named(values: Iterable[list[_Value]], name: str) -> list[_Value]:
    return [value for group in values for value in group if value.name == name]


def _time(value: _Value) -> float:
    return value.value * _MICROSECONDS.get(value.unit, 1.0)


def _gate_error(gates: list[_Gate], names: tuple[str, ...]) -> float | None:
    found = {gate.gate for gate in gates}
    name = next((name for name in names if name in found), None)
    return _median(
        value.value for value in _named((gate.parameters for gate in gates if gate.gate == name), "gate_error")
    )


def _median(values: Iterable[float]) -> float | None:
    """Return the median to three digits, which is more than a calibration is good for; None of nothing."""
    all_of_them = list(values)
    return float(f"{median(all_of_them):.3g}") if all_of_them else None
