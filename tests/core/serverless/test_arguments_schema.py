"""One schema check for the core and the embedded gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qiskit_functions_core.serverless.arguments_schema import Violation, check_schema, violation

SCHEMA = {
    "type": "object",
    "required": ["shots"],
    "properties": {"shots": {"type": "integer", "minimum": 1}},
    "additionalProperties": False,
}


def test_the_message_is_the_gateways_own() -> None:
    assert violation(SCHEMA, {}) == Violation(
        "'required' validation failed, schema requires ['shots']: rejected value {}", [], plain="'shots' is missing"
    )
    assert violation(SCHEMA, {"shots": "x"}) == Violation(
        "'type' validation failed, schema requires 'integer': rejected value 'x'", ["shots"]
    )


@pytest.mark.parametrize("schema", [SCHEMA, {"$ref": "#/$defs/all", "$defs": {"all": SCHEMA}}], ids=["plain", "ref"])
def test_an_unknown_argument_is_named_beside_the_known_ones(schema: dict[str, Any]) -> None:
    found = violation(schema, {"shots": 1, "circuit": "x" * 10_000, "seed": 1})
    assert found is not None
    assert found.plain == "there is no 'circuit, seed'; known are 'shots'"


@pytest.mark.parametrize("schema", [None, {}, True])
def test_without_a_schema_everything_passes(schema: dict[str, Any] | bool | None) -> None:
    assert violation(schema, {"any": ["thing"]}) is None


def test_the_schema_false_refuses_everything() -> None:
    assert violation(False, {}) is not None


def test_long_values_are_shortened() -> None:
    found = violation({"properties": {"x": {"type": "integer"}}}, {"x": "a" * 10_000})
    assert found is not None
    assert len(found.message) < 400


def test_a_catastrophic_pattern_is_matched_in_linear_time() -> None:
    schema = {"items": {"pattern": "^(a+)+$"}}
    found = violation(schema, ["a" * 50 + "!"] * 1000)
    assert found is not None
    assert found.path == [0]


def test_a_pattern_that_must_backtrack_is_matched_in_a_separate_process() -> None:
    schema = {"properties": {"x": {"pattern": "^a(?!b)"}}}
    assert violation(schema, {"x": "ac"}) is None
    found = violation(schema, {"x": "ab"})
    assert found is not None
    assert found.path == ["x"]


def test_endless_backtracking_is_ended() -> None:
    found = violation({"items": {"pattern": "^(a|a)*(?=b)$"}}, ["a" * 60] * 20_000)
    assert found is not None


def test_only_the_formats_that_the_gateway_asserts_are_asserted() -> None:
    assert violation({"properties": {"x": {"format": "date"}}}, {"x": "tomorrow"}) is not None
    assert violation({"properties": {"x": {"format": "uri"}}}, {"x": "not a uri"}) is None
    assert violation({"properties": {"x": {"format": "no-such-format"}}}, {"x": "anything"}) is None


def test_a_reference_inside_the_schema_is_followed() -> None:
    schema = {"$defs": {"n": {"type": "integer"}}, "properties": {"x": {"$ref": "#/$defs/n"}}}
    found = violation(schema, {"x": "one"})
    assert found is not None
    assert found.path == ["x"]


@pytest.mark.parametrize("keyword", ["allOf", "anyOf"])
def test_references_that_double_the_work_at_every_level_are_ended(keyword: str) -> None:
    levels = {str(n): {keyword: [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(40)}
    schema = {"$defs": {**levels, "40": {"type": "string"}}, "$ref": "#/$defs/0"}
    found = violation(schema, {})
    assert found is not None
    assert "too much work" in found.message


def test_a_reference_to_elsewhere_is_never_fetched() -> None:
    with pytest.raises(ValueError, match="cannot be used"):
        check_schema('{"$ref": "http://127.0.0.1:9/schema.json"}')


def test_arguments_that_nest_too_deep_are_refused() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    found = violation({"type": "object"}, {"x": deep})
    assert found is not None
    assert "deeper" in found.message


def test_an_empty_schema_is_stored_as_none() -> None:
    assert check_schema("{}") is None
    assert check_schema(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{nope", r"it must be valid JSON\."),
        ("[]", "JSON object or a boolean"),
        ('{"type": "integre"}', "cannot be used"),
        (json.dumps({"anyOf": [{}] * 300}), "more than 200 subschemas"),
        ('{"description": "' + "x" * 70_000 + '"}', "70019 characters long and the maximum is 65536"),
        ('{"not":' * 100 + "{}" + "}" * 100, "deeper than 64"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_schema(text)
