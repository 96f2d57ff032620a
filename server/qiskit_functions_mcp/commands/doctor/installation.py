"""The installation: versions, what is missing, and the entries of assistants that start it."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version

from qiskit_functions_core.errors import InputError
from qiskit_functions_core.platforms.local_packages import local_packages_command, local_packages_notice

from ..install.command import entry_in, server_command
from ..install.config_file import read_config
from ..install.hosts import HOSTS, Host, Places, command_in, is_ours
from .findings import Finding

_SHOWN = ("mcp", "qiskit", "qiskit-ibm-runtime", "qiskit-aer", "qiskit-serverless", "ray")
"""Packages whose versions a report of a problem needs first."""


async def check_packages() -> list[Finding]:
    """Return versions and what is not installed."""
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    found = [Finding("ok", f"qiskit-functions-mcp {version('qiskit-functions-mcp')}, {python}, {sys.executable}")]
    versions = {name: _version(name) for name in _SHOWN}
    found.append(Finding("ok", ", ".join(f"{name} {number}" for name, number in versions.items() if number)))
    needed = [line for line in requires("qiskit-functions-mcp") or [] if ";" not in line]
    names = [match[0] for line in needed if (match := re.match(r"[A-Za-z0-9._-]+", line))]
    if missing := [name for name in names if not _version(name)]:
        found.append(Finding("error", f"not installed: {', '.join(missing)}", "Install qiskit-functions-mcp again."))
    if notice := local_packages_notice():
        found.append(Finding("warning", notice.partition(".")[0], f"Add the extra local: {local_packages_command()}"))
    return found


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


async def check_assistants() -> list[Finding]:
    """Return which assistants have an entry, and whether it starts this installation."""
    places = Places()
    found = [finding for name, host in HOSTS.items() for finding in _entry(name, host, places)]
    if not found:
        return [Finding("warning", "no assistant has an entry", "Run `qiskit-functions-mcp install HOST`.")]
    return found


def _entry(name: str, host: Host, places: Places) -> list[Finding]:
    file, again = host.file(places), f"Run `qiskit-functions-mcp install {name}`."
    try:
        command = command_in(entry_in(host, read_config(file)))
    except InputError as error:
        return [Finding("warning", f"the settings of {host.title}, {file}: {error.message}", "Correct that file.")]
    if not command:
        return []
    if not is_ours(command):
        return [Finding("warning", f"{host.title} starts something else by this name: {command[0]}")]
    if not shutil.which(command[0]):
        return [Finding("error", f"{host.title} starts {command[0]}, which is not there", again)]
    try:
        own = server_command([])
    except InputError:  # one that is temporary, which no entry starts
        own = [""]
    if command[: len(own)] != own:
        return [Finding("ok", f"{host.title} starts another installation: {' '.join(command)}", again)]
    return [Finding("ok", f"{host.title} starts this installation")]
