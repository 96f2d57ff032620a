"""A walk over QPY that believes no count before it has seen the bytes.

Qiskit's reader allocates what the headers claim: four bytes that say "4 billion qubits" take all memory, or abort
the process. The layout is that of versions 13 to 18, as documented in ``qiskit.qpy``.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct, error
from typing import Any

from .limits import Limits
from .qpy_runs import plain_runs, standard_names

_OFFSET_TABLE_SINCE = 16
_ANNOTATIONS_SINCE = 15
_VECTOR_TABLE_SINCE = 18
_MAX_NESTING = 30
_EXPRESSION_CONDITION = 2
_HAS_ANNOTATIONS = 0b1000_0000
# Microseconds for a named parameter, a part of an expression, a gate of Qiskit's own; and for one that Python makes.
_PART, _PYTHON = 5, 40
# Of what Python makes, all that takes no time by itself; the first three are gates that the file defines.
_MADE_IN_PYTHON = frozenset(
    b"""
    Gate Instruction ControlledGate
    UnitaryGate PauliGate PermutationGate DiagonalGate Initialize StatePreparation Isometry LinearFunction QFTGate
    MCXGate MCXGrayCode MCXRecursive MCPhaseGate MCU1Gate UCRXGate UCRYGate UCRZGate HamiltonianGate
    PauliEvolutionGate PauliProductMeasurement PauliProductRotationGate AnnotatedOperation Store
    IfElseOp WhileLoopOp ForLoopOp SwitchCaseOp BoxOp BreakLoopOp ContinueLoopOp
    """.split()
)

_FILE = Struct("!6sBBBBQcc")
_CIRCUIT = Struct("!H1cHIIQIQI")
_INSTRUCTION = Struct("!HHHIIBHqII")
_TYPED = Struct("!1cQ")
_REGISTER, _REGISTER_18 = Struct("!1c?IH?"), Struct("!1c?IH?B")
_VARIABLE = Struct("!16scHc")
_ANNOTATION = Struct("!IQ")
_VECTOR, _VECTOR_ELEMENT = Struct("!HQ16s"), Struct("!HQ16sQ")
_DEFINITION = Struct("!H1cII?QIIQ")
_LAYOUT, _LAYOUT_ITEM = Struct("!?iiiIi"), Struct("!ii")
_EXPRESSION, _SYMBOL, _SYMBOL_18, _PARAMETER = Struct("!QQ"), Struct("!ccQ"), Struct("!HQ"), Struct("!H16s")
_U16, _U32, _U64 = Struct("!H"), Struct("!I"), Struct("!Q")


class Claims:
    """What all values of one text claim together, since many modest claims add up."""

    def __init__(self, limits: Limits) -> None:
        self.most = limits.max_qubits
        self._bits_left = limits.max_qpy_bits
        self._effort_left = limits.max_effort
        self._vectors: set[tuple[int, int]] = set()

    def bits(self, *counts: int) -> None:
        """Qubits, clbits or parameters that a header of QPY says are there."""
        self._bits_left -= sum(counts)
        if max(counts) > self.most or self._bits_left < 0:
            raise ValueError(f"QPY that claims {max(counts):,} qubits, bits or parameters, or too many together")

    def effort(self, microseconds: int) -> None:
        """Something that takes so long to build."""
        self._effort_left -= microseconds
        if self._effort_left < 0:
            raise ValueError("it would take too long to read, with what came before")

    def vector(self, size: int, uuid: bytes, index: int) -> None:
        """A parameter vector; each of its elements tells it again, with the vector's id plus the index as its own."""
        vector = int.from_bytes(uuid, "big") - index, size
        if vector not in self._vectors:
            self._vectors.add(vector)
            self.bits(size)


def check_qpy(data: bytes, claims: Claims) -> None:
    """Walk over a whole QPY file of version 13 or later.

    Raises:
        ValueError: a count is above the limits or above what the data holds, or an instruction is none.
    """
    try:
        _Walk(data, data[6], claims).file()
    except error as failed:
        raise ValueError("the QPY breaks off") from failed


