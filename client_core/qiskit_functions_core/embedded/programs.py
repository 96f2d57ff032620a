"""The routes of functions ("programs")."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qiskit_functions_core.arguments_schema import MAX_ARGUMENTS_CHARACTERS, check_schema, violation

from .gateway import Gateway
from .http import ApiError, blocking, clean_title, json_body, text_field
from .store import ProgramRow

MAX_ARTIFACT_BYTES = 64 * 1024 * 1024
"""More than the clients' own 50 MB; what is larger would only fill the disk."""

MAX_ACTIVE_JOBS = 50
"""A user's jobs that are not over (the gateway's ``LIMITS_ACTIVE_JOBS_PER_USER``)."""

PROVIDERS = frozenset({"examples"})
"""Whom the user of this machine may upload for."""

_TYPES = ("GENERIC", "APPLICATION", "CIRCUIT")
_CONFIG_LIMITS = {"workers": 5, "min_workers": 2, "max_workers": 10}
_ENTRYPOINT = re.compile(r"[A-Za-z0-9_. /-]+\.py")
_COMPUTE_PROFILE = re.compile(r"[a-z0-9]+-\d+x\d+(x\d+[a-z0-9]+)?")


def routes(gateway: Gateway) -> list[Route]:
    """All under ``/api/v1/programs``."""

    def route(path: str, handler: Callable[[Gateway, Request], Awaitable[Response]], method: str = "GET") -> Route:
        async def endpoint(request: Request) -> Response:
            return await handler(gateway, request)

        return Route(f"/api/v1/programs{path}", endpoint, methods=[method])

    return [
        route("", list_programs),
        route("/upload", upload, "POST"),
        route("/get_by_title/{title}", get_by_title),
        route("/validate_arguments", validate_arguments, "POST"),
        route("/run", run, "POST"),
    ]


async def list_programs(gateway: Gateway, request: Request) -> Response:
    kind, provider = request.query_params.get("filter"), request.query_params.get("provider")
    programs = await blocking(gateway.store.programs)
    shown = [
        program
        for program in programs
        if (kind != "serverless" or not program.provider)
        and (kind != "catalog" or program.provider)
        and (provider is None or program.provider == provider)
    ]
    return JSONResponse([described(program) for program in shown])


async def get_by_title(gateway: Gateway, request: Request) -> Response:
    title = clean_title(request.path_params["title"])
    return JSONResponse(described(await find(gateway, title, request.query_params.get("provider") or "")))


async def upload(gateway: Gateway, request: Request) -> Response:
    fields, artifact = await _upload_fields(request)
    provider, title = _split(text_field(fields, "title", required=True) or "", text_field(fields, "provider"))
    if provider and provider not in PROVIDERS:
        raise _unknown(title, provider)
    if text_field(fields, "image", blank=True):
        raise ApiError(
            400,
            "Custom images need a container engine; this gateway runs processes. "
            "Upload source code, or use a Qiskit Serverless gateway on Kubernetes.",
        )
    changes = _changes(fields)
    stored = await blocking(gateway.store.program, title, provider)
    if stored is None and "entrypoint" not in changes:
        raise ApiError(400, "At least one of attributes (entrypoint, image) is required.")
    if artifact is not None:
        changes["artifact"] = await _keep(gateway, artifact)
    program = await blocking(gateway.store.put_program, title, provider, changes)
    return JSONResponse(_uploaded(program))


async def validate_arguments(gateway: Gateway, request: Request) -> Response:
    body = await json_body(request)
    title = text_field(body, "title", required=True) or ""
    arguments = text_field(body, "arguments", required=True) or ""
    provider, title = _split(title, body.get("provider") or None)
    _check_arguments(await find(gateway, title, provider), arguments)
    return JSONResponse({"valid": True})


async def run(gateway: Gateway, request: Request) -> Response:
    body = await json_body(request)
    title = clean_title(text_field(body, "title", required=True) or "")
    arguments = text_field(body, "arguments", required=True) or ""
    _check_config(body)
    program = await find(gateway, title, body.get("provider") or "")
    job_id = str(uuid4())
    if await blocking(gateway.store.active_jobs) >= MAX_ACTIVE_JOBS:
        raise _too_many()
    _check_arguments(program, arguments)
    await blocking(gateway.write_arguments, program, job_id, arguments)
    job = await blocking(gateway.store.create_job, program, job_id, most_active=MAX_ACTIVE_JOBS)
    if job is None:
        raise _too_many()
    gateway.wake()
    return JSONResponse(
        {
            "id": job.id,
            "result": None,
            "status": job.status,
            "program": program.id,
            "created": job.created,
            "arguments": "{}",
            "compute_profile": None,
        }
    )


async def find(gateway: Gateway, title: str, provider: str) -> ProgramRow:
    program = await blocking(gateway.store.program, title, provider)
    if program is None:
        raise _unknown(title, provider)
    return program


def described(program: ProgramRow) -> dict[str, Any]:
    """A function as listings show it: no key ``provider`` for the user's own."""
    provider = {"provider": program.provider} if program.provider else {}
    return {
        "id": program.id,
        "title": program.title,
        "entrypoint": program.entrypoint,
        "artifact": program.artifact,
        "dependencies": program.dependencies,
        **provider,
        "description": program.description,
        "documentation_url": None,
        "type": program.type,
        "version": program.version,
        "runner": program.runner,
        "arguments_schema": program.arguments_schema,
    }


