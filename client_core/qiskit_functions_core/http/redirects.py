"""Where a gateway may send its clients for a result or a log: to an object store, and not to their own networks."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit

import anyio
from anyio.to_thread import run_sync

from ..errors import NOT_A_GATEWAY, GatewayFault

_SIGNATURES = frozenset({"x-amz-signature", "x-goog-signature", "signature", "sig"})
"""The parameters that make an address a presigned one, in object stores with the interfaces of S3 (IBM Cloud and MinIO
too), Google Cloud and Azure."""

_LOOKUP_SECONDS = 5.0


async def check_target(target: str, gateway: str, server: str, *, status: int) -> None:
    """Check a redirect before it is followed.

    A gateway elsewhere could otherwise make this client read from services that only this machine can reach, and show
    what they answer.

    Args:
        target: the ``Location`` of the answer.
        gateway: an address of the gateway.
        server: what errors call the gateway.
        status: of its answer.

    Raises:
        GatewayFault: it is not a presigned address, or leads to a loopback or private address where the gateway is not.
    """
    problem = "something that is not a web address"
    try:
        parts, home = urlsplit(target), urlsplit(gateway)
        port = parts.port
        if parts.scheme in ("http", "https") and parts.hostname and port != 0:
            names = {name.lower() for name, _ in parse_qsl(parts.query, max_num_fields=100)}
            problem = "" if names & _SIGNATURES else "an address that is not signed, as an object store's is"
    except ValueError:
        parts = home = urlsplit("")
    if not problem and parts.hostname != home.hostname:
        reached = await _networks(str(parts.hostname)) - {"public"}
        if reached and not reached <= await _networks(str(home.hostname)):
            problem = f"a {' and '.join(sorted(reached))} address, where the gateway itself is not"
    if problem:
        raise GatewayFault(
            f"{server} redirected to {problem}; this was not followed",
            status=status,
            from_gateway=False,
            next_step=NOT_A_GATEWAY,
        )


async def _networks(host: str) -> set[str]:
    """Return the kinds of network of all addresses of a host; empty for one that only a proxy can look up."""
    try:
        with anyio.fail_after(_LOOKUP_SECONDS):
            found = await run_sync(socket.getaddrinfo, host, None, abandon_on_cancel=True)
    except (OSError, UnicodeError, TimeoutError):
        return set()
    kinds = set[str]()
    for *_, address in found:
        ip = ip_address(str(address[0]).partition("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
        if ip.is_loopback or ip.is_unspecified:
            kinds.add("loopback")
        elif ip.is_link_local:
            kinds.add("link-local")
        else:
            kinds.add("public" if ip.is_global else "private")
    return kinds
