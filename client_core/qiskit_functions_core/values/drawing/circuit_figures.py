"""Circuits as pictures, by Qiskit's own drawer."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from qiskit import QuantumCircuit

from .themes import Colors

# Columns in a row: more would make the gates' letters smaller than text around the picture.
_FOLD = 14
# What can be taken in at a glance, and is drawn in about a second.
_MAX_OPERATIONS, _MAX_QUBITS = 150, 20
# Inches; models that look at a picture shrink what is larger than about 1,500 pixels.
_WIDEST, _TALLEST = 8.0, 13.0
# Inches that a column or a wire takes at the drawer's own scale, with letters of 13 points; at half of it, they are
# the smallest that can be read.
_UNIT, _SMALLEST = 0.84, 0.5


def circuit_figure(circuit: QuantumCircuit, pointer: str, colors: Colors) -> tuple[Figure, str]:
    """Return the circuit's figure and caption; of a large circuit, its beginning."""
    most = min(_MAX_OPERATIONS, len(circuit.data))
    while True:
        shown = _beginning(circuit, most)
        whole = len(shown.data) == len(circuit.data) and circuit.num_qubits <= _MAX_QUBITS
        drawn = _draw(shown, colors, _WIDEST, idle_wires=whole)
        ax = drawn.axes[0]
        # At most the drawer's own.
        fitting = (_WIDEST / (_span(ax.get_xlim()) * _UNIT), _TALLEST / (_span(ax.get_ylim()) * _UNIT))
        scale = min(*fitting, 1.0)
        if scale >= _SMALLEST or most <= 1:
            break
        most = max(int(min(len(shown.data), most) * scale / _SMALLEST), 1)
    width = _span(ax.get_xlim()) * _UNIT * scale
    if width < _WIDEST:
        drawn = _draw(shown, colors, width, idle_wires=whole)
    return drawn, _caption(circuit, shown, pointer)


def _beginning(circuit: QuantumCircuit, most: int) -> QuantumCircuit:
    """Return the first operations, on as many qubits as can be drawn."""
    shown = circuit.copy_empty_like()
    # The drawer writes the phase on pyplot's current figure; the caption tells it instead.
    shown.global_phase = 0
    used: set[Any] = set()
    for instruction in circuit.data[:most]:
        if len(used | set(instruction.qubits)) > _MAX_QUBITS and used:
            break
        used |= set(instruction.qubits)
        shown.append(instruction)
    return shown


def _draw(circuit: QuantumCircuit, colors: Colors, width: float, *, idle_wires: bool) -> Figure:
    made = Figure((width, width), 100, facecolor=colors.background)
    ax = made.add_axes((0, 0, 1, 1))
    style = {"name": colors.circuit, "backgroundcolor": colors.background}
    circuit.draw("mpl", ax=ax, fold=_FOLD, style=style, idle_wires=idle_wires)
    made.set_size_inches(width, width * _span(ax.get_ylim()) / _span(ax.get_xlim()))
    return made


def _span(limits: tuple[float, float]) -> float:
    return float(limits[1] - limits[0])


def _caption(circuit: QuantumCircuit, shown: QuantumCircuit, pointer: str) -> str:
    operations = len(circuit.data)
    caption = f"Circuit at {pointer or '/'}: qubits: {circuit.num_qubits}, operations: {operations}"
    if circuit.global_phase:
        caption += f", global phase: {str(circuit.global_phase)[:60]}"
    if (drawn := len(shown.data)) < operations:
        return f"{caption}; drawn are the first {drawn} operations."
    return f"{caption}."
