"""Runs of plain instructions in QPY, recognised by a regular expression.

Most of a circuit is standard gates with numbers for parameters. Walking over them one by one in Python takes longer
than Qiskit needs to load them; the expression engine takes a fifth of that. Every byte that says how long something
is, or of what type, has one place in the expression and is compared there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import lru_cache
from itertools import groupby

# An instruction begins: lengths of its name and label (2 bytes each), how many parameters (2), qubits and clbits (4
# each), what conditions it has (1), the length of the condition (2) and its value (8), control qubits (4), their state
# (4). The first five end in a byte that tells kinds apart, with three zeros between them; here is what follows them.
_REST = rb".{8}+\0\0.{6}+"
_QUBIT, _CLBIT = rb"q.{4}+", rb"c.{4}+"
# A float or an integer of 8 bytes.
_NUMBER = rb"[fi]\0{7}+\x08.{8}+"
_LENGTHS = (64, 8, 1)

_Lengths = tuple[int, ...]


@lru_cache(maxsize=1)
def plain_runs() -> tuple[tuple[int, re.Pattern[bytes]], ...]:
    """Expressions that match so many plain instructions, the longest runs first."""
    bodies: dict[_Lengths, list[bytes]] = defaultdict(list)
    for name, parameters, qubits, clbits in _plain_instructions():
        bodies[len(name), parameters, qubits, clbits].append(name)
    rows = [(lengths, _body(lengths, names)) for lengths, names in sorted(bodies.items())]
    one = rb"\0" + _branches(rows)
    return tuple((length, re.compile(b"(?:%b){%d}+" % (one, length), re.DOTALL)) for length in _LENGTHS)


@lru_cache(maxsize=1)
def standard_names() -> frozenset[bytes]:
    """What QPY calls the instructions that Qiskit's reader makes without Python."""
    return frozenset(name for name, *_ in _plain_instructions()) | {b"Barrier", b"Delay"}


def _plain_instructions() -> set[tuple[bytes, int, int, int]]:
    """The names of Qiskit's standard gates in QPY, with their parameters, qubits and clbits."""
    from qiskit.circuit import Gate
    from qiskit.circuit.library import get_standard_gate_name_mapping

    standard = get_standard_gate_name_mapping().values()
    gates = {
        (gate.base_class.__name__.encode(), len(gate.params), gate.num_qubits, 0)
        for gate in standard
        if isinstance(gate, Gate)
    }
    return gates | {(b"Measure", 0, 1, 1), (b"Reset", 0, 1, 0)}


def _body(lengths: _Lengths, names: list[bytes]) -> bytes:
    _, parameters, qubits, clbits = lengths
    named = b"(?:%b)" % b"|".join(sorted(names))
    return _REST + named + _QUBIT * qubits + _CLBIT * clbits + _NUMBER * parameters


def _branches(rows: list[tuple[_Lengths, bytes]]) -> bytes:
    """Alternatives that share what they have in common, so that each byte is looked at once."""
    if not rows[0][0]:
        return rows[0][1]
    branches = [
        re.escape(bytes([length])) + rb"\0\0\0" + _branches([(lengths[1:], body) for lengths, body in group])
        for length, group in groupby(rows, key=lambda row: row[0][0])
    ]
    return b"(?:%b)" % b"|".join(branches)
