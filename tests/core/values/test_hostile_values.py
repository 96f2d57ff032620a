"""Hostile values that a cheap check refuses: each is opaque, with a reason. What passes is a worker's to survive."""

from __future__ import annotations

import json
import socket

import numpy as np
import pytest
from qiskit import QuantumCircuit

from qiskit_functions_core.values import Opaque, decode, summarize
from qiskit_functions_core.values.families.circuits import load_qpy
from qiskit_functions_core.values.limits import MIB, Limits
from support.hostile import HOSTILE, QPY_VERSIONS, as_qpy, circuit, inflating, npy, packed, tagged


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
def test_qpy_of_every_version_is_read(version: int) -> None:
    made = circuit()
    assert load_qpy(as_qpy(made, version)) == [made]


def test_qpy_of_an_old_version_is_refused() -> None:
    changed = bytearray(as_qpy(circuit(), 13))
    changed[6] = 8
    got = decode(tagged("QuantumCircuit", packed(bytes(changed))))
    assert "QPY version 8" in got.reason


def test_qpy_that_does_not_hold_circuits_is_refused() -> None:
    schedules = bytearray(as_qpy(circuit(), 13))
    schedules[19:20] = b"s"
    assert "does not hold circuits" in decode(tagged("QuantumCircuit", packed(bytes(schedules)))).reason


def test_a_panic_of_qiskit_is_an_opaque_value() -> None:
    made = QuantumCircuit(1)
    made.delay(100, 0)
    whole = as_qpy(made, 17)
    start = whole.index(b"Delay") - 33
    # Without its parameters, a delay is read, and panics when it is looked at.
    lying = whole[: start + 4] + bytes(2) + whole[start + 6 : start + 33 + 5 + 5] + whole[-23:]
    (part,) = summarize(tagged("QuantumCircuit", packed(lying))).parts
    assert part.kind == "opaque"
