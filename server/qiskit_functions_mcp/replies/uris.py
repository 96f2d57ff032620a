"""The URIs of the server's resources."""

from __future__ import annotations

from urllib.parse import quote

SCHEME = "qiskit-functions:/"
"""What every URI begins with; a path follows, with its slash."""


def file_uri(function: str, name: str, scope: str) -> str:
    """Return the URI of a function's file.

    Args:
        function: title or provider/title.
        scope: ``user`` or ``provider``, as the files' API has it.
    """
    kind = "files" if scope == "user" else "provider-files"
    return f"{SCHEME}/{kind}/{function}/{quote(name, safe='')}"
