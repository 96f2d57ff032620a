"""Resources: what the tools show, at URIs, for hosts that attach it to a conversation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from qiskit_functions_core.errors import InputError, NotFound, QiskitFunctionsError
from qiskit_functions_core.job_texts import LogQuery

from .replies.files import MAX_FILE_BYTES
from .replies.functions import FunctionReply
from .replies.guide import write_a_function_guide
from .replies.jobs import job_reply
from .replies.platform import BackendLine
from .replies.truncation import cut_start, text_of
from .replies.uris import SCHEME
from .session import Ctx, Session, SharedClient, session_of
from .settings import Toolset

if TYPE_CHECKING:
    from qiskit_functions_core.serverless.files import FileScope

MAX_CHARACTERS = 1_000_000
"""Some clients, the SDK's among them, refuse messages over 1 MiB."""


def add_resources(server: MCPServer[Session], shared: SharedClient) -> None:
    """Register the resources and templates of the toolsets that the server was started with."""
    toolsets = shared.settings.toolsets
    for toolset, uri, mime_type, title, description, read in _TEMPLATES:
        if toolset in toolsets:
            server.resource(
                f"{SCHEME}/{uri}", name=read.__name__, title=title, description=description, mime_type=mime_type
            )(read)
    if "functions" not in toolsets:
        return

    # It needs the shared client because the SDK passes a context to templates only.
    @server.resource(
        f"{SCHEME}/dependencies",
        title="Packages that a function may depend on",
        description="The packages, with their versions, that the gateway installs for a function which names them.",
        mime_type=_JSON,
    )
    async def dependencies() -> str:
        with _resource_errors():
            return json.dumps(await (await shared.get()).functions.dependencies_versions())

    server.resource(
        f"{SCHEME}/guide/write-a-function",
        title="How to write a function",
        description="What a function may use, how its arguments arrive, how it reports progress, saves files and "
        "fails, and how to test it.",
        mime_type="text/markdown",
    )(write_a_function_guide)


@contextmanager
def _resource_errors() -> Iterator[None]:
    """Raise the core's errors as those that the SDK passes on to the client; it hides all others as faults."""
    try:
        yield
    except (NotFound, InputError) as error:
        raise ResourceNotFoundError(error.message) from error
    except QiskitFunctionsError as error:
        raise ResourceError(f"{error.message}. {error.next_step}") from error


async def own_function(title: str, ctx: Ctx) -> str:
    return await _function(ctx, title)


async def provider_function(provider: str, title: str, ctx: Ctx) -> str:
    return await _function(ctx, f"{provider}/{title}")


async def _function(ctx: Ctx, name: str) -> str:
    with _resource_errors():
        found = await (await session_of(ctx).client()).functions.get(name)
    return text_of(FunctionReply.of(found, MAX_CHARACTERS, is_encoded=True))


async def job(job_id: str, ctx: Ctx) -> str:
    with _resource_errors():
        client = await session_of(ctx).client()
        return text_of(await job_reply(client, await client.jobs.get(job_id), MAX_CHARACTERS))


async def job_result(job_id: str, ctx: Ctx) -> str:
    with _resource_errors():
        text = await (await session_of(ctx).client()).jobs.result(job_id, limit=MAX_CHARACTERS)
    if len(json.dumps(text, ensure_ascii=False).encode(errors="replace")) > MAX_CHARACTERS:
        raise ResourceError(f"the result has {len(text)} characters; get_job_result shows parts of it or saves it")
    return text


async def job_logs(job_id: str, ctx: Ctx) -> str:
    with _resource_errors():
        # Shortened in the worker process first, as no more can fit.
        part = await (await session_of(ctx).client()).jobs.log_part(job_id, LogQuery(characters=MAX_CHARACTERS))
    return cut_start(part.text, MAX_CHARACTERS, before=part.characters_left_out)


async def own_file(title: str, name: str, ctx: Ctx) -> str | bytes:
    return await _file(ctx, title, name, "user")


async def provider_function_file(provider: str, title: str, name: str, ctx: Ctx) -> str | bytes:
    return await _file(ctx, f"{provider}/{title}", name, "user")


async def provider_file(provider: str, title: str, name: str, ctx: Ctx) -> str | bytes:
    return await _file(ctx, f"{provider}/{title}", name, "provider")


async def _file(ctx: Ctx, function: str, name: str, scope: FileScope) -> str | bytes:
    with _resource_errors():
        files = (await session_of(ctx).client()).files
        content = await files.read(function, name, scope=scope, limit=MAX_FILE_BYTES)
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


async def backend(name: str, ctx: Ctx) -> str:
    with _resource_errors():
        client = await session_of(ctx).client()
        found = await client.platform.details(name)
    if found is None:
        raise ResourceNotFoundError(f"there is no backend {name!r} for this account")
    return text_of(BackendLine.of(found, is_here=client.gateway.runs_code_here, whole=True, coupling_map=True))


_JSON, _TEXT, _BYTES = "application/json", "text/plain", "application/octet-stream"

_TEMPLATES: tuple[tuple[Toolset, str, str, str, str, Callable[..., Any]], ...] = (
    (
        "functions",
        "functions/{provider}/{title}",
        _JSON,
        "A provider's function",
        "What it does, and the JSON Schema of its encoded arguments.",
        provider_function,
    ),
    (
        "functions",
        "functions/{title}",
        _JSON,
        "A function of this account",
        "What it does, and the JSON Schema of its encoded arguments.",
        own_function,
    ),
    ("jobs", "jobs/{job_id}", _JSON, "A job", "Its status and times and, if it failed, why.", job),
    (
        "jobs",
        "jobs/{job_id}/result",
        _JSON,
        "A job's result, encoded",
        "What the function saved, with Qiskit values as its encoder wrote them.",
        job_result,
    ),
    ("jobs", "jobs/{job_id}/logs", _TEXT, "A job's log", "What the function wrote, as text.", job_logs),
    (
        "platform",
        "backends/{name}",
        _JSON,
        "A backend",
        "Its qubits, status, basis gates, median errors and coupling map.",
        backend,
    ),
    (
        "files",
        "files/{provider}/{title}/{name}",
        _BYTES,
        "A file of a provider's function, as its user sees it",
        "A file in the data folder that runs of this account share.",
        provider_function_file,
    ),
    (
        "files",
        "files/{title}/{name}",
        _BYTES,
        "A file for a function of this account",
        "A file in the data folder that all functions of this account share.",
        own_file,
    ),
    (
        "files",
        "provider-files/{provider}/{title}/{name}",
        _BYTES,
        "A file of a function's provider",
        "A file in the folder that only the function's provider sees.",
        provider_file,
    ),
)
