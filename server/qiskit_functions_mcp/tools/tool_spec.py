"""``ToolSpec``: from a typed function to a tool whose schemas every host can read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mcp_types
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, ToolAnnotations

from .schemas import inline_definitions, or_error, with_words, without_descriptions, without_nulls, without_titles


@dataclass(frozen=True)
class Hints:
    """The four hints of the protocol. None of them has a default, so that none is forgotten."""

    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool


READ = Hints(read_only=True, destructive=False, idempotent=True, open_world=True)


@dataclass(frozen=True)
class ToolSpec:
    """A tool: its function, whose docstring is what the assistant reads, and the facts that a host decides by.

    Attributes:
        meta: ``OPENS_PAGE`` or ``FOR_THE_PAGE`` of ``ui``, if the tool has to do with the page in the chat.
    """

    function: Callable[..., Awaitable[CallToolResult]]
    title: str
    hints: Hints
    meta: dict[str, Any] | None = None

    @property
    def description(self) -> str:
        """The function's docstring as one paragraph."""
        return " ".join((self.function.__doc__ or "").split())

    @cached_property
    def tool(self) -> Tool:
        """The tool as the SDK calls it."""
        return Tool.from_function(self.function, title=self.title, description=self.description)

    @cached_property
    def contract(self) -> mcp_types.Tool:
        """The tool as clients see it, with slimmer schemas than those that the SDK derives."""
        tool = self.tool
        parameters = without_titles(tool.parameters)
        properties = {name: with_words(schema) for name, schema in parameters["properties"].items()}
        output = tool.output_schema and or_error(
            inline_definitions(without_nulls(without_descriptions(without_titles(tool.output_schema))))
        )
        return mcp_types.Tool(
            name=tool.name,
            title=self.title,
            description=self.description,
            input_schema={**parameters, "properties": properties, "additionalProperties": False},
            output_schema=output,
            meta=self.meta,
            annotations=ToolAnnotations(
                read_only_hint=self.hints.read_only,
                destructive_hint=self.hints.destructive,
                idempotent_hint=self.hints.idempotent,
                open_world_hint=self.hints.open_world,
            ),
        )
