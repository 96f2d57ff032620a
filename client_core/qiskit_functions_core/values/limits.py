"""Bounds on data from outside, in one place."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20
# How many times its size QPY takes when it is loaded.
QPY_GROWTH = 5


@dataclass(frozen=True)
class Limits:
    """What one value from outside may cost. Real results stay far below; hostile ones hit it early."""

    # A 100 MB array is 134 MB of text when it does not compress, a 127-qubit, 100,000-shot register 2 MB.
    max_text: int = 140 * MIB
    # Of one text: its characters, since parsing copies them, the bytes of its arrays, and five times those of its QPY,
    # so that many small bombs are no way around the bound on one.
    max_memory: int = 256 * MIB
    # Python takes 4 µs and 200 bytes for an object or a list, to parse, copy and track it, and 150 bytes for a key.
    # Larger data comes in arrays. Counted are the brackets and commas of the text, before it is parsed.
    max_containers: int = 250_000
    max_items: int = 1_000_000
    # Nested results and options stay below 20; the walk over the tree is recursive, and Python stops at 1,000.
    max_depth: int = 100
    # Bounds arrays whose elements have no size, which no bound on bytes sees.
    max_array_elements: int = 2**28
    # Of one text: what Qiskit builds with Python, in microseconds that it takes. Plain gates and arrays are not
    # counted: the bounds on bytes hold them.
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

    @property
    def max_qpy(self) -> int:
        """Bytes: 1,000 circuits of 20 qubits and 900 gates take 49 MB."""
        return self.max_memory // QPY_GROWTH
