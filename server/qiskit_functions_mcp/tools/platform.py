"""Tools that show backends and the quota. Their docstrings are their descriptions."""

from __future__ import annotations

from typing import Annotated, Literal

from mcp_types import CallToolResult
from pydantic import BeforeValidator, Field

from qiskit_functions_core import Backend
from qiskit_functions_core.errors import InputError
from qiskit_functions_core.platforms.platform import least_busy as best_of
from qiskit_functions_core.suggestions import did_you_mean

from ..replies.call_results import reply
from ..replies.platform import AccountReply, BackendLine, BackendList, UsageReply
from ..replies.truncation import offset_of, page, text_of
from ..session import Ctx, session_of
from .inputs import MAX_NAME, Cursor, Limit
from .tool_spec import READ, ToolSpec

YesNo = Annotated[
    Literal["any", "true", "false"],
    BeforeValidator(lambda value: str(value).lower() if isinstance(value, bool) else value),
]
"""A boolean or "any", without anyOf in its schema. Assistants also send real booleans."""


async def list_backends(
    ctx: Ctx,
    name: Annotated[str, Field(description="One backend in full, for example fake_manila", max_length=MAX_NAME)] = "",
    min_num_qubits: Annotated[int, Field(ge=0, le=100_000, description="Minimum number of qubits")] = 0,
    operational: Annotated[YesNo, Field(description="true: only operational ones; false: only others")] = "any",
    simulator: Annotated[YesNo, Field(description="true: only simulators; false: only quantum computers")] = "any",
    least_busy: Annotated[bool, Field(description="Only the one with the shortest queue")] = False,
    refresh: Annotated[bool, Field(description="Do not answer from the cache")] = False,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Annotated[CallToolResult, BackendList]:
    """List the backends that a function can run on, with qubits, queue and basis gates; or show one in full.

    Pass the name as backend_name in a run's arguments.
    """
    session = session_of(ctx)
    platform, budget = (await session.client()).platform, session.settings.reply_characters
    if name:
        backend = await platform.details(name)
        if backend is None:
            others = [other.name for other in (await platform.backends()).backends]
            raise InputError(
                f"there is no backend {name!r} for this account",
                next_step=f"{did_you_mean(name, others)}Call list_backends without a name.",
            )
        return reply(_one_backend(backend, budget))
    listing = await platform.backends(refresh=refresh)
    choices = {"any": None, "true": True, "false": False}
    found = listing.matching(
        min_num_qubits=min_num_qubits, operational=choices[operational], simulator=choices[simulator]
    )
    if least_busy:
        best = best_of(found)
        found = [best] if best else []
    offset = offset_of(cursor)
    lines = [BackendLine.of(backend) for backend in found[offset : offset + limit]]
    shown, next_cursor = page(lines, offset=offset, total=len(found), budget=budget)
    age = round(listing.age, 1)
    return reply(BackendList(backends=shown, total=len(found), age_seconds=age, next_cursor=next_cursor))


def _one_backend(backend: Backend, budget: int) -> BackendList:
    answer = BackendList(backends=[BackendLine.of(backend, whole=True)], total=1, age_seconds=0)
    if len(text_of(answer)) > budget:
        couplings = len(backend.coupling_map or [])
        answer.backends = [BackendLine.of(backend)]
        answer.left_out = f"coupling_map ({couplings} pairs)"
    return answer


async def get_usage(ctx: Ctx) -> Annotated[CallToolResult, UsageReply]:
    """Show the account and instance in use, its quota in seconds, and whether runs are refused or give a warning."""
    client = await session_of(ctx).client()
    check, usage = await client.quota()
    account = AccountReply(
        channel=client.account.channel,
        host=client.account.host or "this machine",
        instance=client.instance if client.account.instance else None,
        source=client.account.source,
    )
    answer = UsageReply(account=account, standing=check.outcome, message=f"{check.message} {client.notice}".rstrip())
    if usage:
        answer.consumed_seconds = usage.consumed
        answer.limit_seconds = usage.limit
        answer.remaining_seconds = usage.remaining
    return reply(answer)


TOOLS = (
    ToolSpec(list_backends, "List backends", READ),
    ToolSpec(get_usage, "Get usage", READ),
)
