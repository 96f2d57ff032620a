"""The whole contract with assistants, word for word, so that every change shows up in review.

After an intended change, update ``contract.json`` and read the difference:

    uv run python tests/server/test_golden_contract.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import anyio
import jsonschema_rs
import pytest
from mcp import Client

from qiskit_functions_core.errors import QiskitFunctionsError, SubmissionUnknown
from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.replies.call_results import error_reply
from qiskit_functions_mcp.settings import Settings

GOLDEN = Path(__file__).with_name("contract.json")
UPDATE = "update it with: uv run python tests/server/test_golden_contract.py"

MOST_FOR_THE_MODEL = 16_000
"""Bytes of names, descriptions and input schemas, which a model reads before each of its turns."""

MOST_IN_ALL = 30_000

HINTS = {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}

BOUNDED_TEXTS = {"include", "exclude", "confirm"}
"""Texts whose length costs something here; all others are names that are looked up, or content."""


async def contract(mode: str) -> dict[str, Any]:
    """Return all that a client can learn about the server, by name."""
    async with Client(build_server(Settings()), mode=mode) as client:
        return {
            "server": _wire(client.server_info) | {"version": "…"},
            "instructions": client.instructions,
            "tools": _by("name", (await client.list_tools()).tools),
            "prompts": _by("name", (await client.list_prompts()).prompts),
            "resources": _by("uri", (await client.list_resources()).resources),
            "resource_templates": _by("uriTemplate", (await client.list_resource_templates()).resource_templates),
        }


def _wire(model: Any) -> dict[str, Any]:
    return dict(model.model_dump(mode="json", by_alias=True, exclude_none=True))


def _by(key: str, models: Iterable[Any]) -> dict[str, Any]:
    return {wire[key]: wire for wire in map(_wire, models)}


def as_text(whole: dict[str, Any]) -> str:
    return json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def size(part: Any) -> int:
    """Bytes of compact JSON."""
    return len(json.dumps(part, separators=(",", ":"), ensure_ascii=False).encode())


def faults(tool: dict[str, Any]) -> Iterator[str]:
    """Yield what a tool lacks that an assistant or a host relies on."""
    if not tool.get("title") or not tool.get("description"):
        yield "title or description"
    yield from sorted(HINTS - tool.get("annotations", {}).keys())
    for name, parameter in tool["inputSchema"]["properties"].items():
        if not parameter.get("description"):
            yield f"{name}: description"
        if parameter.get("type") in ("integer", "number") and not {"minimum", "maximum"} <= parameter.keys():
            yield f"{name}: bounds"
        if name in BOUNDED_TEXTS and parameter.get("type") == "string" and "maxLength" not in parameter:
            yield f"{name}: length"


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return dict(json.loads(GOLDEN.read_text("utf-8")))


async def test_the_contract_is_the_golden_one(mode: str) -> None:
    assert as_text(await contract(mode)) == GOLDEN.read_text("utf-8"), UPDATE


def test_no_tool_lacks_a_hint_a_description_or_a_bound(golden: dict[str, Any]) -> None:
    assert {name: found for name, tool in golden["tools"].items() if (found := list(faults(tool)))} == {}


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (("title",), "title or description"),
        (("description",), "title or description"),
        (("annotations", "destructiveHint"), "destructiveHint"),
        (("inputSchema", "properties", "tail_lines", "description"), "tail_lines: description"),
        (("inputSchema", "properties", "tail_lines", "maximum"), "tail_lines: bounds"),
        (("inputSchema", "properties", "include", "maxLength"), "include: length"),
    ],
)
def test_what_is_missing_is_found(golden: dict[str, Any], path: tuple[str, ...], fault: str) -> None:
    tool = deepcopy(golden["tools"]["get_job_logs"])
    *way, last = path
    part = tool
    for step in way:
        part = part[step]
    del part[last]
    assert list(faults(tool)) == [fault]


def test_what_a_model_reads_is_short(golden: dict[str, Any]) -> None:
    tools = golden["tools"].values()
    assert size([[tool["name"], tool["description"], tool["inputSchema"]] for tool in tools]) <= MOST_FOR_THE_MODEL


def test_the_list_of_tools_is_short(golden: dict[str, Any]) -> None:
    assert size({"tools": list(golden["tools"].values())}) <= MOST_IN_ALL


@pytest.mark.parametrize(
    "error",
    [
        QiskitFunctionsError("failed"),
        SubmissionUnknown("lost", candidates=["a"], next_step="Look."),
    ],
)
def test_failed_calls_match_the_schemas_too_for_clients_that_check_them(
    golden: dict[str, Any], error: QiskitFunctionsError
) -> None:
    answer = error_reply(error).structured_content
    schemas = {name: tool["outputSchema"] for name, tool in golden["tools"].items() if "outputSchema" in tool}
    assert [name for name, schema in schemas.items() if not jsonschema_rs.is_valid(schema, answer)] == []


if __name__ == "__main__":
    GOLDEN.write_text(as_text(anyio.run(contract, "auto")), "utf-8")
