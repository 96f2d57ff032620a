"""OpenQASM 2, as Qiskit's legacy reader takes it: with the gates of its library, included and declared or not."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from functools import partial

from qiskit import QuantumCircuit, qasm2
from qiskit.qasm2 import CustomInstruction

from ...suggestions import did_you_mean
from .errors import BY_QPY, OR_BY_QPY, OpenQASMError, position
from .library import is_the_library_gate, library_gates

_GATE = re.compile(r"\bgate\s+([a-z]\w*)(?:\s*\([^(){};]*\)\s*|\s+)\w+(?:\s*,\s*\w+)*\s*\{[^{}]*\}")
_OPAQUE = re.compile(r"\bopaque\s+([a-z]\w*)")
# "<input>:4,0: message"; lines count from 1 and columns from 0.
_ERROR = re.compile(r"<input>:(\d+),(\d+): (.*)", re.DOTALL)
_WORDS_OF_VERSION_3 = re.compile(r"(?:qubit|bit|input|const|def|let|for|while|int|uint|float|angle|bool)\b")


def read(text: str, statements: str, has_version: bool) -> QuantumCircuit:
    """Return the circuit of `text`; `statements` is the same text with its comments blanked.

    Raises:
        OpenQASMError: with line and column.
    """
    # On a line of its own, the line that is missing moves no column.
    source = text if has_version else f"OPENQASM 2.0;\n{text}"
    opaque = set(_OPAQUE.findall(statements))
    definitions = {found[1]: found[0] for found in _GATE.finditer(statements)}
    for name in definitions:
        if is_the_library_gate(name, partial(_definition, name, definitions)) is False:
            source = re.sub(rf"\b{name}\b", _unused_name(name, source), source)
            opaque.add(name)
    try:
        return _load(source, opaque)
    except qasm2.QASM2ParseError as error:
        found = _ERROR.match(error.message)
        if found is None:
            raise OpenQASMError(f"OpenQASM 2: {error.message}.", BY_QPY) from error
        line, column, message = int(found[1]) - (not has_version), int(found[2]) + 1, found[3]
        raise OpenQASMError(
            f"OpenQASM 2 {position(line, column)}: {message}", _advice(message, text.splitlines()[line - 1 :])
        ) from error


def _load(source: str, unknown: Collection[str]) -> QuantumCircuit:
    """Read with the gates of Qiskit's library built in, except those of the names in `unknown`."""
    legacy = {custom.name: replace(custom, builtin=True) for custom in qasm2.LEGACY_CUSTOM_INSTRUCTIONS}
    library = {
        name: CustomInstruction(name, gate.num_params, gate.num_qubits, gate.build, builtin=True)
        for name, gate in library_gates().items()
        if name != "CX"  # which the language itself has
    }
    gates = [gate for name, gate in (library | legacy).items() if name not in unknown]
    return qasm2.loads(source, include_path=(), custom_instructions=gates)


def _definition(name: str, definitions: dict[str, str], parameters: list[float]) -> QuantumCircuit | None:
    """Return what the text's gate `name` does, or None if the library's parameters and qubits do not fit it."""
    num_qubits = library_gates()[name].num_qubits
    arguments = f"({','.join(map(str, parameters))})" if parameters else ""
    qubits = ",".join(f"applied_to[{index}]" for index in range(num_qubits))
    call = f"qreg applied_to[{num_qubits}]; {name}{arguments} {qubits};"
    try:
        circuit = _load(f"OPENQASM 2.0; {' '.join(definitions.values())} {call}", [name])
    except qasm2.QASM2ParseError:
        return None
    definition: QuantumCircuit | None = circuit.data[-1].operation.definition
    return definition


def _unused_name(name: str, text: str) -> str:
    while re.search(rf"\b{name}\b", text):
        name += "_"
    return name


def _advice(message: str, lines: list[str]) -> str:
    if "stdgates.inc" in message:
        return "stdgates.inc is OpenQASM 3: begin the text with OPENQASM 3.0; instead of OPENQASM 2.0;."
    if lines and _WORDS_OF_VERSION_3.match(lines[0].strip()):
        return "That line is OpenQASM 3: begin the text with OPENQASM 3.0; instead of OPENQASM 2.0;."
    if (found := re.match(r"'(\w+)' is not defined", message)) is not None:
        names = {*library_gates(), *(custom.name for custom in qasm2.LEGACY_CUSTOM_INSTRUCTIONS)}
        return (
            f"{did_you_mean(found[1], names)}Declare it before this line: a register with qreg or creg, "
            "a gate that is not in Qiskit's library with gate NAME(PARAMETERS) QUBITS { … }."
        )
    return f"Correct that line. {OR_BY_QPY}"
