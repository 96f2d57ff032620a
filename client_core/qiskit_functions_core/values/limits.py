"""Bounds on data from outside, in one place."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """What one value from outside may cost. Real results stay far below; hostile ones hit it early."""

    # A 127-qubit, 100,000-shot register is 2 MB of text, a 100 MB array 134 MB when it does not compress.
    max_text: int = 256 * MIB
    # Python takes 4 µs and 200 bytes for an object or a list, to parse, copy and track it, and 150 bytes for a key. Larger
    # data comes in arrays. Counted are the brackets and commas of the text, before it is parsed.
    max_containers: int = 250_000
    max_items: int = 1_000_000
    # Nested results and options stay below 20; the walk over the tree is recursive, and Python stops at 1,000.
    max_depth: int = 100
    # All payloads of one text together, so that many small bombs are no way around the bound on one.
    max_decompressed: int = 200 * MIB
    # Bounds arrays whose elements have no size, which no bound on bytes sees.
    max_array_elements: int = 2**28
    # All QPY of one text together: 1,000 circuits of 20 qubits and 900 gates. Loaded it takes five times that.
    max_qpy: int = 48 * MIB
    # Of one text: what Qiskit builds with Python, in microseconds that it takes. Plain gates and arrays are not counted:
    # the bounds on bytes hold them.
    max_effort: int = 1_200_000
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
