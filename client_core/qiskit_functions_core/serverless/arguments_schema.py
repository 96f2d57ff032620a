"""Arguments against a function's JSON Schema: one check for the core and the embedded gateway.

Both sides are untrusted: a schema comes from whoever owns the function, the arguments from whoever runs
it. So nothing is fetched, and the documents are bounded as the gateway of Qiskit Serverless 0.37 bounds
them. Patterns are matched in linear time. A schema with patterns that cannot be (with look-around or
back-references), or with references, is evaluated in a process of its own, bounded in work and memory.

Blocking: a megabyte of arguments against many patterns takes about a second, so call it from a thread.
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

_APART_SECONDS = 5.0
_APART_CPU_SECONDS = 1
_APART_BYTES = 1024**3
"""For the process of its own: a second of work, what a busy machine adds to it, and room for the libraries."""

_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Violation:
    """Where and how arguments break a schema.

    Attributes:
        message: keyword, what it requires, and the rejected value, as the gateway says it.
        path: keys and indices that lead to the rejected value.
        description: what the schema says of the property in question; empty when it says nothing.
        plain: which names are missing or unknown, where that is what is wrong.
    """

    message: str
    path: list[str | int]
    description: str = ""
    plain: str = ""


_TOO_MUCH_WORK = Violation("the schema takes too much work to check these arguments", [])


def check_schema(text: str) -> ArgumentsSchema | None:
    """A schema that was uploaded as a JSON text; none for ``{}``, which asks for nothing.

    Raises:
        ValueError: it is no usable schema; the text says why, as the gateway does.
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
    """The first way in which decoded JSON arguments break a schema; none when they fit.

    A schema that cannot be evaluated at all breaks nothing here: the gateway has the last word.
    """
    if schema is None or schema == {} or schema is True:
        return None
    if _too_deep(arguments):
        return Violation(f"the arguments nest deeper than {MAX_DEPTH} levels", [])
    if _refers(schema):
        return _violation_apart(schema, arguments)
    try:
        validator = _validator(schema, _LINEAR)
    except (ValueError, jsonschema_rs.ReferencingError):
        return _violation_apart(schema, arguments)
    return _first(validator, schema, arguments)


def _refers(schema: ArgumentsSchema) -> bool:
    """Whether parts refer to parts: a few that refer twice to the next are as much work as a million."""
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


def _violation_apart(schema: ArgumentsSchema, arguments: Any) -> Violation | None:
    """The same in a process of its own: in ours, neither a backtracking match nor a tree of references can be ended."""
    command = [sys.executable, "-m", __name__]
    try:
        process = subprocess.run(  # noqa: S603 - this very module
            command,
            input=json.dumps([schema, arguments]).encode(),
            check=False,
            capture_output=True,
            timeout=_APART_SECONDS,
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

        resource.setrlimit(resource.RLIMIT_CPU, (_APART_CPU_SECONDS, _APART_CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (_APART_BYTES, _APART_BYTES))
    schema, arguments = json.load(sys.stdin)
    try:
        found = _first(_validator(schema, _BACKTRACKING), schema, arguments)
    except (ValueError, jsonschema_rs.ReferencingError):
        found = None
    json.dump(asdict(found) if found else None, sys.stdout)


def _first(validator: Any, schema: ArgumentsSchema, arguments: Any) -> Violation | None:
    found = next(validator.iter_errors(arguments), None)
    if found is None:
        return None
    keyword = str(found.schema_path[-1]) if found.schema_path else "false schema"
    required = _shown(_at(schema, found.schema_path))
    rejected = _shown(found.instance)
    message = f"'{keyword}' validation failed, schema requires {required}: rejected value {rejected}"
    path = list(found.instance_path)
    return Violation(message, path, _description(schema, path), _plain(schema, found))


def _plain(schema: ArgumentsSchema, found: Any) -> str:
    facts = found.kind.as_dict()
    if found.kind.name == "required":
        return f"{_shown(facts['property'])} is missing"
    if "unexpected" not in facts:
        return ""
    holder = _at(schema, found.schema_path[:-1])
    known = ", ".join(holder.get("properties", {})) if isinstance(holder, dict) else ""
    return f"there is no {_shown(', '.join(facts['unexpected']))}; known are {_shown(known)}"


def _validator(schema: ArgumentsSchema, patterns: Any) -> Any:
    return jsonschema_rs.validator_for(
        schema,
        formats=dict.fromkeys(_UNCHECKED_FORMATS, _anything),
        validate_formats=True,
        pattern_options=patterns,
        offline=True,
    )


def _anything(_: str) -> bool:
    return True


def _at(schema: Any, path: list[str | int]) -> Any:
    """What a keyword requires; the path runs through references, which are followed here too."""
    here = schema
    for step in path:
        if isinstance(here, dict) and step not in here and "$ref" in here:
            here = _at(schema, here["$ref"].removeprefix("#/").split("/"))
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            return here
    return here


def _description(schema: ArgumentsSchema, path: list[str | int]) -> str:
    """Of the deepest property on the way that has one."""
    here: Any = schema
    description = ""
    for step in path:
        properties = here.get("properties") if isinstance(here, dict) else None
        here = properties.get(step) if isinstance(properties, dict) else None
        text = here.get("description") if isinstance(here, dict) else None
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
