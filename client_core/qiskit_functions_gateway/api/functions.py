"""The routes of functions ("programs")."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qiskit_functions_core.serverless.arguments_schema import MAX_ARGUMENTS_CHARACTERS, check_schema, violation

from ..execution.environments import requirements
from ..execution.lifecycle import JobLifecycle
from ..storage.database import Idempotency, JobFilter, JobRow, KeyUsedOtherwise, ProgramRow
from . import request_fields as fields
from . import serializers as shapes
from .context import Gateway
from .request_fields import Fields, clean_name
from .routing import ApiError, Json, blocking, resource
from .uploads import UploadedFile, uploaded

MAX_ARTIFACT_BYTES = 64 * 1024 * 1024
"""More than the clients' own limit of 50 MB; it keeps a mistake from filling the disk."""

MAX_ACTIVE_JOBS = 50
"""The most active jobs of a user (the real gateway's ``LIMITS_ACTIVE_JOBS_PER_USER``)."""

_TYPES = ("GENERIC", "APPLICATION", "CIRCUIT")
_CONFIG_LIMITS = {"workers": 5, "min_workers": 2, "max_workers": 10}
_IDEMPOTENCY_KEY = re.compile("[!-~]{1,255}")
_ENTRYPOINT = re.compile(r"[A-Za-z0-9_./-]+\.py")
_COMPUTE_PROFILE = re.compile(r"[a-z0-9]+-\d+x\d+(x\d[a-z0-9]+)?")
_VERSION = re.compile(
    r"v?(\d+!)?\d+(\.\d+)*"
    r"([-_.]?(alpha|beta|preview|pre|a|b|c|rc)[-_.]?\d*)?"
    r"(-\d+|[-_.]?(post|rev|r)[-_.]?\d*)?([-_.]?dev[-_.]?\d*)?"
    r"(\+[a-z0-9]+([-_.][a-z0-9]+)*)?",
    re.IGNORECASE | re.ASCII,
)
"""PEP 440, which no text can make slow: no part can match what the one before it could."""


def routes(gateway: Gateway) -> list[Route]:
    """All under ``/api/v1/programs``."""
    return [
        resource(gateway, "programs", GET=list_programs),
        resource(gateway, "programs/upload", POST=upload),
        resource(gateway, "programs/get_by_title/{title}", GET=get_by_title),
        resource(gateway, "programs/validate_arguments", POST=validate_arguments),
        resource(gateway, "programs/run", POST=run),
        resource(gateway, "programs/{program_id:lower_uuid}/get_jobs", GET=get_jobs),
    ]


async def list_programs(gateway: Gateway, request: Request) -> Response:
    """Answer with all functions if the filter is unknown, as the real gateway does."""
    kind, provider = request.query_params.get("filter"), request.query_params.get("provider")
    shown = [
        program
        for program in await blocking(gateway.database.programs)
        if (kind != "serverless" or not program.provider)
        and (kind != "catalog" or program.provider)
        and (not provider or program.provider == provider)
    ]
    return Json([shapes.function(program) for program in shown])


async def get_by_title(gateway: Gateway, request: Request) -> Response:
    provider, title = _name(request.path_params["title"], fields.query(request).optional("provider"))
    return Json(shapes.function(await find(gateway, title, provider)))


async def get_jobs(gateway: Gateway, request: Request) -> Response:
    """Answer the old listing by the function's id; ``jobs/`` has pages and filters."""
    program_id = str(request.path_params["program_id"])
    program = next((row for row in await blocking(gateway.database.programs) if row.id == program_id), None)
    if program is None:
        raise unknown(program_id)
    wanted = JobFilter(title=program.title, provider=program.provider)
    _, jobs = await blocking(gateway.database.jobs, wanted, limit=0, offset=0)
    return Json([shapes.job_of_function(job, program) for job in jobs])


async def upload(gateway: Gateway, request: Request) -> Response:
    async with uploaded(request, gateway.data_folder, "artifact", max_bytes=MAX_ARTIFACT_BYTES) as (given, artifact):
        title_given = given.text("title", longest=fields.MAX_NAME)
        changes = _changes(given)
        if artifact is not None:
            changes["artifact"] = _artifact_name(artifact)
        provider, title = _name(title_given, given.optional("provider", longest=fields.MAX_NAME))
        if not title:
            raise ApiError(400, "'title' needs characters from A-Z, a-z, 0-9, _ and -.")
        _refuse_image(given)
        if provider and provider not in gateway.providers:
            raise unknown(title, provider)
        stored = await blocking(gateway.database.program, title, provider)
        if stored is None and "entrypoint" not in changes:
            raise ApiError(400, "At least one of attributes (entrypoint, image) is required.")
        if stored is not None:
            changes.pop("type", None)
        if artifact is not None:
            await blocking(artifact.content.move, gateway.data_folder.artifacts / _artifact_name(artifact))
        return Json(shapes.uploaded_function(await blocking(gateway.database.put_program, title, provider, changes)))


