"""Functions and jobs as the API shows them; each route has its own selection, and clients depend on it."""

from __future__ import annotations

import json
from typing import Any

from ..storage.database import JobRow, ProgramRow


def function(program: ProgramRow) -> dict[str, Any]:
    """In listings and by title: no key ``provider`` for the user's own."""
    return {
        **_function_of_job(program),
        "version": program.version,
        "runner": program.runner,
        "arguments_schema": program.arguments_schema,
    }


def uploaded_function(program: ProgramRow) -> dict[str, Any]:
    """As the answer to an upload: no id, and always a provider."""
    shown = function(program)
    for name in ("id", "documentation_url"):
        del shown[name]
    return {
        **shown,
        "env_vars": _without_secrets(program.env_vars),
        "image": program.image,
        "provider": program.provider or None,
    }


def job(row: JobRow) -> dict[str, Any]:
    """A job by itself; its provider's name, if its function has one."""
    return {
        "id": row.id,
        "status": row.status,
        "program": {"id": row.program_id, "title": row.title, **_provider(row)},
        "created": row.created,
        "sub_status": row.sub_status,
    }


def listed_job(row: JobRow) -> dict[str, Any]:
    """A job in a listing: always a provider, by name, where the real gateway gives an id that says nothing."""
    shown = job(row)
    return {**shown, "program": {**shown["program"], "provider": row.provider or None}}


def whole_job(row: JobRow, program: ProgramRow | None) -> dict[str, Any]:
    """A job with its function."""
    shown = job(row)
    return {**shown, "program": _function_of_job(program)} if program else shown


def job_of_function(row: JobRow, program: ProgramRow) -> dict[str, Any]:
    """A job in the old listing by function; a provider's has no result, being somebody else's."""
    shown = function(program)
    del shown["arguments_schema"]
    result = {} if program.provider else {"result": None}
    return {**job(row), **result, "program": shown, "fleet_id": None, "compute_profile": None}


def _function_of_job(program: ProgramRow) -> dict[str, Any]:
    return {
        "id": program.id,
        "title": program.title,
        "entrypoint": program.entrypoint,
        "artifact": program.artifact,
        "dependencies": program.dependencies,
        **_provider(program),
        "description": program.description,
        "documentation_url": None,
        "type": program.type,
    }


def _provider(row: ProgramRow | JobRow) -> dict[str, str]:
    return {"provider": row.provider} if row.provider else {}


def _without_secrets(env_vars: str) -> str:
    """The real gateway answers with encrypted values; ours with none."""
    variables = json.loads(env_vars)
    return json.dumps({name: "***" if "token" in name.lower() else value for name, value in variables.items()})
