"""The page in the chat: what a host with MCP Apps is told of it, and that others are told nothing."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from mcp import Client
from mcp.client import advertise
from mcp_types import TextResourceContents, Tool
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit_serverless.serializers.program_serializers import QiskitObjectsEncoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.settings import Settings
from support.over_stdio import structured, text_of
from support.serving import serving

from .conftest import Mode
from .test_golden_contract import MOST_FOR_THE_MODEL, MOST_IN_ALL, size

APPS = advertise("io.modelcontextprotocol/ui", {"mimeTypes": ["text/html;profile=mcp-app"]})
PAGE = "ui://qiskit-functions/job"
OPENING = {"run_function", "wait_for_job", "get_job", "get_job_result"}
JOB = "8f0a5ee4-1c0f-4f34-9a39-3f1f0a6a0a11"
LOG = "".join(f"line {number}\n" for number in range(1_000))
WIDE = BitArray(np.random.default_rng(1).integers(0, 256, (20_000, 16), dtype=np.uint8), 127)


@asynccontextmanager
async def host_of(settings: Settings, mode: Mode, *, shows_apps: bool = True) -> AsyncIterator[Client]:
    async with Client(build_server(settings), mode=mode, extensions=[APPS] if shows_apps else []) as client:
        yield client


@asynccontextmanager
async def tools_of(settings: Settings, mode: Mode, *, shows_apps: bool = True) -> AsyncIterator[dict[str, Tool]]:
    async with host_of(settings, mode, shows_apps=shows_apps) as client:
        yield {tool.name: tool for tool in (await client.list_tools()).tools}


def of_app_only(tool: Tool) -> bool:
    return tool.meta == {"ui": {"visibility": ["app"]}}


async def test_tools_that_follow_a_job_open_the_page(mode: Mode) -> None:
    async with tools_of(Settings(), mode) as tools:
        assert {name for name, tool in tools.items() if tool.meta == {"ui": {"resourceUri": PAGE}}} == OPENING
        assert [name for name, tool in tools.items() if of_app_only(tool)] == ["get_job_view"]


async def test_a_host_without_apps_is_told_nothing_of_the_page(mode: Mode) -> None:
    async with tools_of(Settings(), mode) as with_apps, tools_of(Settings(), mode, shows_apps=False) as without:
        assert [name for name, tool in without.items() if tool.meta] == []
        assert with_apps.keys() - without.keys() == {"get_job_view"}
        changed = [name for name in without if with_apps[name].model_copy(update={"meta": None}) != without[name]]
        assert changed == []
    async with host_of(Settings(), mode, shows_apps=False) as client:
        assert PAGE not in [resource.uri for resource in (await client.list_resources()).resources]
        answer = await client.call_tool("get_job_view", {"job_id": JOB})
    assert structured(answer)["message"] == "there is no tool 'get_job_view'"


async def test_a_server_without_the_jobs_tools_has_no_page(mode: Mode) -> None:
    async with tools_of(Settings(toolsets=["functions"]), mode) as tools:
        assert [name for name, tool in tools.items() if tool.meta] == []


async def test_the_lists_stay_short_with_the_page(mode: Mode) -> None:
    async with tools_of(Settings(), mode) as tools:
        wires = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools.values()]
        read = [[tool.name, tool.description, tool.input_schema] for tool in tools.values() if not of_app_only(tool)]
    assert size(read) <= MOST_FOR_THE_MODEL
    assert size({"tools": wires}) <= MOST_IN_ALL


async def test_lists_that_depend_on_the_client_are_not_shared_by_caches() -> None:
    async with host_of(Settings(), "auto") as client:
        assert (await client.list_tools()).cache_scope == "private"
        assert (await client.list_resources()).cache_scope == "private"
        assert (await client.list_prompts()).cache_scope == "public"


async def test_the_page_is_one_small_file_that_refers_to_no_other(mode: Mode) -> None:
    async with host_of(Settings(), mode) as client:
        (content,) = (await client.read_resource(PAGE)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "text/html;profile=mcp-app"
    assert content.meta == {"ui": {"prefersBorder": True, "permissions": {"clipboardWrite": {}}}}
    assert len(gzip.compress(content.text.encode())) < 150_000
    assert re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//|@import|<link|<iframe""", content.text) == []
    assert "Permission is hereby granted" in content.text  # the licence of what is built in


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    """A gateway that knows one job, whose result and log are large."""
    value = {"energy": -1.5, "counts": PrimitiveResult([SamplerPubResult(DataBin(meas=WIDE)) for _ in range(3)])}
    answers: dict[str, Any] = {
        "": {"id": JOB, "status": "SUCCEEDED", "created": "2026-11-22T08:00:00Z", "program": {"title": "wide"}},
        "result": {"result": json.dumps(value, cls=QiskitObjectsEncoder)},
        "logs": {"logs": LOG},
    }

    async def answer(request: Request) -> JSONResponse:
        part = request.path_params.get("part", "")
        return JSONResponse(answers[part]) if part in answers else JSONResponse({}, 404)

    routes = [Route("/api/v1/jobs/{job}/", answer), Route("/api/v1/jobs/{job}/{part}/", answer)]
    with serving(Starlette(routes=routes)) as address:
        yield address


@pytest.fixture
async def client(mode: Mode, gateway: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setenv("ENV_GATEWAY_PROVIDER_TOKEN", "token-of-a-test")
    monkeypatch.setenv("ENV_GATEWAY_PROVIDER_HOST", gateway)
    async with host_of(Settings(), mode) as opened:
        yield opened


async def test_the_page_gets_much_of_a_result_and_the_end_of_the_log_within_a_message(client: Client) -> None:
    view = structured(await client.call_tool("get_job_view", {"job_id": JOB}))
    assert (view["status"], view["function"], view["can_stop"]) == ("DONE", "wide", True)
    registers = [part["registers"]["meas"] for part in view["result"]["parts"] if part["kind"] == "sampler_pub"]
    assert [len(register["top"]) > 200 for register in registers] == [True] * 3
    assert view["log"].splitlines()[-1] == "line 999"
    assert view["log_left_out"] == 800
    assert size(view) < 2**20


async def test_the_models_answer_holds_nothing_of_what_the_page_gets(client: Client) -> None:
    polled = await client.call_tool("get_job_view", {"job_id": JOB})
    assert text_of(polled) == f"job {JOB}: DONE"
    read = await client.call_tool("wait_for_job", {"job_id": JOB})
    assert len(text_of(read)) < 20_000
    assert read.meta is None or "result" not in read.meta


async def test_a_read_only_server_has_the_page_without_a_stop(
    mode: Mode, gateway: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENV_GATEWAY_PROVIDER_TOKEN", "token-of-a-test")
    monkeypatch.setenv("ENV_GATEWAY_PROVIDER_HOST", gateway)
    async with host_of(Settings(read_only=True), mode) as client:
        view = structured(await client.call_tool("get_job_view", {"job_id": JOB}))
    assert view["can_stop"] is False
