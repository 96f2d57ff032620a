"""Smaller JSON schemas than pydantic's: a model reads them before each of its turns."""

from __future__ import annotations

import json
from typing import Any

from .inputs import MAX_NAME, MAX_PATH

_DEFINITIONS = "#/$defs/"

_LENGTH_OF_A_TOKEN = 200
"""Cursors and tokens are passed on as they came, so their length is no news to a reader."""


def without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without pydantic's titles, which only repeat the names. A property called title stays."""
    return _without("title", schema)


def without_descriptions(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without descriptions: of replies, few hosts show one, and all of them pay for it."""
    return _without("description", schema)


def _without(keyword: str, schema: dict[str, Any]) -> dict[str, Any]:
    def nested(key: str, value: Any) -> Any:
        if key in ("properties", "$defs") and isinstance(value, dict):
            return {name: _without(keyword, part) for name, part in value.items()}
        if isinstance(value, dict):
            return _without(keyword, value)
        if isinstance(value, list):
            return [_without(keyword, item) if isinstance(item, dict) else item for item in value]
        return value

    return {key: nested(key, value) for key, value in schema.items() if not (key == keyword and isinstance(value, str))}


def without_nulls(schema: Any) -> Any:
    """Return the schema of replies as they are sent: a field without a value is left out, never null.

    Unknown fields are allowed, so that a client of today accepts what a later version adds.
    """
    if isinstance(schema, list):
        return [without_nulls(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    slim = {key: without_nulls(value) for key, value in schema.items() if key != "default"}
    if slim.get("additionalProperties") is False:
        del slim["additionalProperties"]
    choices = [choice for choice in slim.pop("anyOf", []) if choice != {"type": "null"}]
    return {**choices[0], **slim} if len(choices) == 1 else slim | ({"anyOf": choices} if choices else {})


def inline_definitions(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with each definition that is used once in the place where it is used."""
    definitions = schema.pop("$defs", {})
    references = json.dumps([schema, definitions])
    once = {name for name in definitions if references.count(f'"{_DEFINITIONS}{name}"') == 1}

    def inline(part: Any) -> Any:
        if isinstance(part, list):
            return [inline(item) for item in part]
        if not isinstance(part, dict):
            return part
        name = str(part.get("$ref", "")).removeprefix(_DEFINITIONS)
        if name in once:
            part = definitions[name] | {key: value for key, value in part.items() if key != "$ref"}
        return {key: inline(value) for key, value in part.items()}

    kept = {name: inline(definition) for name, definition in definitions.items() if name not in once}
    whole: dict[str, Any] = inline(schema)
    return whole | ({"$defs": kept} if kept else {})


def or_error(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that error results match too, because the TypeScript SDK's client checks those as well.

    It requires nothing at its top. A union of what answers and errors require would be more precise, but clients that
    show a type for it print ``any``.
    """
    return {key: value for key, value in schema.items() if key != "required"}


def with_words(parameter: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter as a model and a host need it.

    Its description says its bounds and its default too, because some hosts drop the keywords. Empty defaults are left
    out: they only say that the parameter is optional, and some hosts fill them in. So are lengths that no name
    reaches.
    """
    slim = dict(parameter)
    words = []
    low, high = slim.get("minimum"), slim.get("maximum")
    if low is not None and high is not None:
        words.append(f"{low:,} to {high:,}")
    if slim.get("maxLength") in (MAX_NAME, MAX_PATH):
        del slim["maxLength"]
    elif "maxLength" in slim and slim["maxLength"] > _LENGTH_OF_A_TOKEN:
        words.append(f"at most {slim['maxLength']:,} characters")
    if not slim.get("default"):
        slim.pop("default", None)
    elif "enum" not in slim:
        words.append(f"by default {slim['default']}")
    if words:
        slim["description"] = f"{slim.get('description', '')} ({', '.join(words)})".strip()
    return slim
