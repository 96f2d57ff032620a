from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.quantum_info import SparseObservable, SparsePauliOp
from qiskit_ibm_runtime import RuntimeDecoder

from qiskit_functions_core.errors import LiteralError
from qiskit_functions_core.values import encode_arguments

SUM = SparsePauliOp(["ZZ", "XI"], [1.0, 0.5])


def sent(value: Any, **options: Any) -> Any:
    """What a function gets for an observable, by the official decoder."""
    return json.loads(encode_arguments({"x": {"$observable": value, **options}}), cls=RuntimeDecoder)["x"]


def refused(value: Any, **options: Any) -> LiteralError:
    with pytest.raises(LiteralError) as caught:
        encode_arguments({"x": {"$observable": value, **options}})
    return caught.value


@pytest.mark.parametrize(
    ("value", "num_qubits"),
    [
        ("1.0*ZZ + 0.5*XI", None),
        ("ZZ+0.5XI", None),
        ("zz + 0.5 xi", None),
        ("ZZ − −5e-1·XI", None),
        ("(1+0j) * ZZ + (0.5+0j) * XI", None),
        ("1.0 * ZZ\n+ 1/2 * XI", None),
        ({"ZZ": "1", "XI": "0.5+0j"}, None),
        ("ZZ*1.0 + XI/2", None),
        ("(2*ZZ + XI)/2", None),
        ("0.5*(2 ZZ + XI)", None),
        ("-2*(-ZZ/2 - 0.25*XI)", None),
        ({"zz": [1, 0.0], "xi": "5e-1"}, None),
        ({"paulis": ["ZZ", "XI"], "coeffs": [1, 0.5]}, None),
        ({"labels": ["ZZ", "XI"], "coefficients": [[1, 0], [0.5, 0]]}, None),
        ([[1.0, "ZZ"], [0.5, "XI"]], None),
        ([["ZZ", "1"], ["XI", "(0.5+0j)"]], None),
        ([{"pauli": "ZZ", "coeff": 1}, {"pauli": "XI", "coeff": 0.5}], None),
        (repr(SUM), None),
        (str(SUM.to_list()), None),
        ('SparsePauliOp.from_list([("ZZ", 1.0), ("XI", 0.5)])', None),
        ("SparsePauliOp(['ZZ', 'XI'], coeffs=[1. +0.j, 0.5+0.j])", None),
        (repr(SparseObservable.from_list([("ZZ", 1), ("XI", 0.5)])), None),
        ({"Z0 Z1": 1.0, "X1": 0.5}, 2),
        ([["Z0 Z1", 1.0], [0.5, "X1"]], 2),
        ("1.0 [Z0 Z1] +\n0.5 [X1]", 2),
        ("(1+0j) [Z0 Z1] +\n(0.5+0j) [X1]", 2),
        ("Z(0) @ Z(1) + 0.5 * X(1)", 2),
        ("1.0 * (Z(0) @ Z(1)) + 0.5 * X(1)", 2),
        ("(1.0) [Z0 Z1]\n+ (0.5) [X1]", 2),
        ("PauliZ(0) @ PauliZ(1) + 0.5 * PauliX(1)", 2),
        ("1.000*Z(q(0))*Z(q(1))+0.500*X(q(1))", 2),
        ("Z_0 Z_{1} + 0.5 X_1", 2),
        ("Z₀Z₁ + 0.5 X₁", 2),
    ],
)
def test_a_sum_is_read_however_people_write_and_programs_print_it(value: Any, num_qubits: int | None) -> None:
    options = {"num_qubits": num_qubits} if num_qubits else {}
    assert sent(value, **options).equiv(SUM)


@pytest.mark.parametrize("text", ["2.0 [] + 1.0 [X0]", "2 + X0", "2*I + X0", "2 * I() + X(0)", "2 * I(0) + X(0)"])
def test_multiples_of_the_identity_have_no_qubits(text: str) -> None:
    assert sent(text, num_qubits=2).equiv(SparsePauliOp(["II", "IX"], [2, 1]))


