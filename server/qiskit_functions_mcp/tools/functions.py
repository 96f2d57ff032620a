"""Tools that find functions, check and run them, and upload new ones. Their docstrings are their descriptions."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio
import anyio.to_thread
from mcp_types import CallToolResult
from pydantic import Field

from qiskit_functions_core import JobStatus
from qiskit_functions_core.errors import InputError, QiskitFunctionsError
from qiskit_functions_core.local_files import allowed_path
from qiskit_functions_core.preflight import Check
from qiskit_functions_core.serverless.functions import split_name

from ..consent.agreement import AFTER_A_NO, DECLINED, Confirm, person_agrees
from ..consent.asking import local_folders
from ..replies.call_results import reply
from ..replies.functions import CheckLine, CheckReply, FunctionLine, FunctionList, FunctionReply, shortened
from ..replies.jobs import RunReply, job_reply, seconds_left
from ..replies.truncation import cut, offset_of, page, text_of
from ..session import Ctx, session_of
from ..ui import OPENS_PAGE
from .inputs import MAX_NAME, MAX_PATH, Cursor, FunctionName, JsonObject, Limit, WaitSeconds
from .tool_spec import READ, Hints, ToolSpec
from .waiting import SubmittedJobNotFollowed, Waited, wait_for_end

if TYPE_CHECKING:
    from qiskit_functions_core import Artifact, Function, FunctionsClient

_COST_SECONDS = 5.0
"""For looking up what the last run of a function used."""

_FILES_SHOWN = 10
"""Of a directory, in the question to the person; the first in the order of the archive."""

_RECENT_RUNS = 3

Arguments = Annotated[
    JsonObject,
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
    lines = [FunctionLine.of(function, wanted) for function in found[offset : offset + limit]]
    shown, next_cursor = page(lines, offset=offset, total=len(found), budget=session.settings.reply_characters)
    return reply(FunctionList(functions=shown, total=len(found), next_cursor=next_cursor))


async def get_function(ctx: Ctx, function: FunctionName) -> Annotated[CallToolResult, FunctionReply]:
    """Show one Qiskit Function in full: what it does and the JSON Schema of its arguments.

    Read it before the first run.
    """
    session = session_of(ctx)
    client, budget = await session.client(), session.settings.reply_characters
    found = await client.functions.get(function)
    answer = FunctionReply.of(found, budget)
    if found.arguments_schema is None and len(text_of(answer)) < budget // 2:
        recent = (await client.jobs.page(function=function, limit=_RECENT_RUNS)).jobs
        given = [await client.jobs.arguments(job.id) for job in recent]
        answer.recent_arguments = [shortened(arguments) for arguments in given if arguments is not None] or None
        if answer.recent_arguments:
            answer.next_step += " recent_arguments has those of its last runs."
        if len(text_of(answer)) > budget:
            answer.recent_arguments = None
    return reply(answer)


async def check_run(
    ctx: Ctx,
    function: FunctionName,
    arguments: Arguments = {},  # noqa: B006 - only read; a factory would make the schema say "required"
) -> Annotated[CallToolResult, CheckReply]:
    """Check whether a run would be allowed: arguments against the schema, quota, backend.

    Runs nothing and costs nothing.
    """
    session = session_of(ctx)
    client = await session.client()
    verdict = await client.check(function, arguments, allowed_folders=await _file_folders(ctx, arguments))
    room = min(2_000, session.settings.reply_characters // 6)
    low = next((check for check in verdict.checks if check.code == "quota_low"), None)
    asks_first = None
    next_step = cut(verdict.next_step, room) or "Run it with run_function and the same arguments."
    if low and verdict.allowed and session.settings.consent != "never":
        asks_first = cut(await _run_question(client, function, low), room)
        next_step = "Run it with run_function and the same arguments; the person is asked first, because quota is low."
    return reply(
        CheckReply(
            function=function,
            allowed=verdict.allowed,
            checks=[CheckLine.of(check, room) for check in verdict.checks],
            asks_first=asks_first,
            next_step=next_step,
        )
    )


async def _file_folders(ctx: Ctx, arguments: dict[str, Any]) -> list[Path] | None:
    """Return the folders that ``$file`` in the arguments may read; None if there is no such literal."""
    return await local_folders(ctx) if '"$file"' in json.dumps(arguments) else None


async def _run_question(client: FunctionsClient, function: str, low: Check) -> str:
    """Return what the person is asked before a run that the quota may not last for, with what is known of its cost."""
    used = None
    # A courtesy, for which the question does not wait for long.
    with anyio.move_on_after(_COST_SECONDS), suppress(QiskitFunctionsError):
        last = (await client.jobs.page(function=function, status=JobStatus.DONE, limit=1)).jobs
        used = await client.jobs.seconds_used(last[0]) if last else None
    cost = "What this run will use is not known" if used is None else f"The last one used {used:.2g} s"
    return f"Run {function!r}? {low.message[:1].upper()}{low.message[1:]} {cost}."


async def run_function(
    ctx: Ctx,
    function: FunctionName,
    arguments: Arguments = {},  # noqa: B006 - as above
    wait_seconds: WaitSeconds = 0,
    function_size: Annotated[str, Field(description='One of the function\'s sizes, such as "m"')] = "",
    workers: Annotated[int, Field(ge=0, le=5, description="Worker nodes; 0: the gateway decides")] = 0,
    suppress_low_usage_warning: Annotated[bool, Field(description="Do not warn about a low quota")] = False,
    confirm: Confirm = "",
) -> Annotated[CallToolResult, RunReply]:
    """Start a job of a Qiskit Function and return its job_id.

    With wait_seconds, such as 45, the answer has the result of a short job, or why it failed; else follow it with
    wait_for_job. check_run's checks come first; if they refuse, nothing was submitted. A run may cost quota: never
    repeat one whose answer says that a job was, or may have been, submitted. Cancelling this call does not stop a
    started job.
    """
    from qiskit_functions_core import RunConfig  # it comes with the client, and so with httpx

    begun, session = time.monotonic(), session_of(ctx)
    client = await session.client()
    folders = await _file_folders(ctx, arguments)
    if session.settings.consent != "never":
        # suppress_low_usage_warning changes nothing here: the assistant sets it, not the person.
        quota, _ = await client.quota()
        if quota.code == "quota_low":
            (await client.check(function, arguments, allowed_folders=folders)).raise_for_refusal()
            if not await person_agrees(ctx, await _run_question(client, function, quota), confirm, "run"):
                return reply(RunReply(function=function, declined=DECLINED, next_step=AFTER_A_NO))
    submission = await client.run(
        function,
        arguments,
        config=RunConfig(workers=workers or None),
        function_size=function_size,
        suppress_low_usage_warning=suppress_low_usage_warning,
        allowed_folders=folders,
    )
    waited = Waited(submission.job)
    try:
        if wait_seconds:
            waited = await wait_for_end(ctx, client, submission.job, wait_seconds)
        followed = await job_reply(
            client,
            waited.job,
            session.settings.reply_characters,
            function=function,
            result_within=seconds_left(begun),
            silence=waited.silence,
        )
    except QiskitFunctionsError as error:
        raise SubmittedJobNotFollowed(submission.job.id, error) from error
    facts = followed.model_dump(exclude={"function", "events", "runtime_jobs"})
    return reply(RunReply(function=function, warnings=submission.warnings or None, **facts))


async def upload_function(
    ctx: Ctx,
    title: Annotated[str, Field(description="Letters, digits, - and _ only, for example my-vqe", max_length=MAX_NAME)],
    source: Annotated[str, Field(description="Python source of a function that is one script")] = "",
    file: Annotated[str, Field(description="A local .py file, instead of source", max_length=MAX_PATH)] = "",
    directory: Annotated[str, Field(description="A local directory, instead of source", max_length=MAX_PATH)] = "",
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
    clear: Annotated[
        list[Literal["dependencies", "env_vars", "arguments_schema"]],
        Field(description="Stored values to remove. What is neither given nor cleared is kept"),
    ] = [],  # noqa: B006 - as above
    confirm: Confirm = "",
) -> Annotated[CallToolResult, FunctionReply]:
    """Create a Qiskit Function, or replace the one of the same title.

    Give exactly one of source (a script), file, directory with entrypoint, or image. The script reads its arguments
    with qiskit_serverless.get_arguments() and saves its result with save_result();
    qiskit-functions://guide/write-a-function tells the rest. The person may be asked first.
    """
    session = session_of(ctx)
    name = f"{provider}/{title}" if provider else title
    split_name(name)
    # Empty values remove stored ones in the gateway, so here they count as not given.
    given = {"dependencies": dependencies, "env_vars": env_vars, "arguments_schema": arguments_schema}
    if both := [field for field in clear if given[field]]:
        raise InputError(
            f"{both[0]} is given and cleared at once; nothing was uploaded", next_step="Leave out one of them."
        )
    code = await _code(ctx, source, file, directory, image, entrypoint)
    functions = (await session.client()).functions
    if session.settings.consent != "never" and not session.free_uploads.get(name):
        stored = next((function for function in await functions.list() if function.name == name), None)
        runs_here = (await session.client()).gateway.runs_code_here
        if runs_here or stored:
            question = _upload_question(name, code, stored, given, clear, runs_here=runs_here)
            kind = "replace" if stored else "create"
            if not await person_agrees(ctx, question, confirm, f"{kind} {name} {code.digest}"):
                return reply(FunctionReply(name=name, declined=DECLINED, next_step=AFTER_A_NO))
            # A token opens no further call: only the person's own answer to this question does.
            if not confirm and name not in session.free_uploads:
                further = f"Upload {name!r} again in this session without asking, whatever its code is then?"
                session.free_uploads[name] = await person_agrees(ctx, further, "", f"upload {name} freely")
    artifact = code.artifact
    stored = await functions.upload(
        name,
        artifact,
        image=image,
        description=description,
        dependencies=dependencies or (dependencies if "dependencies" in clear else None),
        env_vars=env_vars or (env_vars if "env_vars" in clear else None),
        arguments_schema=arguments_schema or (arguments_schema if "arguments_schema" in clear else None),
        version=version,
    )
    uploaded = FunctionReply.of(stored, session.settings.reply_characters - 1_000)
    uploaded.not_uploaded = cut(", ".join(artifact.left_out), 500) or None if artifact else None
    return reply(uploaded)


@dataclass(frozen=True)
class _Code:
    """What is to be uploaded.

    Attributes:
        artifact: None for an image.
        shown: what it is, for the person.
        digest: of its content.
    """

    artifact: Artifact | None
    shown: str
    digest: str


async def _code(ctx: Ctx, source: str, file: str, directory: str, image: str, entrypoint: str) -> _Code:
    """Return what to upload.

    Raises:
        InputError: not exactly one of source, file, directory and image is given, or the path is not allowed.
        ArtifactError: it is not a function.
    """
    if [bool(given) for given in (source, file, directory, image)].count(True) != 1:
        raise InputError(
            "give exactly one of source, file, directory and image",
            next_step="For a script, pass its text as source, or its path as file.",
        )
    if image:
        return _Code(None, f"the image {_shown(image)}", image)
    from qiskit_functions_core import Artifact  # rarely needed, and it brings tarfile and pathspec

    path = allowed_path(Path(file or directory), await local_folders(ctx)) if file or directory else None

    def pack() -> _Code:
        if path is None:
            artifact, shown = Artifact.from_source(source), "this script"
        elif file:
            artifact, shown = Artifact.from_file(path), f"the script {_shown(str(path))}"
        else:
            artifact, shown = Artifact.from_directory(path, entrypoint), f"the directory {_shown(str(path))}"
        files = artifact.files()
        size = f"{sum(files.values())} bytes"
        if directory:
            names = ", ".join(f"{_shown(name)} ({files[name]})" for name in list(files)[:_FILES_SHOWN])
            more = f" and {len(files) - _FILES_SHOWN} more" if len(files) > _FILES_SHOWN else ""
            size = f"{len(files)} files, {size}: {names}{more}"
        return _Code(artifact, f"{shown} ({size})", hashlib.sha256(artifact.content).hexdigest())

    # Abandoned when cancelled: a file system can stall, and must not hold the server.
    return await anyio.to_thread.run_sync(pack, abandon_on_cancel=True)


def _shown(text: str) -> str:
    """Return a text for a question, in which it cannot look like more of the question."""
    return text if text.isprintable() else ascii(text)


def _upload_question(
    name: str,
    code: _Code,
    stored: Function | None,
    given: Mapping[str, Any],
    clear: Sequence[str],
    *,
    runs_here: bool,
) -> str:
    """Return what the person is asked before an upload: what is created or replaced by what, and what is kept.

    Args:
        stored: the function that is replaced; None for a new one.
        given: dependencies, env_vars and arguments_schema of the call.
    """
    version = f" (version {stored.version})" if stored and stored.version else ""
    action = f"Replace the function {name!r}{version} by" if stored else f"Create the function {name!r} from"
    parts = [f"{action} {cut(code.shown, 1_500)}?"]
    if runs_here:
        parts.append("Its code will run on this machine, with your rights, when it is run.")
    if given["dependencies"]:
        parts.append(f"It needs {cut(_shown(', '.join(given['dependencies'])), 300)}.")
    if stored:
        # Gateways do not tell whether there are environment variables.
        kept = [field for field in given if not given[field] and field not in clear and getattr(stored, field, True)]
        parts.append(f"Kept are its jobs and data files{', and its ' + ', '.join(kept) if kept else ''}.")
    if clear:
        parts.append(f"Removed: {', '.join(clear)}.")
    return " ".join(parts)


TOOLS = (
    ToolSpec(list_functions, "List functions", READ),
    ToolSpec(get_function, "Get a function", READ),
    ToolSpec(check_run, "Check a run", READ),
    ToolSpec(
        run_function,
        "Run a function",
        Hints(read_only=False, destructive=False, idempotent=False, open_world=True),
        OPENS_PAGE,
    ),
    ToolSpec(
        upload_function, "Upload a function", Hints(read_only=False, destructive=True, idempotent=True, open_world=True)
    ),
)
