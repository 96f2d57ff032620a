"""Our encoder and decoder against the official ones, and the summary of a large result.

    uv run benchmarks/values.py

Prints seconds of CPU and their ratios for a 100 MB array, 1,000 circuits of 20 qubits, and a result of 127 qubits
and 100,000 shots. The summary of that result is also asked of a worker, which waits for it: wall-clock time with the
hand-over, and the CPU of this process and of the worker's child. Bounds: decoding, and both ways together, within 1.10
times the official; the summary in under 1 s of wall-clock time by a child that is there, as from the second call on.
"""

from __future__ import annotations

import gc
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from qiskit import QuantumCircuit
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit_serverless.serializers.program_serializers import QiskitObjectsDecoder, QiskitObjectsEncoder

from qiskit_functions_core.job_texts import StoredText
from qiskit_functions_core.values import Worker, decode, encode_arguments, summarize

RUNS = 7
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
    """The larger ratio of decoding and of both ways together, each by its least disturbed run; runs alternate."""
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
    return max(ratio, ours[1] / official[1])


async def by_a_worker(text: str) -> float:
    """Return the seconds of wall-clock time from a gateway's answer in a file to the summary."""
    body = Path(tempfile.mkdtemp()) / "body"
    body.write_text(json.dumps({"result": text}))
    worker, walls = Worker(), []
    try:
        for run in range(RUNS + 1):
            own, begun = time.process_time(), time.perf_counter()
            await worker.read_result(StoredText("result", file=body))
            wall, own = time.perf_counter() - begun, time.process_time() - own
            if run:
                walls.append(wall)
            print(f"summary by a {'running' if run else 'new'} child: {wall:.3f} s, of which CPU here {own:.3f} s")
    finally:
        await worker.aclose()
        shutil.rmtree(body.parent)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"the child's CPU for all {RUNS + 1}: {children.ru_utime + children.ru_stime:.3f} s")
    return min(walls)


def main() -> int:
    made = values()
    ratios = [compare(name, value) for name, value in made.items()]
    text = json.dumps(made["127 qubits x 100,000 shots"], cls=QiskitObjectsEncoder)
    summary = min(seconds(lambda: summarize(text)) for _ in range(RUNS))
    print(f"counts and summary of 127 qubits x 100,000 shots: {summary:.3f} s")
    wall = anyio.run(by_a_worker, text)
    return 0 if max(ratios) <= MAX_RATIO and wall <= MAX_SUMMARY else 1


if __name__ == "__main__":
    sys.exit(main())
