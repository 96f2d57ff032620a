"""Which credentials to use: the first source that has any wins.

Sources are not mixed, so that a token never reaches a host that came from elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from ..addresses import is_web_address
from ..errors import AccountError
from .account import CLOUD_URL, IBM_HOST, Account, Channel, is_ibm_host
from .saved_accounts import SAVED_ACCOUNTS, choose, read_entries

_OWN_VARIABLES = "QISKIT_FUNCTIONS_* variables"


def resolve_account(
    *,
    channel: str = "",
    host: str = "",
    token: str = "",
    instance: str = "",
    url: str = "",
    api_version: str = "",
    name: str = "",
    environ: Mapping[str, str] | None = None,
    saved_accounts: Path | None = None,
) -> Account:
    """Return the account to use.

    The sources in their order: these arguments, ``QISKIT_FUNCTIONS_*``, the official clients' variables, the account
    saved by qiskit-ibm-runtime, and last this machine's own gateway. An instance given alone is added to the account
    that is found, if that has none.

    Without a channel, an account is one of IBM's if its host is, or if its instance is a CRN; a token with another host
    is for the gateway there, and goes nowhere else.

    Args:
        channel, host, token, instance, url, api_version: as in ``Account``; empty where the caller says nothing.
        name: of an account saved by qiskit-ibm-runtime; variables are not read then.
        environ: in place of the process's environment.
        saved_accounts: in place of qiskit-ibm-runtime's file.

    Raises:
        AccountError: the winning source is incomplete or cannot be read.
    """
    env = os.environ if environ is None else environ
    given = {"channel": channel, "host": host, "token": token, "instance": instance}
    given |= {"url": url, "version": api_version}
    # The server passes on its settings, which may be flags or variables.
    named = {field: value for field, value in given.items() if value}
    are_variables = [env.get(f"QISKIT_FUNCTIONS_{field.upper()}") == value for field, value in named.items()]
    origins = ["arguments"] if not all(are_variables) else []
    origins += [_OWN_VARIABLES] if any(are_variables) else []
    sources = [_Source(" and ".join(origins), given), *_variables(env)]
    deciding = None if name else next((source for source in sources if source.decides), None)
    chosen = deciding or _saved(saved_accounts, name or None)
    account = chosen.account() if chosen else Account.local()
    # The official variables only describe an account; these two can demand a channel.
    asked = next((source for source in sources[:2] if source.fields.get("channel")), None)
    if asked and asked.channel.is_ibm and not account.channel.is_ibm:
        raise AccountError(
            f"channel {asked.channel} is set (from {asked.name}), but no account for it was found",
            next_step="Run `qiskit-functions-mcp login`, or set QISKIT_FUNCTIONS_TOKEN and QISKIT_FUNCTIONS_INSTANCE.",
        )
    if asked and asked.channel.is_ibm:  # under its old name or its new one
        account = account.model_copy(update={"channel": asked.channel})
    given_instance = next((source.fields["instance"] for source in sources if source.fields.get("instance")), "")
    if account.instance is None and account.channel.is_ibm and given_instance:
        account = account.model_copy(update={"instance": given_instance})
    if not account.is_embedded:
        _check(account)
    return account


@dataclass(frozen=True)
class _Source:
    """What one source says; an empty string where it says nothing.

    Attributes:
        needs_host: whether its token is never one of IBM's.
    """

    name: str
    fields: dict[str, str]
    needs_host: bool = False

    @property
    def decides(self) -> bool:
        """Whether it has credentials or says that none are needed; IBM's channel alone does neither."""
        return bool(self.fields.get("host") or self.fields.get("token") or self.fields.get("channel") == Channel.LOCAL)

    @property
    def channel(self) -> Channel:
        name = self.fields.get("channel", "")
        if not name:
            host = self.fields.get("host", "")
            # Elsewhere only a CRN says that the account is one of IBM's: other gateways have instances too.
            is_ibms = not host or is_ibm_host(host) or self.fields.get("instance", "").startswith("crn:")
            return Channel.IBM_QUANTUM_PLATFORM if is_ibms else Channel.LOCAL
        try:
            return Channel(name)
        except ValueError:
            raise AccountError(
                f"unknown channel {name!r} (from {self.name})",
                next_step=f"Use one of: {', '.join(Channel)}.",
            ) from None

    def account(self) -> Account:
        channel, host = self.channel, self.fields.get("host", "")
        if self.needs_host and not host:
            raise AccountError(
                "ENV_GATEWAY_PROVIDER_TOKEN is set, but not the gateway that it is for",
                next_step="Set ENV_GATEWAY_PROVIDER_HOST too, or QISKIT_FUNCTIONS_TOKEN for an account of IBM.",
            )
        if channel.is_ibm:
            host = host or IBM_HOST
        return Account(
            channel=channel,
            host=host.rstrip("/") or None,
            token=SecretStr(self.fields.get("token", "")),
            instance=self.fields.get("instance") or None,
            url=(self.fields.get("url") or CLOUD_URL).rstrip("/") if channel.is_ibm else None,
            api_version=self.fields.get("version") or "v1",
            source=self.name,
        )


