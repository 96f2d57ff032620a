"""The connection to a Qiskit Serverless gateway."""

from __future__ import annotations

from collections.abc import Mapping

from ..accounts.account import Account
from ..errors import AccountError
from ..http.transport import RetryPolicy, Timeouts, Transport


def gateway_transport(
    account: Account, *, timeouts: Timeouts | None = None, retries: RetryPolicy | None = None
) -> Transport:
    """Return a transport for an account that has a host; its paths are relative to ``/api/{version}/``.

    Raises:
        AccountError: the token or the instance has characters that no HTTP header can hold.
    """
    token = account.token.get_secret_value()
    fixed = {"Authorization": f"Bearer {token}", "Service-Channel": account.channel.value}
    fixed |= {"Service-CRN": account.instance} if account.instance else {}
    if not all(value.isascii() and value.isprintable() for value in fixed.values()):
        raise AccountError(
            "the token or the instance has characters that no HTTP header can hold, such as a line break",
            next_step="Copy both again.",
        )

    async def headers() -> Mapping[str, str]:
        return fixed

    base = f"{account.host}/api/{account.api_version}/"
    return Transport(base, headers, secrets=[token], timeouts=timeouts, retries=retries)
