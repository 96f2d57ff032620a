"""A job's DATA_PATH over HTTP, for nodes of a cluster that do not see the gateway's data folder.

The real gateway has no such route, because its jobs share a volume with it. A job's own token opens these routes, but
not for the arguments and results of other jobs.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from ..storage.database import JobRow
from ..storage.incoming import IncomingFile
from .context import Gateway
from .job_calls import JOB, find
from .request_fields import chunks
from .routing import ApiError, Json, blocking, resource


def routes(gateway: Gateway) -> list[Route]:
    """All under ``/api/v1/jobs/{id}/data``."""
    return [
        resource(gateway, f"{JOB}/data", {"GET": list_files}),
        resource(gateway, f"{JOB}/data/{{name:path}}", {"GET": read, "PUT": write}),
    ]


async def list_files(gateway: Gateway, request: Request) -> Response:
    """Answer with the relative paths of all files."""
    job = await find(gateway, request)
    return Json(await blocking(_names, gateway.data_folder.function_data(job.provider, job.title).path, job))


async def read(gateway: Gateway, request: Request) -> Response:
    path = await blocking(_path, gateway, await find(gateway, request), request)
    if not await blocking(path.is_file):
        raise ApiError(404, "Requested file was not found.")
    return FileResponse(path, media_type="application/octet-stream")


async def write(gateway: Gateway, request: Request) -> Response:
    """Replace the file by the body, in one step."""
    path = await blocking(_path, gateway, await find(gateway, request), request)
    file = await blocking(IncomingFile, gateway.data_folder)
    try:
        async for chunk in chunks(request, gateway.max_file_bytes):
            await blocking(file.write, chunk)
        await blocking(file.move, path)
    finally:
        await blocking(file.discard)
    return Response(status_code=204)


def _names(folder: Path, job: JobRow) -> list[str]:
    found = []
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            name = path.relative_to(folder).as_posix()
            if _is_of(job, name) and path.is_file() and not path.is_symlink():
                found.append(name)
    return sorted(found)


def _path(gateway: Gateway, job: JobRow, request: Request) -> Path:
    """Return the path of one of the job's files; raise ApiError 404 if the name leads elsewhere."""
    folder, name = gateway.data_folder.function_data(job.provider, job.title).path, str(request.path_params["name"])
    path = folder / name
    if not name or "\0" in name or ".." in PurePosixPath(name).parts or not _is_of(job, name):
        raise ApiError(404, "Requested file was not found.")
    # A function that ran on this machine may have made links.
    if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
        raise ApiError(404, "Requested file was not found.")
    return path


def _is_of(job: JobRow, name: str) -> bool:
    place = next(iter(PurePosixPath(name).parts), "")
    return (bool(place) and place not in ("arguments", "results")) or name == f"results/{job.id}.json"