async def validate_arguments(gateway: Gateway, request: Request) -> Response:
    body = await fields.body(request)
    title, arguments = body.text("title", longest=fields.MAX_NAME), body.text("arguments")
    provider = body.optional("provider", null=True, longest=fields.MAX_NAME)
    if not clean_name(title):
        raise ApiError(400, "Invalid title.")
    provider, title = _name(title, provider)
    await blocking(_check_arguments, await find(gateway, title, provider), arguments)
    return Json({"valid": True})


async def run(gateway: Gateway, request: Request) -> Response:
    body = await fields.body(request)
    idempotency = _idempotency(request, body)
    try:
        # A request that is sent again is answered even if it would now be refused: the function may have changed.
        job = await blocking(gateway.database.job_of_request, idempotency) if idempotency else None
        if job is None:
            instance = request.headers.get("service-crn") or "local"
            job = await _queue(gateway, body, instance, idempotency)
    except KeyUsedOtherwise:
        raise ApiError(422, "This Idempotency-Key was used for another request; use a new one.") from None
    return Json(
        {
            "id": job.id,
            "result": None,
            "status": job.status,
            "program": job.program_id,
            "created": job.created,
            "arguments": "{}",
            "compute_profile": None,
        },
        headers={"Idempotency-Key": idempotency.key} if idempotency else None,
    )


async def _queue(gateway: Gateway, body: Fields, instance: str, idempotency: Idempotency | None) -> JobRow:
    """Check the request, and create its job."""
    title = clean_name(body.text("title", longest=fields.MAX_NAME))
    arguments = body.text("arguments")
    _check_config(body)
    provider = clean_name(body.optional("provider", null=True, longest=fields.MAX_NAME) or "")
    _check_compute_profile(body.optional("compute_profile", null=True, longest=fields.MAX_NAME))
    program = await find(gateway, title, provider)
    if await blocking(gateway.database.active_jobs) >= MAX_ACTIVE_JOBS:
        raise _too_many()
    await blocking(_check_arguments, program, arguments)
    queue = partial(
        JobLifecycle(gateway.data_folder, gateway.database).queue, instance=instance, idempotency=idempotency
    )
    job = await blocking(queue, program, str(uuid4()), arguments, most_active=MAX_ACTIVE_JOBS)
    if job is None:
        raise _too_many()
    gateway.wake()
    return job


