"""Validation of arguments against a function's JSON Schema, for the core and for this machine's gateway.

Both documents are untrusted: the schema comes from the function's owner, the arguments from the function's user. So
nothing is fetched, and the documents have the limits of Qiskit Serverless 0.37's gateway. Patterns are matched in
linear time. A schema with patterns for which that is impossible (look-around, back-references), or with references, is
evaluated in a separate process with limits on work and memory.

Call it from a thread: a megabyte of arguments against many patterns takes about a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import jsonschema_rs

if TYPE_CHECKING:
    from ..models import ArgumentsSchema

MAX_SCHEMA_CHARACTERS = 64 * 1024
MAX_ARGUMENTS_CHARACTERS = 1024 * 1024
MAX_DEPTH = 64
MAX_SUBSCHEMAS = 200
"""The gateway's own limits (``gateway/api/domain/arguments_schema.py`` there)."""

_ASSERTED_FORMATS = ("date", "email", "ipv4", "ipv6", "uuid")
_KNOWN_FORMATS = ("date-time", "time", "duration", "hostname", "idn-email", "idn-hostname", "iri", "iri-reference")
_UNCHECKED_FORMATS = (
    *_KNOWN_FORMATS,
    *("json-pointer", "relative-json-pointer", "regex", "uri", "uri-reference", "uri-template"),
)

_LINEAR = jsonschema_rs.RegexOptions()
_BACKTRACKING = jsonschema_rs.FancyRegexOptions()

_PROCESS_SECONDS = 5.0
_PROCESS_CPU_SECONDS = 1
_PROCESS_BYTES = 1024**3
"""The separate process: a second of work, what a busy machine adds to that, and room for the libraries."""

_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Violation:
    """Where and how arguments break a schema.

    Attributes:
        message: the keyword, what it requires, and the rejected value, in the gateway's words.
        path: keys and indices that lead to the rejected value.
        description: the schema's description of that property; empty without one.
        plain: which names are missing or unknown, if that is the problem; else empty.
    """

    message: str
    path: list[str | int]
    description: str = ""
    plain: str = ""


_TOO_MUCH_WORK = Violation("the schema takes too much work to check these arguments", [])


def check_schema(text: str) -> ArgumentsSchema | None:
    """Return a schema that was uploaded as a JSON text; None for ``{}``, which requires nothing.

    Raises:
        ValueError: it is not a usable schema; the text says why, as the gateway does.
    """
    if len(text) > MAX_SCHEMA_CHARACTERS:
        raise ValueError(f"arguments_schema is {len(text)} characters long and the maximum is {MAX_SCHEMA_CHARACTERS}.")
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("arguments_schema cannot be used: it must be valid JSON.") from None
    if not isinstance(schema, dict | bool):
        raise ValueError("arguments_schema cannot be used: it must be a JSON object or a boolean.")
    if _too_deep(schema):
        raise ValueError(f"arguments_schema cannot be used: it nests deeper than {MAX_DEPTH} levels.")
    if _subschemas(schema) > MAX_SUBSCHEMAS:
        raise ValueError(f"arguments_schema cannot be used: it has more than {MAX_SUBSCHEMAS} subschemas.")
    try:
        _validator(schema, _BACKTRACKING)
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise ValueError(f"arguments_schema cannot be used: {_shown(str(error).splitlines()[0])}") from None
    return None if schema == {} else schema


def violation(schema: ArgumentsSchema | None, arguments: Any) -> Violation | None:
    """Return the first way in which decoded JSON arguments break a schema; None if they match it.

    They also pass a schema that cannot be evaluated at all: the gateway decides then.
    """
    if schema is None or schema == {} or schema is True:
        return None
    if _too_deep(arguments):
        return Violation(f"the arguments nest deeper than {MAX_DEPTH} levels", [])
    if _refers(schema):
        return _violation_in_process(schema, arguments)
    try:
        validator = _validator(schema, _LINEAR)
    except (ValueError, jsonschema_rs.ReferencingError):
        return _violation_in_process(schema, arguments)
    return _first_violation(validator, schema, arguments)


