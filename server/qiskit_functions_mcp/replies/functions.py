"""Replies about functions and their checks."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from pydantic import BaseModel, Field

from qiskit_functions_core import Function
from qiskit_functions_core.errors import Submitted
from qiskit_functions_core.preflight import Check

from .truncation import ENVELOPE, Bounded, Listing, cut, text_of
from .uris import SCHEME


class FunctionLine(BaseModel):
    name: str = Field(description="title, or provider/title")
    description: str | None = None
    has_arguments_schema: bool

    @classmethod
    def of(cls, function: Function) -> FunctionLine:
        """Return a function's line in a list, with the first sentence of its description."""
        first = re.split(r"(?<=[.!?])\s|\n", (function.description or "").strip(), maxsplit=1)[0]
        return cls(
            name=function.name,
            description=cut(first, 200) or None,
            has_arguments_schema=function.arguments_schema is not None,
        )


class FunctionList(Listing):
    functions: list[FunctionLine]


class FunctionReply(Bounded):
    name: str
    description: str | None = None
    arguments_schema: dict[str, Any] | bool | None = Field(
        default=None, description="JSON Schema of the encoded arguments"
    )
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
    next_step: str = ""

    @classmethod
    def of(cls, function: Function, budget: int) -> FunctionReply:
        """Return all about a function that fits into ``budget`` characters of JSON."""
        fields = function.model_dump(exclude={"title", "provider", "id", "arguments_schema"})
        reply = cls(name=function.name, **fields, next_step="Check the arguments with check_run, then run_function.")
        reply.dependencies = reply.dependencies or None
        reply.arguments_schema = function.arguments_schema
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
