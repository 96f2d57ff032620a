"""Completions: names and ids for the arguments of prompts and resource templates."""

from __future__ import annotations

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
from .settings import Toolset

MOST = 100
"""The protocol's limit for one answer."""

_TOOLSETS: dict[str, Toolset] = {
    "run_a_function": "functions",
    "functions": "functions",
    "why_did_it_fail": "jobs",
    "jobs": "jobs",
    "backends": "platform",
    "files": "files",
    "provider-files": "files",
}
"""The toolset that each prompt, and each first part of a resource's path, belongs to."""


def add_completions(server: MCPServer[Session], shared: SharedClient) -> None:
    """Complete every argument whose values can be listed."""

    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion | None:
        given = (context.arguments if context else None) or {}
        try:
            names = await _candidates(shared, ref, argument.name, given)
        except QiskitFunctionsError:
            return None  # typing goes on without suggestions
        if names is None:
            return None
        found = [name for name in names if argument.value in name]
        found.sort(key=lambda name: not name.startswith(argument.value))
        return Completion(values=found[:MOST], total=len(found), has_more=len(found) > MOST)

    server.completion()(complete)  # type: ignore[no-untyped-call] # the SDK's decorator has no annotations


async def _candidates(  # noqa: PLR0911 - one return a case
    shared: SharedClient, ref: PromptReference | ResourceTemplateReference, argument: str, given: dict[str, str]
) -> list[str] | None:
    """Return every value that the argument can have, or None if they cannot be listed.

    Args:
        given: the values that other arguments have already.
    """
    toolsets = shared.settings.toolsets
    # The same argument means different things in different places: a name is a backend's or a file's.
    path = ref.name if isinstance(ref, PromptReference) else ref.uri.removeprefix(f"{SCHEME}/")
    place = path.partition("/")[0]
    if _TOOLSETS.get(place) not in toolsets:
        return None
    provider, title = given.get("provider", ""), given.get("title", "")
    match place, argument:
        case "run_a_function", "function":
            return [function.name for function in await (await shared.get()).functions.list()]
        case (("why_did_it_fail" | "jobs"), "job_id"):
            return [job.id for job in (await (await shared.get()).jobs.page(limit=MOST)).jobs]
        case "backends", "name":
            return [backend.name for backend in (await (await shared.get()).platform.backends()).backends]
        case (("files" | "provider-files"), "name"):
            if not title:
                return []
            files, function = (await shared.get()).files, f"{provider}/{title}" if provider else title
            return await files.list(function, scope="user" if place == "files" else "provider")
        case (("functions" | "files" | "provider-files"), "provider"):
            listed = await (await shared.get()).functions.list(kind="catalog")
            return sorted({function.provider for function in listed if function.provider})
        case (("functions" | "files"), "title") if "{provider}" not in path:
            listed = await (await shared.get()).functions.list(kind="own")
            return [function.title for function in listed if not function.provider]
        case (("functions" | "files" | "provider-files"), "title"):
            listed = await (await shared.get()).functions.list()
            return [f.title for f in listed if f.provider and provider in ("", f.provider)]
    return None
