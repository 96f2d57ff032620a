"""A function's argument schema in the form in which arguments are written, with literals for encoded values."""

from __future__ import annotations

from typing import Any

_LITERALS: dict[str, tuple[str, dict[str, Any]]] = {
    "QuantumCircuit": ("$circuit", {"type": "string", "description": "OpenQASM 3 or 2"}),
    "ndarray": ("$array", {"type": "array"}),
    "BindingsArray": ("$parameter_values", {}),
    "settings": ("$observable", {"description": 'Pauli terms: {"ZZ": 1.0, "XI": 0.5}'}),
}
"""What stands for a value of each ``__type__`` of Qiskit's encoder, and its schema. ``settings`` are operators."""

_ENCODING = ("__type__", "__value__", "__class__", "__module__")

_MAX_DEPTH = 64
"""As deep as the gateway lets a schema be."""


def as_written(schema: Any, depth: int = 0) -> Any:
    """Return the schema with literals such as ``{"$circuit": …}`` in place of values that are already encoded."""
    if isinstance(schema, list):
        return [as_written(item, depth + 1) for item in schema]
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return schema
    written = {key: as_written(value, depth + 1) for key, value in schema.items()}
    properties = schema.get("properties")
    tag = properties.get("__type__") if isinstance(properties, dict) else None
    if not isinstance(tag, dict):
        return written
    types = tag.get("enum", [tag.get("const")])
    if not isinstance(types, list) or not all(isinstance(name, str) and name in _LITERALS for name in types):
        return written
    literals = dict(_LITERALS[name] for name in types)
    others = {key: value for key, value in written["properties"].items() if key not in _ENCODING}
    required = [key for key in schema.get("required", []) if key not in _ENCODING]
    required += list(literals) if len(literals) == 1 else []
    written |= {"properties": {**literals, **others}}
    written.pop("required", None)
    return written | ({"required": required} if required else {})
