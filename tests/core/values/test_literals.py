from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit, qpy
from qiskit.quantum_info import PauliLindbladMap, SparsePauliOp
from qiskit_ibm_runtime import RuntimeDecoder

from qiskit_functions_core.errors import LiteralError
from qiskit_functions_core.values import encode_arguments
from qiskit_functions_core.values.literals.tags import LITERALS

BELL_3 = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; h q[0]; cx q[0], q[1];'
BELL_2 = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; h q[0]; cx q[0], q[1];'


def sent(value: Any, **options: Any) -> Any:
    """What a function gets for an argument, by the official decoder."""
    return json.loads(encode_arguments({"x": value}, **options), cls=RuntimeDecoder)["x"]


def refused(value: Any, **options: Any) -> LiteralError:
    with pytest.raises(LiteralError) as caught:
        encode_arguments({"x": [value]}, **options)
    return caught.value


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


@pytest.mark.parametrize("text", [BELL_3, BELL_2, "// a comment\n/* and\nanother */\n" + BELL_3])
def test_openqasm_of_both_versions_becomes_the_circuit(text: str) -> None:
    assert (
        list(sent({"$circuit": text}).data) == list(QuantumCircuit.from_qasm_str(BELL_2).data)
        or sent({"$circuit": text}).count_ops() == bell().count_ops()
    )


def test_a_list_of_circuits_stays_a_list() -> None:
    assert [circuit.num_qubits for circuit in sent({"$circuit": [BELL_3, BELL_2]})] == [2, 2]


def test_parameters_of_openqasm_3_are_kept() -> None:
    text = 'OPENQASM 3.0; include "stdgates.inc"; input float[64] theta; qubit q; rx(theta) q;'
    assert [parameter.name for parameter in sent({"$circuit": text}).parameters] == ["theta"]


def test_literals_are_read_anywhere_inside_the_arguments() -> None:
    assert sent({"deep": [{"er": {"$complex": [1, -2]}}]}) == {"deep": [{"er": 1 - 2j}]}


@pytest.mark.parametrize(
    ("literal", "operator"),
    [
        ({"$observable": {"ZZ": 1.0, "XI": 0.5}}, SparsePauliOp(["ZZ", "XI"], [1, 0.5])),
        ({"$observable": [["ZZ", 1], ["XI", 0.5]]}, SparsePauliOp(["ZZ", "XI"], [1, 0.5])),
        ({"$observable": "ZX"}, SparsePauliOp("ZX")),
        ({"$observable": {"Y": {"$complex": [0, 1]}}}, SparsePauliOp(["Y"], [1j])),
        ({"$observable": [["ZX", [0, 3], 2]], "num_qubits": 4}, SparsePauliOp(["XIIZ"], [2])),
    ],
)
def test_observables_are_read_in_every_form(literal: dict[str, Any], operator: SparsePauliOp) -> None:
    assert sent(literal) == operator


def test_a_list_of_observables_is_a_list_of_operators() -> None:
    literal = {"$observable": ["ZZ", {"XX": 2.0}, [["YY", 3.0]]]}
    assert sent(literal) == [SparsePauliOp("ZZ"), SparsePauliOp(["XX"], [2]), SparsePauliOp(["YY"], [3])]


@pytest.mark.parametrize(
    ("literal", "array"),
    [
        ({"$array": [[1, 2], [3, 4]]}, np.array([[1, 2], [3, 4]])),
        ({"$array": [1, 255], "dtype": "uint8"}, np.array([1, 255], np.uint8)),
        ({"$array": [1, {"$complex": [0, 2]}]}, np.array([1, 2j])),
        ({"$array": []}, np.array([])),
        ({"$array": 2.5, "dtype": "float32"}, np.array(2.5, np.float32)),
    ],
)
def test_arrays_keep_their_shape_and_dtype(literal: dict[str, Any], array: np.ndarray[Any, Any]) -> None:
    got = sent(literal)
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array, strict=True)


