"""From a typed function to a tool whose contract every host can read."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, ToolAnnotations


@dataclass(frozen=True)
class Hints:
    """The four hints; none has a default, so that none is forgotten."""

    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool


READ = Hints(read_only=True, destructive=False, idempotent=True, open_world=True)


@dataclass(frozen=True)
class ToolSpec:
    """A tool: its function, and what the assistant reads of it.

    Attributes:
        writes: the arguments without which it changes nothing; none for a tool that always or never does.
    """

    function: Callable[..., Awaitable[CallToolResult]]
    title: str
    description: str
    hints: Hints
    writes: tuple[str, ...] = ()

    def build(self, *, read_only: bool = False) -> Tool | None:
        """The tool, or for a server that changes nothing what is left of it, if anything is."""
        if not read_only or self.hints.read_only:
            return self._build()
        if not self.writes:
            return None
        tool = replace(self, hints=READ)._build()
        properties = {name: schema for name, schema in tool.parameters["properties"].items() if name not in self.writes}
        tool.parameters = {**tool.parameters, "properties": properties}
        return tool

    def _build(self) -> Tool:
        tool = Tool.from_function(
            self.function,
            title=self.title,
            description=self.description,
            annotations=ToolAnnotations(
                title=self.title,
                read_only_hint=self.hints.read_only,
                destructive_hint=self.hints.destructive,
                idempotent_hint=self.hints.idempotent,
                open_world_hint=self.hints.open_world,
            ),
        )
        tool.parameters = {**without_titles(tool.parameters), "additionalProperties": False}
        if tool.fn_metadata.output_schema:
            slim = without_nulls(without_titles(tool.fn_metadata.output_schema))
            tool.fn_metadata.output_schema = or_an_error(inlined(slim))
        return tool


def without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without pydantic's titles, which only repeat the names; a property called title stays."""
    return {key: _nested(key, value) for key, value in schema.items() if not _is_noise(key, value)}


def _is_noise(key: str, value: Any) -> bool:
    return key == "title" and isinstance(value, str)


def _nested(key: str, value: Any) -> Any:
    if key in ("properties", "$defs") and isinstance(value, dict):
        return {name: without_titles(part) for name, part in value.items()}
    if isinstance(value, dict):
        return without_titles(value)
    if isinstance(value, list):
        return [without_titles(item) if isinstance(item, dict) else item for item in value]
    return value


def without_nulls(schema: Any) -> Any:
    """A schema of replies as they are: what is not there is left out and never null, and there may be more one day."""
    if isinstance(schema, list):
        return [without_nulls(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    slim = {key: without_nulls(value) for key, value in schema.items() if key != "default"}
    if slim.get("additionalProperties") is False:
        del slim["additionalProperties"]
    choices = [choice for choice in slim.pop("anyOf", []) if choice != {"type": "null"}]
    return {**choices[0], **slim} if len(choices) == 1 else slim | ({"anyOf": choices} if choices else {})


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with the definitions that are used once in their places, for tools/list to stay short."""
    definitions = schema.pop("$defs", {})
    references = json.dumps([schema, definitions])
    once = {name for name in definitions if references.count(f'"{_DEFS}{name}"') == 1}

    def put_in(part: Any) -> Any:
        if isinstance(part, list):
            return [put_in(item) for item in part]
        if not isinstance(part, dict):
            return part
        name = str(part.get("$ref", "")).removeprefix(_DEFS)
        if name in once:
            part = definitions[name] | {key: value for key, value in part.items() if key != "$ref"}
        return {key: put_in(value) for key, value in part.items()}

    kept = {name: put_in(definition) for name, definition in definitions.items() if name not in once}
    whole: dict[str, Any] = put_in(schema)
    return whole | ({"$defs": kept} if kept else {})


_DEFS = "#/$defs/"


def or_an_error(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that the answer of a failed call fits too: the TypeScript SDK's client checks that one as well."""
    rest = {key: value for key, value in schema.items() if key != "required"}
    return {**rest, "anyOf": [{"required": schema.get("required", [])}, {"required": ["code", "message"]}]}
