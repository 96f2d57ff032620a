"""Replies about functions and their checks."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from pydantic import BaseModel, Field

from qiskit_functions_core import Function
from qiskit_functions_core.errors import Submitted
from qiskit_functions_core.preflight import Check
from qiskit_functions_core.serverless.schema_to_write import as_written

from .truncation import ENVELOPE, Bounded, Listing, cut, text_of
from .uris import SCHEME

_LONG_ARGUMENT = 200
"""Characters of an argument of an earlier run, of which only the kind matters."""


class FunctionLine(BaseModel):
    name: str = Field(description="title, or provider/title")
    description: str | None = None
    has_arguments_schema: bool
    matched: str | None = Field(default=None, description="where the query is in the rest of the description")

    @classmethod
    def of(cls, function: Function, query: str = "") -> FunctionLine:
        """Return a function's line in a list, with the first sentence of its description.

        Args:
            query: what was searched for, in any case; where only the rest of the description has it, that is shown.
        """
        whole = (function.description or "").strip()
        first = re.split(r"(?<=[.!?])\s|\n", whole, maxsplit=1)[0]
        line = cls(
            name=function.name,
            description=cut(first, 200) or None,
            has_arguments_schema=function.arguments_schema is not None,
        )
        if query and query not in f"{line.name} {line.description or ''}".casefold():
            place = max(whole.casefold().find(query) - 40, 0)
            line.matched = f"…{whole[place : place + 80 + len(query)]}…"
        return line


class FunctionList(Listing):
    functions: list[FunctionLine]


class FunctionReply(Bounded):
    name: str
    description: str | None = None
    arguments_schema: dict[str, Any] | None = Field(default=None, description="JSON Schema of the arguments")
    version: str | None = None
    type: str | None = None
    runner: str | None = None
    entrypoint: str | None = None
    image: str | None = None
    dependencies: list[Any] | None = None
    sizes: dict[str, str] | None = Field(default=None, description="the compute profile of each function_size")
    default_size: str | None = None
    documentation_url: str | None = None
    not_uploaded: str | None = Field(default=None, description="files of the directory that were not uploaded")
    declined: str | None = Field(default=None, description="set if the person said no")
    recent_arguments: list[dict[str, Any]] | None = Field(
        default=None, description="of its last runs, where it has no schema; encoded values by their type"
    )
    next_step: str = ""

    @classmethod
    def of(cls, function: Function, budget: int, *, is_encoded: bool = False) -> FunctionReply:
        """Return all about a function that fits into ``budget`` characters of JSON.

        Args:
            is_encoded: show the argument schema as the gateway has it, for encoded values, instead of with literals.
        """
        fields = function.model_dump(exclude={"title", "provider", "id", "arguments_schema"})
        reply = cls(
            name=function.name,
            **fields,
            next_step="Run it with run_function; check_run checks arguments without running it.",
        )
        reply.dependencies = reply.dependencies or None
        schema = function.arguments_schema
        if isinstance(schema, bool):
            schema = {} if schema else {"not": {}}
        reply.arguments_schema = schema if is_encoded else as_written(schema)
        if schema is None:
            what = "argument schema" if function.description else "description and no argument schema"
            reply.next_step = (
                f"It has no {what}, so nothing tells which arguments it reads: ask its author, or its source."
            )
        left_out = []
        budget -= ENVELOPE
        reply.description = cut(function.description or "", budget // 3) or None
        if reply.description != (function.description or None):
            left_out.append("the end of the description")
        if len(text_of(reply)) > budget and reply.arguments_schema is not None:
            size = len(json.dumps(reply.arguments_schema))
            reply.arguments_schema = None
            left_out.append(f"arguments_schema ({size} characters): read {SCHEME}/functions/{function.name}")
        if len(text_of(reply)) > budget and reply.dependencies:
            left_out.append(f"{len(reply.dependencies)} dependencies")
            reply.dependencies = None
        reply.left_out = ", ".join(left_out) or None
        return reply


def shortened(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of a run for a reader: encoded values by their type, long ones by their beginning."""
    short = dict[str, Any]()
    for name, value in list(arguments.items())[:30]:
        if isinstance(value, dict) and "__type__" in value:
            short[name] = f"<{value['__type__']}>"
        else:
            text = json.dumps(value)
            short[name] = value if len(text) <= _LONG_ARGUMENT else cut(text, _LONG_ARGUMENT)
    return short


class CheckLine(BaseModel):
    name: str
    outcome: Literal["ok", "warning", "refused"]
    code: str
    message: str

    @classmethod
    def of(cls, check: Check, room: int) -> CheckLine:
        """Return a check, with at most ``room`` characters of its message."""
        return cls(name=check.name, outcome=check.outcome, code=check.code, message=cut(check.message, room))


class CheckReply(BaseModel):
    function: str
    allowed: bool
    checks: list[CheckLine]
    asks_first: str | None = Field(default=None, description="the question that the person will be asked")
    submitted: Submitted = "no"
    next_step: str
