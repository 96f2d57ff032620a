"""Circuits, instructions and parameters."""

from __future__ import annotations

import binascii
import io
from itertools import islice
from struct import Struct
from typing import IO, TYPE_CHECKING, Any
from uuid import UUID

from qiskit import QuantumCircuit, qasm3, qpy
from qiskit.circuit import Barrier, Delay, Instruction, Parameter
from qiskit.circuit.library import get_standard_gate_name_mapping

from ...errors import InputError
from ..drawing.panels import Place, WholeFigure
from ..summary_models import ValueSummary
from . import short_json
from .row_window import BEGINNING, ROWS, RowWindow
from .type_support import TypeSupport, text
from .unpacking import Unpacker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..drawing.themes import Colors
    from .inputs import Inputs

# Qiskit 0.25 wrote version 9, which Qiskit 2 still reads.
_MIN_QPY_VERSION = 9
# Preface, version of QPY and of Qiskit, number of circuits.
_QPY_HEADER = Struct("!6sBBBBQ")
# The first version whose header tells how symbolic expressions are encoded ("p": as text of SymPy, "e": by symengine).
_FIRST_WITH_ENCODING = 10
# Symengine expressions of versions below 13 are pickles in effect: code can hide there (CVE-2025-2000). SymPy's text
# can be read since Qiskit parses it by an allow-list (qiskit.qpy.binary_io.parse_sympy_repr), and never evaluates it.
_FIRST_WITHOUT_SYMENGINE = 13
# Length of the name, and UUID, before the name: PARAMETER in the documentation of QPY.
_PARAMETER_HEADER = Struct("!H16s")

_OPENQASM_SHOWN = 4_000
# Depths take half a second for 50,000 instructions.
_MAX_DEPTH = 50_000
# Writing so many instructions as OpenQASM takes a fifth of a second; more of it is for files.
_MAX_EXPORTED = 5_000
# What Qiskit does not count as an operation.
_DIRECTIVES = ("barrier", "snapshot", "save", "load", "noise")
# What OpenQASM has a word for.
_STANDARD = frozenset(gate.base_class for gate in get_standard_gate_name_mapping().values()) | {Barrier}


def load_qpy(data: bytes) -> list[QuantumCircuit]:
    """Return the circuits of QPY of version 9 (Qiskit 0.25) or later.

    Raises:
        ValueError: it is not such QPY, or it carries what only symengine could unpack. Qiskit raises further errors
            for broken circuits.
    """
    if data[:6] != b"QISKIT" or len(data) < _QPY_HEADER.size + 2:
        raise ValueError("not QPY")
    _, version, *_ = _QPY_HEADER.unpack_from(data)
    if not _MIN_QPY_VERSION <= version <= qpy.QPY_VERSION:
        raise ValueError(f"QPY version {version}; {_MIN_QPY_VERSION} to {qpy.QPY_VERSION} can be read here")
    has_encoding = version >= _FIRST_WITH_ENCODING
    encoding = data[_QPY_HEADER.size :][:1] if has_encoding else b"p"
    if encoding == b"e" and version < _FIRST_WITHOUT_SYMENGINE:
        raise ValueError(
            f"QPY version {version} with expressions encoded by symengine, which can run code when they are unpacked; "
            "load and save it with Qiskit 1.3 or later"
        )
    # What it holds ("q": circuits) follows.
    if data[_QPY_HEADER.size + has_encoding :][:1] != b"q":
        raise ValueError("QPY that does not hold circuits")
    circuits: list[QuantumCircuit] = qpy.load(io.BytesIO(data))
    return circuits


def active_qubits(circuit: QuantumCircuit) -> int:
    """Return how many qubits something is done to: what a simulation has to hold, since it drops idle ones."""
    used = {
        qubit
        for instruction in circuit.data
        if not isinstance(instruction.operation, Barrier | Delay)
        for qubit in instruction.qubits
    }
    return len(used)


