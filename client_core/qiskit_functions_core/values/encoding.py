"""Arguments to the JSON that functions decode, exactly as Qiskit's own encoders write it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, LiteralError
from .decoding import Decoder
from .limits import Limits
from .literals.context import LiteralContext

_LIMITS = Limits()


def encode_arguments(
    arguments: dict[str, Any],
    *,
    allowed_folders: Sequence[Path] = (),
    note: Callable[[Any], None] = lambda _: None,
) -> str:
    """Return the ``arguments`` string of a run: literals read, Qiskit objects encoded, plain JSON untouched.

    This runs in the calling thread, and blocks: files are read, and Qiskit is imported if a value needs it (2 s).
    Qiskit 2.6's native library fails in new threads after the thread that first imported it has ended, so do not call
    this from a short-lived thread before Qiskit was imported by a lasting one.

    Args:
        arguments: JSON, with literals such as ``{"$circuit": "OPENQASM 3.0; …"}``, and with Qiskit objects.
        allowed_folders: the folders that ``$file`` may read from, relative paths as seen from the first.
        note: called with each value that JSON does not have.

    Raises:
        LiteralError: a literal, or a value that is already encoded, cannot be read; it says where.
        InputError: an object that functions could not decode, or a key that JSON lacks.
    """
    context = LiteralContext(_LIMITS, folders=tuple(allowed_folders))
    resolved = _resolve(arguments, context, 0)
    if "qiskit" in sys.modules:  # else there is no circuit
        from .literals.parameters import settle

        resolved = settle(resolved, context)

    def encode(value: Any) -> Any:
        # Imports Qiskit and its runtime client (2 s, 190 MB), which plain arguments do not need.
        from .object_encoding import encode_object, original

        note(original(value))
        return encode_object(value)

    return json.dumps(resolved, default=encode)


def _resolve(value: Any, context: LiteralContext, depth: int) -> Any:
    """Return the value with its literals read."""
    if not isinstance(value, dict | list | tuple):
        return value
    if depth > context.limits.max_depth:
        raise LiteralError(context.pointer, f"nested deeper than {context.limits.max_depth}.")
    if not isinstance(value, dict):
        return [
            _resolve(item, context.child(index), depth + 1) if isinstance(item, dict | list | tuple) else item
            for index, item in enumerate(value)
        ]
    if "__type__" in value:
        return _checked(value, context)
    # Python users may have other keys than text; numbers, truth values and None JSON turns into text.
    for key in value:
        if not isinstance(key, str | int | float | None):
            raise InputError(
                f"A key of the object at {context.pointer or 'the top of the arguments'} is a {type(key).__name__}, "
                f"{str(key)[:100]!r}: JSON has only text as keys.",
                next_step="Use text as keys, such as a parameter's name, or give a list of [key, value] pairs.",
            )
    if any(str(key).startswith("$") for key in value):
        # Imports Qiskit, which plain arguments do not need.
        from .literals.tags import read

        return read(value, context)
    return {key: _resolve(item, context.child(key), depth + 1) for key, item in value.items()}


def _checked(value: dict[str, Any], context: LiteralContext) -> Any:
    decoder = Decoder(context.limits)
    decoded = decoder.value(value)
    if decoder.refusals:
        refusal = decoder.refusals[0]
        raise LiteralError(
            context.pointer,
            f"the encoded value {refusal.type_name!r} is refused: {refusal.reason}.",
            next_step="Encode it with qiskit_ibm_runtime.RuntimeEncoder, or write a literal such as $circuit.",
        )
    # Qiskit is imported by the decoder anyway.
    from .literals.parameters import Encoded

    return Encoded(value, decoded)
