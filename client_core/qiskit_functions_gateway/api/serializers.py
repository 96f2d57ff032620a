"""Functions and jobs as the API shows them; clients depend on the fields of each route."""

from __future__ import annotations

import json
from typing import Any

from ..storage.database import JobRow, ProgramRow
from ..storage.job_states import JobStatus


def function(program: ProgramRow) -> dict[str, Any]:
    """Return a function for listings and by title, without the key ``provider`` if it is the user's own."""
    return {
        **_function_of_job(program),
        "version": program.version,
        "runner": program.runner,
        "arguments_schema": program.arguments_schema,
    }


def uploaded_function(program: ProgramRow) -> dict[str, Any]:
    """Return a function as the answer to an upload, without its id, and always with a provider."""
    shown = function(program)
    for name in ("id", "documentation_url"):
        del shown[name]
    # The real gateway answers with encrypted values.
    variables = {
        name: "***" if "token" in name.lower() else value for name, value in json.loads(program.env_vars).items()
    }
    return {
        **shown,
        "env_vars": json.dumps(variables),
        "image": program.image,
        "provider": program.provider or None,
    }


def job(row: JobRow) -> dict[str, Any]:
    """Return a job, with the provider's name if its function has one."""
    return {
        "id": row.id,
        "status": row.status,
        "program": {"id": row.program_id, "title": row.title, **_provider(row)},
        "created": row.created,
        # The real gateway clears it at the end, but not when a job is stopped.
        "sub_status": None if row.status in (JobStatus.SUCCEEDED, JobStatus.FAILED) else row.sub_status,
    }


def listed_job(row: JobRow) -> dict[str, Any]:
    """Return a job for listings, always with the provider's name, where the real gateway has an id."""
    shown = job(row)
    return {**shown, "program": {**shown["program"], "provider": row.provider or None}}


def whole_job(row: JobRow, program: ProgramRow | None) -> dict[str, Any]:
    """Return a job with its function."""
    shown = job(row)
    return {**shown, "program": _function_of_job(program)} if program else shown


def job_of_function(row: JobRow, program: ProgramRow) -> dict[str, Any]:
    """Return a job for the old listing by function; that of a provider's function has no result."""
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
