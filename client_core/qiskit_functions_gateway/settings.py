"""What a gateway is told: by flags, how it serves; by variables, what then belongs to its data folder."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from qiskit_functions_core.addresses import is_loopback
from qiskit_functions_core.environment import WARM_JOBS
from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_core.local_files import atomic_write

from .execution.limits import Limits
from .storage.data_folder import DataFolder

TOKEN_VARIABLE = "QISKIT_FUNCTIONS_GATEWAY_TOKEN"  # noqa: S105 - a variable's name

_MIN_TOKEN_CHARACTERS = 32
"""128 bits in hexadecimal: what others in a network can reach must not be guessed."""

USAGE_LIMIT = "QISKIT_FUNCTIONS_LOCAL_USAGE_LIMIT_SECONDS"
_JOB_SECONDS, _JOB_MEMORY_MB, _JOB_LOG_MB = (
    f"QISKIT_FUNCTIONS_JOB_{name}" for name in ("SECONDS", "MEMORY_MB", "LOG_MB")
)

PROVIDERS = "QISKIT_FUNCTIONS_PROVIDERS"

_PROVIDER = re.compile(r"[A-Za-z0-9_-]{1,255}")
"""Other characters would vanish from its name in requests, as they do in titles."""

FolderSettings = dict[str, float | str | None]
"""Quota, limits of jobs, providers and whether jobs start warm, by the names of their variables; None is unlimited, or
no provider."""

_DEFAULTS: FolderSettings = {
    USAGE_LIMIT: None,
    PROVIDERS: None,
    WARM_JOBS: 1,
    _JOB_SECONDS: None,
    _JOB_MEMORY_MB: None,
    _JOB_LOG_MB: Limits.log_mb,
}


def folder_settings(folder: DataFolder, environ: Mapping[str, str]) -> FolderSettings:
    """Return what holds for a data folder, and keep it there: what was kept, under what ``environ`` asks for.

    They are kept because a limit must not go away when a program that does not know of it is the next one to start
    the gateway. A person changes them with the variables, or in ``settings.json``; without that file, the defaults
    hold again.

    Raises:
        EmbeddedGatewayError: a value is not a number in its range, or the file cannot be read or written.
    """
    path = folder.path / "settings.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if not isinstance(kept, dict):
            raise ValueError("it is not a JSON object")
        asked = {name: environ[name] for name in _DEFAULTS if environ.get(name)}
        settings = {name: _checked(name, value) for name, value in {**kept, **asked}.items() if name in _DEFAULTS}
        if asked and settings != kept:
            with atomic_write(path, mode=0o600) as file:
                file.write(json.dumps(settings, indent=2).encode())
    except (OSError, ValueError) as error:
        raise EmbeddedGatewayError(
            f"the settings {path} cannot be used: {error}",
            next_step="Ask the person to correct the file, or to delete it for the defaults.",
        ) from error
    return {**_DEFAULTS, **settings}


def limits_of(settings: FolderSettings) -> Limits:
    """Return the limits of jobs among the settings."""
    return Limits(
        seconds=_number(_JOB_SECONDS, settings[_JOB_SECONDS]),
        memory_mb=_number(_JOB_MEMORY_MB, settings[_JOB_MEMORY_MB]),
        log_mb=_number(_JOB_LOG_MB, settings[_JOB_LOG_MB]) or Limits.log_mb,
    )


def usage_limit_of(settings: FolderSettings) -> float | None:
    """Return the quota among the settings, in seconds; None is unlimited."""
    return _number(USAGE_LIMIT, settings[USAGE_LIMIT])


def providers_of(settings: FolderSettings) -> frozenset[str]:
    """Return the names of the providers among the settings."""
    return frozenset(_names(settings[PROVIDERS]))


def is_warm(settings: FolderSettings) -> bool:
    """Return whether the settings let jobs start from a process that has imported what functions import."""
    return settings[WARM_JOBS] != 0


def _checked(name: str, value: object) -> float | str | None:
    if name == WARM_JOBS:
        if value not in ("0", "1", 0, 1):
            raise EmbeddedGatewayError(
                f"{name} is {str(value)!r}, which is neither 0 nor 1",
                next_step="Ask the person to correct or remove it.",
            )
        return int(str(value))
    return ",".join(_names(value)) or None if name == PROVIDERS else _number(name, value)


def _names(providers: object) -> list[str]:
    """Return the names in a text with commas between them."""
    names = sorted({name.strip() for name in str(providers or "").split(",")} - {""})
    for name in names:
        if not _PROVIDER.fullmatch(name):
            raise EmbeddedGatewayError(
                f"{PROVIDERS} has {name[:100]!r}, which is not a provider's name",
                next_step="Ask the person to use letters, digits, - and _, with commas between the names.",
            )
    return names


def _number(name: str, value: object) -> float | None:
    if value is None:
        return None
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    is_quota = name == USAGE_LIMIT
    if not 0 <= number < float("inf") or (number == 0 and not is_quota):
        raise EmbeddedGatewayError(
            f"{name} is {str(value)!r}, which is not a {'number of at least 0' if is_quota else 'positive number'}",
            next_step="Ask the person to correct or remove it.",
        )
    return number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a gateway, with defaults from the environment."""
    parser.add_argument("--host", dest="bind", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="0 is any free one (%(default)s)")
    parser.add_argument(
        "--token",
        default=os.environ.get(TOKEN_VARIABLE, ""),
        help=f"instead of the data folder's own; better in {TOKEN_VARIABLE}, which other users cannot see",
    )
    parser.add_argument(
        "--provider",
        dest="providers",
        action="append",
        default=[],
        metavar="NAME",
        help=f"a provider for which functions can be uploaded, once for each; also {PROVIDERS} with commas",
    )
    parser.add_argument(
        "--cold-jobs", action="store_true", help=f"start each job in a new interpreter, as {WARM_JOBS}=0"
    )
    for name, what in (
        ("runner", "where jobs run: here (process, the default), or on a cluster (ray)"),
        ("ray_address", "a Ray cluster's dashboard, such as http://head:8265"),
        ("ray_shared_folder", "where its nodes see the data folder, if they do"),
        ("advertise", "the gateway's address for them, if it is not the one it listens on"),
    ):
        default = os.environ.get(f"QISKIT_FUNCTIONS_{name.upper()}", "")
        parser.add_argument(f"--{name.replace('_', '-')}", default=default, help=what)


def refusal(options: argparse.Namespace) -> str:
    """Return why a gateway cannot be started with these flags; empty if it can."""
    token: str = options.token
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        return "a token is made of printable ASCII characters without blanks"
    if not is_loopback(options.bind) and len(token) < _MIN_TOKEN_CHARACTERS:
        return (
            f"on {options.bind} others can reach the gateway, and anyone who has its token runs programs as you: "
            f"give it a token of at least {_MIN_TOKEN_CHARACTERS} characters with {TOKEN_VARIABLE}, or use 127.0.0.1"
        )
    if options.runner not in ("", "process", "ray"):
        return f"--runner is process or ray, not {options.runner}"
    for name in ("ray_address", "advertise"):
        if (address := getattr(options, name)) and not address.startswith(("http://", "https://")):
            return f"--{name.replace('_', '-')} is an address such as http://head:8265, not {address}"
    if options.runner == "ray" and not options.ray_address:
        return "--runner ray needs a cluster: --ray-address with its dashboard, such as http://head:8265"
    return ""


def data_folder_of(options: argparse.Namespace) -> DataFolder:
    return DataFolder(Path(options.home).expanduser().absolute())
