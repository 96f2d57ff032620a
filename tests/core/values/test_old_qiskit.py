"""What old releases wrote. The fixture was made by them; its first line says which they were."""

from __future__ import annotations

import base64
import contextlib
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qiskit_functions_core.values import Opaque, decode, encode_arguments, summarize

OLD: dict[str, Any] = json.loads((Path(__file__).parent / "fixtures/old_qiskit.json").read_text())


def tagged(payload: str) -> dict[str, str]:
    return {"__type__": "QuantumCircuit", "__value__": payload}


@pytest.mark.parametrize("version", ["9", "10"])
def test_qpy_of_version_9_and_later_is_read_everywhere(version: str, tmp_path: Path) -> None:
    encoded = tagged(OLD["qpy"][version])
    circuit = decode(json.dumps(encoded))
    assert isinstance(circuit, QuantumCircuit)
    assert circuit.count_ops() == {"measure": 2, "h": 1, "rx": 1, "ry": 1, "cx": 1, "rz": 1}
    # The expression stood in the file as text of SymPy: 2*v[1] + t**2.
    (ry,) = circuit.assign_parameters({"t": 0.5, "v[1]": 0.25}).get_instructions("ry")
    assert ry.operation.params == [0.5**2 + 2 * 0.25]
    assert encode_arguments({"circuit": encoded})
    (tmp_path / "old.qpy").write_bytes(zlib.decompress(base64.b64decode(OLD["qpy"][version])))
    assert encode_arguments({"circuit": {"$file": "old.qpy"}}, allowed_folders=[tmp_path])


@pytest.mark.parametrize("version", ["9", "10"])
def test_code_in_place_of_an_expression_is_refused_and_not_run(version: str, tmp_path: Path) -> None:
    data = zlib.decompress(base64.b64decode(OLD["qpy"][version]))
    expression = b"Add(Pow(Symbol('t'), Integer(2)), Mul(Integer(2), Symbol('v[1]')))"
    assert expression in data
    code = b"exec(\"open('ran', 'w').close()\")".ljust(len(expression))
    hostile = base64.b64encode(zlib.compress(data.replace(expression, code))).decode()
    with contextlib.chdir(tmp_path):
        got = decode(json.dumps(tagged(hostile)))
    assert isinstance(got, Opaque)
    assert "exec is not part of a valid sympy expression" in got.reason
    assert not list(tmp_path.iterdir())


def test_expressions_that_symengine_would_unpickle_are_refused_with_the_reason() -> None:
    (part,) = summarize(json.dumps(tagged(OLD["qpy"]["10 by symengine"]))).parts
    assert part.kind == "opaque"
    assert part.reason
    assert "symengine, which can run code" in part.reason


@pytest.mark.parametrize("name", OLD["runtime 0.15"])
def test_each_type_of_runtime_0_15_that_still_exists_is_read(name: str) -> None:
    value = decode(json.dumps(OLD["runtime 0.15"][name]))
    assert not isinstance(value, Opaque)
    assert summarize(json.dumps(OLD["runtime 0.15"][name])).parts[0].kind not in ("opaque", "other")


@pytest.mark.parametrize(
    ("tree", "name"),
    [
        ({"__type__": "ParameterExpression", "__value__": "AAAA"}, "ParameterExpression"),
        (
            {"__type__": "settings", "__module__": "qiskit.opflow", "__class__": "PauliSumOp", "__value__": {}},
            "qiskit.opflow.PauliSumOp",
        ),
    ],
)
def test_a_type_that_no_longer_exists_is_named_in_the_refusal(tree: Any, name: str) -> None:
    (part,) = summarize(json.dumps(tree)).parts
    assert (part.kind, part.type) == ("opaque", name)
    assert part.reason
