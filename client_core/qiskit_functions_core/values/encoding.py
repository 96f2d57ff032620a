"""Arguments to the JSON that functions decode, exactly as Qiskit's own encoders write it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, LiteralError
from .limits import Limits
from .native import hold_qiskit
from .place import Place

_LIMITS = Limits()


def encode_arguments(arguments: dict[str, Any], *, allowed_folders: Sequence[Path] = ()) -> str:
    """The ``arguments`` string of a run: literals read, Qiskit objects encoded, plain JSON untouched.

    It blocks (Qiskit may be imported, files read), so call it from a thread. ``allowed_folders`` are the folders
    that ``$file`` may read from, relative paths as seen from the first; none by default.

    Raises:
        LiteralError: a literal, or a value that is already encoded, cannot be read; it says where.
        InputError: an object that functions could not decode.
    """
    place = Place(_LIMITS, folders=tuple(allowed_folders))
    return json.dumps(_resolve(arguments, place, 0), default=encode_object)


def _resolve(value: Any, place: Place, depth: int) -> Any:
    if not isinstance(value, dict | list | tuple):
        return value
    if depth > place.limits.max_depth:
        raise LiteralError(place.pointer, f"nested deeper than {place.limits.max_depth}.")
    if isinstance(value, dict):
        return _resolve_object(value, place, depth)
    return [
        _resolve(item, place.child(index), depth + 1) if isinstance(item, dict | list | tuple) else item
        for index, item in enumerate(value)
    ]


def _resolve_object(value: dict[Any, Any], place: Place, depth: int) -> Any:
    if "__type__" in value:
        _check_encoded(value, place)
        return value
    # Python users may have other keys than text, which JSON turns into text.
    if any(str(key).startswith("$") for key in value):
        from . import literals

        return literals.read(value, place)
    return {key: _resolve(item, place.child(key), depth + 1) for key, item in value.items()}


def _check_encoded(value: dict[str, Any], place: Place) -> None:
    from .decoding import Decoder

    decoder = Decoder(place.limits)
    decoder.value(value)
    if decoder.refusals:
        refusal = decoder.refusals[0]
        raise LiteralError(
            place.pointer,
            f"the encoded value {refusal.type_name!r} is refused: {refusal.reason}.",
            next_step="Encode it with qiskit_ibm_runtime.RuntimeEncoder, or write a literal such as $circuit.",
        )


def encode_object(value: Any) -> Any:
    """What ``json.dumps`` calls for everything that is not JSON; heavy imports happen here and not before."""
    hold_qiskit()
    import numpy as np
    from qiskit_ibm_runtime import RuntimeEncoder

    name = type(value).__name__
    if isinstance(value, np.generic):
        # The official encoder knows only some of NumPy's scalars.
        return value.item()
    if name == "QiskitRuntimeService":
        raise InputError(
            "The arguments hold a QiskitRuntimeService, which carries your token.",
            next_step="Leave it out: inside the function, get_runtime_service() gives one.",
        )
    if name in _V1_RESULTS:
        return _encode_v1_result(value, name)
    try:
        return RuntimeEncoder().default(value)
    except TypeError as error:
        raise InputError(
            f"The arguments hold a {type(value).__module__}.{name}, which Qiskit's encoder does not know.",
            next_step="Give a circuit, an operator such as SparsePauliOp, a NumPy array, or plain JSON.",
        ) from error


_V1_RESULTS = {"SamplerResult": "quasi_dists", "EstimatorResult": "values"}


def _encode_v1_result(value: Any, name: str) -> dict[str, Any]:
    """As ``QiskitObjectsEncoder`` of qiskit-serverless does, which may not be installed."""
    data = _V1_RESULTS[name]
    return {"__type__": name, "__value__": {data: getattr(value, data), "metadata": value.metadata}}
