"""The way to the account's servers: proxies, certificates, and the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit
from urllib.request import getproxies

from qiskit_functions_core.accounts.account import CLOUD_URL, Account
from qiskit_functions_core.concurrency import gather, run_in_thread
from qiskit_functions_core.http.connections import environment_certificates
from qiskit_functions_core.http.inspection import inspect_server
from qiskit_functions_core.http.redaction import redact
from qiskit_functions_core.platforms.ibm import iam_url, runtime_url

from .findings import Finding, Level, outcome

_SECONDS = 15.0

_SOON_DAYS = 14

_CLOCK_WARNING, _CLOCK_ERROR = 60.0, 300.0
"""Seconds apart: waiting times are wrong then; and tokens, which last an hour, may be refused."""


async def check_network(account: Account | None) -> list[Finding]:
    """Return which proxies and certificates are used, and what each server of the account tells of itself."""
    await run_in_thread(environment_certificates)
    proxies = ", ".join(f"{name}_proxy {redact(value)}" for name, value in sorted(getproxies().items()))
    found = [Finding("ok", f"proxies: {proxies}" if proxies else "no proxy is set")]
    if account is None or account.host is None:
        found.append(Finding("ok", "no server is asked: without an account, requests stay on this machine"))
        return found
    servers = [account.host]
    if account.channel.is_ibm:
        url = account.url or CLOUD_URL
        servers += [iam_url(url), runtime_url(url, account.instance or "")]
    answers = await gather(
        partial(outcome, partial(_server, server), server, within=_SECONDS + 1) for server in dict.fromkeys(servers)
    )
    return [*found, *(finding for answer in answers for finding in answer)]


async def _server(url: str) -> list[Finding]:
    facts = await inspect_server(url, seconds=_SECONDS)
    host = urlsplit(url).hostname
    found = [Finding("ok", f"{host} is reached{f' through {facts.proxy}' if facts.proxy else ''}")]
    if facts.certificate_ends:
        ends = f"{host}'s certificate is trusted until {facts.certificate_ends:%Y-%m-%d}"
        is_soon = (facts.certificate_ends - datetime.now(UTC)).days < _SOON_DAYS
        found.append(Finding("warning" if is_soon else "ok", ends, "Tell who runs that server." if is_soon else ""))
    if facts.seconds_ahead is not None:
        apart = abs(facts.seconds_ahead)
        level: Level = "error" if apart > _CLOCK_ERROR else "warning" if apart > _CLOCK_WARNING else "ok"
        where = "ahead of" if facts.seconds_ahead > 0 else "behind"
        next_step = "" if level == "ok" else "Set this machine's clock, best from a time server."
        found.append(Finding(level, f"this machine's clock is {apart:.0f} s {where} {host}'s", next_step))
    return found
