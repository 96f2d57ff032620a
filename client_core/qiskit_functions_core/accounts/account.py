"""An account: the credentials for one gateway."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr

from ..http.redaction import redact

IBM_HOST = "https://qiskit-serverless.quantum.ibm.com"
"""The gateway of IBM Quantum Platform (``IBM_SERVERLESS_HOST_URL_DEFAULT`` of qiskit-serverless 0.37)."""

CLOUD_URL = "https://cloud.ibm.com"
"""IBM Cloud, from which the addresses of IAM and of IBM Quantum's REST API are derived."""


def is_ibm_host(address: str) -> bool:
    """Return whether the address is one of IBM Quantum's or IBM Cloud's, so that a token for it is one of theirs."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return False
    return host.endswith((".quantum.ibm.com", ".cloud.ibm.com"))


class Channel(StrEnum):
    """How a gateway authenticates an account (its ``Service-Channel`` header)."""

    LOCAL = "local"
    IBM_QUANTUM_PLATFORM = "ibm_quantum_platform"
    IBM_CLOUD = "ibm_cloud"

    @property
    def is_ibm(self) -> bool:
        """Whether the account is one of IBM Cloud, under the channel's new name or its old one."""
        return self is not Channel.LOCAL


class Account(BaseModel):
    """Credentials for one gateway.

    Attributes:
        channel: how the gateway authenticates the token.
        host: the gateway's address; None means this machine's own gateway.
        token: an API key, or a gateway's own token; never printed.
        instance: the CRN of a Qiskit Runtime instance.
        url: IBM Cloud's address, for quota and backends; ``resolve_account`` always sets it for IBM channels.
        api_version: the gateway's API version, as in ``/api/v1/``.
        source: where these credentials came from, for people to read.
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
        """Give what ``repr`` and ``str`` show, which is not the account inside a CRN."""
        for name, value in super().__repr_args__():
            yield name, redact(value) if isinstance(value, str) else value

    @property
    def is_embedded(self) -> bool:
        """Whether the gateway is this machine's own."""
        return self.host is None

    @classmethod
    def local(cls, source: str = "no account found") -> Account:
        """Return the account of this machine's own gateway, which needs no credentials."""
        return cls(channel=Channel.LOCAL, source=source)
