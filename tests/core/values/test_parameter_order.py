"""Values reach the parameters that their author meant, or are refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit, qasm2, qasm3, qpy
from qiskit.circuit import Parameter, ParameterVector
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_ibm_runtime import RuntimeDecoder, RuntimeEncoder

from qiskit_functions_core.errors import InputError, LiteralError
from qiskit_functions_core.values import encode_arguments

ZZ = SparsePauliOp("ZZ")


def layered(names: list[Any]) -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    for place, parameter in enumerate(names):
        (circuit.ry if place % 2 else circuit.rx)(parameter, place % 2)
        if place % 3 == 2:
            circuit.cx(0, 1)
    circuit.cx(0, 1)
    return circuit


def sent(arguments: dict[str, Any], folder: Path | None = None) -> dict[str, Any]:
    """What a function gets."""
    text = encode_arguments(arguments, allowed_folders=[folder] if folder else [])
    decoded: dict[str, Any] = json.loads(text, cls=RuntimeDecoder)
    return decoded


def energy(circuit: QuantumCircuit, values: Any) -> float:
    """What the examples' estimator computes, without noise."""
    if isinstance(values, BindingsArray):
        values = values.as_array(circuit.parameters)
    bound = circuit.assign_parameters(np.asarray(values, dtype=float))
    return float(np.real(Statevector(bound).expectation_value(ZZ)))


def sent_energy(circuit: Any, values: Any, folder: Path | None = None) -> float:
    arguments = sent({"circuit": circuit, "observable": {"$observable": "ZZ"}, "parameter_values": values}, folder)
    return energy(arguments["circuit"], arguments["parameter_values"])


def refused(arguments: dict[str, Any], folder: Path | None = None) -> LiteralError:
    with pytest.raises(LiteralError) as error:
        sent(arguments, folder)
    return error.value


def test_a_vector_of_twelve_keeps_its_order_through_openqasm_3() -> None:
    theta = ParameterVector("θ", 12)
    circuit = QuantumCircuit(2)
    for index in range(12):
        (circuit.ry if index % 2 else circuit.rx)(theta[index], index % 2)
    circuit.cx(0, 1)
    values = [0.1 * (index + 1) for index in range(12)]
    values[2] = 2.0
    found = sent_energy({"$circuit": qasm3.dumps(circuit)}, values)
    assert found == pytest.approx(energy(circuit, values), abs=1e-9)
    assert found == pytest.approx(-0.49, abs=1e-3)


@pytest.mark.parametrize("name", ["θ", "_θ_{}_", "θ[{}]"])
def test_values_by_name_take_the_vector_its_elements_or_the_exported_names(name: str) -> None:
    circuit = layered(list(ParameterVector("θ", 12)))
    values = [0.1 * (index + 1) for index in range(12)]
    named = {name.format(index): value for index, value in enumerate(values)} if "{" in name else {name: values}
    literal = {"$circuit": qasm3.dumps(circuit)}
    expected = energy(circuit, values)
    assert sent_energy(literal, {"$parameter_values": named}) == pytest.approx(expected, abs=1e-9)


def test_several_sets_for_a_vector_have_a_row_each() -> None:
    circuit = layered([*ParameterVector("x", 2), Parameter("phi")])
    literal = {"$parameter_values": {"x": [[1, 2], [3, 4], [5, 6]], "phi": [7, 8, 9]}}
    arguments = sent({"circuit": {"$circuit": qasm3.dumps(circuit)}, "values": literal})
    assert arguments["values"].as_array(arguments["circuit"].parameters).tolist() == [[7, 1, 2], [8, 3, 4], [9, 5, 6]]


def test_loose_numbered_parameters_by_position_are_refused_with_the_dictionary_to_paste(tmp_path: Path) -> None:
    circuit = layered([Parameter(f"t{number}") for number in range(1, 13)])
    values = [0.1 * number for number in range(1, 13)]
    with (tmp_path / "x.qpy").open("wb") as file:
        qpy.dump(circuit, file)
    encoded = json.loads(json.dumps(circuit, cls=RuntimeEncoder))
    for literal in ({"$file": "x.qpy"}, {"$circuit": qasm3.dumps(circuit)}, circuit, encoded):
        error = refused({"circuit": literal, "parameter_values": values}, tmp_path)
        assert error.pointer == "/parameter_values"
        assert "t1, t10, t11, t12, t2, t3, … as Qiskit sorts them, or t1, t2, t3" in str(error)
        pasted = json.loads(error.next_step[error.next_step.index("{") : error.next_step.rindex("}") + 1])
        expected = energy(circuit, dict_values(circuit, {f"t{number}": 0.1 * number for number in range(1, 13)}))
        assert sent_energy(literal, pasted, tmp_path) == pytest.approx(expected, abs=1e-9)


def dict_values(circuit: QuantumCircuit, named: dict[str, float]) -> list[float]:
    return [named[parameter.name] for parameter in circuit.parameters]


@pytest.mark.parametrize(
    "values", [[0.5] * 12, [[0.5] * 12, [0.7] * 12], [0.1, 0.2], ["t"] * 12, np.zeros((3, 12))], ids=repr
)
def test_values_that_no_order_changes_are_sent(values: Any) -> None:
    circuit = layered([Parameter(f"t{number}") for number in range(1, 13)])
    assert len(sent({"circuit": circuit, "parameter_values": values})["parameter_values"]) == len(values)


