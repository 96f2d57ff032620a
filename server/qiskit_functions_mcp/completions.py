"""Completions: names and ids for the arguments of prompts and resource templates."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from mcp.server import MCPServer
from mcp_types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from qiskit_functions_core.errors import QiskitFunctionsError

from .connection import Connection, Session

if TYPE_CHECKING:
    from qiskit_functions_core import FunctionsClient

MOST = 100
"""The protocol's own limit for one answer."""


def add_completions(server: MCPServer[Session], connection: Connection) -> None:
    """Answer for every argument that names something which can be listed."""

    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion | None:
        if argument.name not in _CANDIDATES:
            return None
        given = (context.arguments if context else None) or {}
        try:
            candidates = await _CANDIDATES[argument.name](await connection.client(), given)
        except QiskitFunctionsError:
            return None  # a suggestion that cannot be made is none, and no error
        found = [candidate for candidate in candidates if candidate.startswith(argument.value)]
        return Completion(values=found[:MOST], total=len(found), has_more=len(found) > MOST)

    server.completion()(complete)  # type: ignore[no-untyped-call] # the SDK's decorator has no annotations


async def _functions(client: FunctionsClient, _: dict[str, str]) -> list[str]:
    return [function.name for function in await client.functions.list()]


async def _titles(client: FunctionsClient, given: dict[str, str]) -> list[str]:
    provider = given.get("provider")
    return [f.title for f in await client.functions.list() if provider is None or f.provider == provider]


async def _providers(client: FunctionsClient, _: dict[str, str]) -> list[str]:
    return sorted({f.provider for f in await client.functions.list(kind="catalog") if f.provider})


async def _jobs(client: FunctionsClient, _: dict[str, str]) -> list[str]:
    return [job.id for job in (await client.jobs.page(limit=MOST)).jobs]


async def _backends(client: FunctionsClient, _: dict[str, str]) -> list[str]:
    return [backend.name for backend in (await client.platform.backends()).backends]


_CANDIDATES: dict[str, Callable[[FunctionsClient, dict[str, str]], Awaitable[list[str]]]] = {
    "function": _functions,
    "title": _titles,
    "provider": _providers,
    "job_id": _jobs,
    "name": _backends,
}
