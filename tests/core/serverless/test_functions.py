"""Functions: found, uploaded with all that a gateway takes, and refused before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qiskit_functions_core import Artifact
from qiskit_functions_core.errors import BadRequest, GatewayFault, InputError, NotFound
from qiskit_functions_core.serverless.functions import split_name
from support.clients import NotingGateway, client_of, noting_gateway
from support.still_gateway import StillGateway, still_gateway

SCRIPT = "print('hello')"
STORED = {"id": "1", "title": "mine", "type": "GENERIC"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StillGateway]:
    with still_gateway(tmp_path_factory.mktemp("functions")) as still:
        still.put_function("mine")
        still.put_function("theirs", "examples")
        yield still


@pytest.fixture
def noting() -> Iterator[NotingGateway]:
    answers: dict[str, Any] = {
        "GET programs/": [],
        "POST programs/upload/": {"title": "mine"},
        "GET programs/get_by_title/mine/": STORED,
    }
    with noting_gateway(answers) as gateway:
        yield gateway


async def uploaded(noting: NotingGateway, name: str = "mine", **fields: Any) -> dict[str, Any]:
    """What the form of an upload held."""
    async with client_of(noting.host) as client:
        await client.functions.upload(name, fields.pop("artifact", None), **fields)
    return next(asked.form for asked in noting.asked if asked.method == "POST")


async def test_functions_are_listed_by_kind_and_provider_in_the_order_of_their_names(gateway: StillGateway) -> None:
    async with client_of(gateway.host) as client:
        every = await client.functions.list()
        own = await client.functions.list(kind="own")
        catalog = await client.functions.list(kind="catalog")
        examples = await client.functions.list(provider="examples")
    assert [function.name for function in every] == ["examples/theirs", "mine"]
    assert [function.name for function in own] == ["mine"]
    assert [function.name for function in catalog] == [function.name for function in examples] == ["examples/theirs"]


async def test_a_provider_is_filtered_for_here_when_the_gateway_ignores_it(noting: NotingGateway) -> None:
    noting.answers["GET programs/"] = [STORED, {**STORED, "provider": "ibm"}, {**STORED, "provider": "other"}]
    async with client_of(noting.host) as client:
        assert [function.name for function in await client.functions.list(provider="ibm")] == ["ibm/mine"]


async def test_a_missing_function_is_named_in_the_error(gateway: StillGateway) -> None:
    async with client_of(gateway.host) as client:
        with pytest.raises(NotFound, match="examples/nothing"):
            await client.functions.get("examples/nothing")


async def test_an_upload_sends_every_field_as_the_gateway_reads_it(noting: NotingGateway) -> None:
    form = await uploaded(
        noting,
        artifact=Artifact.from_source(SCRIPT),
        description="says hello",
        version="1.2.3",
        type="APPLICATION",
        runner="fleets",
        dependencies=["mergedeep==1.3.4"],
        env_vars={"LEVEL": "1"},
        arguments_schema={"type": "object"},
        sizes={"m": "cx3d-4x16"},
        default_size="m",
    )
    archive = form.pop("artifact")
    assert archive.name.endswith(".tar")
    assert form == {
        "title": "mine",
        "entrypoint": "main.py",
        "description": "says hello",
        "version": "1.2.3",
        "type": "APPLICATION",
        "runner": "fleets",
        "dependencies": '["mergedeep==1.3.4"]',
        "env_vars": '{"LEVEL": "1"}',
        "arguments_schema": '{"type": "object"}',
        "sizes": '{"m": "cx3d-4x16"}',
        "default_size": "m",
    }


async def test_omitted_fields_are_not_sent_so_that_they_keep_their_values(noting: NotingGateway) -> None:
    assert await uploaded(noting, description="new words") == {"title": "mine", "description": "new words"}


async def test_an_empty_schema_is_sent_since_it_removes_the_stored_one(noting: NotingGateway) -> None:
    assert (await uploaded(noting, arguments_schema={}))["arguments_schema"] == "{}"


async def test_an_image_is_uploaded_for_a_provider(noting: NotingGateway) -> None:
    form = await uploaded(noting, "ours/mine", image="icr.io/ours/mine:1")
    assert form == {"title": "mine", "provider": "ours", "image": "icr.io/ours/mine:1"}


@pytest.mark.parametrize(
    ("name", "with_artifact"), [("mine", False), ("ours/mine", True)], ids=["no provider", "artifact too"]
)
async def test_an_image_without_a_provider_or_beside_an_artifact_is_refused_unsent(
    noting: NotingGateway, name: str, with_artifact: bool
) -> None:
    artifact = Artifact.from_source(SCRIPT) if with_artifact else None
    async with client_of(noting.host) as client:
        with pytest.raises(InputError, match="image"):
            await client.functions.upload(name, artifact, image="icr.io/ours/mine:1")
    assert noting.asked == []


async def test_an_upload_that_would_overwrite_a_provider_function_is_refused_unsent(noting: NotingGateway) -> None:
    noting.answers["GET programs/"] = [{**STORED, "provider": "ibm"}]
    async with client_of(noting.host) as client:
        with pytest.raises(InputError, match="ibm/mine"):
            await client.functions.upload("mine", Artifact.from_source(SCRIPT))
    assert noting.paths() == ["GET programs/"]


@pytest.mark.parametrize(
    ("name", "altered"),
    [("my fn (v1.0)", "myfnv10"), ("größe", "gre"), ("a/b c", "a/bc"), ("!!!", ""), ("", ""), ("a/b/c", "")],
)
def test_a_name_that_the_gateway_would_alter_is_refused_with_the_altered_form(name: str, altered: str) -> None:
    with pytest.raises(InputError) as error:
        split_name(name)
    assert altered in error.value.next_step


def test_a_name_is_a_title_with_or_without_a_provider() -> None:
    assert split_name("fn-1_x") == (None, "fn-1_x")
    assert split_name("q-ctrl/fn") == ("q-ctrl", "fn")


async def test_a_directory_and_a_file_end_up_in_the_gateway_as_they_are(gateway: StillGateway, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SCRIPT)
    async with client_of(gateway.host) as client:
        from_file = await client.functions.upload("from-file", Artifact.from_file(tmp_path / "main.py"))
        from_directory = await client.functions.upload(
            "from-directory", Artifact.from_directory(tmp_path, "main.py"), arguments_schema={"type": "object"}
        )
    assert (from_file.entrypoint, from_file.arguments_schema) == ("main.py", None)
    assert from_directory.arguments_schema == {"type": "object"}
    programs = [gateway.gateway.database.program(name, "") for name in ("from-file", "from-directory")]
    assert len({program.artifact for program in programs if program}) == 1, "the same content has the same bytes"


async def test_arguments_are_validated_by_the_gateway_without_a_run(gateway: StillGateway) -> None:
    schema = {"type": "object", "required": ["shots"]}
    async with client_of(gateway.host) as client:
        await client.functions.upload("strict", Artifact.from_source(SCRIPT), arguments_schema=schema)
        assert await client.functions.validate_arguments("strict", json.dumps({"shots": 1})) is None
        complaint = await client.functions.validate_arguments("strict", "{}")
    assert isinstance(complaint, BadRequest)
    assert "required" in complaint.message


async def test_the_packages_that_functions_may_depend_on_are_listed(gateway: StillGateway) -> None:
    async with client_of(gateway.host) as client:
        assert any(version.startswith("qiskit==") for version in await client.functions.dependencies_versions())


async def test_sizes_are_read_in_either_form(noting: NotingGateway) -> None:
    sizes = {"m": "cx3d-4x16"}
    async with client_of(noting.host) as client:
        for wire in (sizes, json.dumps(sizes)):
            noting.answers["GET programs/get_by_title/mine/"] = {**STORED, "sizes": wire, "default_size": "m"}
            function = await client.functions.get("mine")
            assert (function.sizes, function.default_size) == (sizes, "m")


@pytest.mark.parametrize("answer", [{"message": "a proxy"}, [1], [{"name": "no title"}]], ids=str)
async def test_an_answer_without_a_listing_is_the_gateways_fault(noting: NotingGateway, answer: Any) -> None:
    noting.answers["GET programs/"] = answer
    async with client_of(noting.host) as client:
        with pytest.raises(GatewayFault):
            await client.functions.list()
