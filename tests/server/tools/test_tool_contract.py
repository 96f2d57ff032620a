"""What every host reads of every tool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import Tool

from qiskit_functions_mcp.app import INSTRUCTIONS, build_server
from qiskit_functions_mcp.settings import Settings

NAMES = [
    "check_run",
    "delete_file",
    "download_file",
    "get_function",
    "get_job",
    "get_job_logs",
    "get_job_result",
    "get_usage",
    "list_backends",
    "list_files",
    "list_functions",
    "list_jobs",
    "read_file",
    "run_function",
    "save_job_result",
    "stop_job",
    "upload_file",
    "upload_function",
    "wait_for_job",
]
TEXT_OR_PICTURES = {"get_job_logs", "get_job_result"}


@pytest.fixture
async def tools(mode: str) -> list[Tool]:
    async with Client(build_server(Settings()), mode=mode) as client:
        return (await client.list_tools()).tools


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a schema, itself included."""
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from parts(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from parts(item)


async def test_the_tools_are_those_of_the_design(tools: list[Tool]) -> None:
    assert sorted(tool.name for tool in tools) == NAMES


async def test_every_tool_has_a_title_and_all_four_hints(tools: list[Tool]) -> None:
    for tool in tools:
        assert tool.title, tool.name
        assert tool.annotations, tool.name
        hints = tool.annotations.model_dump(include={n for n in type(tool.annotations).model_fields if "hint" in n})
        assert len(hints) == 4
        assert None not in hints.values(), tool.name


async def test_every_description_is_short_enough_and_every_parameter_has_one(tools: list[Tool]) -> None:
    for tool in tools:
        assert tool.description
        assert len(tool.description) < 1000, tool.name
        for name, parameter in tool.input_schema["properties"].items():
            assert parameter.get("description"), f"{tool.name}.{name}"


async def test_input_schemas_are_flat_for_hosts_that_refuse_references_and_unions(tools: list[Tool]) -> None:
    for tool in tools:
        assert "properties" in tool.input_schema, tool.name
        assert tool.input_schema["additionalProperties"] is False, tool.name
        for part in parts(tool.input_schema):
            assert not {"$ref", "$defs", "anyOf", "oneOf", "allOf"} & part.keys(), tool.name


async def test_no_enum_holds_an_empty_text_with_which_geminis_api_refuses_every_turn(tools: list[Tool]) -> None:
    for tool in tools:
        for part in parts(tool.input_schema):
            assert "" not in part.get("enum", []), tool.name


async def test_bounds_and_defaults_are_in_the_words_too_for_hosts_that_drop_the_keywords(tools: list[Tool]) -> None:
    for tool in tools:
        for name, parameter in tool.input_schema["properties"].items():
            words = parameter["description"]
            for bound in ("minimum", "maximum"):
                if bound in parameter:
                    assert f"{parameter[bound]:,}" in words, f"{tool.name}.{name}"
            assert parameter.get("default", "user") not in ("", [], {}, None), "some hosts fill defaults in"
            if parameter.get("default") and "enum" not in parameter:
                assert str(parameter["default"]) in words, f"{tool.name}.{name}"


async def test_output_schemas_are_plain_objects_for_clients_that_show_types(tools: list[Tool]) -> None:
    for tool in tools:
        if tool.output_schema:
            assert tool.output_schema["type"] == "object"
            for part in parts(tool.output_schema):
                assert not {"anyOf", "oneOf", "allOf"} & part.keys(), tool.name


async def test_schemas_hold_no_titles_that_only_repeat_names(tools: list[Tool]) -> None:
    for tool in tools:
        for part in parts(tool.input_schema):
            assert not isinstance(part.get("title"), str), tool.name


async def test_a_property_called_title_survives(tools: list[Tool]) -> None:
    upload = next(tool for tool in tools if tool.name == "upload_function")
    assert "title" in upload.input_schema["properties"]


async def test_every_tool_but_those_of_plain_text_and_pictures_has_an_output_schema(tools: list[Tool]) -> None:
    without = {tool.name for tool in tools if tool.output_schema is None}
    assert without == TEXT_OR_PICTURES


def test_instructions_fit_where_hosts_cut() -> None:
    assert len(INSTRUCTIONS) < 1500


async def test_an_argument_that_does_not_exist_is_refused_by_name(mode: str) -> None:
    async with Client(build_server(Settings()), mode=mode) as client:
        answer = await client.call_tool("get_job", {"job_id": "x", "jobid": "y"})
    assert answer.is_error
    assert answer.structured_content is not None
    assert answer.structured_content["code"] == "invalid_input"
    assert answer.structured_content["message"] == "get_job has no argument jobid"
    assert "job_id" in answer.structured_content["next_step"]


async def test_an_argument_of_the_wrong_kind_is_refused_in_one_line(mode: str) -> None:
    async with Client(build_server(Settings()), mode=mode) as client:
        answer = await client.call_tool("wait_for_job", {"job_id": "x", "timeout_seconds": 500})
    assert answer.is_error
    assert answer.structured_content is not None
    assert "timeout_seconds" in answer.structured_content["message"]
    assert "pydantic" not in str(answer)


async def test_null_counts_as_absent_for_every_optional_argument(mode: str, tmp_path: Path) -> None:
    async with Client(build_server(Settings(channel="local", home=tmp_path)), mode=mode) as client:
        for tool in (await client.list_tools()).tools:
            properties = tool.input_schema["properties"]
            required = dict.fromkeys(tool.input_schema.get("required", []), "x")
            nulls = dict.fromkeys(properties.keys() - required.keys())
            answer = await client.call_tool(tool.name, {**nulls, **required})
            if answer.is_error:
                assert answer.structured_content is not None
                assert "wrong arguments" not in answer.structured_content["message"], tool.name


@pytest.mark.parametrize("arguments", ['{"shots": 1}', "", None])
async def test_an_object_may_come_as_json_text(mode: str, tmp_path: Path, arguments: str | None) -> None:
    async with Client(build_server(Settings(channel="local", home=tmp_path)), mode=mode) as client:
        answer = await client.call_tool("check_run", {"function": "examples/sampler", "arguments": arguments})
    assert answer.structured_content is not None
    assert "'circuit' is missing" in answer.structured_content["checks"][0]["message"]


async def test_a_text_that_is_no_json_is_refused_as_such(mode: str) -> None:
    async with Client(build_server(Settings()), mode=mode) as client:
        answer = await client.call_tool("check_run", {"function": "examples/sampler", "arguments": '{"shots": 1'})
    assert answer.structured_content is not None
    assert "is a text that is not JSON" in answer.structured_content["message"]


async def test_a_tool_that_does_not_exist_is_an_error_the_model_sees(mode: str) -> None:
    async with Client(build_server(Settings()), mode=mode) as client:
        answer = await client.call_tool("run_functoin", {})
    assert answer.is_error
    assert answer.structured_content is not None
    assert answer.structured_content["code"] == "unknown_tool"
