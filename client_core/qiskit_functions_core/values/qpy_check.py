"""A walk over QPY that believes no count before it has seen the bytes.

Qiskit's reader allocates what the headers claim: four bytes that say "4 billion qubits" take all memory, or abort
the process. The layout is that of versions 13 to 18, as documented in ``qiskit.qpy``.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any

from .limits import Limits

_OFFSET_TABLE_SINCE = 16
_ANNOTATIONS_SINCE = 15
_VECTOR_TABLE_SINCE = 18
_MAX_NESTING = 30
_EXPRESSION_CONDITION = 2
_HAS_ANNOTATIONS = 0b1000_0000
_CUSTOM = frozenset({b"Gate", b"Instruction", b"ControlledGate"})
_TYPED = struct.Struct("!1cQ")
_INSTRUCTION = struct.Struct("!HHHIIBHqII")


def check_qpy(data: bytes, limits: Limits) -> None:
    """Walk over a whole QPY file of version 13 or later.

    Raises:
        ValueError: a count is above the limits or above what the data holds, or an instruction is none.
    """
    try:
        _Walk(data, data[6], _Claims(limits)).file()
    except struct.error as error:
        raise ValueError("the QPY breaks off") from error


class _Claims:
    """What the headers of one file claim together, since many modest claims add up."""

    def __init__(self, limits: Limits) -> None:
        self.most = limits.max_qubits
        self._left = limits.max_qpy_bits
        self._vectors: set[tuple[bytes, int]] = set()

    def bits(self, *counts: int) -> None:
        self._left -= sum(counts)
        if max(counts) > self.most or self._left < 0:
            raise ValueError(f"QPY that claims {max(counts):,} qubits, bits or parameters, or too many together")

    def vector(self, size: int, uuid: bytes, index: int) -> None:
        """A parameter vector; each of its elements tells it again, with the vector's id plus the index as its own."""
        vector = (int.from_bytes(uuid, "big") - index).to_bytes(17, "big", signed=True), size
        if vector not in self._vectors:
            self._vectors.add(vector)
            self.bits(size)