def test_parameter_values_by_name_become_bindings() -> None:
    bindings = sent({"$parameter_values": {"theta": [0.1, 0.2], "phi": [0.3, 0.4]}})
    assert bindings.shape == (2,)
    np.testing.assert_array_equal(bindings.as_array(["phi", "theta"]), [[0.3, 0.1], [0.4, 0.2]])


@pytest.mark.parametrize(
    ("values", "array"),
    [
        ({"linspace": [0, 3, 4]}, [[0], [1], [2], [3]]),
        ({"arange": [0, 1, 0.25]}, [[0], [0.25], [0.5], [0.75]]),
    ],
)
def test_ranges_are_spaced_as_numpy_does(values: Any, array: Any) -> None:
    bindings = sent({"$parameter_values": {"theta": values}})
    np.testing.assert_allclose(bindings.as_array(["theta"]), array)


@pytest.mark.parametrize(
    "values",
    [{"linspace": [[0, 5], [2, 5], 3]}, [{"linspace": [0, 2, 3]}, 5], [{"arange": [0, 3, 1]}, {"linspace": [5, 5, 3]}]],
)
def test_ranges_sweep_a_vector_with_its_elements_last(values: Any) -> None:
    text = (
        'OPENQASM 3.0; include "stdgates.inc"; input float _v_0_; input float _v_1_; qubit q; rx(_v_0_) q; rz(_v_1_) q;'
    )
    pub = sent([{"$circuit": text}, {"$parameter_values": {"v": values}}])
    np.testing.assert_allclose(pub[1].as_array(["v[0]", "v[1]"]), [[0, 5], [1, 5], [2, 5]])


def test_a_number_beside_a_range_is_the_value_in_every_set() -> None:
    values = {"theta": {"linspace": [0, "pi", 3]}, "phi": "-3*pi/4", "psi": [1, 2, 3]}
    bindings = sent({"$parameter_values": values})
    columns: Any = [[0, np.pi / 2, np.pi], [-0.75 * np.pi] * 3, [1, 2, 3]]
    np.testing.assert_allclose(bindings.as_array(["theta", "phi", "psi"]), np.transpose(columns))


def test_a_vector_with_one_set_stands_beside_a_range() -> None:
    text = "input float t; input array[float[64], 2] v; qubit q; rx(t) q; ry(v[0]) q; rz(v[1]) q;"
    pub = sent([{"$circuit": text}, {"$parameter_values": {"v": [5, 6], "t": {"arange": [0, "2*pi", "pi"]}}}])
    np.testing.assert_allclose(pub[1].as_array(["t", "v[0]", "v[1]"]), [[0.0, 5.0, 6.0], [np.pi, 5.0, 6.0]])


def test_parameter_values_in_lists_become_floats() -> None:
    np.testing.assert_array_equal(sent({"$parameter_values": [[1, 2]]}), np.array([[1.0, 2.0]]), strict=True)


def test_pauli_lindblad_maps_and_dates_are_read() -> None:
    noise = sent({"$pauli_lindblad": [["ZX", [0, 1], 0.1]], "num_qubits": 2})
    assert noise == PauliLindbladMap.from_sparse_list([("ZX", [0, 1], 0.1)], num_qubits=2)
    assert sent({"$datetime": "2026-01-31T12:00:00Z"}) == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_plain_passes_an_object_with_a_dollar_key() -> None:
    assert sent({"$plain": {"$ref": "#/a"}}) == {"$ref": "#/a"}


