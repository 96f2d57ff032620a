"""What hosts attach, offer and complete, in both protocol eras."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference, TextResourceContents

from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.settings import Settings
from support.gateways import served
from support.over_stdio import structured

SOURCE = """\
import json, os, pathlib
print("a line")
pathlib.Path(os.environ["RESULTS_PATH"]).write_text(json.dumps({"answer": 42}))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("resources") / "home"
    with served(home):
        yield home


@pytest.fixture
async def client(mode: str, home: Path) -> AsyncIterator[Client]:
    server = build_server(Settings(channel="local", home=home, consent="never"))
    async with Client(server, mode=mode) as found:
        yield found


async def finished_job(client: Client) -> str:
    await client.call_tool("upload_function", {"title": "answers", "source": SOURCE})
    job = structured(await client.call_tool("run_function", {"function": "answers", "wait_seconds": 50}))
    assert job["status"] == "DONE"
    return str(job["job_id"])


async def read(client: Client, path: str) -> str:
    (content,) = (await client.read_resource(f"qiskit-functions://{path}")).contents
    assert isinstance(content, TextResourceContents)
    return content.text


async def test_functions_jobs_results_logs_and_backends_can_be_attached(client: Client) -> None:
    job_id = await finished_job(client)
    assert '"name":"examples/vqe"' in await read(client, "functions/examples/vqe")
    assert '"name":"answers"' in await read(client, "functions/answers")
    assert '"status":"DONE"' in await read(client, f"jobs/{job_id}")
    assert await read(client, f"jobs/{job_id}/result") == '{"answer": 42}'
    assert await read(client, f"jobs/{job_id}/logs") == "a line\n"
    assert '"num_qubits":5' in await read(client, "backends/fake_manila")


@pytest.mark.parametrize(
    "path",
    [
        "functions/no-such-function",
        "jobs/00000000-0000-4000-8000-000000000000",
        "jobs/not-an-id/logs",
        "backends/ibm_atlantis",
    ],
)
async def test_what_is_not_there_is_an_error_that_says_so(client: Client, path: str) -> None:
    with pytest.raises(MCPError) as raised:
        await read(client, path)
    assert any(word in str(raised.value) for word in ("no function", "not found", "not a job id", "no backend"))


async def test_templates_are_listed_with_titles(client: Client) -> None:
    templates = (await client.list_resource_templates()).resource_templates
    assert {template.uri_template for template in templates} == {
        "qiskit-functions://functions/{provider}/{title}",
        "qiskit-functions://functions/{title}",
        "qiskit-functions://jobs/{job_id}",
        "qiskit-functions://jobs/{job_id}/result",
        "qiskit-functions://jobs/{job_id}/logs",
        "qiskit-functions://backends/{name}",
        "qiskit-functions://files/{title}/{name}",
        "qiskit-functions://files/{provider}/{title}/{name}",
        "qiskit-functions://provider-files/{provider}/{title}/{name}",
    }
    assert all(template.title for template in templates)
    resources = {str(resource.uri) for resource in (await client.list_resources()).resources}
    assert resources == {"qiskit-functions://dependencies", "qiskit-functions://guide/write-a-function"}


async def test_prompts_carry_what_the_person_wants(client: Client) -> None:
    prompts = (await client.list_prompts()).prompts
    names = {"choose_a_backend", "run_a_function", "why_did_it_fail", "write_a_function"}
    assert {prompt.name for prompt in prompts} == names
    answer = await client.get_prompt("run_a_function", {"goal": "the energy of H2", "function": "examples/vqe"})
    (message,) = answer.messages
    assert "the energy of H2" in str(message.content)
    assert "examples/vqe" in str(message.content)


async def test_names_and_ids_are_completed(client: Client) -> None:
    job_id = await finished_job(client)
    by_prompt: dict[str, Any] = {
        "function": ("run_a_function", "examples/v", ["examples/vqe"]),
        "job_id": ("why_did_it_fail", job_id[:13], [job_id]),
    }
    for argument, (prompt, begun, expected) in by_prompt.items():
        answer = await client.complete(
            PromptReference(type="ref/prompt", name=prompt), {"name": argument, "value": begun}
        )
        assert answer.completion.values == expected
    template = ResourceTemplateReference(type="ref/resource", uri="qiskit-functions://backends/{name}")
    answer = await client.complete(template, {"name": "name", "value": "fake_mani"})
    assert answer.completion.values == ["fake_manila"]
    own = ResourceTemplateReference(type="ref/resource", uri="qiskit-functions://functions/{provider}/{title}")
    answer = await client.complete(own, {"name": "provider", "value": ""})
    assert answer.completion.values == ["examples"]


