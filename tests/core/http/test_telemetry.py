"""Spans, in a process of their own, since OpenTelemetry is set up once a process."""

from __future__ import annotations

import json
import subprocess
import sys

import anyio.to_thread
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qiskit_functions_core.http.telemetry import span_name
from support.serving import serving
from support.traced import PREAMBLE, REPORT


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("programs/", "function.list"),
        ("programs/get_by_title/f/", "function.get_by_title"),
        ("programs/upload/", "function.upload"),
        ("programs/validate_arguments/", "function.validate_arguments"),
        ("programs/run/", "job.run"),
        ("jobs/", "job.list"),
        ("jobs/provider/", "job.provider_list"),
        ("jobs/77d67d4f/", "job.get"),
        ("jobs/77d67d4f/result/", "job.result"),
        ("jobs/77d67d4f/provider-logs/", "job.provider_logs"),
        ("jobs/77d67d4f/stop/", "job.stop"),
        ("files/", "files.list"),
        ("files/provider/", "files.provider_list"),
        ("files/provider/upload/", "files.provider_upload"),
        ("files/download/", "files.download"),
        ("instances/usage", None),
    ],
)
def test_a_span_is_named_as_the_official_client_names_it(path: str, name: str | None) -> None:
    assert span_name(path) == name


_TRACED = """
from qiskit_functions_core import resolve_account
from qiskit_functions_core.errors import QiskitFunctionsError
from qiskit_functions_core.serverless.gateway import gateway_transport
async def main():
    transport = gateway_transport(resolve_account(host=sys.argv[1], token="t"))
    await transport.get("jobs/", {"function": "the-argument"})
    try:
        await transport.send("POST", "programs/run/", {"arguments": "the-argument"})
    except QiskitFunctionsError:
        pass
    await transport.aclose()
anyio.run(main)
"""


async def test_a_span_has_the_call_and_its_outcome_but_no_content() -> None:
    async def handler(request: Request) -> Response:
        refusal = JSONResponse({"message": "the-argument is not of type 'integer'"}, 400)
        return refusal if request.method == "POST" else JSONResponse({})

    with serving(Starlette(routes=[Route("/{path:path}", handler, methods=["GET", "POST"])])) as host:
        command = [sys.executable, "-c", f"{PREAMBLE}{_TRACED}{REPORT}", host]
        out = await anyio.to_thread.run_sync(lambda: subprocess.run(command, check=True, capture_output=True).stdout)
    spans = json.loads(out)
    assert [span["name"] for span in spans] == ["job.list", "job.run"]
    assert spans[1]["status"] == {"status_code": "ERROR", "description": "bad_request"}
    assert "the-argument" not in out.decode()
