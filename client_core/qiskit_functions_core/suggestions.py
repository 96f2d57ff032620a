"""Names that the caller may have meant."""

from __future__ import annotations

from collections.abc import Collection

_LONGEST = 200
"""Characters that are compared, which takes a time that grows with their square."""


def did_you_mean(name: str, others: Collection[str]) -> str:
    """Return a question with up to three names like this one, to stand before another sentence; empty if none is.

    A title without its provider is like that provider's function.
    """
    from difflib import get_close_matches  # needed only after a name was wrong

    near = [other for other in others if other.rpartition("/")[2] == name.rpartition("/")[2]]
    near += [other for other in get_close_matches(name[:_LONGEST], others) if other not in near]
    return f"Did you mean {' or '.join(map(repr, near[:3]))}? " if near else ""