@pytest.mark.parametrize("literal", LITERALS.values(), ids=LITERALS)
def test_the_examples_shown_in_errors_are_correct(literal: Any, tmp_path: Path) -> None:
    (tmp_path / "circuit.qasm").write_text(BELL_3)
    decoder, end = json.JSONDecoder(), 0
    while (start := literal.example.find("{", end)) >= 0:
        example, end = decoder.raw_decode(literal.example, start)
        encode_arguments({"x": example}, allowed_folders=[tmp_path])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\n  foo q[0];',
            "OpenQASM 3 at line 4, column 3: gate 'foo'",
        ),
        ("OPENQASM 3.0;\nqubit[2] q\nh q[0];", "OpenQASM 3 at line 3, column 1: unexpected 'h'"),
        ('OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[1];\nfoo q[0];', "OpenQASM 2 at line 4, column 1: 'foo'"),
        ('OPENQASM 3.0;\ninclude "/etc/passwd";', "no files"),
        ('OPENQASM 2.0;\ninclude "README.md";', "no files"),
        ('OPENQASM 2.0; include "README.md";', "no files"),
        ('OPENQASM 2.0;// \n/ include "README.md";', "at line 2, column 3: include 'README.md'"),
        ("OPENQASM 3.0; qubit[2000000000] q;", "go up to 10,000"),
        ("OPENQASM 2.0; qreg q[999999999];", "go up to 10,000"),
        ("OPENQASM 3.0; qubit q; U(" + "(" * 500 + "1" + ")" * 500 + ",1,1) q;", "nested more than"),
        ("OPENQASM 9.0; qubit q;", "OpenQASM 9 is unknown"),
        (3, "not a number"),
    ],
)
def test_a_broken_circuit_is_told_with_its_place(text: Any, message: str) -> None:
    error = refused({"$circuit": text})
    assert error.pointer == "/x/0/$circuit"
    assert message in error.message
    assert error.next_step


def test_the_gates_of_the_library_need_no_include() -> None:
    assert sent({"$circuit": "OPENQASM 3.0; qubit q; h q;"}).count_ops() == {"h": 1}


@pytest.mark.parametrize(
    ("literal", "pointer", "message"),
    [
        ({"$observable": {"ZZ": 1, "X": 2}}, "/$observable/X", "has 1 letters, the first label has 2"),
        ({"$observable": {"ZA": 1}}, "/$observable/ZA", "'ZA' is not a Pauli label"),
        ({"$observable": {"ZZ": "x"}}, "/$observable/ZZ", "'x' is not a number"),
        ({"$observable": {"ZZ": True}}, "/$observable/ZZ", "not a truth value"),
        ({"$observable": {}}, "/$observable", "no terms"),
        ({"$observable": 3}, "/$observable", "not a number"),
        ({"$observable": [["ZZ", 1.0], ["ZZ", [0, 1], 1]]}, "/$observable/0", "do not mix"),
        ({"$observable": [["ZZ", [0, 1], 1]]}, "/$observable", "need the option num_qubits"),
        ({"$observable": [["ZZ", [0, 9], 1]], "num_qubits": 3}, "/$observable/0", "qubit 9 is not one of 0 to 2"),
        ({"$observable": [["ZZ", [1, 1], 1]], "num_qubits": 3}, "/$observable/0", "twice"),
        ({"$observable": [["ZZ", [1], 1]], "num_qubits": 3}, "/$observable/0", "2 Paulis for 1 qubits"),
        ({"$observable": {"ZZ": 1}, "num_qubits": 3}, "/$observable", "num_qubits says 3"),
        ({"$pauli_lindblad": {"ZZ": {"$complex": [0, 1]}}}, "/$pauli_lindblad", "real"),
        ({"$array": [[1, 2], [3]]}, "/$array/1", "equal length"),
        ({"$array": ["a"]}, "/$array/0", "not text"),
        ({"$array": [1.5], "dtype": "int8"}, "/$array", "do not fit dtype int8"),
        ({"$array": [300], "dtype": "int8"}, "/$array", "do not fit dtype int8"),
        ({"$array": [10**30]}, "/$array", "do not fit"),
        ({"$array": [1], "dtype": "object"}, "/$array", "'object' is not a dtype"),
        ({"$array": [1], "shape": [1]}, "", "no option 'shape'; its options: dtype"),
        ({"$array": [0] * 1_000_001}, "/$array", "at most 1,000,000"),
        ({"$complex": [1]}, "/$complex", "[real part, imaginary part]"),
        ({"$datetime": "tomorrow"}, "/$datetime", "ISO 8601"),
        ({"$parameter_values": {"a": ["x"]}}, "/$parameter_values/a/0", "not text"),
        ({"$parameter_values": {"a": {"linspace": [0, 3]}}}, "/$parameter_values/a", "[first, last, points]"),
        ({"$parameter_values": {"a": {"linspace": [0, 3, 0]}}}, "/$parameter_values/a/linspace", "points above 0"),
        ({"$parameter_values": {"a": {"arange": [0, 1, 1e-9]}}}, "/$parameter_values/a/arange", "at most 1,000,000"),
        ({"$parameter_values": {"a": {"arange": [1, 0, 1]}}}, "/$parameter_values/a", "no values"),
        (
            {"$parameter_values": {"v": [{"linspace": [0, 1, 3]}, {"linspace": [0, 1, 4]}]}},
            "/$parameter_values/v",
            "3, 4 values",
        ),
        ({"$parameter_values": {"a": [1, 2], "b": [1, 2, 3]}}, "/$parameter_values", "(a: [2], b: [3])"),
        ({"$parameter_values": {"a": {"logspace": [0, 1, 3]}}}, "/$parameter_values/a", "a range is"),
        ({"$parameter_values": {"a": "tau/2"}}, "/$parameter_values/a", "not text"),
        ({"$circuit": BELL_3, "$array": []}, "", "two literals"),
    ],
)
def test_a_broken_literal_is_told_with_its_place_and_an_example(
    literal: dict[str, Any], pointer: str, message: str
) -> None:
    error = refused(literal)
    assert error.pointer == f"/x/0{pointer}"
    assert message in error.message
    assert error.next_step


