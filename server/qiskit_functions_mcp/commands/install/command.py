"""``qiskit-functions-mcp install HOST``: write this installation into an assistant's settings."""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from qiskit_functions_core.errors import InputError
from qiskit_functions_core.platforms.local_packages import local_packages_notice

from ..errors import failed
from .config_file import change_config, read_config
from .hosts import HOSTS, NAME, Host, Places, command_in, is_ours

LINKS: dict[str, tuple[str, ...]] = {"cursor": ("cursor",), "vscode": ("vscode", "vscode-insiders")}
"""The hosts that open links, and the schemes of their links."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    # Not "host", which is the server's flag for a gateway.
    parser.add_argument("assistant", metavar="HOST", choices=HOSTS, help=f"one of {', '.join(HOSTS)}")
    parser.add_argument("flags", nargs="*", metavar="FLAG", help="flags of the server, after --: -- --allow-dir ~/work")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--print", dest="action", action="store_const", const="print", help="only show the entry")
    what.add_argument("--remove", dest="action", action="store_const", const="remove", help="remove the entry")
    what.add_argument(
        "--link",
        dest="action",
        action="store_const",
        const="link",
        help="only show a link that installs it (cursor, vscode)",
    )


def main(host_name: str, action: str | None, flags: list[str]) -> int:
    """Write, remove or show the entry, say what was done, and return the exit code."""
    host = HOSTS[host_name]
    try:
        if action == "link":
            print("\n".join(links(host_name, server_command(flags))))
        elif action == "print":
            print(f"{host.title} reads this from {host.file(Places())}:", file=sys.stderr)
            print(host.format.set_member("", [host.table, NAME], host.entry(server_command(flags))), end="")
        elif action == "remove":
            _say(host, partial(_without_entry, host), f"does not start this server any more: removed {NAME!r} from")
        else:
            _say(host, partial(_with_entry, host, server_command(flags)), f"starts this server now: {NAME!r} is in")
            if notice := local_packages_notice():
                print(notice)
    except InputError as error:
        return failed(error)
    return 0


def server_command(flags: list[str]) -> list[str]:
    """Return the command that starts this installation's server from any folder.

    Raises:
        InputError: this installation is in uv's cache, and it is not known what it was made from.
    """
    cache = next((folder for folder in Path(sys.prefix).parents if (folder / "CACHEDIR.TAG").is_file()), None)
    if cache is None:
        # -P: the folder that a host starts it in may have a module of any name.
        return [sys.executable, "-P", "-m", "qiskit_functions_mcp", *flags]
    # `uvx --from WHEEL`: what is in the cache may be gone tomorrow, and the wheel is not.
    wheel = _origin()
    if not wheel.startswith("file:") or "UV" not in os.environ:
        raise InputError(
            f"this installation is temporary: {cache} may be emptied at any time",
            next_step="Install it with `uv tool install`, or into an environment, and call that one's install.",
        )
    extra = "[local]" if find_spec("qiskit_serverless") else ""
    requirement = f"qiskit-functions-mcp{extra} @ {wheel}"
    return [os.environ["UV"], "tool", "run", "--from", requirement, "qiskit-functions-mcp", *flags]


def _origin() -> str:
    """Return the URL that this distribution was installed from, as PEP 610 keeps it; empty for an index."""
    try:
        origin = distribution("qiskit-functions-mcp").read_text("direct_url.json")
    except PackageNotFoundError:
        return ""
    return str(json.loads(origin)["url"]) if origin else ""


def links(host_name: str, command: list[str]) -> list[str]:
    """Return the links that install the server in a host, one for each of its editions.

    Raises:
        InputError: the host opens no links.
    """
    if host_name not in LINKS:
        raise InputError(
            f"{HOSTS[host_name].title} opens no links", next_step=f"Leave out --link; {', '.join(LINKS)} do."
        )
    entry = HOSTS[host_name].entry(command)
    if host_name == "cursor":
        config = base64.b64encode(json.dumps(entry).encode()).decode()
        return [f"cursor://anysphere.cursor-deeplink/mcp/install?{urlencode({'name': NAME, 'config': config})}"]
    return [f"{scheme}:mcp/install?{quote(json.dumps({'name': NAME, **entry}))}" for scheme in LINKS[host_name]]


def _say(host: Host, change: Callable[[str], str], done: str) -> None:
    file = host.file(Places())
    before = read_config(file)
    backup = change_config(file, change)
    if read_config(file) == before:
        print(f"Nothing to change in {file}.")
        return
    print(f"{host.title} {done} {file}.")
    if backup:
        print(f"The file as it was before is {backup}.")
    print(f"Start {host.title} again if it runs.")


def _with_entry(host: Host, command: list[str], text: str) -> str:
    """Return the text with the entry; of one that is there, what the person has added stays.

    Raises:
        InputError: there is an entry of that name which starts something else.
    """
    entry, path = host.entry(command), [host.table, NAME]
    found = entry_in(host, text)
    if found is None:
        changed = host.format.set_member(text, path, entry)
    elif is_ours(command_in(found)):
        changed = text
        for key, value in entry.items():
            changed = host.format.set_member(changed, [*path, key], value)
    else:
        raise InputError(f"its entry {NAME!r} starts something else", next_step="Rename or remove that entry first.")
    return _checked(host, text, changed, {**(found or {}), **entry})


def _without_entry(host: Host, text: str) -> str:
    found = entry_in(host, text)
    if found is not None and not is_ours(command_in(found)):
        raise InputError(f"its entry {NAME!r} starts something else", next_step="Nothing was removed.")
    return _checked(host, text, host.format.remove_member(text, [host.table, NAME]), None)


def entry_in(host: Host, text: str) -> Any:
    """Return the entry that a host's settings have of this server's name; None without one.

    Raises:
        InputError: the settings are not valid.
    """
    content = host.format.read(text)
    table = content.get(host.table) if isinstance(content, dict) else None
    return table.get(NAME) if isinstance(table, dict) else None


def _checked(host: Host, before: str, after: str, entry: dict[str, Any] | None) -> str:
    """Return the changed text once it is certain that it says the same as before, and has that entry."""
    contents = []
    for text in (before, after):
        content = host.format.read(text) or {}
        table = dict(content.get(host.table) or {})
        contents.append(({**content, host.table: {**table, NAME: None}}, table.get(NAME)))
    if contents[0][0] != contents[1][0] or contents[1][1] != entry:
        raise InputError("it could not be changed without changing something else in it", next_step="Use --print.")
    return after
