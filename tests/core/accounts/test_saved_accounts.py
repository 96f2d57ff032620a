"""Accounts saved for all of Qiskit's clients: written by the library, read without it, never shown with a token."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.responses import JSONResponse

from qiskit_functions_core import Channel, SavedAccount, delete_account, resolve_account, save_account, saved_accounts
from qiskit_functions_core.accounts.account import CLOUD_URL
from qiskit_functions_core.errors import AccountError, Unauthorized
from support.clients import NotingGateway, client_of, noting_gateway

CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/1:2::"
TOKEN = "an-api-key-nobody-may-see"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "qiskit" / "accounts.json"


@pytest.fixture
def gateway() -> Iterator[NotingGateway]:
    with noting_gateway({"GET programs/": []}) as noting:
        yield noting


def test_a_saved_account_is_found_by_resolving_and_listed_without_its_token(path: Path) -> None:
    save_account(TOKEN, CRN, path=path)
    account = resolve_account(environ={}, saved_accounts=path)
    assert (account.token.get_secret_value(), account.instance) == (TOKEN, CRN)
    assert (account.channel, account.url) == (Channel.IBM_QUANTUM_PLATFORM, CLOUD_URL)
    (listed,) = saved_accounts(path)
    assert listed == SavedAccount("default-ibm-quantum-platform", "ibm_quantum_platform", CRN, CLOUD_URL, True)
    assert not [hidden for hidden in (TOKEN, "a/1") if hidden in repr(listed)]


def test_a_broken_file_is_reported_and_not_overwritten(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("{broken")
    for change in (lambda: save_account(TOKEN, CRN, path=path), lambda: delete_account(path=path)):
        with pytest.raises(AccountError, match="cannot be read"):
            change()
    assert path.read_text() == "{broken"


def test_the_library_finds_what_was_saved(path: Path) -> None:
    from qiskit_ibm_runtime import QiskitRuntimeService

    save_account(TOKEN, CRN, name="work", path=path)
    assert QiskitRuntimeService.saved_accounts(filename=str(path))["work"]["token"] == TOKEN


def test_accounts_have_names_and_one_of_them_is_the_default(path: Path) -> None:
    save_account(TOKEN, CRN, path=path)
    save_account("other-key", CRN, name="work", url="https://test.cloud.ibm.com", set_as_default=True, path=path)
    save_account(token="a-third-key", instance=CRN, name="zoo", path=path)
    assert {account.name: account.is_default for account in saved_accounts(path)} == {
        "default-ibm-quantum-platform": False,
        "work": True,
        "zoo": False,
    }
    work = resolve_account(name="work", environ={}, saved_accounts=path)
    assert (work.token.get_secret_value(), work.url) == ("other-key", "https://test.cloud.ibm.com")


def test_an_account_is_overwritten_only_when_asked(path: Path) -> None:
    save_account(TOKEN, CRN, name="work", path=path)
    with pytest.raises(AccountError, match="work"):
        save_account("new-key", CRN, name="work", path=path)
    assert json.loads(path.read_text())["work"]["token"] == TOKEN
    save_account("new-key", CRN, name="work", overwrite=True, path=path)
    assert json.loads(path.read_text())["work"]["token"] == "new-key"


@pytest.mark.parametrize(("token", "instance"), [("", CRN), (TOKEN, ""), (TOKEN, "my-instance")])
def test_an_account_without_a_token_or_a_crn_is_not_saved(path: Path, token: str, instance: str) -> None:
    with pytest.raises(AccountError, match="quota and backends belong to it"):
        save_account(token, instance, path=path)
    assert not path.exists()


def test_a_channel_that_the_library_does_not_know_is_refused_without_the_token(path: Path) -> None:
    with pytest.raises(AccountError) as error:
        save_account(TOKEN, CRN, channel="ibm_quantum", path=path)
    assert TOKEN not in f"{error.value} {error.value.next_step}"


def test_a_deleted_account_is_gone(path: Path) -> None:
    save_account(TOKEN, CRN, name="work", path=path)
    assert delete_account(name="work", path=path)
    assert not delete_account("work", path=path)
    assert saved_accounts(path) == []
    assert not delete_account("work", path=path.with_name("nothing.json"))


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes there")
def test_only_the_owner_can_read_the_file_also_if_others_could_before(path: Path) -> None:
    save_account(TOKEN, CRN, path=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    save_account(TOKEN, CRN, name="work", path=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_reading_saved_accounts_needs_no_library(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"work": {"channel": "ibm_cloud", "token": TOKEN, "instance": CRN}, "broken": 1}))
    code = (
        "import sys, pathlib; from qiskit_functions_core import saved_accounts\n"
        "print([account.name for account in saved_accounts(pathlib.Path(sys.argv[1]))])\n"
        "print('qiskit_ibm_runtime' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == ["['work']", "False"]


def test_a_url_from_the_environment_goes_only_with_a_token_from_there() -> None:
    environ = {"QISKIT_IBM_URL": "https://test.cloud.ibm.com", "QISKIT_IBM_TOKEN": "t", "QISKIT_IBM_INSTANCE": CRN}
    assert resolve_account(environ=environ).url == "https://test.cloud.ibm.com"
    given = resolve_account(channel="ibm_cloud", token=TOKEN, instance=CRN, environ=environ)
    assert given.url == CLOUD_URL, "a token never goes to an address of another source"


def test_url_and_api_version_can_be_given() -> None:
    account = resolve_account(
        channel="ibm_cloud", token=TOKEN, instance=CRN, url="https://test.cloud.ibm.com/", api_version="v2", environ={}
    )
    assert (account.url, account.api_version) == ("https://test.cloud.ibm.com", "v2")


def test_a_name_in_place_of_a_crn_is_refused_for_ibm() -> None:
    with pytest.raises(AccountError, match="not a CRN"):
        resolve_account(channel="ibm_cloud", token=TOKEN, instance="my-instance", environ={})


async def test_credentials_are_verified_when_asked_and_not_before(gateway: NotingGateway) -> None:
    async with client_of(gateway.host) as client:
        assert gateway.asked == []
        await client.verify()
        assert gateway.paths() == ["GET programs/"]


async def test_wrong_credentials_are_reported_with_what_the_person_can_do(gateway: NotingGateway) -> None:
    gateway.answers["GET programs/"] = JSONResponse({"detail": "Authorization token is not valid."}, 401)
    async with client_of(gateway.host, token=TOKEN) as client:
        with pytest.raises(Unauthorized, match="not valid") as error:
            await client.verify()
    assert error.value.person
    assert "token" in error.value.next_step
