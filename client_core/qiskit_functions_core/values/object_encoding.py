"""NumPy's and Qiskit's objects to JSON, as Qiskit's own encoders write it."""

from __future__ import annotations

import struct
from typing import Any

from qiskit.exceptions import QiskitError
from qiskit_ibm_runtime import QiskitRuntimeService, RuntimeEncoder

from ..errors import InputError
from .families.registry import REGISTRY
from .literals.parameters import Encoded


def original(value: Any) -> Any:
    """Return the value itself, also of one that came encoded."""
    return value.decoded if isinstance(value, Encoded) else value


def encode_object(value: Any) -> Any:
    """Return the JSON of a value that JSON does not have, for ``json.dumps``.

    Raises:
        InputError: functions could not decode it, or it must not be sent.
    """
    if isinstance(value, Encoded):
        return value.value
    support = REGISTRY.support_for(value)
    if support and (encoded := support.encode(value)) is not NotImplemented:
        return encoded
    if isinstance(value, QiskitRuntimeService):
        raise InputError(
            "The arguments hold a QiskitRuntimeService, which carries your token.",
            next_step="Leave it out: inside the function, get_runtime_service() gives one.",
        )
    cls = type(value)
    try:
        # Of what can be called, such as a function or a Clifford, it makes null with no more than a warning.
        if callable(value) and not any(hasattr(value, name) for name in ("to_json", "settings", "_json")):
            raise TypeError
        return RuntimeEncoder().default(value)
    except (QiskitError, struct.error) as error:
        reason = error.message if isinstance(error, QiskitError) else str(error)
        # Old Qiskit says only that a number cannot be packed.
        is_condition = isinstance(error, struct.error) or "i64" in reason
        raise InputError(
            f"The arguments hold a {cls.__name__} that Qiskit's encoder cannot write: {reason.rstrip('.')}.",
            next_step="The condition of a circuit compares with at most 63 bits, so up to 9223372036854775807: use a "
            "smaller register for it."
            if is_condition
            else "",
        ) from error
    except TypeError as error:
        raise InputError(
            f"The arguments hold a {cls.__module__}.{cls.__name__}, which Qiskit's encoder does not know.",
            next_step="Give a circuit, an operator such as SparsePauliOp, a NumPy array, or plain JSON.",
        ) from error