def test_a_sign_alone_is_a_coefficient() -> None:
    assert sent("-ZZ") == SparsePauliOp(["ZZ"], [-1])
    assert sent("-ZZ - XI") == SparsePauliOp(["ZZ", "XI"], [-1, -1])


def test_one_pair_is_a_term_and_texts_are_observables() -> None:
    assert sent(["ZZ", 0.5]) == SparsePauliOp(["ZZ"], [0.5])
    assert sent(["ZZ", "-XI"]) == [SparsePauliOp("ZZ"), SparsePauliOp(["XI"], [-1])]


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        ([["Z", 0], ["X", 1]], {}, "[0, 1] may be qubits or coefficients"),
        ("(ZZ + (XI))", {}, "a Pauli term is missing at character 7"),
        ("(ZZ + XI", {}, ") is missing"),
        ("ZZ/0", {}, "a number other than 0"),
        ({"Z0 Z1": 1.0}, {}, "need the option num_qubits"),
        ("Z Z", {}, "the order of the qubits is not clear"),
        ("Z @ Z", {}, "the order of the qubits is not clear"),
        ("Z ⊗ Z", {}, "the order of the qubits is not clear"),
        ({"Z0": 1, "XI": 2}, {"num_qubits": 2}, "do not mix"),
        ("Z0 + XI", {"num_qubits": 2}, "do not mix"),
        ("Zz", {}, "mixes capitals and small letters"),
        ("paulis", {}, "is not a Pauli label"),
        ("0.5i", {}, "imaginary unit or the identity"),
        (["ZZ", [0, 1]], {}, "may be qubits, or real and imaginary part"),
        ({"paulis": ["ZZ"], "coeffs": [1, 2]}, {}, "1 paulis for 2 coeffs"),
        ({"paulis": ["ZZ"], "weights": [1]}, {}, "there must be one list 'coeffs'"),
        ("ZZ +", {}, "a Pauli term is missing at character 5"),
        ("ZZ0", {"num_qubits": 2}, "several Paulis with one qubit"),
        ("(Z0 Z1", {"num_qubits": 2}, ") is missing at character 7"),
        ("1e999*ZZ", {}, "too large"),
        ({"ZZ": "nan"}, {}, "not a number"),
        ("Z" + "9" * 5000, {"num_qubits": 2}, "the number of a qubit is expected"),
        ("SparsePauliOp(['ZZ', ..., 'XX'], coeffs=[1.+0.j, 2.+0.j])", {}, "printed in part"),
        ("Z0 " * 10, {"num_qubits": 2}, "twice"),
        ({"Z0 + Z1": 1}, {"num_qubits": 2}, "2 terms for one coefficient"),
    ],
)
def test_what_has_no_single_meaning_is_refused_with_the_forms_that_work(
    value: Any, options: dict[str, Any], message: str
) -> None:
    error = refused(value, **options)
    assert message in error.message
    assert "$observable" in error.next_step or "$complex" in error.next_step


def test_what_would_fill_the_memory_is_refused_by_its_size() -> None:
    assert "are more than can be encoded" in refused("Z0 + " * 20_000 + "Z0", num_qubits=10_000).message


@given(st.text("IXYZixyz0123456789 .+-*@()[]_{}ej/", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        sent(text, num_qubits=3)
    except LiteralError as error:
        assert error.pointer == "/x/$observable"


@given(
    st.lists(
        st.tuples(st.text("IXYZ", min_size=3, max_size=3), st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
        min_size=1,
        max_size=8,
    )
)
def test_what_qiskit_prints_comes_back(terms: list[tuple[str, float, float]]) -> None:
    operator = SparsePauliOp([term[0] for term in terms], [complex(*term[1:]) for term in terms])
    got = sent(str(operator))
    assert got.paulis == operator.paulis
    assert sent(str(operator.to_list())) == operator
