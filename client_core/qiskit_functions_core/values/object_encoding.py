"""NumPy's and Qiskit's objects to JSON, as Qiskit's own encoders write it."""

from __future__ import annotations

from typing import Any

from qiskit_ibm_runtime import QiskitRuntimeService, RuntimeEncoder

from ..errors import InputError
from .families.registry import REGISTRY


def encode_object(value: Any) -> Any:
    """Return the JSON of a value that JSON does not have, for ``json.dumps``.

    Raises:
        InputError: functions could not decode it, or it must not be sent.
    """
    support = REGISTRY.support_for(value)
    if support and (encoded := support.encode(value)) is not NotImplemented:
        return encoded
    if isinstance(value, QiskitRuntimeService):
        raise InputError(
            "The arguments hold a QiskitRuntimeService, which carries your token.",
            next_step="Leave it out: inside the function, get_runtime_service() gives one.",
        )
    try:
        return RuntimeEncoder().default(value)
    except TypeError as error:
        cls = type(value)
        raise InputError(
            f"The arguments hold a {cls.__module__}.{cls.__name__}, which Qiskit's encoder does not know.",
            next_step="Give a circuit, an operator such as SparsePauliOp, a NumPy array, or plain JSON.",
        ) from error
