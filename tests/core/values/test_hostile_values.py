"""Data from strangers: each ends in an opaque value or an error, in little memory, and nothing is called by name."""

from __future__ import annotations

import json
import os
import random
import socket
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import get_standard_gate_name_mapping

from qiskit_functions_core.values import Opaque, decode, summarize
from qiskit_functions_core.values.limits import MIB, Limits
from qiskit_functions_core.values.payloads import load_qpy
from qiskit_functions_core.values.qpy_check import Claims, check_qpy
from support.hostile import HOSTILE, QPY_VERSIONS, as_qpy, changed, circuit, inflating, npy, packed, tagged


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the most memory since a moment")
def test_each_takes_at_most_2_seconds_of_cpu_and_300_mib_in_one_process() -> None:
    paths = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    shown = subprocess.run(
        [sys.executable, "-m", "support.hostile"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        check=True,
    )
    measured = json.loads(shown.stdout)
    assert len(measured) > 50
    assert {name: cost for name, cost in measured.items() if cost[0] > 2 or cost[1] > 300} == {}


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
def test_qpy_with_absurd_counts_is_refused_before_it_is_loaded(version: int) -> None:
    whole, absurd = as_qpy(circuit(), version), b"\xff\x7f\xff\xff"
    for at in range(18 + version, len(whole) - 4, 7):
        changed = whole[:at] + absurd + whole[at + 4 :]
        decode(tagged("QuantumCircuit", packed(changed)))


@pytest.mark.parametrize("version", QPY_VERSIONS)
def test_random_changes_to_qpy_are_survived(version: int) -> None:
    rounds = int(os.environ.get("FUZZ_ROUNDS", "200"))
    chance = random.Random(int(os.environ.get("FUZZ_SEED", "20260131")))
    whole = as_qpy(circuit(), version)
    for _ in range(rounds):
        decode(tagged("QuantumCircuit", packed(changed(chance, whole))))


def test_random_changes_to_results_are_survived() -> None:
    """Bytes of whole results, base64 and brackets alike."""
    rounds = int(os.environ.get("FUZZ_ROUNDS", "200"))
    chance = random.Random(int(os.environ.get("FUZZ_SEED", "20260131")))
    whole = json.dumps([json.loads(text) for text in HOSTILE.values() if len(text) < 1_000 and text.endswith("}")])
    for _ in range(rounds):
        summarize(changed(chance, whole.encode()).decode("latin-1"))


def test_qpy_of_an_old_version_is_refused() -> None:
    changed = bytearray(as_qpy(circuit(), 13))
    changed[6] = 12
    got = decode(tagged("QuantumCircuit", packed(bytes(changed))))
    assert "QPY version 12" in got.reason


def test_runs_of_plain_gates_are_counted_as_the_header_says() -> None:
    """A run that goes on after the last instruction would hide what the reader takes for the rest of the circuit."""
    made = QuantumCircuit(2)
    for _ in range(150):
        made.rz(0.5, 0)
        made.cx(0, 1)
    whole = as_qpy(made, 17)
    check_qpy(whole, Claims(Limits()))
    for claimed in (0, 1, 64, 299, 301, 320, 10_000):
        lying = whole.replace((300).to_bytes(8, "big"), claimed.to_bytes(8, "big"), 1)
        with pytest.raises(ValueError, match="QPY"):
            check_qpy(lying, Claims(Limits()))


def test_every_standard_gate_passes_as_a_plain_one() -> None:
    made = QuantumCircuit(5, 1)
    for gate in get_standard_gate_name_mapping().values():
        if gate.name not in ("delay", "measure", "reset"):
            plain = gate.base_class(*[0.5] * len(gate.params)) if gate.params else gate
            made.append(plain, range(gate.num_qubits))
    made.reset(0)
    made.measure(0, 0)
    whole = as_qpy(made, 17)
    check_qpy(whole, Claims(Limits(max_effort=20)))


@pytest.mark.parametrize("name", ["iqp", "QuantumVolume", "ParameterVector", "ClassicalRegister", "PhaseOracleGate"])
def test_qpy_that_names_anything_but_a_gate_that_is_quickly_made_is_refused(name: str) -> None:
    """Qiskit's reader would call it, with parameters from the file."""
    header = struct.pack("!HHHIIBHqII", len(name), 0, 0, 1, 0, 0, 0, 0, 0, 0)
    made = QuantumCircuit(1)
    made.h(0)
    whole = as_qpy(made, 17)
    start = whole.index(b"HGate") - len(header)
    lying = whole[:start] + header + name.encode() + whole[start + len(header) + len("HGate") :]
    assert f"{name!r} as an instruction" in decode(tagged("QuantumCircuit", packed(lying))).reason


def test_a_panic_of_qiskit_is_an_opaque_value() -> None:
    made = QuantumCircuit(1)
    made.delay(100, 0)
    whole = as_qpy(made, 17)
    start = whole.index(b"Delay") - 33
    # Without its parameters, a delay is read, and panics when it is looked at.
    lying = whole[: start + 4] + bytes(2) + whole[start + 6 : start + 33 + 5 + 5] + whole[-23:]
    (part,) = summarize(tagged("QuantumCircuit", packed(lying))).parts
    assert part.kind == "opaque"


@pytest.mark.parametrize("version", QPY_VERSIONS)
def test_many_modest_claims_add_up(version: int) -> None:
    made = QuantumCircuit(40)
    for number in range(3):
        made.append(QuantumCircuit(40, name=f"wide{number}").to_instruction(), range(40))
    check_qpy(as_qpy(made, version), Claims(Limits(max_qubits=40, max_qpy_bits=1_000)))
    with pytest.raises(ValueError, match="too many together"):
        check_qpy(as_qpy(made, version), Claims(Limits(max_qubits=40, max_qpy_bits=100)))
