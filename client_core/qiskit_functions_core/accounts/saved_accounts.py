"""The accounts that qiskit-ibm-runtime keeps on this machine: read without that library, written through it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import AccountError
from ..values.native import hold_qiskit

SAVED_ACCOUNTS = Path("~/.qiskit/qiskit-ibm.json")
"""Where qiskit-ibm-runtime saves accounts."""

_DEFAULT_NAMES = ("default-ibm-quantum-platform", "default-ibm-cloud")


@dataclass(frozen=True)
class SavedAccount:
    """What may be shown of a saved account: everything but the token."""

    name: str
    channel: str
    instance: str = field(repr=False)  # an account is in it
    url: str
    is_default: bool


def saved_accounts(path: Path | None = None) -> list[SavedAccount]:
    """All saved accounts, sorted by name.

    Raises:
        AccountError: the file cannot be read.
    """
    entries = read_entries(path)
    default, _ = choose(entries, None)
    return [
        SavedAccount(name, _text(entry, "channel"), _text(entry, "instance"), _text(entry, "url"), name == default)
        for name, entry in sorted(entries.items())
    ]


def save_account(
    token: str,
    instance: str,
    *,
    name: str | None = None,
    channel: str = "ibm_quantum_platform",
    url: str | None = None,
    overwrite: bool = False,
    set_as_default: bool = False,
    path: Path | None = None,
) -> None:
    """Save an account for all of Qiskit's clients; it takes the seconds that importing the library takes.

    Args:
        token: the API key; stored readable, as the library does, in a file for its owner alone.
        instance: the CRN of a Qiskit Runtime instance.
        name: the default account of the channel without one.
        url: IBM Cloud's address, when it is not the usual one.

    Raises:
        AccountError: the account is incomplete, there is one of that name and ``overwrite`` is false, or the file
            cannot be used.
    """
    if not token or not instance.startswith("crn:"):
        raise AccountError(
            "an account to save needs a token and an instance (a CRN), since quota and backends belong to it",
            next_step="https://quantum.cloud.ibm.com/instances shows the CRN.",
        )
    hold_qiskit()
    from qiskit_ibm_runtime import QiskitRuntimeService
    from qiskit_ibm_runtime.accounts import AccountAlreadyExistsError, InvalidAccountError

    file = _file(path)
    read_entries(path)
    _make_private(file)
    try:
        QiskitRuntimeService.save_account(
            token=token,
            instance=instance,
            name=name,
            channel=channel,
            url=url,
            overwrite=overwrite,
            set_as_default=set_as_default or None,
            filename=str(file),
        )
    except AccountAlreadyExistsError as error:
        raise AccountError(
            f"there is an account {name or 'of that channel'!r} already",
            next_step="Overwrite it if that is what you mean, or choose another name.",
        ) from error
    except (InvalidAccountError, OSError) as error:
        raise AccountError(
            f"the account cannot be saved: {str(error).replace(token, '***')}", next_step="Correct it and save again."
        ) from error


def delete_account(name: str | None = None, *, channel: str | None = None, path: Path | None = None) -> bool:
    """Delete a saved account, by default the channel's default one; whether there was one.

    Raises:
        AccountError: the file cannot be read.
    """
    if not read_entries(path):
        return False
    hold_qiskit()
    from qiskit_ibm_runtime import QiskitRuntimeService

    return bool(QiskitRuntimeService.delete_account(name=name, channel=channel, filename=str(_file(path))))


def read_entries(path: Path | None = None) -> dict[str, dict[str, Any]]:
    """The saved accounts as they stand in the file, tokens included; empty without a file.

    Raises:
        AccountError: the file cannot be read.
    """
    try:
        saved = json.loads(_file(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AccountError(
            f"the saved accounts in {path or SAVED_ACCOUNTS} cannot be read: {type(error).__name__}",
            next_step="Repair or remove that file, or set QISKIT_FUNCTIONS_CHANNEL=local.",
        ) from error
    entries = saved.items() if isinstance(saved, dict) else ()
    return {name: entry for name, entry in entries if isinstance(entry, dict)}


def choose(entries: dict[str, dict[str, Any]], name: str | None) -> tuple[str, dict[str, Any] | None]:
    """The entry of that name, or without one the default; none when there is no such entry."""
    if name is not None:
        return name, entries.get(name)
    marked = [key for key, entry in entries.items() if entry.get("is_default_account")]
    for key in (*marked, *_DEFAULT_NAMES):
        if key in entries:
            return key, entries[key]
    return "", None


def _file(path: Path | None) -> Path:
    return (path or SAVED_ACCOUNTS).expanduser()


def _make_private(file: Path) -> None:
    """The library would create it for everybody to read."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as created:
            created.write("{}")
    except FileExistsError:
        file.chmod(0o600)


def _text(entry: dict[str, Any], key: str) -> str:
    return str(entry.get(key) or "")
