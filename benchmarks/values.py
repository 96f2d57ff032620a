"""Our encoder and decoder against the official ones, and the summary of a large result.

    uv run benchmarks/values.py

Prints seconds of CPU and their ratios for a 100 MB array, 1,000 circuits of 20 qubits, and a result of 127 qubits
and 100,000 shots. Bounds: to the official way and back within 1.10 times, and the summary in under 1 s.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit_serverless.serializers.program_serializers import QiskitObjectsDecoder, QiskitObjectsEncoder

from qiskit_functions_core.values import decode, encode_arguments, summarize

RUNS = 5
MAX_RATIO, MAX_SUMMARY = 1.10, 1.0


def circuit(chance: np.random.Generator) -> QuantumCircuit:
    """20 qubits in the gates of a device: 10 layers of rotations between entangling ones, measured."""
    made = QuantumCircuit(20)
    for layer in range(10):
        for qubit in range(20):
            made.rz(chance.random(), qubit)
            made.sx(qubit)
            made.rz(chance.random(), qubit)
        for qubit in range(layer % 2, 19, 2):
            made.cz(qubit, qubit + 1)
    made.measure_all()
    return made


def values() -> dict[str, Any]:
    chance = np.random.default_rng(1)
    shots = BitArray(chance.integers(0, 256, (100_000, 16), dtype=np.uint8), 127)
    return {
        "a 100 MB array": chance.random(12_500_000),
        "1,000 circuits": [circuit(chance) for _ in range(1_000)],
        "127 qubits x 100,000 shots": PrimitiveResult([SamplerPubResult(DataBin(meas=shots))]),
    }


def seconds(work: Callable[[], Any]) -> float:
    """CPU of one run, after what earlier runs left has been collected."""
    gc.collect()
    begun = time.process_time()
    work()
    return time.process_time() - begun


def compare(name: str, value: Any) -> float:
    """The ratio of both ways together, each by its least disturbed run; runs alternate."""
    arguments = {"value": value}
    text = json.dumps(arguments, cls=QiskitObjectsEncoder)
    assert encode_arguments(arguments) == text
    ways: list[tuple[Callable[[], Any], Callable[[], Any]]] = [
        (lambda: encode_arguments(arguments), lambda: json.dumps(arguments, cls=QiskitObjectsEncoder)),
        (lambda: decode(text), lambda: json.loads(text, cls=QiskitObjectsDecoder)),
    ]
    ours, official = [], []
    for way in ways:
        runs = [(seconds(way[0]), seconds(way[1])) for _ in range(RUNS)]
        ours.append(min(run[0] for run in runs))
        official.append(min(run[1] for run in runs))
    ratio = sum(ours) / sum(official)
    for step, one, other in zip(("encode", "decode"), ours, official, strict=True):
        print(f"{name}: {step} {one:.3f} s, official {other:.3f} s, ratio {one / other:.2f}")
    print(f"{name}: both ways, ratio {ratio:.2f}")
    return ratio


def main() -> int:
    made = values()
    ratios = [compare(name, value) for name, value in made.items()]
    text = json.dumps(made["127 qubits x 100,000 shots"], cls=QiskitObjectsEncoder)
    summary = min(seconds(lambda: summarize(text)) for _ in range(RUNS))
    print(f"counts and summary of 127 qubits x 100,000 shots: {summary:.3f} s")
    return 0 if max(ratios) <= MAX_RATIO and summary <= MAX_SUMMARY else 1


if __name__ == "__main__":
    sys.exit(main())
