"""A function that saves, writes or fails with what its argument says, for the page to show."""

import sys
import time
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult
from qiskit.quantum_info import SparsePauliOp
from qiskit_serverless import Job, get_arguments, save_result, update_status

arguments = get_arguments()
what = arguments["what"]
rng = np.random.default_rng(arguments.get("seed", 1))
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
RTL = "\u202e\u0645\u0631\u062d\u0628\u0627\u202c"


def counts() -> Any:
    ghz = BitArray.from_counts({"0000": 470, "1111": 455, "0001": 31, "0111": 24, "1000": 12, "1011": 5, "0100": 3})
    noisy = BitArray(rng.integers(0, 256, (2_000, 1), dtype=np.uint8), 8)
    return PrimitiveResult([SamplerPubResult(DataBin(meas=ghz, noise=noisy))])


def skewed() -> Any:
    meas = BitArray.from_counts({"0000": 940, "1111": 60})
    return PrimitiveResult([SamplerPubResult(DataBin(meas=meas))])


def expectations() -> Any:
    values = np.array([0.97, -0.42, 0.03, 0.61])
    errors = np.array([0.01, 0.06, 0.05, 0.03])
    result = PrimitiveResult([PubResult(DataBin(evs=values, stds=errors, shape=(4,)))])
    return {"result": result, "observables": ["ZZ", "XX", "YZ", SparsePauliOp(["XI", "IX"], [1, 0.5])]}


def sweep() -> Any:
    angles = np.linspace(0, 2 * np.pi, 25)
    values = np.stack([np.cos(angles), np.sin(angles)], axis=1) + rng.normal(0, 0.02, (25, 2))
    result = PrimitiveResult([PubResult(DataBin(evs=values, stds=np.full((25, 2), 0.04), shape=(25, 2)))])
    return {"result": result, "parameter_values": {"θ": angles.tolist()}, "observables": ["ZZ", "XX"]}


def circuit() -> Any:
    made = QuantumCircuit(3)
    made.h(0)
    made.cx(0, 1)
    made.cx(1, 2)
    made.measure_all()
    return {"circuit": made, "energy": -1.8572, "converged": True, "history": (1 / np.arange(1, 41)).tolist()}


def table() -> Any:
    return {
        "rows": [
            {"molecule": "H2", "energy": -1.137},
            {"molecule": "LiH", "energy": -7.88},
            {"molecule": "=1+1", "energy": 0},
        ],
        "matrix": np.arange(12).reshape(3, 4) / 7,
        "operator": SparsePauliOp(["XX", "ZZ", "IZ"], [0.5, -1.25, 0.125]),
        "note": "three molecules",
    }


def hostile() -> Any:
    word = "w" * 10_000
    pub = PubResult(DataBin(evs=np.array([0.5, -0.5]), stds=np.array([0.1, 0.1]), shape=(2,)))
    return {
        "result": PrimitiveResult([pub]),
        "observables": [HOSTILE, RTL],
        HOSTILE: {"00": 3, "11": 5},
        "word": word,
        "label": HOSTILE,
        "rtl": RTL,
    }


if what == "slow":
    update_status(Job.OPTIMIZING_HARDWARE)
    for step in range(600):
        print(f"step {step} {HOSTILE if step == 0 else ''}", flush=True)
        time.sleep(0.5)
elif what == "failure":
    print("measured 3 of 10 circuits")

    def inner(depth: int) -> float:
        if depth:
            return inner(depth - 1)
        try:
            return 1 / 0
        except ZeroDivisionError as error:
            raise ValueError(f"the ansatz has no parameter {HOSTILE}") from error

    inner(3)
elif what == "nothing":
    sys.exit(0)
else:
    print(f"saving {what}")
    save_result(globals()[what]())
