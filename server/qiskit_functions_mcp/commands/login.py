"""``qiskit-functions-mcp login``: save an account of IBM Quantum, as qiskit-ibm-runtime does, for hosts that pass on no
environment variables.
"""

from __future__ import annotations

import os
import sys
from getpass import getpass

import anyio
from pydantic import SecretStr

from qiskit_functions_core.accounts.account import Account, Channel
from qiskit_functions_core.accounts.resolution import resolve_account
from qiskit_functions_core.accounts.saved_accounts import SAVED_ACCOUNTS, save_account, saved_accounts
from qiskit_functions_core.errors import AccountError, Forbidden, QiskitFunctionsError, Unauthorized
from qiskit_functions_core.models import Instance
from qiskit_functions_core.platforms.ibm import IBMPlatform

from .errors import failed

_NAME = "default-ibm-quantum-platform"
"""What qiskit-ibm-runtime calls the account that it uses by default on this channel."""


def main() -> int:
    """Ask for an API key and an instance, check both, save them, and return the exit code."""
    if not sys.stdin.isatty():
        return failed(
            AccountError(
                "login asks for an API key, which needs a terminal",
                next_step="Without one, set QISKIT_FUNCTIONS_TOKEN and QISKIT_FUNCTIONS_INSTANCE.",
            )
        )
    try:
        return _login()
    except QiskitFunctionsError as error:
        return failed(error)
    except (EOFError, KeyboardInterrupt):
        print("\nNothing was saved.")
        return 1


def _login() -> int:
    known = {account.name: account for account in saved_accounts()}
    default = next((account.name for account in known.values() if account.is_default), _NAME)
    if _NAME in known and not _agrees(f"There is an account {_NAME!r} already. Replace it?"):
        print("Nothing was saved.")
        return 1
    becomes_default = default != _NAME and _agrees(f"{default!r} is the default account. Use the new one instead?")
    print("Make an API key at https://quantum.cloud.ibm.com. It is not shown while you enter it.")
    token = getpass("API key: ").strip()
    instances = anyio.run(_instances, token)
    chosen = _choice(instances)
    backends = anyio.run(_check, token, chosen)
    print(f"It has {backends} backends. Saving the account …", flush=True)
    save_account(
        token,
        chosen,
        url=os.environ.get("QISKIT_IBM_URL") or None,
        overwrite=_NAME in known,
        set_as_default=becomes_default,
    )
    print(f"Saved as {_NAME!r} in {SAVED_ACCOUNTS}, in plain text, which only you can read.")
    used = resolve_account()
    if used.source != f"saved account {_NAME!r}":
        print(f"Another one is used before it: {used.source}.")
    print("Assistants use it when they start the server again.")
    return 0


def _account(token: str, instance: str = "") -> Account:
    return Account(
        channel=Channel.IBM_QUANTUM_PLATFORM,
        token=SecretStr(token),
        instance=instance,
        url=os.environ.get("QISKIT_IBM_URL") or None,
    )


async def _instances(token: str) -> list[Instance]:
    """Return the key's instances; none if the key may not list them.

    Raises:
        AccountError: nothing was entered.
        Unauthorized: IBM Cloud does not accept the key.
    """
    if not token:
        raise AccountError("no API key was entered", next_step="Nothing was saved.")
    platform = IBMPlatform.of(_account(token))
    try:
        return await platform.instances()
    except Unauthorized as error:
        raise AccountError("IBM Cloud does not accept this API key", next_step="Nothing was saved.") from error
    except Forbidden:
        return []
    finally:
        await platform.aclose()


def _choice(instances: list[Instance]) -> str:
    """Return the CRN of the instance that the person chooses."""
    if not instances:
        print("IBM Cloud lists no instance of this key; https://quantum.cloud.ibm.com/instances shows the CRN of each.")
        return getpass("Instance (CRN): ").strip()
    print("Instances of this key:")
    width = max(len(instance.name) for instance in instances)
    for number, instance in enumerate(instances, start=1):
        print(f"  {number}  {instance.name:{width}}  {instance.plan}, {instance.region}")
    while True:
        answer = input("Number of the instance to use [1]: ").strip() or "1"
        if answer.isdecimal() and 1 <= int(answer) <= len(instances):
            return instances[int(answer) - 1].crn
        print(f"Enter a number from 1 to {len(instances)}.")


async def _check(token: str, instance: str) -> int:
    """Return how many backends the instance has, once IBM Quantum has accepted the key for it."""
    platform = IBMPlatform.of(_account(token, instance))
    try:
        return len((await platform.backends()).backends)
    finally:
        await platform.aclose()


def _agrees(question: str) -> bool:
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
