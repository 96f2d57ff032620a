"""The accounts that qiskit-ibm-runtime keeps on this machine: read without that library, written by it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import AccountError

SAVED_ACCOUNTS = Path("~/.qiskit/qiskit-ibm.json")
"""The file in which qiskit-ibm-runtime saves accounts."""

_DEFAULT_NAMES = ("default-ibm-quantum-platform", "default-ibm-cloud")


@dataclass(frozen=True)
class SavedAccount:
    """A saved account without its token."""

    name: str
    channel: str
    instance: str = field(repr=False)  # an account is in it
    url: str
    is_default: bool


def saved_accounts(path: Path | None = None) -> list[SavedAccount]:
    """Return all saved accounts, sorted by name.

    Args:
        path: in place of qiskit-ibm-runtime's file, here and below.

    Raises:
        AccountError: the file cannot be read.
    """
    entries = read_entries(path)
    default, _ = choose(entries, None)
    return [
        SavedAccount(
            name=name,
            channel=str(entry.get("channel") or ""),
            instance=str(entry.get("instance") or ""),
            url=str(entry.get("url") or ""),
            is_default=name == default,
        )
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
    """Save an account for all of Qiskit's clients; importing the library for it takes seconds.

    Args:
        token: the API key; stored in plain text, as the library does, in a file that only its owner can read.
        instance: the CRN of a Qiskit Runtime instance.
        name: None saves the channel's default account.
        url: IBM Cloud's address, if it is not the usual one.

    Raises:
        AccountError: the account is incomplete, there is one of that name and ``overwrite`` is false, or the file
            cannot be used.
    """
    if not token or not instance.startswith("crn:"):
        raise AccountError(
            "an account to save needs a token and an instance (a CRN), since quota and backends belong to it",
            next_step="https://quantum.cloud.ibm.com/instances shows the CRN.",
        )
    from qiskit_ibm_runtime import QiskitRuntimeService  # seconds of imports
    from qiskit_ibm_runtime.accounts import AccountAlreadyExistsError, InvalidAccountError

    read_entries(path)  # the library would overwrite a file that it cannot read
    try:
        file = _private_file(path)
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
            f"there is already an account {name or 'of that channel'!r}",
            next_step="Overwrite it if that is what you mean, or choose another name.",
        ) from error
    except (InvalidAccountError, OSError) as error:
        raise AccountError(
            f"the account cannot be saved: {str(error).replace(token, '***')}", next_step="Correct it and save again."
        ) from error


def delete_account(name: str | None = None, *, channel: str | None = None, path: Path | None = None) -> bool:
    """Delete a saved account, by default the channel's default one, and return whether there was one.

    Raises:
        AccountError: the file cannot be read.
    """
    if not read_entries(path):
        return False
    from qiskit_ibm_runtime import QiskitRuntimeService  # seconds of imports

    file = (path or SAVED_ACCOUNTS).expanduser()
    return bool(QiskitRuntimeService.delete_account(name=name, channel=channel, filename=str(file)))


def read_entries(path: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return the saved accounts as the file has them, tokens included; empty without a file.

    Raises:
        AccountError: the file cannot be read.
    """
    try:
        saved = json.loads((path or SAVED_ACCOUNTS).expanduser().read_text(encoding="utf-8"))
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
    """Return the entry of that name, or of the default account for None; the entry is None if there is none."""
    if name is not None:
        return name, entries.get(name)
    marked = [key for key, entry in entries.items() if entry.get("is_default_account")]
    for key in (*marked, *_DEFAULT_NAMES):
        if key in entries:
            return key, entries[key]
    return "", None


def _private_file(path: Path | None) -> Path:
    """Make sure of a file that only its owner can read; the library would create one that everyone can."""
    file = (path or SAVED_ACCOUNTS).expanduser()
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as created:
            created.write("{}")
    except FileExistsError:
        file.chmod(0o600)
    return file
