"""``qiskit-functions-mcp gateway``: this machine's gateway on its own, for the official client and other programs."""

from __future__ import annotations

import os
import signal
import sys

import anyio

from qiskit_functions_core.addresses import is_loopback
from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_gateway.execution.runner import Cluster
from qiskit_functions_gateway.server import Address, EmbeddedGateway
from qiskit_functions_gateway.storage.data_folder import default_data_folder

from ..settings import Settings

TOKEN_VARIABLE = "QISKIT_FUNCTIONS_GATEWAY_TOKEN"  # noqa: S105 - a variable's name

_MIN_TOKEN_CHARACTERS = 32
"""128 bits in hexadecimal: what others in a network can reach must not be guessed."""


def main(host: str, port: int, token: str | None, settings: Settings) -> int:
    """Serve until the process is asked to end; jobs that still run then go on.

    Args:
        port: 0 is any free one.
        token: instead of the one in the environment, and of the data folder's own.

    Returns:
        The exit code.
    """
    token = token or os.environ.get(TOKEN_VARIABLE, "")
    problem = refusal(host, token)
    if settings.runner == "ray" and not settings.ray_address:
        problem = "--runner ray needs a cluster: --ray-address with its dashboard, such as http://head:8265"
    if problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    folder = settings.home or default_data_folder()
    gateway = EmbeddedGateway(
        folder,
        usage_limit_seconds=settings.local_usage_limit_seconds,
        address=Address(host, port),
        token=token,
        cluster=_cluster(settings),
    )
    try:
        anyio.run(_serve, gateway, f"given by --token or {TOKEN_VARIABLE}" if token else f"in {folder / 'token'}")
    except EmbeddedGatewayError as error:
        print(f"error: {error.message}\n{error.next_step}".rstrip(), file=sys.stderr)
        return 1
    return 0


def refusal(host: str, token: str) -> str:
    """Why there can be no gateway on this host with this token; empty when there can."""
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        return "a token is made of printable ASCII characters without blanks"
    if not is_loopback(host) and len(token) < _MIN_TOKEN_CHARACTERS:
        return (
            f"on {host} others can reach the gateway, and whoever has its token runs programs as you: "
            f"give it a token of at least {_MIN_TOKEN_CHARACTERS} characters with {TOKEN_VARIABLE}, or use 127.0.0.1"
        )
    return ""


def _cluster(settings: Settings) -> Cluster | None:
    if settings.runner == "process":
        return None
    return Cluster(settings.ray_address, gateway=settings.advertise, shared_folder=settings.ray_shared_folder)


async def _serve(gateway: EmbeddedGateway, where_the_token_is: str) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with gateway:
            print(f"serving on {gateway.host}\nthe token is {where_the_token_is}", file=sys.stderr)
            async for _ in signals:
                break