def test_an_unknown_tag_names_the_known_ones_and_the_way_around() -> None:
    error = refused({"$circ": BELL_3})
    assert "$circuit" in error.next_step
    assert '{"$plain": {"$circ": …}}' in error.next_step


def test_files_are_read_below_the_allowed_folders(tmp_path: Path) -> None:
    (tmp_path / "bell.qasm").write_text(BELL_3)
    with (tmp_path / "bell.qpy").open("wb") as opened:
        qpy.dump([bell(), bell()], opened)
    np.save(tmp_path / "array.npy", np.eye(3))
    (tmp_path / "data.json").write_text('{"a": [1, {"$ref": 2}]}')

    def file(name: str) -> Any:
        return sent({"$file": name}, allowed_folders=[tmp_path])

    assert file("bell.qasm").count_ops() == bell().count_ops()
    assert file(str(tmp_path / "bell.qpy")) == [bell(), bell()]
    np.testing.assert_array_equal(file("array.npy"), np.eye(3))
    assert file("data.json") == {"a": [1, {"$ref": 2}]}


def test_nothing_outside_the_allowed_folders_is_read(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret.json").write_text("{}")
    (inside / "link.json").symlink_to(outside / "secret.json")
    missing = refused({"$file": "nothing.json"}, allowed_folders=[inside]).message
    for name in ("../out/secret.json", str(outside / "secret.json"), "link.json", "a\0b.json"):
        error = refused({"$file": name}, allowed_folders=[inside])
        assert error.message.replace(repr(name), "") == missing.replace("'nothing.json'", "")
    assert "no folder is opened" in refused({"$file": "x.json"}).message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npy", b"\x93NUMPY"),
        ("a.qpy", b"QISKIT\x11abc"),
        ("a.json", b"{"),
        ("a.qasm", b"\xff"),
        ("a.json", b"[" * 10**6),
    ],
)
def test_a_broken_file_is_told_by_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert name in refused({"$file": name}, allowed_folders=[tmp_path]).message


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"")
    assert "does not end in" in refused({"$file": "a.pkl"}, allowed_folders=[tmp_path]).message


def test_what_cannot_be_read_is_an_error_and_no_line_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LiteralError):
        encode_arguments({"c": {"$circuit": f"OPENQASM 3.0; {'z' * 1000} !!"}})
    assert capfd.readouterr().err == ""