def test_lists_for_something_else_are_sent() -> None:
    circuit = layered([Parameter(f"t{number}") for number in range(1, 13)])
    layout = list(range(12))
    assert sent({"circuit": circuit, "initial_layout": layout})["initial_layout"] == layout


def test_values_in_a_pub_are_checked_as_well() -> None:
    circuit = {"$circuit": qasm3.dumps(layered([Parameter(f"t{number}") for number in range(1, 13)]))}
    values = [list(range(12)), list(range(12))]
    assert refused({"pubs": [[circuit, {"$observable": "ZZ"}, values]]}).pointer == "/pubs/0/2"
    pub = sent({"pubs": [[circuit, {"$parameter_values": {f"t{n}": n for n in range(1, 13)}}]]})["pubs"][0]
    assert pub[1].as_array(pub[0].parameters).tolist() == [1, 10, 11, 12, 2, 3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("names", [["t", "t2"], ["a", "a.b"], ["U", "x", "A"], ["a b", "a~b", "a_b"]])
def test_names_that_the_exporter_changed_move_no_value(names: list[str]) -> None:
    circuit = layered([Parameter(name) for name in names])
    values = [0.3 * (index + 1) for index in range(len(names))]
    literal = {"$circuit": qasm3.dumps(circuit)}
    try:
        found = sent_energy(literal, values)
    except LiteralError as error:
        assert "two orders" in str(error)
    else:
        assert found == pytest.approx(energy(circuit, values), abs=1e-9)


@pytest.mark.parametrize(
    ("named", "message", "next_step"),
    [
        ({"tetha": 0.1, "phi": 0.2}, "at /v/$parameter_values/tetha: the circuit has no parameter 'tetha'", "'theta'"),
        ({"theta": 0.1}, "no values for phi", "phi, theta"),
        ({"theta": 0.1, "phi": 0.2, "x": 1}, "no parameter 'x'", "It has phi, theta."),
    ],
)
def test_names_that_do_not_fit_are_refused_with_those_that_do(named: Any, message: str, next_step: str) -> None:
    circuit = layered([Parameter("theta"), Parameter("phi")])
    error = refused({"circuit": circuit, "v": {"$parameter_values": named}})
    assert message in str(error)
    assert next_step in error.next_step


def test_a_vector_with_too_few_values_is_refused() -> None:
    circuit = layered(list(ParameterVector("x", 3)))
    assert "3 elements" in str(refused({"circuit": circuit, "v": {"$parameter_values": {"x": [1, 2]}}}))


def test_a_parameter_and_a_vector_of_its_name_have_no_order() -> None:
    circuit = {"$circuit": qasm3.dumps(layered([Parameter("Z"), *ParameterVector("Z", 2)]))}
    error = refused({"circuit": circuit, "parameter_values": [0.1, 0.2, 0.3]})
    assert "two orders" in error.message
    assert "with the vector" in error.message
    assert sent({"circuit": circuit, "parameter_values": [0.1, 0.1, 0.3]})


def test_values_without_a_circuit_beside_them_are_sent_as_they_are() -> None:
    assert sent({"v": {"$parameter_values": {"a": [0.1, 0.2]}}})["v"].shape == (2,)


def test_a_condition_that_qiskit_cannot_encode_is_an_input_error_that_names_the_limit() -> None:
    text = "OPENQASM 2.0; qreg q[70]; creg c[70]; measure q -> c; if(c==9223372036854775808) x q[0];"
    with pytest.raises(InputError, match=r"9223372036854775808|too large") as error:  # as Qiskit says it
        encode_arguments({"circuit": {"$circuit": text}})
    assert "63 bits" in error.value.next_step


# Qiskit 2.3 exports a name that begins with a digit as it is, and no OpenQASM can have such a name.
EXPORTS_DIGITS = "input float[64] 1;" in qasm3.dumps(layered([Parameter("1")]))
NAMES = st.text(st.sampled_from("abAZθ_ .~129"), min_size=1, max_size=3).filter(
    lambda name: not (EXPORTS_DIGITS and name[0].isdigit())
)


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    vectors=st.lists(st.tuples(NAMES, st.integers(1, 30)), min_size=1, max_size=3, unique_by=lambda vector: vector[0]),
    loose=st.lists(NAMES, max_size=3, unique=True),
    writer=st.sampled_from(["qasm3", "qpy", "qasm2"]),
    order=st.randoms(use_true_random=False),
)
def test_any_circuit_gives_the_expectation_value_of_the_original_or_is_refused(
    vectors: list[tuple[str, int]], loose: list[str], writer: str, order: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parameters: list[Parameter] = [element for name, size in vectors for element in ParameterVector(name, size)]
    parameters += [Parameter(name) for name in loose]
    order.shuffle(parameters)
    circuit = layered(parameters)
    values = [0.05 + 0.37 * place for place in range(len(parameters))]
    folder = tmp_path_factory.mktemp("circuits")
    expected = energy(circuit, values)
    if writer == "qasm2":
        text = qasm2.dumps(circuit.assign_parameters(values))
        assert energy(sent({"circuit": {"$circuit": text}})["circuit"], []) == pytest.approx(expected, abs=1e-9)
        return
    if writer == "qpy":
        with (folder / "x.qpy").open("wb") as file:
            qpy.dump(circuit, file)
    literal = {"$file": "x.qpy"} if writer == "qpy" else {"$circuit": qasm3.dumps(circuit)}
    try:
        found = sent_energy(literal, values, folder)
    except LiteralError as error:
        assert "two orders" in str(error)
    else:
        assert found == pytest.approx(expected, abs=1e-9)
