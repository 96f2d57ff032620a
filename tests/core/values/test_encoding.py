from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.primitives.containers import BitArray
from qiskit.quantum_info import Clifford, SparseObservable, SparsePauliOp
from qiskit_ibm_runtime import QiskitRuntimeService
from qiskit_serverless.serializers.program_serializers import QiskitObjectsDecoder, QiskitObjectsEncoder

from qiskit_functions_core.errors import InputError, LiteralError
from qiskit_functions_core.values import encode_arguments

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text().filter(lambda key: not key.startswith(("$", "__type__"))), inner)
    ),
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b", "é"]), plain))
def test_plain_json_is_encoded_as_json_does(arguments: dict[str, Any]) -> None:
    assert encode_arguments(arguments) == json.dumps(arguments)


def test_plain_arguments_import_neither_qiskit_nor_numpy() -> None:
    program = """
import sys
from qiskit_functions_core.values import decode, encode_arguments, summarize
text = encode_arguments({"shots": 100, "options": {"levels": [1, None, "x"]}})
decode(text), summarize(text)
print([name for name in ("qiskit", "numpy", "qiskit_ibm_runtime", "scipy") if name in sys.modules])
"""
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_arrays_import_numpy_and_counts_no_more_of_qiskit_than_its_own_package() -> None:
    texts = [json.dumps(value, cls=QiskitObjectsEncoder) for value in (np.eye(2), BitArray(np.ones((2, 1), "u1"), 1))]
    program = f"""
import sys
from qiskit_functions_core.values import summarize
for text in {texts!r}:
    summarize(text)
    print([name for name in ("qiskit", "qiskit_ibm_runtime", "scipy.stats", "matplotlib") if name in sys.modules])
"""
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == ["[]", "['qiskit']"]


def test_objects_of_python_users_are_encoded_as_the_official_client_does() -> None:
    circuit = QuantumCircuit(1, metadata={"a": 1})
    circuit.x(0)
    arguments = {
        "circuit": circuit,
        "observable": SparsePauliOp(["Z"], [0.5]),
        "array": np.arange(6).reshape(2, 3),
        "complex": 1 + 2j,
        "scalar": np.int64(3),
        "set": {1},
        "tuple": (1, [circuit]),
        1: "a key that is no text",
    }
    official = json.dumps(arguments, cls=QiskitObjectsEncoder)
    ours = encode_arguments(arguments)  # type: ignore[arg-type]  # the key that is no text
    assert json.loads(ours, cls=QiskitObjectsDecoder).keys() == json.loads(official).keys()
    assert ours == official


def test_numpy_scalars_that_the_official_encoder_refuses_are_numbers() -> None:
    arguments = {"a": np.float32(0.5), "b": np.bool_(True), "c": np.complex64(1j), "d": np.uint8(7)}
    assert json.loads(encode_arguments(arguments), cls=QiskitObjectsDecoder) == {"a": 0.5, "b": True, "c": 1j, "d": 7}


def test_encoded_values_pass_through_unchanged() -> None:
    text = json.dumps({"x": [QuantumCircuit(2), np.eye(2)]}, cls=QiskitObjectsEncoder)
    assert encode_arguments(json.loads(text)) == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"__type__": "QiskitRuntimeService", "__value__": {"token": "x"}}, "a service carries credentials"),
        ({"__type__": "settings", "__module__": "os", "__class__": "system", "__value__": {}}, "'os.system'"),
        ({"__type__": "ndarray", "__value__": "abc"}, "'ndarray'"),
        ({"__type__": "ndarray"}, "no __value__"),
        ({"__type__": "DataBin", "__value__": {"nested": {"__type__": "Unknown", "__value__": 1}}}, "'Unknown'"),
    ],
)
def test_encoded_values_that_functions_could_not_read_are_refused(value: dict[str, Any], reason: str) -> None:
    with pytest.raises(LiteralError, match="/a/0") as caught:
        encode_arguments({"a": [value]})
    assert reason in caught.value.message


@pytest.mark.parametrize("value", [SparseObservable("XX"), Clifford.from_label("H"), len], ids=str)
def test_objects_that_qiskit_cannot_encode_are_named_and_not_sent_as_null(value: Any) -> None:
    with pytest.raises(InputError, match=type(value).__name__):
        encode_arguments({"x": value})


def test_a_service_is_never_sent() -> None:
    service = object.__new__(QiskitRuntimeService)
    with pytest.raises(InputError, match="carries your token"):
        encode_arguments({"service": service})


def test_arguments_that_nest_without_end_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(LiteralError, match="nested deeper"):
        encode_arguments({"x": endless})


@pytest.mark.parametrize("key", [("n0", "n1"), Parameter("t"), b"a", np.int64(3)])
def test_keys_that_json_lacks_are_told_by_their_place(key: Any) -> None:
    with pytest.raises(InputError, match="A key of the object at /graph/0 is a ") as caught:
        encode_arguments({"graph": [{key: 1}]})
    assert "text" in caught.value.next_step
    assert json.loads(encode_arguments({"x": {1: "a", None: "b"}}))["x"]
