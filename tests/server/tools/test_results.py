"""What get_job_result answers: a summary, a picture beside it, a file; in both protocol eras."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ImageContent, TextContent, TextResourceContents
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit_serverless.serializers.program_serializers import QiskitObjectsEncoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.folders import RESULTS
from qiskit_functions_mcp.settings import Settings
from support.serving import serving

JOB = "8f0a5ee4-1c0f-4f34-9a39-3f1f0a6a0a11"
BELL = BitArray.from_counts({"00": 510, "11": 490}, num_bits=2)
WIDE = BitArray(np.random.default_rng(1).integers(0, 256, (5000, 16), dtype=np.uint8), 127)
RESULT = {
    "energy": -1.5,
    "counts": PrimitiveResult([SamplerPubResult(DataBin(meas=BELL, wide=WIDE)) for _ in range(30)]),
}


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """A gateway that knows the result of every job."""
    text = json.dumps(RESULT, cls=QiskitObjectsEncoder)

    async def result(_: Request) -> JSONResponse:
        return JSONResponse({"result": text})

    with serving(Starlette(routes=[Route("/api/v1/jobs/{job}/result/", result)])) as address:
        yield address


@pytest.fixture
async def client(mode: str, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setenv("ENV_GATEWAY_PROVIDER_TOKEN", "token-of-a-test")
    monkeypatch.setenv("ENV_GATEWAY_PROVIDER_HOST", host)
    server = build_server(Settings(allow_dirs=[tmp_path]))
    async with Client(server, mode=mode) as opened:
        # The client checks answers against the schemas that it has seen.
        await opened.list_tools()
        yield opened


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def asked(client: Client, **arguments: Any) -> CallToolResult:
    return await client.call_tool("get_job_result", {"job_id": JOB, **arguments})


async def saved(client: Client, to: str, **arguments: Any) -> CallToolResult:
    return await client.call_tool("save_job_result", {"job_id": JOB, "to": to, **arguments})


async def test_a_summary_stays_under_the_reply_budget_and_is_the_same_as_text(client: Client) -> None:
    answer = await asked(client)
    (text,) = answer.content
    assert isinstance(text, TextContent)
    assert json.loads(text.text) == answer.structured_content
    assert len(text.text) <= 20_000
    assert answer.structured_content is not None
    assert answer.structured_content["parts"][0]["value"] == {"energy": -1.5}


async def test_a_plot_is_a_picture_beside_the_summary_as_text_alone(client: Client) -> None:
    answer = await asked(client, path="/counts/pub_results/0/data/meas", view="plot", theme="dark")
    text, image = answer.content
    assert isinstance(text, TextContent)
    assert isinstance(image, ImageContent)
    assert image.mime_type == "image/png"
    assert base64.b64decode(image.data).startswith(b"\x89PNG")
    summary = json.loads(text.text)
    assert summary["picture"] == "Counts at /counts/pub_results/0/data/meas: 1,000 shots."
    assert summary["parts"][0]["pointer"] == "/counts/pub_results/0/data/meas"
    # Claude Code shows nothing else where there is some.
    assert answer.structured_content is None


async def test_a_plot_of_what_cannot_be_drawn_is_an_error_that_says_what_can(client: Client) -> None:
    answer = await asked(client, path="/energy", view="plot")
    assert answer.is_error
    assert "counts" in str(answer.structured_content)


async def test_a_saved_file_is_reported_with_its_path_and_size(client: Client, tmp_path: Path) -> None:
    answer = await saved(client, "bell.csv", path="/counts/pub_results/0/data/meas")
    assert (tmp_path / RESULTS / "bell.csv").read_bytes() == b"outcome,count\r\n00,510\r\n11,490\r\n"
    assert answer.structured_content is not None
    assert answer.structured_content["saved"] == (
        f"The counts at /counts/pub_results/0/data/meas: 31 bytes in {tmp_path / RESULTS / 'bell.csv'}"
    )


async def test_what_could_be_configuration_is_saved_only_after_the_person_agreed(
    client: Client, tmp_path: Path
) -> None:
    answer = await saved(client, "settings.json", path="/energy")
    assert answer.structured_content is not None
    assert answer.structured_content["code"] == "consent_needed"
    assert names_in(tmp_path) == []
    (token,) = re.findall("confirm='([^']+)'", answer.structured_content["next_step"])
    answer = await saved(client, "settings.json", confirm=token)
    assert not answer.is_error
    assert answer.structured_content is not None
    path = tmp_path / RESULTS / "settings.json"
    assert path.read_text() == "-1.5"
    assert answer.structured_content["saved"].endswith(f" in {path}")


async def test_nothing_is_saved_outside_the_allowed_folders(client: Client, tmp_path: Path) -> None:
    for path in ("../a.json", "/a.json", "~/a.json"):
        answer = await saved(client, path)
        assert answer.is_error
        assert "outside the allowed folders" in str(answer.structured_content)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("text", "is_read"), [('"' * 499_000, True), ('"' * 501_000, False), ("ü" * 501_000, False)])
async def test_a_result_is_attached_if_its_message_stays_under_a_megabyte(
    text: str, is_read: bool, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def result(_: Request) -> JSONResponse:
        return JSONResponse({"result": text})

    monkeypatch.setenv("QISKIT_FUNCTIONS_TOKEN", "t")
    with serving(Starlette(routes=[Route("/api/v1/jobs/{job}/result/", result)])) as address:
        async with Client(build_server(Settings(host=address)), mode=mode) as opened:
            uri = f"qiskit-functions://jobs/{JOB}/result"
            if is_read:
                (content,) = (await opened.read_resource(uri)).contents
                assert isinstance(content, TextResourceContents)
                assert content.text == text
            else:
                with pytest.raises(MCPError, match="get_job_result"):
                    await opened.read_resource(uri)


async def test_a_read_only_server_saves_nothing(client: Client, mode: str, tmp_path: Path) -> None:
    async with Client(build_server(Settings(allow_dirs=[tmp_path], read_only=True)), mode=mode) as opened:
        assert not (await asked(opened)).is_error
        answer = await saved(opened, "a.json")
    assert answer.is_error
    assert names_in(tmp_path) == []
