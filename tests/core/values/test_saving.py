from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit, qasm3, qpy, transpile
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult
from qiskit_ibm_runtime import RuntimeDecoder, RuntimeEncoder

from qiskit_functions_core.errors import InputError
from qiskit_functions_core.values import Result, encode_arguments

BELL = BitArray.from_counts({"00": 510, "11": 490, "01": 3}, num_bits=2)
SWEEP = BitArray(np.array([[[0], [0], [1]], [[1], [1], [1]]], np.uint8), 1)
ESTIMATED = PubResult(DataBin(evs=np.array([0.5, -1.0]), stds=np.array([0.1, 0.2]), shape=(2,)))


def bell() -> QuantumCircuit:
    made = QuantumCircuit(2)
    made.h(0)
    made.cx(0, 1)
    return made


def encoded(value: Any) -> str:
    return json.dumps(value, cls=RuntimeEncoder)


def saved(value: Any, path: Path, pointer: str = "") -> str:
    return Result(encoded(value), pointer=pointer).save(path)


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_the_whole_result_is_written_as_it_came(tmp_path: Path) -> None:
    text = '{"é": [1,   2]}'
    said = Result(text).save(tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == text
    assert said == f"The encoded result at /: {len(text.encode())} bytes in {tmp_path / 'a.json'}"


def test_a_part_is_written_as_the_official_decoder_reads_it(tmp_path: Path) -> None:
    saved({"a": [bell(), {"b": 1j}], "c": 2}, tmp_path / "a.json", "/a")
    assert json.loads((tmp_path / "a.json").read_text(), cls=RuntimeDecoder) == [bell(), {"b": 1j}]


def test_counts_are_written_most_frequent_first(tmp_path: Path) -> None:
    said = saved({"c": BELL}, tmp_path / "a.csv", "/c")
    assert rows(tmp_path / "a.csv") == [["outcome", "count"], ["00", "510"], ["11", "490"], ["01", "3"]]
    assert said.startswith("The counts at /c: ")
    assert f" {(tmp_path / 'a.csv').stat().st_size} bytes in " in said


def test_counts_of_a_sweep_and_of_several_registers_name_point_and_register(tmp_path: Path) -> None:
    saved(SamplerPubResult(DataBin(x=SWEEP, y=SWEEP, shape=(2,))), tmp_path / "a.csv")
    assert rows(tmp_path / "a.csv") == [
        ["register", "axis 0", "outcome", "count"],
        *([name, *row] for name in "xy" for row in (["0", "0", "2"], ["0", "1", "1"], ["1", "1", "3"])),
    ]


def test_expectation_values_distributions_and_arrays_go_into_csv(tmp_path: Path) -> None:
    saved(PrimitiveResult([ESTIMATED]), tmp_path / "a.csv", "/pub_results/0")
    assert rows(tmp_path / "a.csv")[1:] == [["0", "0.5", "0.1"], ["1", "-1.0", "0.2"]]
    saved({"00": 0.5, "11": 0.5}, tmp_path / "b.csv")
    assert rows(tmp_path / "b.csv") == [["outcome", "weight"], ["00", "0.5"], ["11", "0.5"]]
    saved(np.arange(4).reshape(2, 2), tmp_path / "c.csv")
    assert rows(tmp_path / "c.csv") == [["0", "1"], ["2", "3"]]


def test_arrays_go_into_npy(tmp_path: Path) -> None:
    saved(PrimitiveResult([ESTIMATED]), tmp_path / "a.npy", "/pub_results/0/data/evs")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), ESTIMATED.data.evs, strict=True)


def test_circuits_go_into_openqasm_and_qpy(tmp_path: Path) -> None:
    saved([bell(), bell()], tmp_path / "a.qasm", "/1")
    assert (tmp_path / "a.qasm").read_text() == qasm3.dumps(bell())
    saved([bell(), bell()], tmp_path / "a.qpy")
    with (tmp_path / "a.qpy").open("rb") as file:
        assert qpy.load(file) == [bell(), bell()]


@pytest.mark.parametrize(("name", "beginning"), [("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG")])
def test_pictures_are_written(tmp_path: Path, name: str, beginning: bytes) -> None:
    saved(BELL, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(beginning)


@pytest.mark.parametrize(
    ("value", "name", "advice"),
    [
        (BELL, "a.txt", ".csv"),
        (BELL, "a", ".csv"),
        ("text", "a.csv", "a path to counts"),
        (BELL, "a.npy", ".csv"),
        (np.array([{}], dtype=object), "a.npy", "a path to an array"),
        ([bell()], "a.qasm", ".qpy"),
        ([], "a.qpy", "a list of circuits"),
        ("text", "a.svg", "a path to counts"),
    ],
)
def test_what_does_not_go_into_a_file_is_told_and_nothing_is_written(
    tmp_path: Path, value: Any, name: str, advice: str
) -> None:
    with pytest.raises(InputError) as caught:
        saved(value, tmp_path / name)
    assert advice in caught.value.message + caught.value.next_step
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_was_refused_is_not_written_as_if_it_were_whole(tmp_path: Path) -> None:
    text = '{"a": {"__type__": "Mystery", "__value__": 1}}'
    with pytest.raises(InputError):
        Result(text, pointer="/a").save(tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("mine")
    with pytest.raises(InputError, match="is not overwritten"):
        saved([1], tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == "mine"


def test_a_circuit_laid_out_on_a_device_keeps_its_width(tmp_path: Path) -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure(1, 0)
    wide = transpile(circuit, coupling_map=[[0, 1], [1, 2], [2, 3], [3, 4]], initial_layout=[0, 1])
    result = Result(json.dumps(wide, cls=RuntimeEncoder))
    said = result.save(tmp_path / "x.qasm")
    assert "without its layout, which .qpy keeps" in said
    text = encode_arguments({"c": {"$file": "x.qasm"}}, allowed_folders=[tmp_path])
    read = json.loads(text, cls=RuntimeDecoder)["c"]
    assert read.num_qubits == 5
    assert read.count_ops() == wide.count_ops()
    shown = result.summary().parts[0].openqasm
    assert shown
    assert json.loads(encode_arguments({"c": {"$circuit": shown}}), cls=RuntimeDecoder)["c"].num_qubits == 5
