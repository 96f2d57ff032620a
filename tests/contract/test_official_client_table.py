"""The table of ``docs/official-client.md`` is complete and true."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import qiskit_serverless
from qiskit_serverless.core.files import GatewayFilesClient
from qiskit_serverless.core.function import RunnableQiskitFunction

import qiskit_functions_core
from qiskit_functions_core import Account, resolve_account
from qiskit_functions_core.platforms.platform import Listing, Platform, least_busy
from qiskit_functions_core.serverless.files import Files
from qiskit_functions_core.serverless.functions import Functions
from qiskit_functions_core.serverless.jobs import Jobs

ROOT = Path(__file__).parents[2]
OFFICIAL = (
    qiskit_serverless.ServerlessClient,
    qiskit_serverless.IBMServerlessClient,
    qiskit_serverless.Job,
    qiskit_serverless.QiskitFunction,
    RunnableQiskitFunction,
    GatewayFilesClient,
)
OURS: dict[str, object] = {
    "Files": Files,
    "Functions": Functions,
    "Jobs": Jobs,
    "Listing": Listing,
    "Platform": Platform,
}
OURS |= {"least_busy": least_busy}


@dataclass(frozen=True)
class Row:
    official: str
    ours: str
    test: str


def rows() -> list[Row]:
    text = (ROOT / "docs" / "official-client.md").read_text()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [Row(*row) for row in cells[2:]]


def public_methods(cls: type) -> Iterator[str]:
    """Those that the class itself has, or has from bases that are not in the table."""
    inherited = [base for base in OFFICIAL if base is not cls and issubclass(cls, base)]
    for name in dir(cls):
        static = inspect.getattr_static(cls, name)
        is_method = callable(getattr(cls, name)) or isinstance(static, property)
        if (
            is_method
            and not name.startswith("_")
            and (name in vars(cls) or not any(hasattr(b, name) for b in inherited))
        ):
            yield f"{cls.__name__}.{name}"


def test_every_public_method_of_the_official_clients_is_in_the_table() -> None:
    table = {row.official.strip("`") for row in rows()}
    assert {name for cls in OFFICIAL for name in public_methods(cls)} - table == set()


def test_no_row_is_of_a_method_that_is_gone() -> None:
    classes = {cls.__name__: cls for cls in OFFICIAL}
    for row in rows():
        if row.official.startswith("`"):
            cls, method = row.official.strip("`").split(".")
            assert hasattr(classes[cls], method), row


def test_everything_of_ours_exists() -> None:
    for row in rows():
        named = [name for name in re.findall(r"`([^`]+)`", row.ours) if re.fullmatch(r"[A-Z]\w+\.\w+|\w+_\w+", name)]
        assert named, row
        for name in named:
            assert exists(name), row


def exists(name: str) -> bool:
    first, _, attribute = name.partition(".")
    found: Any = OURS.get(first) or getattr(qiskit_functions_core, first, None)
    fields = getattr(found, "model_fields", {})
    return found is not None and (not attribute or hasattr(found, attribute) or attribute in fields)


@pytest.mark.parametrize("file", sorted({row.test.strip("`").split("::")[0] for row in rows()}))
def test_every_test_of_the_table_exists(file: str) -> None:
    text = "".join(path.read_text() for path in (ROOT / "tests").rglob(file))
    for row in rows():
        where, _, test = row.test.strip("`").partition("::")
        if where == file:
            assert f"def {test}(" in text or f'"{test}",' in text, row


def test_an_account_goes_through_a_dictionary_without_its_token() -> None:
    crn = "crn:v1:bluemix:public:quantum-computing:us-east:a/1:2::"
    account = resolve_account(channel="ibm_cloud", token="secret", instance=crn, environ={})
    told = account.model_dump(mode="json")
    assert "secret" not in str(told)
    again = Account.model_validate({**told, "token": "secret"})
    assert again == account
