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

from .replies.uris import SCHEME
from .session import Session, SharedClient

if TYPE_CHECKING:
    from qiskit_functions_core import FunctionsClient

MOST = 100
"""The protocol's own limit for one answer."""


def add_completions(server: MCPServer[Session], shared: SharedClient) -> None:
    """Answer for every argument that names something which can be listed."""

    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion | None:
        candidates = _candidates(ref, argument.name)
        if candidates is None:
            return None
        given = (context.arguments if context else None) or {}
        try:
            names = await candidates(await shared.get(), given)
        except QiskitFunctionsError:
            return None  # a suggestion that cannot be made is none, and no error
        found = [name for name in names if argument.value in name]
        found.sort(key=lambda name: not name.startswith(argument.value))
        return Completion(values=found[:MOST], total=len(found), has_more=len(found) > MOST)

    server.completion()(complete)  # type: ignore[no-untyped-call] # the SDK's decorator has no annotations


Candidates = Callable[["FunctionsClient", dict[str, str]], Awaitable[list[str]]]


def _candidates(ref: PromptReference | ResourceTemplateReference, argument: str) -> Candidates | None:
    """By what is completed: the same argument means one thing here and another there."""
    if isinstance(ref, PromptReference):
        return _OF_PROMPTS.get((ref.name, argument))
    kind = ref.uri.removeprefix(f"{SCHEME}/").partition("/")[0]
    if argument == "name":
        return {"backends": _backends, "files": _files, "provider-files": _provider_files}.get(kind)
    if argument == "title":
        return _titles if "{provider}" in ref.uri else _own_titles
    return {"provider": _providers, "job_id": _jobs}.get(argument)


async def _functions(client: FunctionsClient, _: dict[str, str]) -> list[str]:
    return [function.name for function in await client.functions.list()]


async def _own_titles(client: FunctionsClient, _: dict[str, str]) -> list[str]:
    return [function.title for function in await client.functions.list(kind="own") if not function.provider]


async def _titles(client: FunctionsClient, given: dict[str, str]) -> list[str]:
    provider = given.get("provider")
    found = [function for function in await client.functions.list() if function.provider]
    return [function.title for function in found if provider in (None, function.provider)]


async def _providers(client: FunctionsClient, _: dict[str, str]) -> list[str]:
    return sorted({f.provider for f in await client.functions.list(kind="catalog") if f.provider})


async def _jobs(client: FunctionsClient, _: dict[str, str]) -> list[str]:
    """The newest."""
    return [job.id for job in (await client.jobs.page(limit=MOST)).jobs]


async def _backends(client: FunctionsClient, _: dict[str, str]) -> list[str]:
    return [backend.name for backend in (await client.platform.backends()).backends]


async def _files(client: FunctionsClient, given: dict[str, str]) -> list[str]:
    return await client.files.list(_function(given)) if "title" in given else []


async def _provider_files(client: FunctionsClient, given: dict[str, str]) -> list[str]:
    return await client.files.list(_function(given), scope="provider") if "title" in given else []


def _function(given: dict[str, str]) -> str:
    return f"{given['provider']}/{given['title']}" if given.get("provider") else given["title"]


_OF_PROMPTS: dict[tuple[str, str], Candidates] = {
    ("run_a_function", "function"): _functions,
    ("why_did_it_fail", "job_id"): _jobs,
}