def _uploaded(program: ProgramRow) -> dict[str, Any]:
    """The answer to an upload, which differs from a listing: no id, and always a provider."""
    return {
        "title": program.title,
        "entrypoint": program.entrypoint,
        "artifact": program.artifact,
        "dependencies": program.dependencies,
        "env_vars": _without_secrets(program.env_vars),
        "image": program.image,
        "provider": program.provider or None,
        "description": program.description,
        "type": program.type,
        "version": program.version,
        "runner": program.runner,
        "arguments_schema": program.arguments_schema,
    }


def _without_secrets(env_vars: str) -> str:
    """The real gateway answers with encrypted values; ours with none."""
    variables = json.loads(env_vars)
    return json.dumps({name: "***" if "token" in name.lower() else value for name, value in variables.items()})


async def _upload_fields(request: Request) -> tuple[dict[str, Any], UploadFile | None]:
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("application/json"):
        return await json_body(request), None
    if not content_type.startswith(("multipart/form-data", "application/x-www-form-urlencoded")):
        raise ApiError(415, "Send multipart/form-data, a form, or application/json.")
    form: FormData = await request.form(max_files=1, max_part_size=2_621_440)
    artifact = form.get("artifact")
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    return fields, artifact if isinstance(artifact, UploadFile) else None


def _split(title: str, provider: str | None) -> tuple[str, str]:
    title = clean_title(title)
    if title.count("/") > 1:
        raise ApiError(400, "Qiskit Function title is malformed. It can only contain one slash.")
    before, slash, after = title.rpartition("/")
    if not after:
        raise ApiError(400, "This field may not be blank.")
    return (before if slash and not provider else provider or ""), after


def _changes(fields: dict[str, Any]) -> dict[str, str | None]:
    """The given columns, checked; what is not given keeps its value."""
    changes: dict[str, str | None] = {}
    for name in ("description", "version"):
        if (value := text_field(fields, name, blank=True)) is not None:
            changes[name] = value
    for name, check in _CHECKS.items():
        if (value := text_field(fields, name)) is not None:
            changes[name] = check(value)
    return changes


def _entrypoint(value: str) -> str:
    if not _ENTRYPOINT.fullmatch(value) or value.startswith("/") or ".." in value.split("/"):
        raise ApiError(
            400,
            "Invalid entrypoint. It must be a relative path to a .py file without '..' segments or shell characters.",
        )
    return value


def _dependencies(value: str) -> str:
    try:
        dependencies = json.loads(value)
    except (ValueError, RecursionError):
        raise ApiError(400, "'dependencies' should be valid JSON.") from None
    if not isinstance(dependencies, list):
        raise ApiError(400, "'dependencies' should be an array.")
    if dependencies:
        raise ApiError(
            400,
            "This gateway runs functions in its own environment and installs no dependencies. "
            "Ask for GET dependencies-versions/ to see which are allowed.",
        )
    return value


def _env_vars(value: str) -> str:
    try:
        variables = json.loads(value)
    except (ValueError, RecursionError):
        raise ApiError(400, "'env_vars' should be valid JSON.") from None
    if not isinstance(variables, dict) or not all(isinstance(text, str) for text in variables.values()):
        raise ApiError(400, "'env_vars' should be an object of texts.")
    if any("\0" in text or not name or "=" in name or "\0" in name for name, text in variables.items()):
        raise ApiError(400, "'env_vars' has a name or value that no process can be given.")
    return value


def _type(value: str) -> str:
    if value not in _TYPES:
        raise ApiError(400, f'"{value}" is not a valid choice.')
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
    "type": _type,
    "runner": _runner,
    "arguments_schema": _arguments_schema,
}


async def _keep(gateway: Gateway, artifact: UploadFile) -> str:
    """Store an archive under the SHA-256 of its content; gives its name."""
    name = artifact.filename or ""
    if not name.endswith(".tar"):
        ending = name.rpartition(".")[2]
        raise ApiError(400, f"File extension \u201c{ending}\u201d is not allowed. Allowed extensions are: tar.")
    return await blocking(_store_artifact, gateway, artifact)


def _store_artifact(gateway: Gateway, artifact: UploadFile) -> str:
    partial = gateway.home.artifacts / f"partial-{secrets.token_hex(8)}"
    digest, size = hashlib.sha256(), 0
    try:
        with partial.open("wb") as file:
            while chunk := artifact.file.read(1024 * 1024):
                digest.update(chunk)
                size += len(chunk)
                if size > MAX_ARTIFACT_BYTES:
                    raise ApiError(413, f"The artifact is larger than {MAX_ARTIFACT_BYTES} bytes.")
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if not size:
            raise ApiError(400, "The submitted file is empty.")
        name = f"{digest.hexdigest()}.tar"
        partial.replace(gateway.home.artifacts / name)
    finally:
        partial.unlink(missing_ok=True)
    return name


def _check_config(body: dict[str, Any]) -> None:
    if "config" in body and body["config"] is None:
        raise ApiError(400, "This field may not be null.")
    config = body.get("config", {})
    if not isinstance(config, dict):
        raise ApiError(400, f"Invalid data. Expected a dictionary, but got {type(config).__name__}.")
    for name, most in _CONFIG_LIMITS.items():
        value = config.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise ApiError(400, "A valid integer is required.")
        if value > most:
            raise ApiError(400, f"Ensure this value is less than or equal to {most}.")
    profile = body.get("compute_profile")
    if profile is not None and not (isinstance(profile, str) and _COMPUTE_PROFILE.fullmatch(profile)):
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


def _unknown(title: str, provider: str) -> ApiError:
    name = f"{provider}/{title}" if provider else title
    return ApiError(404, f"Qiskit Function {name} doesn't exist.")


def _too_many() -> ApiError:
    return ApiError(429, f"Active job limit reached. The maximum allowed is {MAX_ACTIVE_JOBS}.")
