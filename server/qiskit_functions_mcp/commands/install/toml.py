"""TOML, as Codex keeps its settings: read, and changed in place. A new table is appended; tomlkit does the rest, and
keeps comments and order.
"""

from __future__ import annotations

import tomllib
from collections.abc import MutableMapping, Sequence
from typing import Any

from qiskit_functions_core.errors import InputError


def read(text: str) -> dict[str, Any]:
    """Return what the text says.

    Raises:
        InputError: it is not valid; the message gives line and column.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(str(error)) from error


def set_member(text: str, path: Sequence[str], value: Any) -> str:
    """Return the text with the member at the path set, and the tables made that lead to it.

    Raises:
        InputError: the text is not valid, or something on the path is not a table.
    """
    import tomlkit  # only for hosts that use TOML: it takes longer to import than the rest of the command line

    document = tomlkit.parse(text)
    parent: Any = document
    for depth, key in enumerate(path[:-1]):
        if key not in parent:
            parent[key] = tomlkit.table(is_super_table=True)
        parent = parent[key]
        if not isinstance(parent, MutableMapping):
            raise InputError(f"{'.'.join(path[: depth + 1])} is not a table")
    if path[-1] in parent and parent[path[-1]] == value:
        return text
    is_new_table = isinstance(value, dict) and path[-1] not in parent
    parent[path[-1]] = value
    changed = tomlkit.dumps(document)
    if is_new_table:
        # tomlkit would put it below a table of the same family, between a later table and the comment above that.
        block = "\n".join(f"{key} = {tomlkit.item(item).as_string()}" for key, item in value.items())
        line_end = "\r\n" if "\r\n" in text else "\n"
        gap = "" if not text else line_end if text.endswith("\n") else 2 * line_end
        table = f"[{tomlkit.key(list(path)).as_string()}]\n{block}\n".replace("\n", line_end)
        appended = f"{text}{gap}{table}"
        try:
            if read(appended) == read(changed):
                return appended
        except InputError:  # the table above it is written in one line, which nothing can be added to elsewhere
            pass
    return changed


def remove_member(text: str, path: Sequence[str]) -> str:
    """Return the text without the member at the path; unchanged if there is none."""
    import tomlkit  # as above

    document = tomlkit.parse(text)
    parent: Any = document
    for key in path[:-1]:
        parent = parent.get(key)
        if not isinstance(parent, MutableMapping):
            return text
    if path[-1] not in parent:
        return text
    del parent[path[-1]]
    left = tomlkit.dumps(document)
    # The empty line that set a table at the end apart.
    line_end = "\r\n" if left.endswith("\r\n") else "\n"
    return left.removesuffix(line_end) if left.endswith(2 * line_end) else left
