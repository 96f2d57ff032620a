"""The account: where it was found, and what its servers say to it."""

from __future__ import annotations

from functools import partial

from qiskit_functions_core.client import FunctionsClient
from qiskit_functions_core.concurrency import gather
from qiskit_functions_core.http.redaction import redact

from ...settings import Settings
from .findings import Finding, outcome

_SECONDS = 30.0
"""For each question. A slow platform needs ten, and a person waits for the answer."""


async def check_account(settings: Settings) -> list[Finding]:
    """Return where the account was found, and whether its gateway and IBM Quantum take it."""
    account = settings.resolved_account()
    if account.is_embedded:
        message = f"none ({account.source}): functions run on this machine"
        return [Finding("ok", message, "To use IBM Quantum, run `qiskit-functions-mcp login`.")]
    described = f"{account.channel} at {account.host}, from {account.source}; its token is set"
    found = [Finding("ok", redact(f"{described}, its instance {account.instance}" if account.instance else described))]
    async with FunctionsClient(account) as client:
        questions = {"the gateway": partial(_credentials, client)}
        if account.channel.is_ibm:
            questions["the instance"] = partial(_instance, client)
            questions["the quota"] = partial(_quota, client)
            questions["the list of backends"] = partial(_backends, client)
        answers = await gather(partial(outcome, ask, what, within=_SECONDS) for what, ask in questions.items())
    # Several questions may fail for one reason.
    return [*found, *dict.fromkeys(finding for answer in answers for finding in answer)]


async def _credentials(client: FunctionsClient) -> list[Finding]:
    await client.verify()
    return [Finding("ok", f"{client.account.host} answers, and takes the token")]


async def _instance(client: FunctionsClient) -> list[Finding]:
    listed = await client.platform.instances()
    found = next((instance for instance in listed if instance.crn == client.account.instance), None)
    if found:
        return [Finding("ok", f"the instance is {found.name!r}, {found.plan}, {found.region}")]
    names = ", ".join(instance.name for instance in listed) or "none"
    return [
        Finding(
            "warning",
            f"the instance is not among those that IBM Cloud lists for the API key: {names}",
            "Run `qiskit-functions-mcp login` to choose one of them.",
        )
    ]


async def _quota(client: FunctionsClient) -> list[Finding]:
    check, _ = await client.quota()
    return [Finding("error" if check.outcome == "refused" else check.outcome, check.message, check.next_step)]


async def _backends(client: FunctionsClient) -> list[Finding]:
    backends = (await client.platform.backends()).backends
    if not backends:
        return [Finding("error", "the instance has no backends", "Ask who administers it for access to some.")]
    online = sum(backend.operational for backend in backends)
    return [Finding("ok" if online else "warning", f"{len(backends)} backends, {online} of them operational")]
