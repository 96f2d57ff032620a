"""JSON pointers, RFC 6901."""

from __future__ import annotations

from ..errors import InputError


def join(pointer: str, token: str | int) -> str:
    """The pointer of a child, given its parent's and its key or index."""
    return f"{pointer}/{str(token).replace('~', '~0').replace('/', '~1')}"


def parse(pointer: str) -> list[str]:
    """The unescaped reference tokens of a pointer; the empty pointer is the whole value.

    Raises:
        InputError: the pointer neither is empty nor starts with ``/``.
    """
    if pointer in ("", "/"):
        # Strictly, "/" is the key "". Nobody means that, and many write "/" for the whole.
        return []
    if not pointer.startswith("/"):
        raise InputError(
            f"{pointer!r} is not a JSON pointer: it does not start with '/'.",
            next_step="Write a path like /pub_results/0/data/meas, or leave it out for the whole value.",
        )
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]