def _variables(env: Mapping[str, str]) -> Iterator[_Source]:

    def fields(prefix: str, *names: str) -> dict[str, str]:
        return {name: env.get(f"{prefix}_{name.upper()}", "") for name in names}

    yield _Source(_OWN_VARIABLES, fields("QISKIT_FUNCTIONS", "channel", "host", "token", "instance"))
    gateways = fields("ENV_GATEWAY_PROVIDER", "host", "token", "version")
    yield _Source("ENV_GATEWAY_PROVIDER_* variables", gateways, needs_host=True)
    official: dict[str, str] = {}
    if token := env.get("QISKIT_IBM_TOKEN", ""):  # without it, qiskit-ibm-runtime reads none of the others
        official = {
            "token": token,
            "host": env.get("IBM_SERVERLESS_HOST_URL_OVERRIDE", ""),
            "channel": env.get("QISKIT_IBM_CHANNEL") or Channel.IBM_QUANTUM_PLATFORM.value,
            "instance": env.get("QISKIT_IBM_INSTANCE", ""),
            "url": env.get("QISKIT_IBM_URL", ""),
        }
    yield _Source("QISKIT_IBM_* variables", official)


def _saved(path: Path | None, name: str | None) -> _Source | None:
    """Return the named account of qiskit-ibm-runtime's file, or the default one; None if there is no default."""
    entry_name, entry = choose(read_entries(path), name)
    if entry is None:
        if name:
            raise AccountError(
                f"no account named {name!r} is saved in {SAVED_ACCOUNTS}",
                next_step="Save it with save_account, or name another.",
            )
        return None
    fields = {key: str(entry.get(key) or "") for key in ("channel", "token", "instance", "url")}
    return _Source(f"saved account {entry_name!r}", fields)


def _check(account: Account) -> None:
    if not is_web_address(account.host or ""):
        raise AccountError(
            f"the host (from {account.source}) is not an address such as https://gateway.example.org",
            next_step="Correct the host.",
        )
    if not account.token.get_secret_value():
        raise AccountError(
            f"a host or channel is set (from {account.source}) but no token with it",
            next_step="Set the token beside it, or set QISKIT_FUNCTIONS_CHANNEL=local.",
        )
    if not is_web_address(account.url or CLOUD_URL):
        raise AccountError(
            f"the url (from {account.source}) is not an address such as {CLOUD_URL}", next_step="Correct the url."
        )
    problem = ""
    if account.channel.is_ibm and not account.instance:
        problem = f"channel {account.channel} needs an instance (a CRN), since quota and backends belong to it"
    elif account.host == IBM_HOST and not str(account.instance).startswith("crn:"):
        problem = f"the instance {account.instance!r} (from {account.source}) is a name, not a CRN"
    if problem:
        raise AccountError(
            problem, next_step="Set QISKIT_FUNCTIONS_INSTANCE; https://quantum.cloud.ibm.com/instances shows the CRN."
        )
