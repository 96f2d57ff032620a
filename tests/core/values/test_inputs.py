"""Rows, columns and axes named by what a job was given, where its result does not name them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult
from qiskit.quantum_info import SparsePauliOp
from qiskit_ibm_runtime import RuntimeEncoder

from qiskit_functions_core.values import Result, ValueSummary, encode_arguments

THETAS = [0.0, 0.5, 1.0, 1.5]
ZZ, XI = SparsePauliOp("ZZ"), SparsePauliOp("XI")


def circuit(*parameters: Parameter) -> QuantumCircuit:
    made = QuantumCircuit(2)
    for parameter in parameters:
        made.rx(parameter, 0)
    return made


def circuit_of_two_gates() -> QuantumCircuit:
    made = circuit(Parameter("θ"))
    made.cx(0, 1)
    return made


ROTATION = circuit(Parameter("θ"))


def estimated(*shape: int) -> PubResult:
    values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    return PubResult(DataBin(evs=values, stds=values / 100, shape=shape))


def pub_of(result: Any, arguments: dict[str, Any]) -> ValueSummary:
    encoded = json.dumps(result, cls=RuntimeEncoder)
    read = Result(encoded, arguments=encode_arguments(arguments))
    return next(part for part in read.summary().parts if part.kind in ("estimator_pub", "sampler_pub"))


SWEEP: dict[str, dict[str, Any]] = {
    "by name": {"circuit": ROTATION, "observable": [ZZ, XI], "parameter_values": {"$parameter_values": {"θ": THETAS}}},
    "by position": {"circuit": ROTATION, "observable": [ZZ, XI], "parameter_values": [[theta] for theta in THETAS]},
    "under other names": {"ansatz": ROTATION, "ops": [ZZ, XI], "points": [[theta] for theta in THETAS], "shots": 10},
    "in a pub": {"pubs": [[ROTATION, [[ZZ], [XI]], [[theta] for theta in THETAS]]]},
    "in an array": {"circuits": circuit_of_two_gates(), "ops": [ZZ, XI], "points": np.array(THETAS)[:, None]},
    "as literals": {
        "circuit": {"$circuit": "input float θ; qubit[2] q; rx(θ) q[0];"},
        "observables": {"$observable": ["ZZ", "XI"]},
        "parameter_values": {"$parameter_values": {"θ": {"linspace": [0, 1.5, 4]}}},
    },
}


@pytest.mark.parametrize("arguments", SWEEP.values(), ids=SWEEP)
def test_a_table_has_the_names_that_the_arguments_say(arguments: dict[str, Any]) -> None:
    part = pub_of(PrimitiveResult([estimated(4, 2)]), arguments)
    assert part.row_labels == [{"θ": theta} for theta in THETAS]
    assert part.columns == ["ZZ", "XI"]


SEVERAL_PUBS = {"pubs": [[ROTATION, [[ZZ], [XI]], [[theta] for theta in THETAS]], [ROTATION, XI, [[0.1], [0.2]]]]}


def test_each_of_several_pubs_has_the_names_of_its_own_inputs() -> None:
    result = json.dumps(PrimitiveResult([estimated(4, 2), estimated(2)]), cls=RuntimeEncoder)
    arguments = encode_arguments(SEVERAL_PUBS)
    _, first, second = Result(result, arguments=arguments).summary().parts
    assert (first.row_labels, first.columns) == ([{"θ": theta} for theta in THETAS], ["ZZ", "XI"])
    assert second.row_labels == [{"θ": 0.1}, {"θ": 0.2}]
    (alone,) = Result(result, pointer="/pub_results/1", arguments=arguments).summary().parts
    assert alone.row_labels == second.row_labels
    drawn = Result(result, arguments=arguments).picture(form="svg").data.decode()
    assert drawn.count("<!-- θ -->") == 2


def test_saved_tables_and_pictures_have_the_names_too(tmp_path: Path) -> None:
    sampled = SamplerPubResult(DataBin(c=BitArray.from_counts([{0: 2}, {1: 1, 0: 1}]), shape=(2,)))
    encoded = json.dumps({"e": estimated(2, 2), "c": estimated(4, 2), "s": sampled}, cls=RuntimeEncoder)
    estimator = encode_arguments(SWEEP["by name"])
    Result(encoded, pointer="/c", arguments=estimator).save(tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_text().splitlines()[:3] == [
        "axis 0,axis 1,θ,observable,expectation value,standard error",
        "0,0,0.0,ZZ,0.0,0.0",
        "0,1,0.0,XI,1.0,0.01",
    ]
    Result(encoded, pointer="/e", arguments=estimator).save(tmp_path / "e.csv")
    assert (tmp_path / "e.csv").read_text().splitlines()[0] == "axis 0,axis 1,expectation value,standard error"
    sampler = encode_arguments({"circuit": ROTATION, "parameter_values": [[0.5], [1.5]]})
    Result(encoded, pointer="/s", arguments=sampler).save(tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text().splitlines() == [
        "register,axis 0,θ,outcome,count",
        *("c,0,0.5,0,2", "c,1,1.5,0,1", "c,1,1.5,1,1"),
    ]
    Result(encoded, pointer="/c", arguments=estimator).save(tmp_path / "c.svg")
    assert "<!-- θ -->" in (tmp_path / "c.svg").read_text()


@pytest.mark.parametrize("pubs", [[estimated(4, 2)], [estimated(4, 2), estimated(2), estimated(2)]])
def test_names_of_other_pubs_than_a_result_has_are_left_out(pubs: list[PubResult]) -> None:
    part = pub_of(PrimitiveResult(pubs), SEVERAL_PUBS)
    assert (part.row_labels, part.columns) == (None, None)


def test_what_the_result_names_itself_counts_more_than_the_arguments() -> None:
    result = {"result": PrimitiveResult([estimated(4, 2)]), "observables": ["parity", "flip"]}
    part = pub_of(result, SWEEP["by name"])
    assert part.columns == ["parity", "flip"]
    assert part.row_labels == [{"θ": theta} for theta in THETAS]


def test_of_many_parameters_those_that_change_are_the_label() -> None:
    vector = ParameterVector("v", 8)
    values = np.zeros((4, 8))
    values[:, 6] = THETAS
    arguments = {"circuit": circuit(*vector), "observable": ZZ, "parameter_values": values}
    labels = pub_of(PrimitiveResult([estimated(4)]), arguments).row_labels
    assert labels is not None
    assert [next(iter(label.items())) for label in labels] == [("v[6]", theta) for theta in THETAS]
    assert {len(label) for label in labels} == {4}


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        ((2,), {"circuit": circuit(Parameter("a"), Parameter("b")), "parameter_values": [0.1, 0.2]}),
        ((3,), {"circuit": ROTATION, "parameter_values": [[0.1], [0.2]]}),
        ((2, 2), {"operators": [ZZ, XI], "others": [ZZ, XI]}),
        ((3,), {"initial_layout": [0, 1, 2], "weights": [0.5, 0.25, 0.25]}),
        ((3,), {"pubs": [[ROTATION, ZZ, [[0.1]]], [ROTATION, ZZ, [[0.2]]]]}),
        ((3,), {"parameter_values": "three"}),
    ],
    ids=["one set", "another number of sets", "two lists", "other numbers", "several pubs", "text"],
)
def test_nothing_is_named_by_what_only_looks_like_an_input(shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    part = pub_of(PrimitiveResult([estimated(*shape)]), arguments)
    assert (part.row_labels, part.columns) == (None, None)


def test_values_that_json_lacks_are_text_in_labels() -> None:
    values = [[0.0], [float("nan")], [float("inf")], [1 / 3]]
    labels = pub_of(PrimitiveResult([estimated(4)]), {"circuit": ROTATION, "parameter_values": values}).row_labels
    assert labels == [{"θ": 0.0}, {"θ": "nan"}, {"θ": "inf"}, {"θ": 0.333333}]


@pytest.mark.parametrize(
    "arguments", ["", "[1", "[]", '{"pubs": [[{"__type__": "QuantumCircuit"}]], "theta": {"a": {}}}']
)
def test_arguments_that_cannot_be_read_name_nothing(arguments: str) -> None:
    encoded = json.dumps(PrimitiveResult([estimated(4)]), cls=RuntimeEncoder)
    (_, pub) = Result(encoded, arguments=arguments).summary().parts
    assert pub.row_labels is None


def test_a_grid_of_two_parameters_needs_no_further_names() -> None:
    first, second = np.meshgrid(THETAS, THETAS, indexing="ij")
    result = {"result": PrimitiveResult([estimated(4, 4)]), "parameter_values": {"a": first, "b": second}}
    assert not Result(json.dumps(result, cls=RuntimeEncoder)).lacks_names
    result["parameter_values"] = {"a": first, "b": first * second}
    assert Result(json.dumps(result, cls=RuntimeEncoder)).lacks_names


@pytest.mark.parametrize(
    ("result", "lacks"),
    [
        (PrimitiveResult([estimated(4)]), True),
        (PrimitiveResult([SamplerPubResult(DataBin(c=BitArray(np.zeros((4, 9, 1), np.uint8), 2), shape=(4,)))]), True),
        ({"result": PrimitiveResult([estimated(4, 2)]), "parameter_values": {"θ": THETAS}}, True),
        (
            {
                "result": PrimitiveResult([estimated(4, 2)]),
                "parameter_values": {"θ": THETAS},
                "observables": ["ZZ", "XI"],
            },
            False,
        ),
        (PrimitiveResult([estimated(), estimated()]), False),
        (PrimitiveResult([SamplerPubResult(DataBin(c=BitArray(np.zeros((9, 1), np.uint8), 2)))]), False),
        ({"energies": THETAS}, False),
    ],
)
def test_a_result_says_whether_it_lacks_names(result: Any, lacks: bool) -> None:
    assert Result(json.dumps(result, cls=RuntimeEncoder)).lacks_names is lacks


@pytest.mark.parametrize(
    ("observable", "name"),
    [
        (ZZ, "ZZ"),
        (SparsePauliOp(["ZZ", "XI"], [-1, -0.5]), "-ZZ - 0.5 XI"),
        (SparsePauliOp(["ZZ", "XI"], [1, 0.5j]), "ZZ + (0+0.5j) XI"),
        (SparsePauliOp(["II", "IZ", "ZI", "ZZ", "XX"], [1, 1, 1, 1, 1]), "II + IZ + ZI + ZZ + …"),
        ({"Z" * 60: 1.0}, "Z" * 39 + "…"),
    ],
)
def test_observables_are_named_as_a_person_would_write_them(observable: Any, name: str) -> None:
    part = pub_of(PrimitiveResult([estimated(4, 2)]), {"observable": [observable, XI]})
    assert part.columns == [name, "XI"]
