"""Where credentials come from, and that a token never goes elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from qiskit_functions_core import Account, Channel, resolve_account
from qiskit_functions_core.accounts.account import IBM_HOST, is_ibm_host
from qiskit_functions_core.errors import AccountError

CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/1:2::"
NO_FILE = Path("no-such-file.json")


def resolve(env: dict[str, str] | None = None, saved: Path = NO_FILE, **arguments: str) -> Account:
    return resolve_account(environ=env or {}, saved_accounts=saved, **arguments)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "qiskit-ibm.json"
    entry = {"channel": "ibm_quantum_platform", "token": "saved-token", "instance": CRN}
    path.write_text(json.dumps({"default-ibm-quantum-platform": entry, "other": {**entry, "token": "other-token"}}))
    return path


def token(account: Account) -> str:
    return account.token.get_secret_value()


def test_without_any_source_the_account_is_this_machine() -> None:
    account = resolve()
    assert account.channel is Channel.LOCAL
    assert account.is_embedded


def test_arguments_win_over_every_variable() -> None:
    env = {"QISKIT_FUNCTIONS_HOST": "https://env.test", "QISKIT_FUNCTIONS_TOKEN": "env-token"}
    account = resolve(env, host="https://argument.test", token="argument-token")
    assert (account.host, token(account)) == ("https://argument.test", "argument-token")


def test_own_variables_win_over_the_official_ones() -> None:
    env = {
        "QISKIT_FUNCTIONS_HOST": "https://own.test/",
        "QISKIT_FUNCTIONS_TOKEN": "own",
        "ENV_GATEWAY_PROVIDER_HOST": "https://official.test",
        "ENV_GATEWAY_PROVIDER_TOKEN": "official",
    }
    account = resolve(env)
    assert (account.host, token(account)) == ("https://own.test", "own")


def test_gateway_variables_give_a_self_hosted_gateway_with_its_version() -> None:
    env = {
        "ENV_GATEWAY_PROVIDER_HOST": "https://gateway.test",
        "ENV_GATEWAY_PROVIDER_TOKEN": "t",
        "ENV_GATEWAY_PROVIDER_VERSION": "v2",
    }
    account = resolve(env)
    assert (account.channel, account.api_version, account.instance) == (Channel.LOCAL, "v2", None)


def test_ibm_variables_lead_to_ibm_or_to_the_host_that_overrides_it() -> None:
    env = {"QISKIT_IBM_TOKEN": "t", "QISKIT_IBM_INSTANCE": CRN}
    assert resolve(env).host == IBM_HOST
    assert resolve({**env, "IBM_SERVERLESS_HOST_URL_OVERRIDE": "https://o.test"}).host == "https://o.test"


def test_an_instance_variable_without_a_token_decides_nothing() -> None:
    assert resolve({"QISKIT_IBM_INSTANCE": CRN}).is_embedded


def test_the_saved_default_account_is_found(saved: Path) -> None:
    account = resolve(saved=saved)
    assert (token(account), account.instance, account.host) == ("saved-token", CRN, IBM_HOST)


def test_a_saved_account_can_be_named(saved: Path) -> None:
    assert token(resolve(saved=saved, name="other")) == "other-token"


def test_a_marked_default_wins_over_the_default_names(saved: Path, tmp_path: Path) -> None:
    entries = json.loads(saved.read_text())
    entries["other"]["is_default_account"] = True
    saved.write_text(json.dumps(entries))
    assert token(resolve(saved=saved)) == "other-token"


def test_a_name_that_is_not_saved_is_an_error(saved: Path) -> None:
    with pytest.raises(AccountError, match="nobody"):
        resolve(saved=saved, name="nobody")


def test_a_broken_accounts_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "qiskit-ibm.json"
    path.write_text("{nope")
    with pytest.raises(AccountError, match=re.escape(str(path))):
        resolve(saved=path)


def test_asking_for_local_wins_over_a_saved_account(saved: Path) -> None:
    assert resolve({"QISKIT_FUNCTIONS_CHANNEL": "local"}, saved).is_embedded


def test_a_host_never_gets_the_token_of_another_source(saved: Path) -> None:
    with pytest.raises(AccountError, match="no token"):
        resolve({"QISKIT_IBM_TOKEN": "secret"}, saved, host="https://evil.test")


def test_an_instance_given_alone_is_added_to_the_account_that_is_found(saved: Path) -> None:
    entries = json.loads(saved.read_text())
    del entries["default-ibm-quantum-platform"]["instance"]
    saved.write_text(json.dumps(entries))
    assert resolve(saved=saved, instance=CRN).instance == CRN


@pytest.mark.parametrize("channel", ["ibm_quantum_platform", "ibm_cloud"])
def test_ibm_channels_require_an_instance_and_say_why(channel: str) -> None:
    with pytest.raises(AccountError, match="quota and backends belong to it"):
        resolve(channel=channel, token="t")


def test_ibms_channel_alone_finds_the_account_in_any_source(saved: Path) -> None:
    assert token(resolve(saved=saved, channel="ibm_quantum_platform")) == "saved-token"
    with pytest.raises(AccountError, match="no account for it was found"):
        resolve(channel="ibm_quantum_platform")


def test_a_channels_other_name_replaces_that_of_the_account_that_is_found() -> None:
    environ = {"QISKIT_IBM_TOKEN": "t", "QISKIT_IBM_INSTANCE": "crn:1", "QISKIT_FUNCTIONS_CHANNEL": "ibm_cloud"}
    assert resolve_account(environ=environ, saved_accounts=Path("none")).channel is Channel.IBM_CLOUD


@pytest.mark.parametrize("url", ["https://q.test:abc", "q.test", "https://user:secret@q.test"])
def test_a_url_that_is_not_a_web_address_is_refused_without_repeating_it(url: str) -> None:
    environ = {"QISKIT_IBM_TOKEN": "t", "QISKIT_IBM_INSTANCE": "crn:1", "QISKIT_IBM_URL": url}
    with pytest.raises(AccountError, match="url") as raised:
        resolve_account(environ=environ, saved_accounts=Path("none"))
    assert url not in str(raised.value)


def test_an_unknown_channel_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AccountError, match="ibm_quantum") as error:
        resolve(channel="ibm_quantum", token="t")
    with pytest.raises(AccountError, match="ibm_quantum"):
        resolve(channel="ibm_quantum")
    assert "ibm_quantum_platform" in error.value.next_step


@pytest.mark.parametrize("host", ["gateway.test", "ftp://gateway.test", "https://user:pw@gateway.test", "https://"])
def test_a_host_that_is_not_a_web_address_is_refused_without_repeating_it(host: str) -> None:
    with pytest.raises(AccountError) as error:
        resolve(host=host, token="t")
    assert "pw" not in str(error.value)


def test_no_representation_shows_a_token() -> None:
    account = resolve(host="https://gateway.test", token="very-secret")
    assert "very-secret" not in f"{account!r} {account} {account.model_dump()} {account.model_dump_json()}"


OWN = {"host": "https://gateway.test", "token": "t"}


@pytest.mark.parametrize(
    ("given", "channel"),
    [
        ({**OWN, "instance": "my-instance"}, Channel.LOCAL),
        ({**OWN, "instance": CRN}, Channel.IBM_QUANTUM_PLATFORM),
        ({**OWN, "instance": "my-instance", "channel": "ibm_cloud"}, Channel.IBM_CLOUD),
        ({**OWN, "host": IBM_HOST, "instance": CRN}, Channel.IBM_QUANTUM_PLATFORM),
        ({**OWN, "host": "https://ibm.com.evil.test"}, Channel.LOCAL),
    ],
)
def test_a_host_elsewhere_is_one_of_ibms_only_with_a_crn_or_if_asked(given: dict[str, str], channel: Channel) -> None:
    by_variables = resolve({f"QISKIT_FUNCTIONS_{name.upper()}": value for name, value in given.items()})
    for account in (resolve_account(environ={}, saved_accounts=NO_FILE, **given), by_variables):
        assert (account.channel, account.host, account.instance) == (channel, given["host"], given.get("instance"))
        assert (account.url is None) is (channel is Channel.LOCAL), "a gateway's token has no way to IBM Cloud"


@pytest.mark.parametrize("host", ["https://a.test", "https://z.test"])
@pytest.mark.parametrize("instance", ["", "my-instance"])
def test_a_gateway_of_any_address_needs_no_crn(host: str, instance: str) -> None:
    account = resolve(host=host, token="t", instance=instance)
    assert (account.channel, account.instance) == (Channel.LOCAL, instance or None)


def test_the_gateway_of_ibm_needs_a_crn_however_its_address_is_written() -> None:
    for host in (IBM_HOST, f"{IBM_HOST}/"):
        with pytest.raises(AccountError, match="is a name, not a CRN"):
            resolve(host=host, token="t", instance="my-instance")


def test_a_gateways_token_without_its_gateway_goes_nowhere() -> None:
    with pytest.raises(AccountError, match="not the gateway that it is for"):
        resolve({"ENV_GATEWAY_PROVIDER_TOKEN": "t", "QISKIT_IBM_INSTANCE": CRN})


def test_the_override_of_ibms_host_goes_only_with_a_token_from_there(saved: Path) -> None:
    override = {"IBM_SERVERLESS_HOST_URL_OVERRIDE": "https://o.test"}
    assert resolve(override, saved).host == IBM_HOST
    assert resolve({**override, "QISKIT_FUNCTIONS_TOKEN": "t", "QISKIT_FUNCTIONS_INSTANCE": CRN}).host == IBM_HOST


def test_an_account_says_whether_it_came_from_variables() -> None:
    env = {"QISKIT_FUNCTIONS_TOKEN": "t", "QISKIT_FUNCTIONS_HOST": "https://gateway.test"}
    assert resolve(env).source == "QISKIT_FUNCTIONS_* variables"
    host = "".join(["https://", "gateway.test"])  # as settings pass it on: equal, and another object
    assert resolve(env, host=host, token="t").source == "QISKIT_FUNCTIONS_* variables"
    assert resolve(env, host="https://flag.test", token="t").source == "arguments and QISKIT_FUNCTIONS_* variables"
    assert resolve(host="https://flag.test", token="t").source == "arguments"


@pytest.mark.parametrize(
    "host", ["https://quantum.ibm.com.evil.test", "https://[1", "https://quantum.ibm.com@evil.test"]
)
def test_an_address_that_only_looks_like_ibms_is_not_ibms(host: str) -> None:
    assert not is_ibm_host(host)


def test_an_official_channel_is_the_accounts_and_without_one_it_is_the_platforms() -> None:
    env = {"QISKIT_IBM_TOKEN": "t", "QISKIT_IBM_INSTANCE": CRN}
    assert resolve(env).channel is Channel.IBM_QUANTUM_PLATFORM
    assert resolve({**env, "QISKIT_IBM_CHANNEL": "ibm_cloud"}).channel is Channel.IBM_CLOUD


def test_a_host_of_ibms_needs_no_crn_to_be_known_as_one() -> None:
    env = {"QISKIT_FUNCTIONS_TOKEN": "t", "QISKIT_FUNCTIONS_HOST": "https://other.quantum.ibm.com"}
    assert resolve({**env, "QISKIT_FUNCTIONS_INSTANCE": "a-name"}).channel is Channel.IBM_QUANTUM_PLATFORM


def test_an_instance_given_alone_does_not_replace_that_of_the_account(saved: Path) -> None:
    assert resolve(saved=saved, instance=f"{CRN}other").instance == CRN


def test_an_account_shows_all_but_its_secrets() -> None:
    shown = repr(Account(channel=Channel.IBM_CLOUD, host="https://h.test", token=SecretStr("secret"), instance=CRN))
    assert "https://h.test" in shown
    assert "ibm_cloud" in shown
    assert "secret" not in shown
    assert "a/1" not in shown
