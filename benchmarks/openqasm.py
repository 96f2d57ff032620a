"""Which OpenQASM files of a public collection are read, and whether as Qiskit reads them.

    git clone https://github.com/pnnl/QASMBench
    git clone https://github.com/openqasm/openqasm
    python benchmarks/openqasm.py QASMBench openqasm/examples

Prints a line a file with the verdict, then counts. `benchmarks/openqasm_verdicts.txt` holds the lines of the last run
(QASMBench of 2024, the examples of 2025); `--update` writes it. Files over 120 kB are left out. Where Qiskit reads a
file too, the circuits are compared; if they differ, as by a gate that is kept here, their unitaries of up to ten
qubits without measurements, up to a global phase.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

from qiskit import QuantumCircuit, qasm3
from qiskit.quantum_info import Operator

from qiskit_functions_core.values.limits import Limits
from qiskit_functions_core.values.openqasm import OpenQASMError, load

_MAX_BYTES = 120 * 1024
_MAX_QUBITS = 10
_VERDICTS = Path(__file__).with_name("openqasm_verdicts.txt")


def main() -> int:
    folders = [Path(name) for name in sys.argv[1:] if not name.startswith("-")]
    if not folders:
        print(__doc__)
        return 2
    lines = []
    counts: Counter[str] = Counter()
    for folder in folders:
        for path in sorted(folder.rglob("*.qasm")):
            if not path.is_file() or path.stat().st_size > _MAX_BYTES:
                continue
            text = path.read_text()
            ours, theirs = _ours(text), _theirs(text)
            verdict = _verdict(ours, theirs)
            counts[f"{folder.name}: {verdict.partition(':')[0]}"] += 1
            lines.append(f"{folder.name}/{path.relative_to(folder)}: {verdict}")
    print("\n".join(lines))
    for name, count in sorted(counts.items()):
        print(f"{count:5} {name}")
    if "--update" in sys.argv:
        _VERDICTS.write_text("\n".join(lines) + "\n")
    return 0


def _ours(text: str) -> QuantumCircuit | str:
    try:
        return load(text, Limits())
    except OpenQASMError as error:
        return str(error)


def _theirs(text: str) -> QuantumCircuit | None:
    for read in (QuantumCircuit.from_qasm_str, qasm3.loads):
        try:
            return read(text)
        except Exception:  # of any kind: it is the other side that is measured
            continue
    return None


def _verdict(ours: QuantumCircuit | str, theirs: QuantumCircuit | None) -> str:
    if isinstance(ours, str):
        return f"refused, {'and Qiskit reads it' if theirs else 'as by Qiskit'}: {ours}"
    if theirs is None:
        return "read, by Qiskit not"
    if ours == theirs:
        return "read, Qiskit's circuit"
    if ours.num_qubits > _MAX_QUBITS:
        return "read, as by Qiskit, too wide to compare"
    matrices = [_unitary(circuit) for circuit in (ours, theirs)]
    if matrices[0] is None or matrices[1] is None:
        return "read, as by Qiskit, not unitary"
    return "read, the unitary is Qiskit's" if matrices[0].equiv(matrices[1]) else "read, DIFFERENT UNITARY"


def _unitary(circuit: QuantumCircuit) -> Operator | None:
    bare = circuit.remove_final_measurements(inplace=False)
    try:
        return Operator(bare)
    except Exception:  # measurements or resets in the middle, opaque gates
        return None


if __name__ == "__main__":
    start = time.perf_counter()
    status = main()
    print(f"{time.perf_counter() - start:.0f} s")
    raise SystemExit(status)
