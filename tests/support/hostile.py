"""Hostile values, each with a name: those that a cheap check refuses, and those that only a process's limits bound."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter, ParameterVector

MIB = 2**20
QPY_VERSIONS = range(13, qpy.QPY_VERSION + 1)


def tagged(kind: Any, value: Any, **more: Any) -> str:
    return json.dumps({"__type__": kind, "__value__": value, **more})


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 1)).decode()


def npy(shape: tuple[int, ...], dtype: str = "|u1", data: bytes = b"") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def inflating(head: bytes, size: int) -> str:
    """A payload that unpacks to ``size`` zero bytes after its head, made without holding them."""
    deflater = zlib.compressobj(1)
    pieces = [deflater.compress(head), *(deflater.compress(bytes(MIB)) for _ in range(size // MIB))]
    return base64.b64encode(b"".join([*pieces, deflater.flush()])).decode()


def npz(**members: bytes) -> str:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return base64.b64encode(file.getvalue()).decode()


def circuit() -> QuantumCircuit:
    """A small circuit with all that QPY has a place for."""
    made = QuantumCircuit(3, 3, name="made", global_phase=Parameter("g"))
    made.h(0)
    made.rz(ParameterVector("v", 3)[1] * 2 + Parameter("a"), 1)
    made.rx(ParameterVector("w", 2)[0], 2)
    for _ in range(70):
        made.rz(0.5, 0)
    with made.if_test((0, True)):
        made.x(1)
    inner = QuantumCircuit(2, name="inner")
    inner.cz(0, 1)
    made.append(inner.to_gate().control(1), [0, 1, 2])
    made.unitary(np.eye(2), 0)
    made.measure([0, 1, 2], [0, 1, 2])
    return made


def as_qpy(value: QuantumCircuit, version: int) -> bytes:
    file = io.BytesIO()
    qpy.dump(value, file, version=version)
    return file.getvalue()


def changed(chance: random.Random, whole: bytes) -> bytes:
    """A few bytes after the version set at random; often to what makes lengths absurd."""
    data = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(7, len(data))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
    return bytes(data)


PAULI_LIST = {"__module__": "qiskit.quantum_info.operators.symplectic.pauli_list", "__class__": "PauliList"}
OPERATOR = {"__module__": "qiskit.quantum_info.operators.operator", "__class__": "Operator"}
WIDE = {"__type__": "QuantumCircuit", "__value__": packed(as_qpy(QuantumCircuit(60), 17))}

HOSTILE = {
    "an array that claims 10^12 elements": tagged("ndarray", packed(npy((10**12,), "<f8"))),
    "10^12 elements without size": tagged("ndarray", packed(npy((10**12,), "|S0"))),
    "an element of 10^12 bytes": tagged("ndarray", packed(npy((1,), "|V1000000000000"))),
    "an object array": tagged("ndarray", packed(npy((1,), "|O", b"cos\nsystem\n(S'true'\ntR."))),
    "a negative length": tagged("ndarray", packed(npy((-1,)))),
    "a header of 2 GiB": tagged("ndarray", packed(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b"(" * 99999)),
    "less data than claimed": tagged("ndarray", packed(npy((10,), data=b"123"))),
    "more data than claimed": tagged("ndarray", packed(npy((2,), data=b"123"))),
    "a bomb": tagged("ndarray", inflating(npy((2**30,)), 256 * MIB)),
    "a bomb behind a small header": tagged("ndarray", inflating(npy((8,)), 128 * MIB)),
    "a bomb of QPY": tagged("QuantumCircuit", inflating(b"QISKIT\x11", 64 * MIB)),
    "a ring of a bomb": tagged("ndarray", packed(zlib.compress(bytes(16 * MIB)))),
    "truncated zlib": tagged("ndarray", packed(npy((8,), data=bytes(8)))[:-12]),
    "truncated zlib of QPY": tagged("QuantumCircuit", packed(as_qpy(QuantumCircuit(1), 17))[:-12]),
    "a sparse matrix that claims": tagged("spmatrix", npz(format=npy((10**10,)), data=npy((1,), data=b"1"))),
    "sparse indices out of range": tagged(
        "spmatrix",
        npz(
            format=npy((), "|S3", b"csr"),
            shape=npy((2,), "<i8", struct.pack("<qq", 2, 2)),
            data=npy((1,), "<f8", bytes(8)),
            indices=npy((1,), "<i4", struct.pack("<i", 10**6)),
            indptr=npy((3,), "<i4", struct.pack("<iii", 0, 1, 1)),
        ),
    ),
    "10^6 deep": "[" * 10**6,
    "tagged values 300 deep": '{"__type__":"set","__value__":' * 300 + "[]" + "}" * 300,
    "a module": tagged("settings", {"args": ["true"]}, __module__="subprocess", __class__="Popen"),
    "a class outside the list": tagged("settings", {}, __module__="qiskit.quantum_info.x", __class__="os"),
    "a class of noise results": tagged(
        "_json", {}, __module__="qiskit_ibm_runtime.results.noise_learner", __class__="np"
    ),
    "keys that collide": tagged("settings", {"__int_keys__": True, "1": 1, "01": 2, "data": ["X"]}, **PAULI_LIST),
    "an operator that is a circuit of 60 qubits": tagged("settings", {"data": WIDE}, **OPERATOR),
    "a label that is a number": tagged("settings", {"data": [1]}, **PAULI_LIST),
    "more bits than bytes": tagged("BitArray", {"array": [[1]], "num_bits": 10**9}),
    "integers that collide": tagged("set", [k * (2**61 - 1) for k in range(10_001)]),
    "a set of sets": tagged("set", [[1]]),
    "a date of 10^5 digits": tagged("datetime", "1" * 10**5),
    "no value": '{"__type__": "set"}',
    "a type that is an object": tagged({"a": 1}, 1),
    "2^32 qubits": tagged("PauliLindbladMap", {"paulis": [["X", [2**33], 0.1]], "num_qubits": 2**32}),
    "a field named as a method": tagged("DataBin", {"field_names": [], "shape": [], "fields": {"items": 1}}),
    "a result of numbers": tagged("PrimitiveResult", {"pub_results": 3, "metadata": {}}),
    "bindings of encoded names": tagged("BindingsArray", {"shape": [], "data": {json.dumps([[WIDE]]): 1}}),
    "a service elsewhere": tagged("QiskitRuntimeService", {"url": "https://localhost:1", "token": "x"}),
}


def costly() -> Iterator[tuple[str, str]]:
    """Yield what is allowed, or just not, and takes the most; and changed QPY, as one text."""
    yield "300,000 keys", json.dumps({str(number): [number] for number in range(300_000)})
    yield "numbers of 10^5 digits", f"[{','.join(['7' * 10**5] * 50)}]"
    yield "lone surrogates", '["\\ud800"' + ',"\\udfff"' * 10**5 + "]"
    yield "many arrays of nothing", f"[{','.join([tagged('ndarray', packed(npy((0,))))] * 5_000)}]"
    yield "many small bombs", f"[{','.join([tagged('ndarray', inflating(npy((90 * MIB,)), 90 * MIB))] * 20)}]"
    yield "many observables", tagged("ObservablesArray", [{"X": 1.0}] * 240_000)
    yield "long observables", tagged("ObservablesArray", ["X" * 100_000] * 500)
    yield "many Pauli labels", tagged("settings", {"data": ["X"] * 900_000}, **PAULI_LIST)
    yield "refused values in each other", '{"__type__":"set","__value__":[' * 40 + f'"{"x" * MIB}"' + "]}" * 40
    yield "200,000 gates", tagged("QuantumCircuit", packed(as_qpy(_repeated("x", 200_000), 17)))
    yield "60,000 named parameters", tagged("QuantumCircuit", packed(as_qpy(_with_parameters(60_000), 17)))
    yield "40,000 gates made in Python", tagged("QuantumCircuit", packed(_paulis(40_000)))
    wide = bytearray(as_qpy(QuantumCircuit(1), 15))
    wide[25:29] = struct.pack("!I", 2**31)  # where the circuit's header has the number of its qubits
    yield "2^31 qubits in a few bytes", tagged("QuantumCircuit", packed(bytes(wide)))
    chance = random.Random(20260131)
    for version in QPY_VERSIONS:
        whole = as_qpy(circuit(), version)
        texts = [tagged("QuantumCircuit", packed(changed(chance, whole))) for _ in range(100)]
        yield f"changed QPY {version}", f"[{','.join(texts)}]"
        truncated = [tagged("QuantumCircuit", packed(whole[:end])) for end in range(0, len(whole), 97)]
        yield f"truncated QPY {version}", f"[{','.join(truncated)}]"


def _repeated(gate: str, times: int) -> QuantumCircuit:
    made = QuantumCircuit(1)
    for _ in range(times):
        getattr(made, gate)(0)
    return made


def _with_parameters(number: int) -> QuantumCircuit:
    made = QuantumCircuit(1)
    for index in range(number):
        made.rx(Parameter(str(index)), 0)
    return made


def _paulis(times: int) -> bytes:
    """A circuit of one Pauli gate, which Python has to make, repeated in the QPY itself."""
    made = QuantumCircuit(2)
    made.pauli("XX", [0, 1])
    whole = as_qpy(made, 15)
    start = whole.index(b"PauliGate") - 33
    record = whole[start:-23]
    count = whole.index(struct.pack("!QI", 1, 0), 18)
    return whole[:count] + struct.pack("!Q", times) + whole[count + 8 : start] + record * times + whole[-23:]
