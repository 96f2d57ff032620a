"""Data from strangers: each ends in an opaque value or an error, in little memory, and nothing is called by name."""

from __future__ import annotations

import base64
import io
import json
import random
import socket
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter, ParameterVector

from qiskit_functions_core.values import Opaque, decode, summarize
from qiskit_functions_core.values.limits import MIB, Limits
from qiskit_functions_core.values.payloads import load_qpy
from qiskit_functions_core.values.qpy_check import Claims, check_qpy

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
    made = QuantumCircuit(3, 3, name="made", global_phase=Parameter("g"))
    made.h(0)
    made.rz(ParameterVector("v", 3)[1] * 2 + Parameter("a"), 1)
    made.rx(ParameterVector("w", 2)[0], 2)
    with made.if_test((0, True)):
        made.x(1)
    inner = QuantumCircuit(2, name="inner")
    inner.cz(0, 1)
    made.append(inner.to_gate().control(1), [0, 1, 2])
    made.measure([0, 1, 2], [0, 1, 2])
    return made


def as_qpy(value: QuantumCircuit, version: int) -> bytes:
    file = io.BytesIO()
    qpy.dump(value, file, version=version)
    return file.getvalue()


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
}


@pytest.fixture
def no_more_than_100_mib() -> Iterator[None]:
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * MIB


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.usefixtures("no_more_than_100_mib")
def test_a_hostile_value_is_opaque_with_a_reason(text: str) -> None:
    summary = summarize(f'{{"bad": {text}, "good": 1}}' if text.endswith("}") else text)
    assert any(part.kind == "opaque" and part.reason for part in summary.parts)
    if text.endswith("}") and summary.kind == "object":
        assert summary.parts[0].value["good"] == 1


def test_what_is_nested_too_deeply_is_opaque_where_it_begins() -> None:
    got = decode('{"a":' * 500 + "1" + "}" * 500)
    for _ in range(Limits().max_depth + 1):
        got = got["a"]
    assert isinstance(got, Opaque)


def test_many_small_bombs_share_one_bound() -> None:
    bomb = json.loads(tagged("ndarray", inflating(npy((90 * MIB,)), 90 * MIB)))
    got = decode(json.dumps([bomb] * 20))
    assert sum(isinstance(item, np.ndarray) for item in got) == 2


def test_numbers_of_100000_digits_do_not_hide_the_rest() -> None:
    got = decode(f'{{"big": {"7" * 10**5}, "rest": 1}}')
    assert (got["big"], got["rest"]) == (Opaque("integer", 10**5, got["big"].reason), 1)


def test_texts_that_would_widen_an_array_stay_as_they_are() -> None:
    got = decode(tagged("ndarray", ["a" * 10**6, *"b" * 10**5]))
    assert got.dtype == object


def test_lone_surrogates_end_in_text_that_can_be_sent() -> None:
    summary = summarize('{"\\ud800": "\\udfff"}')
    assert summary.model_dump_json()


def test_a_service_is_not_connected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        got = decode(tagged("QiskitRuntimeService", {"url": url, "token": "x", "channel": "ibm_cloud"}))
        with pytest.raises(BlockingIOError):
            server.accept()
    assert "never opened" in got.reason


@pytest.mark.parametrize("version", QPY_VERSIONS)
def test_qpy_of_every_version_passes_the_check(version: int) -> None:
    made = circuit()
    assert load_qpy(as_qpy(made, version), Limits()) == [made]


@pytest.mark.parametrize("version", QPY_VERSIONS)
def test_truncated_qpy_is_refused(version: int) -> None:
    whole = as_qpy(circuit(), version)
    for end in range(0, len(whole), 97):
        assert isinstance(decode(tagged("QuantumCircuit", packed(whole[:end]))), Opaque)


@pytest.mark.parametrize("version", QPY_VERSIONS)
@pytest.mark.usefixtures("no_more_than_100_mib")
def test_qpy_with_absurd_counts_is_refused_before_it_is_loaded(version: int) -> None:
    whole, absurd = as_qpy(circuit(), version), b"\xff\x7f\xff\xff"
    for at in range(18 + version % 2, len(whole) - 4, 2):
        changed = whole[:at] + absurd + whole[at + 4 :]
        decode(tagged("QuantumCircuit", packed(changed)))


def test_random_changes_to_qpy_are_survived() -> None:
    chance = random.Random(20260131)
    for version in QPY_VERSIONS:
        whole = as_qpy(circuit(), version)
        for _ in range(200):
            changed = bytearray(whole)
            for _ in range(chance.randint(1, 4)):
                changed[chance.randrange(7, len(changed))] = chance.randrange(256)
            decode(tagged("QuantumCircuit", packed(bytes(changed))))


def test_qpy_of_an_old_version_is_refused() -> None:
    changed = bytearray(as_qpy(circuit(), 13))
    changed[6] = 12
    got = decode(tagged("QuantumCircuit", packed(bytes(changed))))
    assert "QPY version 12" in got.reason


def test_qpy_that_names_a_function_of_the_library_is_refused() -> None:
    whole = (
        as_qpy(circuit(), 17)
        .replace(b"\x00\x05\x00\x00\x00\x00", b"\x00\x03\x00\x00\x00\x00")
        .replace(b"HGate", b"iqp")
    )
    assert "'iqp' as an instruction" in decode(tagged("QuantumCircuit", packed(whole))).reason


@pytest.mark.parametrize("version", QPY_VERSIONS)
def test_many_modest_claims_add_up(version: int) -> None:
    made = QuantumCircuit(40)
    for number in range(3):
        made.append(QuantumCircuit(40, name=f"wide{number}").to_instruction(), range(40))
    check_qpy(as_qpy(made, version), Claims(Limits(max_qubits=40, max_qpy_bits=1_000)))
    with pytest.raises(ValueError, match="too many together"):
        check_qpy(as_qpy(made, version), Claims(Limits(max_qubits=40, max_qpy_bits=100)))