class _Walk:
    def __init__(self, data: bytes, version: int, claims: Claims, nesting: int = 0) -> None:
        if nesting > _MAX_NESTING:
            raise ValueError(f"circuits nested more than {_MAX_NESTING} deep")
        self._data = data
        self._version = version
        self._claims = claims
        self._nesting = nesting
        self._at = 0

    def file(self) -> None:
        *_, programs, _encoding, kind = self._take(_FILE)
        if kind != b"q":
            raise ValueError("QPY that holds no circuit")
        if programs > len(self._data) // 8:
            raise ValueError(f"QPY that claims {programs:,} circuits")
        with_offsets = self._version >= _OFFSET_TABLE_SINCE
        offsets = [self._take(_U64)[0] for _ in range(programs)] if with_offsets else []
        for number in range(programs):
            # Offsets that go back would read one circuit any number of times.
            if offsets and offsets[number] != self._at:
                raise ValueError("QPY whose circuits do not follow each other")
            self.circuit()

    def circuit(self) -> None:
        name, phase_type, phase, qubits, clbits, metadata, registers, instructions, variables = self._take(_CIRCUIT)
        self._claims.bits(qubits, clbits)
        self._skip(name)
        self._value(phase_type, phase)
        self._skip(metadata)
        for _ in self._times(registers):
            self._register()
        for _ in self._times(variables):
            self._variable()
        if self._version >= _ANNOTATIONS_SINCE:
            for _ in self._times(*self._take(_U32)):
                self._skip(sum(self._take(_ANNOTATION)))
        if self._version >= _VECTOR_TABLE_SINCE:
            self._vector_table()
        for _ in self._times(*self._take(_U64)):
            self._definition()
        self._instructions(len(self._times(instructions)))
        if self._version < _VECTOR_TABLE_SINCE and self._take(_U16) != (0,):
            raise ValueError("QPY with pulse calibrations, which Qiskit no longer has")
        self._layout()

    def _instructions(self, left: int) -> None:
        while left:
            for length, run in plain_runs():
                while left >= length and (found := run.match(self._data, self._at)):
                    self._at = found.end()
                    left -= length
            if left:
                self.instruction()
                left -= 1

    def instruction(self, *, in_circuit: bool = True) -> None:
        name, label, parameters, qargs, cargs, extras, condition, _, controls, _ = self._take(_INSTRUCTION)
        if controls > self._claims.most:
            self._claims.bits(controls)
        self._claims.effort(_effort_of(self._bytes(name)))
        self._skip(label + condition)
        if extras & 0b11 == _EXPRESSION_CONDITION:
            self._typed()
        # The base of a controlled gate counts its qubits too, but stands outside a circuit and names none.
        self._skip(5 * (qargs + cargs) if in_circuit else 0)
        for _ in range(parameters):
            self._typed()
        if extras & _HAS_ANNOTATIONS:
            for _ in self._times(*self._take(_U32)):
                _, size = self._take(_ANNOTATION)
                self._skip(size)

    def _register(self) -> None:
        if self._version < _VECTOR_TABLE_SINCE:
            _, _, size, name, _ = self._take(_REGISTER)
            indices = 8 * size
        else:
            _, _, size, name, _, contiguous = self._take(_REGISTER_18)
            indices = 4 if contiguous else 4 * size
        self._claims.bits(size)
        self._skip(name + indices)

    def _variable(self) -> None:
        self._claims.effort(_PART)
        *_, name, kind = self._take(_VARIABLE)
        self._skip(name + (4 if kind == b"u" else 0))

    def _vector_table(self) -> None:
        for _ in self._times(*self._take(_U16)):
            name, size, _ = self._take(_VECTOR)
            self._claims.bits(size)
            self._skip(name)

    def _definition(self) -> None:
        self._claims.effort(_PART)
        name, _, qubits, clbits, defined, size, controls, _, base = self._take(_DEFINITION)
        self._claims.bits(qubits, clbits, controls)
        evolution = self._bytes(name).startswith(b"###PauliEvolutionGate_")
        definition = self._bytes(size) if defined else b""
        if defined and not evolution:
            self._inside(definition).circuit()
        if base:
            self._inside(self._bytes(base)).instruction(in_circuit=False)

    def _layout(self) -> None:
        exists, initial, mapping, final, registers, _ = self._take(_LAYOUT)
        if exists:
            for _ in self._times(registers):
                self._register()
            self._claims.bits(max(initial, 0), max(mapping, 0), max(final, 0))
            for _ in range(max(initial, 0)):
                _, name = self._take(_LAYOUT_ITEM)
                self._skip(max(name, 0))
            self._skip(4 * (max(mapping, 0) + max(final, 0)))

    def _typed(self) -> None:
        kind, size = self._take(_TYPED)
        self._value(kind, size)

    def _value(self, kind: bytes, size: int) -> None:
        """Look into the values that can hold counts of their own."""
        start = self._at
        self._skip(size)
        if kind not in b"pvqte":
            return
        self._claims.effort(_PART)
        if kind in b"qte":
            self._inside(self._data[start : start + size])._look_into(kind)
        elif kind == b"v" and self._version < _VECTOR_TABLE_SINCE:
            _, length, uuid, index = _VECTOR_ELEMENT.unpack_from(self._data, start)
            self._claims.vector(length, uuid, index)

    def _look_into(self, kind: bytes) -> None:
        if kind == b"q":
            self.circuit()
        elif kind == b"t":
            for _ in self._times(*self._take(_U64)):
                self._claims.effort(_PART)
                self._typed()
        else:
            self._expression()

    def _expression(self) -> None:
        symbols, size = self._take(_EXPRESSION)
        self._skip(size)
        for _ in self._times(symbols):
            self._claims.effort(_PART)
            symbol, kind, value = self._take(_SYMBOL)
            self._symbol(symbol)
            payload = self._bytes(value)
            if kind == b"e":
                self._inside(payload)._expression()

    def _symbol(self, kind: bytes) -> None:
        if kind == b"v" and self._version < _VECTOR_TABLE_SINCE:
            name, length, uuid, index = self._take(_VECTOR_ELEMENT)
            self._claims.vector(length, uuid, index)
            self._skip(name)
        elif kind == b"v":
            self._take(_SYMBOL_18)
        elif kind == b"p":
            name, _ = self._take(_PARAMETER)
            self._skip(name)
        else:
            raise ValueError("QPY with a symbol that is no parameter")

    def _inside(self, data: bytes) -> _Walk:
        return _Walk(data, self._version, self._claims, self._nesting + 1)

    def _times(self, count: int) -> range:
        """Repeat what takes at least a byte each time."""
        if count > len(self._data) - self._at:
            raise ValueError(f"QPY that claims {count:,} parts where {len(self._data) - self._at:,} bytes are left")
        return range(count)

    def _take(self, layout: Struct) -> tuple[Any, ...]:
        values = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return values

    def _bytes(self, size: int) -> bytes:
        self._skip(size)
        return self._data[self._at - size : self._at]

    def _skip(self, size: int) -> None:
        if size > len(self._data) - self._at:
            raise ValueError("the QPY breaks off")
        self._at += size


@lru_cache(maxsize=1_000)
def _effort_of(name: bytes) -> int:
    """How long an instruction takes.

    The reader calls whatever these modules have under its name, with parameters from the file. Functions and classes
    that make circuits are among that, and gates that compute for minutes: only those of a list pass.
    """
    from qiskit import circuit
    from qiskit.circuit import controlflow, library

    if name in standard_names():
        return _PART
    known = any(hasattr(module, name.decode()) for module in (library, circuit, controlflow))
    if known and name not in _MADE_IN_PYTHON:
        raise ValueError(f"QPY with {name.decode()!r} as an instruction, which is not read here")
    return _PYTHON
