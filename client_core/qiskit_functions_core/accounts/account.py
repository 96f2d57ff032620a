"""Whose account, on which gateway: where credentials come from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from ..addresses import is_web_address
from ..errors import AccountError
from ..http.redaction import redact
from .saved_accounts import SAVED_ACCOUNTS, choose, read_entries

IBM_HOST = "https://qiskit-serverless.quantum.ibm.com"
"""The gateway of IBM Quantum Platform (``IBM_SERVERLESS_HOST_URL_DEFAULT`` of qiskit-serverless 0.37)."""

CLOUD_URL = "https://cloud.ibm.com"
"""Where IBM Cloud is, and from it IAM and IBM Quantum's REST API."""


class Channel(StrEnum):
    """How an account is known to the gateway (its ``Service-Channel`` header)."""

    LOCAL = "local"
    IBM_QUANTUM_PLATFORM = "ibm_quantum_platform"
    IBM_CLOUD = "ibm_cloud"

    @property
    def is_ibm(self) -> bool:
        return self is not Channel.LOCAL


class Account(BaseModel):
    """Credentials for one gateway.

    Attributes:
        channel: how the gateway authenticates the token.
        host: the gateway's address; none means the embedded gateway of this machine.
        token: an API key, or a gateway's own token; never printed.
        instance: the CRN of a Qiskit Runtime instance.
        url: IBM Cloud's address for quota and backends; ``resolve`` always names one for IBM channels.
        api_version: the gateway's API version, as in ``/api/v1/``.
        source: where these credentials came from, for people.
    """

    model_config = ConfigDict(frozen=True)

    channel: Channel
    host: str | None = None
    token: SecretStr = SecretStr("")
    instance: str | None = None
    url: str | None = None
    api_version: str = "v1"
    source: str = ""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What ``repr`` and ``str`` show: not the account inside a CRN."""
        for name, value in super().__repr_args__():
            yield name, redact(value) if isinstance(value, str) else value

    @property
    def is_embedded(self) -> bool:
        return self.host is None

    @classmethod
    def local(cls, source: str = "no account found") -> Account:
        """The embedded gateway of this machine."""
        return cls(channel=Channel.LOCAL, source=source)

    @classmethod
    def resolve(
        cls,
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
        """Find the credentials to use; the first source that has any wins whole.

        The order: these arguments, ``QISKIT_FUNCTIONS_*``, the official clients' variables, the account
        saved by qiskit-ibm-runtime, and at last the embedded gateway. Sources are not mixed, so that a
        token never reaches a host that came from elsewhere; only an instance given alone is laid over
        the account that is found.

        Args:
            name: of an account saved by qiskit-ibm-runtime; then no variable is looked at.
            environ: in place of the process's environment.
            saved_accounts: in place of qiskit-ibm-runtime's file.

        Raises:
            AccountError: the winning source lacks something or cannot be read.
        """
        env = os.environ if environ is None else environ
        given = {"channel": channel, "host": host, "token": token, "instance": instance}
        given |= {"url": url, "version": api_version}
        candidates = [
            _Candidate(given, "arguments"),
            _from_own_variables(env),
            _from_gateway_variables(env),
            _from_ibm_variables(env),
        ]
        deciding = None if name else next((c for c in candidates if c.decides), None)
        chosen = deciding or _saved(saved_accounts, name or None)
        account = chosen.account() if chosen else cls.local()
        asked = next((c for c in candidates[:2] if c.fields.get("channel")), None)
        if asked and asked.channel.is_ibm and not account.channel.is_ibm:
            raise AccountError(
                f"channel {asked.channel} is set (from {asked.source}), but no account for it was found",
                next_step="Set QISKIT_FUNCTIONS_TOKEN and QISKIT_FUNCTIONS_INSTANCE, or save an account.",
            )
        if asked and asked.channel.is_ibm:  # by its old name or its new one
            account = account.model_copy(update={"channel": asked.channel})
        overlay = next((c.fields["instance"] for c in candidates if c.fields.get("instance")), "")
        if account.instance is None and account.channel.is_ibm and overlay:
            account = account.model_copy(update={"instance": overlay})
        return _checked(account)


class _Candidate:
    """What one source says; empty strings where it says nothing."""

    def __init__(self, fields: dict[str, str], source: str) -> None:
        self.fields = fields
        self.source = source

    @property
    def decides(self) -> bool:
        """Whether it has credentials, or says that none are needed; IBM's channel alone has neither."""
        return bool(self.fields.get("host") or self.fields.get("token") or self.fields.get("channel") == Channel.LOCAL)

    def account(self) -> Account:
        host, instance = self.fields.get("host", ""), self.fields.get("instance", "")
        channel = self.channel
        if channel.is_ibm:
            host = host or IBM_HOST
        return Account(
            channel=channel,
            host=host.rstrip("/") or None,
            token=SecretStr(self.fields.get("token", "")),
            instance=instance or None,
            url=(self.fields.get("url") or CLOUD_URL).rstrip("/") if channel.is_ibm else None,
            api_version=self.fields.get("version") or "v1",
            source=self.source,
        )

    @property
    def channel(self) -> Channel:
        name = self.fields.get("channel", "")
        if not name:
            without_runtime = self.fields.get("host") and not self.fields.get("instance")
            return Channel.LOCAL if without_runtime else Channel.IBM_QUANTUM_PLATFORM
        try:
            return Channel(name)
        except ValueError:
            raise AccountError(
                f"unknown channel {name!r} (from {self.source})",
                next_step=f"Use one of: {', '.join(Channel)}.",
            ) from None


