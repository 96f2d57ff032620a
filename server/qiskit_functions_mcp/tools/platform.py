"""Tools that show backends and the quota. Their docstrings are their descriptions."""

from __future__ import annotations

from typing import Annotated, Any

from mcp_types import CallToolResult
from pydantic import Field

from qiskit_functions_core.errors import InputError
from qiskit_functions_core.platforms.platform import Listing, useful_first
from qiskit_functions_core.platforms.platform import least_busy as best_of
from qiskit_functions_core.suggestions import did_you_mean

from ..replies.call_results import reply
from ..replies.platform import AccountReply, BackendLine, BackendList, UsageReply
from ..replies.truncation import offset_of, page, text_of
from ..session import Ctx, session_of
from .inputs import MAX_NAME, Cursor, Limit, YesNo
from .tool_spec import READ, ToolSpec


async def list_backends(
    ctx: Ctx,
    name: Annotated[str, Field(description="One backend in full, for example fake_manila", max_length=MAX_NAME)] = "",
    min_num_qubits: Annotated[int, Field(ge=0, le=100_000, description="Minimum number of qubits")] = 0,
    operational: Annotated[YesNo, Field(description="true: only operational ones; false: only others")] = "any",
    simulator: Annotated[YesNo, Field(description="true: only simulated ones; false: only quantum computers")] = "any",
    least_busy: Annotated[bool, Field(description="Only the one with the shortest queue")] = False,
    coupling_map: Annotated[bool, Field(description="With a name: list its coupled qubits too")] = False,
    refresh: Annotated[bool, Field(description="Do not answer from the cache")] = False,
    limit: Limit = 10,
    cursor: Cursor = "",
) -> Annotated[CallToolResult, BackendList]:
    """List the backends that a function can run on, the most useful first; or show one in full by its name.

    A list has qubits, queue and basis gates; one in full also the median errors and T1, T2. Pass the name as
    backend_name in a run's arguments.
    """
    session = session_of(ctx)
    client = await session.client()
    is_here, platform, budget = client.gateway.runs_code_here, client.platform, session.settings.reply_characters
    if name:
        backend = await platform.details(name)
        if backend is None:
            others = [other.name for other in (await platform.backends()).backends]
            raise InputError(
                f"there is no backend {name!r} for this account",
                next_step=f"{did_you_mean(name, others)}Call list_backends without a name.",
            )
        answer = BackendList(
            backends=[BackendLine.of(backend, is_here=is_here, whole=True, coupling_map=coupling_map)],
            total=1,
            age_seconds=0,
        )
        if len(text_of(answer)) > budget:
            answer.backends[0].coupling_map = None
            answer.left_out = f"coupling_map ({len(backend.coupling_map or [])} pairs)"
        return reply(answer)
    listing = await platform.backends(refresh=refresh)
    choices = {"any": None, "true": True, "false": False}
    filters: dict[str, Any] = {
        "min_num_qubits": min_num_qubits,
        "operational": choices[operational],
        "simulator": choices[simulator],
    }
    found = listing.matching(**filters)
    note = None if found else _why_none(listing, filters, is_here=is_here)
    if least_busy:
        best = best_of(found)
        found = [best] if best else []
        note = note or (None if best else "None of those that match is operational.")
    offset, found = offset_of(cursor), useful_first(found)
    lines = [BackendLine.of(backend, is_here=is_here) for backend in found[offset : offset + limit]]
    shown, next_cursor = page(lines, offset=offset, total=len(found), budget=budget)
    age = round(listing.age, 1)
    return reply(BackendList(backends=shown, total=len(found), age_seconds=age, next_cursor=next_cursor, note=note))


def _why_none(listing: Listing, filters: dict[str, Any], *, is_here: bool) -> str:
    """Return which filters leave no backend, and what there is."""
    if not listing.backends:
        return "This account has no backends."
    if filters["simulator"] is False and is_here:
        return (
            f"All {len(listing.backends)} backends here are simulated on this machine. Quantum computers need an IBM "
            "Quantum account."
        )
    largest = max(backend.num_qubits for backend in listing.backends)
    if filters["min_num_qubits"] > largest:
        return f"The largest of the {len(listing.backends)} backends has {largest} qubits."
    alone = [
        name
        for name, value in filters.items()
        if value is not None and not listing.matching(**dict[str, Any]({name: value}))
    ]
    reason = f"None matches {' or '.join(alone)}" if alone else "None matches all filters at once"
    return f"{reason}; there are {len(listing.backends)} backends."


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