async def test_what_is_completed_depends_on_what_it_is_for(client: Client) -> None:
    await client.call_tool("upload_function", {"title": "answers", "source": SOURCE})
    await client.call_tool("upload_file", {"function": "answers", "name": "data.csv", "content": "1,2"})
    expected: dict[tuple[str, str, str], list[str]] = {
        ("files/{title}/{name}", "name", ""): ["data.csv"],
        ("files/{title}/{name}", "title", ""): ["answers"],
        ("functions/{title}", "title", ""): ["answers"],
        ("functions/{provider}/{title}", "title", "vq"): ["vqe"],
        ("functions/{provider}/{title}", "title", "answ"): [],
        ("no-such/{name}", "name", ""): [],
    }
    for (template, argument, begun), values in expected.items():
        reference = ResourceTemplateReference(type="ref/resource", uri=f"qiskit-functions://{template}")
        context = {"title": "answers"} if argument == "name" else None
        answer = await client.complete(reference, {"name": argument, "value": begun}, context_arguments=context)
        assert answer.completion.values == values, template
    prompt = PromptReference(type="ref/prompt", name="run_a_function")
    answer = await client.complete(prompt, {"name": "function", "value": "samp"})
    assert answer.completion.values == ["examples/sampler"]
    nothing = PromptReference(type="ref/prompt", name="no_such_prompt")
    assert (await client.complete(nothing, {"name": "function", "value": ""})).completion.values == []


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("no_such_prompt", {}, "no prompt 'no_such_prompt'"),
        ("why_did_it_fail", {}, "lacks job_id"),
        ("why_did_it_fail", {"job_id": "x", "jobid": "y"}, "no argument jobid"),
    ],
)
async def test_a_prompt_that_cannot_be_filled_in_says_why(
    client: Client, name: str, arguments: dict[str, str], words: str
) -> None:
    with pytest.raises(MCPError, match=words):
        await client.get_prompt(name, arguments)


async def test_an_argument_that_names_nothing_has_no_completions(client: Client) -> None:
    answer = await client.complete(
        PromptReference(type="ref/prompt", name="run_a_function"), {"name": "goal", "value": "the"}
    )
    assert answer.completion.values == []


async def test_everything_that_is_offered_describes_itself(mode: str) -> None:
    async with Client(build_server(Settings()), mode=mode) as client:
        resources = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
        prompts = (await client.list_prompts()).prompts
        assert client.server_info is not None
        assert client.server_info.website_url
        (icon,) = client.server_info.icons or []
    assert icon.src.startswith("data:image/svg+xml,")
    for offered in (*resources, *templates, *prompts):
        assert offered.title, offered.name
        assert getattr(offered, "description", None), offered.name
    for prompt in prompts:
        for argument in prompt.arguments or []:
            assert argument.description, f"{prompt.name}.{argument.name}"


async def test_toolsets_hold_for_resources_prompts_and_completions_too(mode: str, home: Path) -> None:
    settings = Settings(channel="local", home=home, toolsets=["platform"])
    async with Client(build_server(settings), mode=mode) as client:
        templates = (await client.list_resource_templates()).resource_templates
        assert [template.name for template in templates] == ["backend"]
        assert (await client.list_resources()).resources == []
        assert [prompt.name for prompt in (await client.list_prompts()).prompts] == ["choose_a_backend"]
        functions = ResourceTemplateReference(type="ref/resource", uri="qiskit-functions://functions/{title}")
        completed = await client.complete(functions, {"name": "title", "value": ""})
        assert completed.completion.values == []
        backends = ResourceTemplateReference(type="ref/resource", uri="qiskit-functions://backends/{name}")
        completed = await client.complete(backends, {"name": "name", "value": "fake_man"})
        assert "fake_manila" in completed.completion.values