def _from_own_variables(env: Mapping[str, str]) -> _Candidate:
    fields = {f: env.get(f"QISKIT_FUNCTIONS_{f.upper()}", "") for f in ("channel", "host", "token", "instance")}
    return _Candidate(fields, "QISKIT_FUNCTIONS_* variables")


def _from_gateway_variables(env: Mapping[str, str]) -> _Candidate:
    fields = {f: env.get(f"ENV_GATEWAY_PROVIDER_{f.upper()}", "") for f in ("host", "token", "version")}
    return _Candidate(fields, "ENV_GATEWAY_PROVIDER_* variables")


def _from_ibm_variables(env: Mapping[str, str]) -> _Candidate:
    token = env.get("QISKIT_IBM_TOKEN", "")
    # qiskit-ibm-runtime reads the others only together with a token.
    names = {"instance": "QISKIT_IBM_INSTANCE", "channel": "QISKIT_IBM_CHANNEL", "url": "QISKIT_IBM_URL"}
    fields = {field: env.get(name, "") for field, name in names.items()} if token else {}
    host = env.get("IBM_SERVERLESS_HOST_URL_OVERRIDE", "") if token else ""
    channel = fields.get("channel") or (Channel.IBM_QUANTUM_PLATFORM.value if token else "")
    return _Candidate({**fields, "token": token, "host": host, "channel": channel}, "QISKIT_IBM_* variables")


def _saved(path: Path | None, name: str | None) -> _Candidate | None:
    """The named or default account of qiskit-ibm-runtime's file."""
    entry_name, entry = choose(read_entries(path), name)
    if entry is None:
        if name:
            raise AccountError(
                f"no account named {name!r} is saved in {SAVED_ACCOUNTS}",
                next_step="Save it with save_account, or name another.",
            )
        return None
    fields = {key: str(entry.get(key) or "") for key in ("channel", "token", "instance", "url")}
    return _Candidate(fields, f"saved account {entry_name!r}")


def _checked(account: Account) -> Account:
    if account.is_embedded:
        return account
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
            f"the url (from {account.source}) is not an address such as {CLOUD_URL}", next_step="Correct it."
        )
    if account.channel.is_ibm and not account.instance:
        raise _no_crn(f"channel {account.channel} needs an instance (a CRN), since quota and backends belong to it")
    if account.host == IBM_HOST and not str(account.instance).startswith("crn:"):
        raise _no_crn(f"the instance {account.instance!r} (from {account.source}) is a name, not a CRN")
    return account


def _no_crn(message: str) -> AccountError:
    return AccountError(
        message, next_step="Set QISKIT_FUNCTIONS_INSTANCE; https://quantum.cloud.ibm.com/instances shows the CRN."
    )
