"""Bounds on values from outside, in one place."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """What one value from outside may hold.

    These are the bounds that cost next to nothing to check. They keep honest mistakes and crude bombs cheap; what a
    value that passes them may still cost in time and memory is bounded by the process that reads it.
    """

    # A 100 MB array is 134 MB of text if it does not compress; a 127-qubit, 100,000-shot register is 2 MB.
    max_text: int = 140 * MIB
    # Bytes of all arrays and circuits of one text after they are unpacked, and of the text, since parsing copies it.
    # 1,000 circuits of 20 qubits and 900 gates take 49 MB.
    max_memory: int = 256 * MIB
    # Python takes 4 µs and 200 bytes for an object or a list, to parse, copy and track it, and 150 bytes for a key.
    # Larger data comes in arrays. The brackets and commas of the text are counted before it is parsed.
    max_containers: int = 250_000
    max_items: int = 1_000_000
    # Nested results and options stay below 20; the walk over the tree is recursive, and Python stops at 1,000.
    max_depth: int = 100
    # Bounds arrays whose elements have no size, which a bound on bytes does not see.
    max_array_elements: int = 2**28
    # Integers that collide in a hash table make building a set quadratic.
    max_set_items: int = 10_000
    # Ten times the largest device; OpenQASM allocates every declared qubit.
    max_qubits: int = 10_000
    # What an assistant can write or a folder can hold; the gateway takes 2.5 MB of arguments at most.
    max_openqasm: int = 2 * MIB
    max_file: int = 64 * MIB
    max_literal_elements: int = 1_000_000
