"""What all of OpenQASM's readers share."""

from __future__ import annotations

# What a circuit can hold and OpenQASM cannot say, or the other way round, goes around OpenQASM.
BY_QPY = 'Build the circuit in Python, save it with qiskit.qpy.dump and write {"$file": "circuit.qpy"}.'
OR_BY_QPY = f"If OpenQASM cannot express it, b{BY_QPY[1:]}"

# The attribute of a circuit that keeps its inputs as they were declared. Its metadata would be sent with it.
DECLARED = "_declared_inputs"


class OpenQASMError(ValueError):
    """The text cannot be read as a circuit; `next_step` says how to write it instead."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step


def position(line: int, column: int) -> str:
    """Say where; `line` and `column` count from 1."""
    return f"at line {line}, column {column}"