class _Walk:
    def __init__(self, data: bytes, version: int, claims: _Claims, nesting: int = 0) -> None:
        if nesting > _MAX_NESTING:
            raise ValueError(f"circuits nested more than {_MAX_NESTING} deep")
        self._data = data
        self._version = version
        self._claims = claims
        self._nesting = nesting
        self._at = 0

    def file(self) -> None:
        programs: int
        *_, programs, _encoding = self._take("!6sBBBBQc")
        if self._take("!c") != (b"q",):
            raise ValueError("QPY that holds no circuit")
        if programs > len(self._data) // 8:
            raise ValueError(f"QPY that claims {programs:,} circuits")
        if self._version < _OFFSET_TABLE_SINCE:
            offsets: tuple[int, ...] = ()
        else:
            offsets = self._take(f"!{programs}Q")
        for number in range(programs):
            # Offsets that go back would read one circuit any number of times.
            if offsets and offsets[number] != self._at:
                raise ValueError("QPY whose circuits do not follow each other")
            self.circuit()

    def circuit(self) -> None:
        name, phase_type, phase, qubits, clbits, metadata, registers, instructions, variables = self._take(
            "!H1cHIIQIQI"
        )
        self._claims.bits(qubits, clbits)
        self._skip(name)
        self._value(phase_type, self._bytes(phase))
        self._skip(metadata)
        for _ in self._times(registers):
            self._register()
        for _ in self._times(variables):
            self._variable()
        if self._version >= _ANNOTATIONS_SINCE:
            for _ in self._times(*self._take("!I")):
                self._skip(sum(self._take("!IQ")))
        if self._version >= _VECTOR_TABLE_SINCE:
            self._vector_table()
        for _ in self._times(*self._take("!Q")):
            self._definition()
        for _ in self._times(instructions):
            self.instruction()
        if self._version < _VECTOR_TABLE_SINCE and self._take("!H") != (0,):
            raise ValueError("QPY with pulse calibrations, which Qiskit no longer has")
        self._layout()

    def instruction(self, *, in_circuit: bool = True) -> None:
        # The one hot place: a long circuit is checked about as fast as Qiskit loads it.
        name, label, parameters, qargs, cargs, extras, condition, _, controls, _ = _INSTRUCTION.unpack_from(
            self._data, self._at
        )
        start = self._at + _INSTRUCTION.size
        self._at = start + name + label + condition
        if controls > self._claims.most:
            self._claims.bits(controls)
        _check_name(self._data[start : start + name])
        if extras & 0b11 == _EXPRESSION_CONDITION:
            self._typed()
        # The base of a controlled gate counts its qubits too, but stands outside a circuit and names none.
        self._skip(5 * (qargs + cargs) if in_circuit else 0)
        for _ in range(parameters):
            self._typed()
        if extras & _HAS_ANNOTATIONS:
            for _ in self._times(*self._take("!I")):
                _, size = self._take("!IQ")
                self._skip(size)

    def _register(self) -> None:
        if self._version < _VECTOR_TABLE_SINCE:
            _, _, size, name, _ = self._take("!1c?IH?")
            indices = 8 * size
        else:
            _, _, size, name, _, contiguous = self._take("!1c?IH?B")
            indices = 4 if contiguous else 4 * size
        self._claims.bits(size)
        self._skip(name + indices)

    def _variable(self) -> None:
        *_, name = self._take("!16scH")
        if self._take("!c") == (b"u",):
            self._skip(4)
        self._skip(name)

    def _vector_table(self) -> None:
        for _ in self._times(*self._take("!H")):
            name, size, _ = self._take("!HQ16s")
            self._claims.bits(size)
            self._skip(name)

    def _definition(self) -> None:
        name, _, qubits, clbits, defined, size, controls, _, base = self._take("!H1cII?QIIQ")
        self._claims.bits(qubits, clbits, controls)
        evolution = self._bytes(name).startswith(b"###PauliEvolutionGate_")
        definition = self._bytes(size) if defined else b""
        if defined and not evolution:
            self._inside(definition).circuit()
        if base:
            self._inside(self._bytes(base)).instruction(in_circuit=False)

    def _layout(self) -> None:
        exists, initial, mapping, final, registers, _ = self._take("!?iiiIi")
        if exists:
            for _ in self._times(registers):
                self._register()
            self._claims.bits(max(initial, 0), max(mapping, 0), max(final, 0))
            for _ in range(max(initial, 0)):
                _, name = self._take("!ii")
                self._skip(max(name, 0))
            self._skip(4 * (max(mapping, 0) + max(final, 0)))

    def _typed(self) -> None:
        kind, size = _TYPED.unpack_from(self._data, self._at)
        self._at += _TYPED.size
        if kind in b"qtve":
            self._value(kind, self._bytes(size))
        else:
            self._skip(size)

    def _value(self, kind: bytes, payload: bytes) -> None:
        """Look into the values that can hold counts of their own."""
        inside = self._inside(payload)
        if kind == b"q":
            inside.circuit()
        elif kind == b"t":
            for _ in inside._times(*inside._take("!Q")):
                inside._typed()
        elif kind == b"v" and self._version < _VECTOR_TABLE_SINCE:
            inside._vector_element()
        elif kind == b"e":
            inside._expression()

    def _vector_element(self) -> None:
        name, size, uuid, index = self._take("!HQ16sQ")
        self._claims.vector(size, uuid, index)
        self._skip(name)

    def _expression(self) -> None:
        symbols, size = self._take("!QQ")
        self._skip(size)
        for _ in self._times(symbols):
            symbol, kind, value = self._take("!ccQ")
            self._symbol(symbol)
            payload = self._bytes(value)
            if kind == b"e":
                self._inside(payload)._expression()

    def _symbol(self, kind: bytes) -> None:
        if kind == b"v" and self._version < _VECTOR_TABLE_SINCE:
            self._vector_element()
        elif kind == b"v":
            self._take("!HQ")
        elif kind == b"p":
            name, _ = self._take("!H16s")
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

    def _take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def _bytes(self, size: int) -> bytes:
        self._skip(size)
        return self._data[self._at - size : self._at]

    def _skip(self, size: int) -> None:
        if size > len(self._data) - self._at:
            raise ValueError("the QPY breaks off")
        self._at += size


@lru_cache(maxsize=1_000)
def _check_name(name: bytes) -> None:
    """The reader calls what Qiskit's library has under that name; it must be an instruction."""
    from qiskit.circuit import Instruction, library

    found = getattr(library, name.decode(), Instruction)
    if name not in _CUSTOM and not (isinstance(found, type) and issubclass(found, Instruction)):
        raise ValueError(f"QPY with {name!r} as an instruction")
