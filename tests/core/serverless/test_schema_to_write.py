"""Argument schemas with literals in place of encoded values."""

from __future__ import annotations

from typing import Any

import pytest

from qiskit_functions_core.serverless.schema_to_write import as_written

CIRCUIT = {
    "type": "object",
    "properties": {"__type__": {"const": "QuantumCircuit"}, "__value__": {"type": "string"}},
    "required": ["__type__", "__value__"],
}
WRITTEN = {
    "type": "object",
    "properties": {"$circuit": {"type": "string", "description": "OpenQASM 3 or 2"}},
    "required": ["$circuit"],
}


def test_an_encoded_circuit_is_written_as_openqasm_wherever_it_stands() -> None:
    schema = {"properties": {"circuit": CIRCUIT, "circuits": {"type": "array", "items": CIRCUIT}}}
    assert as_written(schema) == {
        "properties": {"circuit": WRITTEN, "circuits": {"type": "array", "items": WRITTEN}},
    }


def test_of_several_literals_one_is_enough() -> None:
    schema = {"properties": {"__type__": {"enum": ["ndarray", "BindingsArray"]}}, "required": ["__type__", "__value__"]}
    assert as_written(schema) == {"properties": {"$array": {"type": "array"}, "$parameter_values": {}}}


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {},
        {"type": "object", "properties": {"shots": {"type": "integer"}}, "required": ["shots"]},
        {"properties": {"__type__": {"const": "Lattice"}}},
        {"properties": {"__type__": {"type": "string"}}},
        {"properties": {"__type__": True}},
        {"properties": [1]},
    ],
    ids=str,
)
def test_everything_else_stays_as_it_is(schema: Any) -> None:
    assert as_written(schema) == schema
