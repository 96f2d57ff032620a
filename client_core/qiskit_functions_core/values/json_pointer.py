"""JSON pointers (RFC 6901), and the parts of decoded values that they lead to.

Parts have the names that a Qiskit user knows: ``/pub_results/0/data/meas`` is the register ``meas`` of the first pub.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from ..errors import InputError
from .families.registry import REGISTRY
from .families.type_support import Parts

# Names of parts that an error lists.
_SHOWN = 10


def join(pointer: str, token: str | int) -> str:
    """Return the pointer of a child, given its parent's pointer and its key or index."""
    return f"{pointer}/{str(token).replace('~', '~0').replace('/', '~1')}"


def parse(pointer: str) -> list[str]:
    """Return the unescaped reference tokens of a pointer; the empty pointer is the whole value.

    Raises:
        InputError: the pointer neither is empty nor starts with ``/``.
    """
    if pointer in ("", "/"):
        # Strictly, "/" is the key "". Many write "/" for the whole, and hardly any value has that key.
        return []
    if not pointer.startswith("/"):
        raise InputError(
            f"{pointer!r} is not a JSON pointer: it does not start with '/'.",
            next_step="Write a path like /pub_results/0/data/meas, or leave it out for the whole value.",
        )
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]


def resolve(value: Any, pointer: str) -> Any:
    """Return the part of a decoded value at a JSON pointer.

    Raises:
        InputError: there is none; it says how far the pointer leads, and what is there.
    """
    at = ""
    for token in parse(pointer):
        support = REGISTRY.support_for(value)
        held = support.parts(value) if support else None
        try:
            value = _step(held, token)
        except (KeyError, IndexError, ValueError, TypeError):
            raise _missing(held, token, at) from None
        at = join(at, token)
    return value


def _step(held: Any, token: str) -> Any:
    if isinstance(held, Mapping):
        return held[token]
    if not token.isdecimal():
        raise ValueError(token)
    return held[int(token)]


def _missing(held: Parts | None, token: str, at: str) -> InputError:
    where = at or "the whole value"
    if held is None:
        return InputError(f"Nothing is below {where}: no {token!r}.", next_step=f"Ask for {at or 'no path'}.")
    if isinstance(held, Mapping):
        names: Iterable[object] = held
        there = ", ".join(join(at, str(name)[:100]) for name in islice(names, _SHOWN))
        more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
        return InputError(f"{where} has no {token!r}.", next_step=f"There are {there or 'no keys'}{more}.")
    return InputError(f"{where} has no {token!r}.", next_step=f"It has the indices 0 to {len(held) - 1}.")
