"""Bounds on data from outside, in one place."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """What one value from outside may cost. Real results stay far below; hostile ones hit it early."""

    # A 127-qubit, 100,000-shot register is 2 MB of text, a 100 MB array 134 MB when it does not compress.
    max_text: int = 256 * MIB
    # Nested results and options stay below 20; the walk over the tree is recursive, and Python stops at 1,000.
    max_depth: int = 100
    # All payloads of one text together, so that many small bombs are no way around the bound on one.
    max_decompressed: int = 200 * MIB
    # Bounds arrays whose elements have no size, which no bound on bytes sees.
    max_array_elements: int = 2**28
    # All QPY of one text together: 1,000 circuits of 20 qubits and 1,000 gates take 50 MB.
    max_qpy: int = 64 * MIB
    # What the check has to look at one by one, in all QPY of one text: parameters with names, gates with a definition or
    # a label, control flow. Qiskit makes Python objects of these, in 5 to 15 µs each.
    max_qpy_parts: int = 250_000
    # Ten times the largest device. QPY and OpenQASM allocate every declared qubit, so a header is enough.
    max_qubits: int = 10_000
    # Of all nested circuits and registers of one QPY together; a bit takes about 100 bytes of memory.
    max_qpy_bits: int = 1_000_000
    # Integers that collide in a hash table make building a set quadratic.
    max_set_items: int = 10_000
    # What an assistant can write or a folder can hold; the gateway takes 2.5 MB of arguments at most.
    max_openqasm: int = 2 * MIB
    max_file: int = 64 * MIB
    max_literal_elements: int = 1_000_000