class Circuits(TypeSupport[QuantumCircuit]):
    cls = QuantumCircuit
    names = ("QuantumCircuit",)
    rows_are_characters = True

    def read(self, value: Any, unpacker: Unpacker) -> QuantumCircuit:
        return load_qpy(unpacker.inflate(text(value)))[0]

    def describe(self, value: QuantumCircuit, pointer: str, window: RowWindow) -> ValueSummary:
        operations = {short_json.text(name): times for name, times in value.count_ops().items()}
        shown = dict(islice(operations.items(), ROWS))
        if others := sum(operations.values()) - sum(shown.values()):
            shown["(others)"] = others
        names = [short_json.text(parameter.name)[:100] for parameter in islice(value.parameters, ROWS)]
        if (more := value.num_parameters - len(names)) > 0:
            names.append(f"… and {more} more")
        depths = {}
        if len(value.data) <= _MAX_DEPTH:
            depths = {
                "depth": value.depth(),
                "two_qubit_depth": value.depth(
                    lambda row: len(row.qubits) == 2 and not getattr(row.operation, "_directive", False)
                ),
            }
        return ValueSummary(
            pointer=pointer,
            kind="circuit",
            type=type(value).__name__,
            num_qubits=value.num_qubits,
            num_clbits=value.num_clbits,
            size=sum(times for name, times in operations.items() if name not in _DIRECTIVES),
            operations=shown,
            parameters=names or None,
            **depths,
            **self._openqasm(value, window),
        )

    def _openqasm(self, circuit: QuantumCircuit, window: RowWindow) -> dict[str, Any]:
        """Return OpenQASM 3 if it is short, or the piece of it that a window asks for."""
        if len(circuit.data) > _MAX_EXPORTED or not _has_all_definitions(circuit):
            return {}
        try:
            program = short_json.text(_openqasm(circuit))
        except Exception:  # the exporter refuses some instructions, and fails on others in its own ways
            return {}
        if window == BEGINNING and len(program) > _OPENQASM_SHOWN:
            return {"omitted": len(program), "next_offset": 0}
        shown = program[window.offset : window.end(_OPENQASM_SHOWN)]
        return {"openqasm": shown, **window.rest(len(program), len(shown))}

    def drawing(self, value: QuantumCircuit, place: Place) -> WholeFigure:
        def draw(colors: Colors) -> tuple[Figure, str]:
            # Matplotlib is an optional extra, and only pictures need it.
            from ..drawing.circuit_figures import circuit_figure

            return circuit_figure(value, place.pointer, colors)

        return WholeFigure(draw)

    def save(
        self, value: QuantumCircuit | list[QuantumCircuit], ending: str, file: IO[bytes], inputs: Inputs | None
    ) -> str | None:
        """Write a circuit, or for ``.qpy`` a list of circuits."""
        if ending == ".qpy":
            circuits = value if isinstance(value, list) else [value]
            qpy.dump(circuits, file)
            return "The circuit as QPY" if len(circuits) == 1 else f"{len(circuits)} circuits as QPY"
        if ending != ".qasm" or isinstance(value, list):
            return None
        if not _has_all_definitions(value):
            raise InputError("The circuit has gates without a definition.", next_step="Save it as .qpy.")
        try:
            program = _openqasm(value)
        except Exception as error:  # as above
            raise InputError(f"OpenQASM cannot express the circuit: {error}", next_step="Save it as .qpy.") from error
        file.write(program.encode("utf-8", "replace"))
        lost = "" if value.layout is None else " without its layout, which .qpy keeps,"
        return f"The circuit as OpenQASM 3{lost}"


def _openqasm(circuit: QuantumCircuit) -> str:
    """Return the circuit in OpenQASM 3, with all its qubits.

    With a layout, Qiskit's exporter writes the qubits that are used as physical ones and does not declare the others,
    so the circuit would come back narrower than its observables.
    """
    if circuit.layout is not None:
        circuit = circuit.copy()
        # As Qiskit's own passes set it; there is no public way.
        circuit._layout = None
    program: str = qasm3.dumps(circuit)
    return program


def _has_all_definitions(circuit: QuantumCircuit) -> bool:
    """Return whether OpenQASM can be written without computing definitions, which takes minutes for a large unitary."""
    waiting, looked_at = [circuit], 0
    while waiting:
        for row in waiting.pop().data:
            looked_at += 1
            if looked_at > 2 * _MAX_EXPORTED:
                return False
            operation = row.operation
            if operation.base_class in _STANDARD:
                continue
            if (blocks := getattr(operation, "blocks", None)) is not None:
                waiting += blocks
            # The public property would compute it.
            elif (definition := getattr(operation, "_definition", None)) is not None:
                waiting.append(definition)
            else:
                return False
    return True


class Instructions(TypeSupport[Instruction]):
    cls = Instruction
    names = ("Instruction",)

    def read(self, value: Any, unpacker: Unpacker) -> Instruction:
        # The encoder wraps it in a circuit.
        return load_qpy(unpacker.inflate(text(value)))[0].data[0].operation

    def describe(self, value: Instruction, pointer: str, window: RowWindow) -> ValueSummary:
        params = [short_json.rounded(param) for param in value.params[:ROWS]]
        return ValueSummary(
            pointer=pointer,
            kind="instruction",
            type=type(value).__name__,
            num_qubits=value.num_qubits,
            num_clbits=value.num_clbits,
            value={"name": short_json.text(value.name), "params": params},
        )


class Parameters(TypeSupport[Parameter]):
    cls = Parameter
    names = ("Parameter",)

    def read(self, value: Any, unpacker: Unpacker) -> Parameter:
        data = binascii.a2b_base64(text(value))
        length, uuid = _PARAMETER_HEADER.unpack_from(data)
        name = data[_PARAMETER_HEADER.size : _PARAMETER_HEADER.size + length]
        return Parameter(name.decode(), uuid=UUID(bytes=uuid))

    def describe(self, value: Parameter, pointer: str, window: RowWindow) -> ValueSummary:
        name = short_json.text(value.name)[:200]
        return ValueSummary(pointer=pointer, kind="parameter", type=type(value).__name__, value=name)


TYPES: tuple[TypeSupport[Any], ...] = (Circuits(), Instructions(), Parameters())