def _refers(schema: ArgumentsSchema) -> bool:
    """Whether it has references: a few parts that each refer twice to the next are as much work as a million."""
    stack: list[Any] = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if not _REFERENCES.isdisjoint(node):
                return True
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return False


def _violation_in_process(schema: ArgumentsSchema, arguments: Any) -> Violation | None:
    """As ``violation``, in a process that can be ended, which a match or a tree of references in this one cannot."""
    try:
        process = subprocess.run(  # noqa: S603 - this very module
            [sys.executable, "-m", __name__],
            input=json.dumps([schema, arguments]).encode(),
            check=False,
            capture_output=True,
            timeout=_PROCESS_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return _TOO_MUCH_WORK
    if process.returncode:
        return _TOO_MUCH_WORK
    found = json.loads(process.stdout)
    return Violation(**found) if found else None


def _main() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (_PROCESS_CPU_SECONDS, _PROCESS_CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (_PROCESS_BYTES, _PROCESS_BYTES))
    schema, arguments = json.load(sys.stdin)
    try:
        found = _first_violation(_validator(schema, _BACKTRACKING), schema, arguments)
    except (ValueError, jsonschema_rs.ReferencingError):
        found = None
    json.dump(asdict(found) if found else None, sys.stdout)


def _first_violation(validator: Any, schema: ArgumentsSchema, arguments: Any) -> Violation | None:
    found = next(validator.iter_errors(arguments), None)
    if found is None:
        return None
    keyword = str(found.schema_path[-1]) if found.schema_path else "false schema"
    required = _shown(_at(schema, found.schema_path))
    rejected = _shown(found.instance)
    message = f"'{keyword}' validation failed, schema requires {required}: rejected value {rejected}"
    path = list(found.instance_path)
    facts, plain = found.kind.as_dict(), ""
    if found.kind.name == "required":
        plain = f"{_shown(facts['property'])} is missing"
    elif "unexpected" in facts:
        parent = _at(schema, found.schema_path[:-1])
        known = ", ".join(parent.get("properties", {})) if isinstance(parent, dict) else ""
        plain = f"there is no {_shown(', '.join(facts['unexpected']))}; known are {_shown(known)}"
    return Violation(message, path, _description(schema, path), plain)


def _validator(schema: ArgumentsSchema, patterns: Any) -> Any:
    return jsonschema_rs.validator_for(
        schema,
        formats=dict.fromkeys(_UNCHECKED_FORMATS, lambda _: True),
        validate_formats=True,
        pattern_options=patterns,
        offline=True,
    )


def _at(schema: Any, path: list[str | int]) -> Any:
    """Return what is at a path in the schema; the path leads through references, which are followed here too."""
    node = schema
    for step in path:
        if isinstance(node, dict) and step not in node and "$ref" in node:
            node = _at(schema, node["$ref"].removeprefix("#/").split("/"))
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return node
    return node


def _description(schema: ArgumentsSchema, path: list[str | int]) -> str:
    """Return the description of the innermost property on the path that has one."""
    node: Any = schema
    description = ""
    for step in path:
        properties = node.get("properties") if isinstance(node, dict) else None
        node = properties.get(step) if isinstance(properties, dict) else None
        text = node.get("description") if isinstance(node, dict) else None
        description = text if isinstance(text, str) else description
    return description


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) and value.startswith("{") else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _too_deep(document: Any) -> bool:
    stack = [(document, 0)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            return True
        if isinstance(node, dict | list):
            children = node.values() if isinstance(node, dict) else node
            stack.extend((child, depth + 1) for child in children)
    return False


def _subschemas(schema: Any) -> int:
    count, stack = 0, [schema]
    while stack:
        node = stack.pop()
        count += isinstance(node, dict | bool)
        if isinstance(node, dict | list):
            stack.extend(node.values() if isinstance(node, dict) else node)
    return count


if __name__ == "__main__":
    _main()
