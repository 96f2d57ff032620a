"""Tools that find functions, check and run them, and upload new ones. Their docstrings are their descriptions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio.to_thread
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp_types import CallToolResult
from pydantic import Field

from qiskit_functions_core.errors import InputError, QiskitFunctionsError
from qiskit_functions_core.local_files import allowed_path
from qiskit_functions_core.serverless.functions import split_name

from ..consent import DECLINED, Confirm, Consent, Go, agreed, before_run, before_upload
from ..replies.call_results import reply
from ..replies.functions import CheckLine, CheckReply, FunctionLine, FunctionList, FunctionReply
from ..replies.jobs import RunReply, job_reply
from ..replies.truncation import cut, offset_of, page
from ..session import Ctx, given_arguments, session_of
from .inputs import MAX_NAME, MAX_PATH, Cursor, FunctionName, Limit, WaitSeconds
from .tool_spec import READ, Hints, ToolSpec
from .waiting import SubmittedJobNotFollowed, seconds_left, wait_for_end

if TYPE_CHECKING:
    from qiskit_functions_core import Artifact

Arguments = Annotated[
    dict[str, Any],
    Field(
        description=(
            'The function\'s arguments. Write Qiskit values as literals: {"$circuit": "<OpenQASM 3 or 2>"}, '
            '{"$observable": {"ZZ": 1.0, "XI": 0.5}}, {"$array": [[1, 0], [0, 1]]}, {"$complex": [0, 1]}. '
            'Example: {"circuit": {"$circuit": "OPENQASM 3.0; …"}, "backend_name": "fake_manila"}'
        )
    ),
]


async def list_functions(
    ctx: Ctx,
    provider: Annotated[
        str, Field(description="Only this provider's functions, for example examples", max_length=MAX_NAME)
    ] = "",
    kind: Annotated[
        Literal["all", "own", "catalog"],
        Field(description="own: uploaded by this account; catalog: from providers"),
    ] = "all",
    query: Annotated[
        str, Field(description="Only functions with this text in name or description", max_length=MAX_PATH)
    ] = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Annotated[CallToolResult, FunctionList]:
    """List the Qiskit Functions that this account can run: names and one-line descriptions.

    Start here to find one, then read it with get_function.
    """
    session = session_of(ctx)
    functions = await (await session.client()).functions.list(kind=kind, provider=provider)
    wanted = query.casefold()
    found = [f for f in functions if wanted in f"{f.name} {f.description or ''}".casefold()]
    offset = offset_of(cursor)
    lines = [FunctionLine.of(function) for function in found[offset : offset + limit]]
    shown, next_cursor = page(lines, offset=offset, total=len(found), budget=session.settings.reply_characters)
    return reply(FunctionList(functions=shown, total=len(found), next_cursor=next_cursor))


async def get_function(ctx: Ctx, function: FunctionName) -> Annotated[CallToolResult, FunctionReply]:
    """Show one Qiskit Function in full: what it does and the JSON Schema of its arguments.

    Read it before the first run.
    """
    session = session_of(ctx)
    found = await (await session.client()).functions.get(function)
    return reply(FunctionReply.of(found, session.settings.reply_characters))


async def check_run(
    ctx: Ctx,
    function: FunctionName,
    arguments: Arguments = {},  # noqa: B006 - only read; a factory would make the schema say "required"
) -> Annotated[CallToolResult, CheckReply]:
    """Check whether a run would be allowed: arguments against the schema, quota, backend.

    Runs nothing and costs nothing.
    """
    session = session_of(ctx)
    verdict = await (await session.client()).check(function, arguments)
    room = min(2_000, session.settings.reply_characters // 6)
    return reply(
        CheckReply(
            function=function,
            allowed=verdict.allowed,
            checks=[CheckLine.of(check, room) for check in verdict.checks],
            next_step=cut(verdict.next_step, room) or "Run it with run_function and the same arguments.",
        )
    )


async def run_function(
    ctx: Ctx,
    function: FunctionName,
    arguments: Arguments = {},  # noqa: B006 - as above
    wait_seconds: WaitSeconds = 0,
    function_size: Annotated[str, Field(description='One of the function\'s sizes, such as "m"')] = "",
    workers: Annotated[int, Field(ge=0, le=5, description="Worker nodes; 0: the gateway decides")] = 0,
    suppress_low_usage_warning: Annotated[bool, Field(description="Do not warn about a low quota")] = False,
    confirm: Confirm = "",
    *,
    answer: Annotated[Consent, Resolve(before_run)],
) -> Annotated[CallToolResult, RunReply]:
    """Start a job of a Qiskit Function and return its job_id.

    check_run's checks come first; if they refuse, nothing was submitted. A run may cost quota: never repeat
    one whose answer says that a job was, or may have been, submitted. With wait_seconds it also waits; otherwise
    follow the job with wait_for_job and read it with get_job_result. Cancelling this call does not stop a started
    job: see list_jobs.
    """
    from qiskit_functions_core import RunConfig  # it comes with the client, and so with httpx

    if not agreed(answer):
        return reply(RunReply(function=function, declined=DECLINED))
    begun, session = time.monotonic(), session_of(ctx)
    client = await session.client()
    submission = await client.run(
        function,
        arguments,
        config=RunConfig(workers=workers or None),
        function_size=function_size,
        suppress_low_usage_warning=suppress_low_usage_warning,
    )
    job = submission.job
    try:
        if wait_seconds:
            job = await wait_for_end(ctx, client, job, wait_seconds)
        budget = session.settings.reply_characters
        followed = await job_reply(client, job, budget, function=function, result_within=seconds_left(begun))
    except QiskitFunctionsError as error:
        raise SubmittedJobNotFollowed(job.id, error) from error
    facts = followed.model_dump(exclude={"function", "events", "runtime_jobs"})
    return reply(RunReply(function=function, warnings=submission.warnings or None, **facts))


async def may_upload(
    ctx: Ctx, title: str, provider: str, source: str, directory: str, image: str, entrypoint: str
) -> Go | Elicit[Go]:
    """Ask before the upload, once it is known that the input is a function."""
    name = f"{provider}/{title}" if provider else title

    async def rehearse() -> None:
        split_name(name)
        await _artifact(source, directory, image, entrypoint, session_of(ctx).settings.folders)

    return await before_upload(ctx, name, rehearse)


async def upload_function(
    ctx: Ctx,
    title: Annotated[str, Field(description="Letters, digits, - and _ only, for example my-vqe", max_length=MAX_NAME)],
    source: Annotated[str, Field(description="Python source of a function that is one script")] = "",
    directory: Annotated[
        str, Field(description="A local directory to upload, instead of source", max_length=MAX_PATH)
    ] = "",
    entrypoint: Annotated[
        str, Field(description="The script to run, relative to the directory", max_length=MAX_PATH)
    ] = "main.py",
    image: Annotated[
        str, Field(description="A container image, instead of source; needs a provider", max_length=MAX_PATH)
    ] = "",
    provider: Annotated[str, Field(description="Upload as this provider's function", max_length=MAX_NAME)] = "",
    description: Annotated[str, Field(description="What it does; lists show the first sentence")] = "",
    dependencies: Annotated[list[str], Field(description='Packages with exact versions: ["mergedeep==1.3.4"]')] = [],  # noqa: B006 - as above
    env_vars: Annotated[dict[str, str], Field(description="Environment variables of the function; no secrets")] = {},  # noqa: B006 - as above
    arguments_schema: Annotated[
        dict[str, Any],
        Field(description='JSON Schema of the arguments: {"type": "object", "required": ["shots"], …}'),
    ] = {},  # noqa: B006 - as above
    version: Annotated[str, Field(description="x.y.z", max_length=MAX_NAME)] = "",
    confirm: Confirm = "",
    *,
    answer: Annotated[Consent, Resolve(may_upload)],
) -> Annotated[CallToolResult, FunctionReply]:
    """Create a Qiskit Function, or replace the one of the same title.

    Give exactly one of source (a script), directory with entrypoint, or image. The script reads its arguments with
    qiskit_serverless.get_arguments() and saves its result with save_result(). Omitted arguments keep their
    stored values.
    """
    if not agreed(answer):
        return reply(FunctionReply(name=title, declined=DECLINED))
    session = session_of(ctx)
    functions = (await session.client()).functions
    given = given_arguments(ctx)
    artifact = await _artifact(source, directory, image, entrypoint, session.settings.folders)
    stored = await functions.upload(
        f"{provider}/{title}" if provider else title,
        artifact,
        image=image,
        description=description,
        # An empty value that was given removes the stored one; a default keeps it.
        dependencies=dependencies if "dependencies" in given else None,
        env_vars=env_vars if "env_vars" in given else None,
        arguments_schema=arguments_schema if "arguments_schema" in given else None,
        version=version,
    )
    uploaded = FunctionReply.of(stored, session.settings.reply_characters - 1_000)
    uploaded.not_uploaded = cut(", ".join(artifact.left_out), 500) or None if artifact else None
    return reply(uploaded)


async def _artifact(
    source: str, directory: str, image: str, entrypoint: str, folders: Sequence[Path]
) -> Artifact | None:
    """Return what to upload, None for an image.

    Raises:
        InputError: not exactly one of source, directory and image is given, or the directory is not allowed.
        ArtifactError: it is not a function.
    """
    if [bool(source), bool(directory), bool(image)].count(True) != 1:
        raise InputError(
            "give exactly one of source, directory and image",
            next_step="For a script, pass its text as source.",
        )
    if image:
        return None
    from qiskit_functions_core import Artifact  # rarely needed, and it brings tarfile and pathspec

    if source:
        return await anyio.to_thread.run_sync(Artifact.from_source, source)
    path = allowed_path(Path(directory), folders)
    return await anyio.to_thread.run_sync(Artifact.from_directory, path, entrypoint)


TOOLS = (
    ToolSpec(list_functions, "List functions", READ),
    ToolSpec(get_function, "Get a function", READ),
    ToolSpec(check_run, "Check a run", READ),
    ToolSpec(
        run_function, "Run a function", Hints(read_only=False, destructive=False, idempotent=False, open_world=True)
    ),
    ToolSpec(
        upload_function, "Upload a function", Hints(read_only=False, destructive=True, idempotent=True, open_world=True)
    ),
)