def _idempotency(request: Request, body: Fields) -> Idempotency | None:
    """Return what identifies the request, if its caller has given it a key."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not _IDEMPOTENCY_KEY.fullmatch(keys[0]):
        raise ApiError(400, "'Idempotency-Key' is one header of 1 to 255 visible ASCII characters without blanks.")
    # Of the fields, so that the same request is recognised in another order or encoding.
    content = json.dumps(dict(body.values), sort_keys=True)
    return Idempotency(keys[0], hashlib.sha256(content.encode()).hexdigest())


async def find(gateway: Gateway, title: str, provider: str) -> ProgramRow:
    program = await blocking(gateway.database.program, title, provider)
    if program is None:
        raise unknown(title, provider)
    return program


def unknown(title: str, provider: str = "") -> ApiError:
    name = f"{provider}/{title}" if provider else title
    return ApiError(404, f"Qiskit Function {name} doesn't exist.")


def check_provider(gateway: Gateway, provider: str) -> None:
    """Raise ApiError 404 if the user is not an author for this provider."""
    if provider not in gateway.providers:
        raise ApiError(404, f"Provider {provider} doesn't exist.")


def _name(title: str, provider: str | None) -> tuple[str, str]:
    """Return the provider, or an empty text, and the title; both may come as ``provider/title``."""
    if provider and "/" in title:
        raise ApiError(400, "Provider defined in title and in provider fields.")
    if title.count("/") > 1:
        raise ApiError(400, "Qiskit Function title is malformed. It can only contain one slash.")
    before, _, after = title.rpartition("/")
    return clean_name(provider or before), clean_name(after)


def _changes(given: Fields) -> dict[str, str | None]:
    """Return the columns that a form gives, checked; the others keep their values."""
    changes: dict[str, str | None] = {}
    for name, check in _CHECKS.items():
        longest = fields.MAX_NAME if name in _NAMES else None
        value = given.optional(name, null=name in _NULLABLE, blank=name == "description", longest=longest)
        if value is not None:
            changes[name] = check(value)
    if kind := given.choice("type", _TYPES):
        changes["type"] = kind
    return changes


def _entrypoint(value: str) -> str:
    path = posixpath.normpath(value)
    if not _ENTRYPOINT.fullmatch(path) or path.startswith("/") or ".." in path.split("/"):
        raise ApiError(
            400,
            "Invalid entrypoint. It must be a relative path to a .py file without '..' segments or shell characters.",
        )
    return path


def _dependencies(value: str) -> str:
    try:
        wanted = requirements(value)
    except ValueError as error:
        raise ApiError(400, str(error)) from None
    if any(re.search(r"[<>~!,]", requirement) for requirement in wanted):
        raise ApiError(400, "'dependencies' needs one fixed version using the '==' operator.")
    return json.dumps(wanted)


def _env_vars(value: str) -> str:
    variables = _decoded("env_vars", value)
    if not isinstance(variables, dict) or not all(isinstance(text, str) for text in variables.values()):
        raise ApiError(400, "'env_vars' should be an object of strings.")
    if not all(
        name and "=" not in name and not re.search("[\0\ud800-\udfff]", name + text) for name, text in variables.items()
    ):
        raise ApiError(400, "'env_vars' has a name or value that no process can be given.")
    return value


def _version(value: str) -> str:
    if not _VERSION.fullmatch(value):
        raise ApiError(400, "Invalid version - expected format x.y.z")
    return value


def _runner(value: str) -> str:
    if value != "ray":
        raise ApiError(400, f'This gateway has no runner "{value}"; leave it out.')
    return value


def _arguments_schema(value: str) -> str:
    try:
        check_schema(value)
    except ValueError as error:
        raise ApiError(400, str(error)) from None
    return value


_CHECKS: dict[str, Callable[[str], str]] = {
    "entrypoint": _entrypoint,
    "dependencies": _dependencies,
    "env_vars": _env_vars,
    "description": str,
    "version": _version,
    "runner": _runner,
    "arguments_schema": _arguments_schema,
}

_NAMES = ("entrypoint", "version", "runner")

_NULLABLE = ("description", "version")


def _decoded(name: str, value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ApiError(400, f"'{name}' should be valid JSON.") from None


def _artifact_name(artifact: UploadedFile) -> str:
    """Return the name under which it is stored; it is unpacked only when a job runs it."""
    _, _, ending = artifact.name.rpartition(".")
    if ending != "tar":
        raise ApiError(400, f"File extension \u201c{ending}\u201d is not allowed. Allowed extensions are: tar.")
    if not artifact.content.size:
        raise ApiError(400, "The submitted file is empty.")
    return f"{artifact.content.sha256}.tar"


def _refuse_image(given: Fields) -> None:
    if given.optional("image"):
        raise ApiError(
            400,
            "'image': custom images need a container engine, and this gateway runs processes. "
            "Upload source code, or use a Qiskit Serverless gateway on Kubernetes.",
        )


def _check_config(body: Fields) -> None:
    if "config" not in body.values:
        raise ApiError(400, "This field is required.")
    config = body.values["config"]
    if config is None:
        raise ApiError(400, "This field may not be null.")
    if not config:
        return
    if not isinstance(config, dict):
        raise ApiError(400, f"Invalid data. Expected a dictionary, but got {type(config).__name__}.")
    for name, most in _CONFIG_LIMITS.items():
        value = config.get(name)
        if value is not None and fields.integer(value) > most:
            raise ApiError(400, f"Ensure this value is less than or equal to {most}.")
    if config.get("auto_scaling") is not None:
        fields.boolean(config["auto_scaling"])


def _check_compute_profile(profile: str | None) -> None:
    if profile is not None and not _COMPUTE_PROFILE.fullmatch(profile):
        raise ApiError(
            400,
            f"Invalid compute profile format: '{profile}'. Expected format: [type]-[cpu]x[memory] or "
            "[type]-[cpu]x[memory]x[gpu_count][gpu_type] (lowercase only, e.g., 'cx3d-4x16' or "
            "'gx3d-24x120x1a100p')",
        )


def _check_arguments(program: ProgramRow, arguments: str) -> None:
    schema = json.loads(program.arguments_schema)
    if schema == {}:
        return
    if len(arguments) > MAX_ARGUMENTS_CHARACTERS:
        raise ApiError(400, f"arguments are longer than {MAX_ARGUMENTS_CHARACTERS} characters.", path=[])
    try:
        decoded = json.loads(arguments)
    except (ValueError, RecursionError):
        raise ApiError(400, "arguments must be valid JSON.", path=[]) from None
    found = violation(schema, decoded)
    if found:
        raise ApiError(400, found.message, path=found.path)


def _too_many() -> ApiError:
    return ApiError(429, f"Active job limit reached. The maximum allowed is {MAX_ACTIVE_JOBS}.")
