"""The file tools as an assistant calls them, on the gateway of this machine."""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import ListRootsResult, ResourceLink, Root, TextResourceContents

from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.folders import RESULTS
from qiskit_functions_mcp.replies.files import MAX_FILE_BYTES
from qiskit_functions_mcp.settings import Settings
from support.gateways import served
from support.over_stdio import structured

VQE = {"function": "examples/vqe"}

Ask = Callable[..., Awaitable[dict[str, Any]]]


@asynccontextmanager
async def server(folder: Path, mode: str, **more: Any) -> AsyncIterator[Client]:
    """A server that may read and write in ``folder`` alone."""
    given = {"channel": "local", "home": folder.parent / "home", "allow_dirs": [folder], "consent": "never", **more}
    with served(given["home"]):
        async with Client(build_server(Settings(**given)), mode=mode) as client:
            yield client


def asking(client: Client) -> Ask:
    async def ask(tool: str, /, **arguments: Any) -> dict[str, Any]:
        """The structured answer, with ``code`` when it is an error."""
        answer = await client.call_tool(tool, {**VQE, **arguments})
        said = structured(answer)
        assert bool(answer.is_error) == ("code" in said), said
        return said

    return ask


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "outside.txt").write_text("not for you")
    return tmp_path / "allowed"


async def test_a_local_file_goes_up_is_listed_comes_back_and_is_deleted(folder: Path, mode: str) -> None:
    (folder / "my data.bin").write_bytes(os.urandom(100_000))
    async with server(folder, mode) as client:
        ask = asking(client)
        sent = await ask("upload_file", path="my data.bin")
        assert (sent["name"], "my data.bin" in sent["renamed"]) == ("my_data.bin", True)
        (listed,) = (await ask("list_files"))["files"]
        assert (listed["name"], listed["size_bytes"]) == ("my_data.bin", 100_000)
        assert datetime.now(UTC) - datetime.fromisoformat(listed["modified"]) < timedelta(hours=1)
        fetched = await ask("download_file", name="my_data.bin", path="new/back.bin")
        back = folder / RESULTS / "new" / "back.bin"
        assert (fetched["size_bytes"], fetched["path"]) == (100_000, str(back))
        await ask("delete_file", name="my_data.bin")
        assert (await ask("list_files"))["total"] == 0
    assert back.read_bytes() == (folder / "my data.bin").read_bytes()


async def test_content_goes_both_ways_as_text_and_as_base64(folder: Path, mode: str) -> None:
    data = bytes(range(256))
    async with server(folder, mode) as client:
        ask = asking(client)
        sent = await ask("upload_file", name="notes.txt", content="größe\n")
        assert "renamed" not in sent
        await ask("upload_file", name="data.bin", content=b64encode(data).decode(), encoding="base64")
        text = await ask("read_file", name="notes.txt")
        binary = await ask("read_file", name="data.bin")
    assert (text["content"], text["encoding"], text["size_bytes"]) == ("größe\n", "text", 8)
    assert (b64decode(binary["content"]), binary["encoding"]) == (data, "base64")


async def test_a_reply_stays_in_its_budget_and_counts_what_it_left_out(folder: Path, mode: str) -> None:
    (folder / "long.txt").write_text('"\n' * 50_000)
    (folder / "long.bin").write_bytes(bytes(range(256)) * 400)
    async with server(folder, mode) as client:
        ask = asking(client)
        for name in ("long.txt", "long.bin"):
            await ask("upload_file", path=name)
        text, binary = [await client.call_tool("read_file", {**VQE, "name": f"long.{e}"}) for e in ("txt", "bin")]
    for answer in (text, binary):
        assert len(structured(answer)["left_out"]) > 0
        assert len(str(answer.content[0])) < 2 * 20_000
    shown = structured(text)["content"]
    assert structured(text)["left_out"].startswith(f"{100_000 - len(shown)} of 100000 characters")
    assert "content" not in structured(binary), "half of a base64 text is of no use"


@pytest.mark.parametrize("data", [('"ü\n' * 700_000).encode(), bytes(range(256)) * 12_000], ids=["text", "bytes"])
async def test_what_does_not_fit_into_a_reply_is_linked_and_read_whole(folder: Path, mode: str, data: bytes) -> None:
    (folder / "long.dat").write_bytes(data)
    async with server(folder, mode) as client:
        await asking(client)("upload_file", path="long.dat")
        answer = await client.call_tool("read_file", {**VQE, "name": "long.dat"})
        (link,) = [block for block in answer.content if isinstance(block, ResourceLink)]
        assert structured(answer)["link"] == link.uri == "qiskit-functions://files/examples/vqe/long.dat"
        (content,) = (await client.read_resource(link.uri)).contents
    read = content.text.encode() if isinstance(content, TextResourceContents) else b64decode(content.blob)
    assert read == data


async def test_a_file_that_no_message_takes_goes_to_a_local_one_that_is_linked(folder: Path, mode: str) -> None:
    (folder / "large.bin").write_bytes(bytes(MAX_FILE_BYTES + 1))
    async with server(folder, mode) as client:
        ask = asking(client)
        await ask("upload_file", path="large.bin")
        assert "local file" in (await ask("read_file", name="large.bin"))["next_step"]
        with pytest.raises(MCPError, match=f"more than {MAX_FILE_BYTES} bytes"):
            await client.read_resource("qiskit-functions://files/examples/vqe/large.bin")
        fetched = await ask("download_file", name="large.bin", path="back.bin")
    assert fetched["link"] == (folder / RESULTS / "back.bin").as_uri()


async def test_files_of_both_scopes_can_be_attached_too(folder: Path, mode: str) -> None:
    async with server(folder, mode) as client:
        ask = asking(client)
        await client.call_tool("upload_function", {"title": "mine", "source": "print(1)"})
        await ask("upload_file", function="mine", name="own.txt", content="own")
        await ask("upload_file", name="theirs.txt", content="theirs", scope="provider")
        for uri, text in (("files/mine/own.txt", "own"), ("provider-files/examples/vqe/theirs.txt", "theirs")):
            (content,) = (await client.read_resource(f"qiskit-functions://{uri}")).contents
            assert isinstance(content, TextResourceContents)
            assert content.text == text
        for uri in ("files/mine/nothing.txt", "files/mine/..%2Fmine", "files/unknown/own.txt"):
            with pytest.raises(MCPError):
                await client.read_resource(f"qiskit-functions://{uri}")


async def test_a_read_only_server_fetches_files_but_writes_none(folder: Path, mode: str) -> None:
    async with server(folder, mode) as client:
        await asking(client)("upload_file", name="notes.txt", content="text")
    async with server(folder, mode, read_only=True) as client:
        ask = asking(client)
        assert (await ask("read_file", name="notes.txt"))["content"] == "text"
        refused = await ask("download_file", name="notes.txt")
    assert refused["code"] == "unknown_tool"
    assert [path async for path in anyio.Path(folder).iterdir()] == []


async def test_lists_page_with_a_cursor(folder: Path, mode: str) -> None:
    async with server(folder, mode) as client:
        ask = asking(client)
        for number in range(3):
            await ask("upload_file", name=f"{number}.txt", content="text")
        first = await ask("list_files", limit=2)
        rest = await ask("list_files", limit=2, cursor=first["next_cursor"])
    assert [file["name"] for page in (first, rest) for file in page["files"]] == ["0.txt", "1.txt", "2.txt"]
    assert (first["total"], "next_cursor" in rest) == (3, False)


@pytest.mark.parametrize(
    ("tool", "arguments", "code", "words"),
    [
        ("upload_file", {}, "invalid_input", "exactly one"),
        ("upload_file", {"path": "a", "content": "b"}, "invalid_input", "exactly one"),
        ("upload_file", {"path": "missing.txt"}, "invalid_input", "cannot be read"),
        ("upload_file", {"path": "../outside.txt"}, "invalid_input", "outside the allowed folders"),
        ("upload_file", {"path": "/etc/passwd"}, "invalid_input", "outside the allowed folders"),
        ("upload_file", {"content": "text"}, "invalid_input", "name"),
        ("upload_file", {"name": "x", "content": "no base64!", "encoding": "base64"}, "invalid_input", "base64"),
        ("upload_file", {"name": "x.txt", "content": "#!/bin/sh\n"}, "bad_request", "valid type"),
        ("upload_file", {"name": "x", "content": "x" * (MAX_FILE_BYTES + 1)}, "invalid_input", "local file"),
        ("read_file", {"name": "missing.txt"}, "not_found", "not found"),
        ("download_file", {"name": "missing.txt"}, "not_found", "not found"),
        ("download_file", {"name": "x", "path": "../outside.txt"}, "invalid_input", "outside the allowed folders"),
        ("download_file", {"name": "x", "path": "here.txt"}, "invalid_input", "already exists"),
        ("read_file", {"name": "../x"}, "invalid_input", "not a file's name"),
        ("delete_file", {"name": "missing.txt"}, "not_found", "not found"),
        ("list_files", {"function": "unknown/nothing"}, "not_found", "nothing"),
        ("list_files", {"function": "own", "scope": "provider"}, "invalid_input", "provider"),
    ],
)
async def test_a_call_that_cannot_succeed_says_why(
    folder: Path, mode: str, tool: str, arguments: dict[str, Any], code: str, words: str
) -> None:
    (folder / RESULTS).mkdir()
    (folder / RESULTS / "here.txt").write_text("before")
    async with server(folder, mode) as client:
        error = await asking(client)(tool, **arguments)
    assert error["code"] == code
    assert words in f"{error['message']} {error.get('next_step')}"
    assert (folder / RESULTS / "here.txt").read_text() == "before"
    assert (folder.parent / "outside.txt").read_text() == "not for you"


async def test_a_link_that_leads_out_is_not_followed(folder: Path, mode: str) -> None:
    (folder / "link.txt").symlink_to(folder.parent / "outside.txt")
    async with server(folder, mode) as client:
        error = await asking(client)("upload_file", path="link.txt")
    assert error["code"] == "invalid_input"


async def test_a_long_transfer_reports_its_progress(folder: Path, mode: str) -> None:
    (folder / "big.bin").write_bytes(bytes(range(256)) * 12_000)
    heard: list[tuple[float, float | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total))

    async with server(folder, mode) as client:
        await client.call_tool("upload_file", {**VQE, "path": "big.bin"}, progress_callback=hear)
    assert heard[-1] == (3_072_000, 3_072_000)


async def test_what_could_be_code_is_saved_only_after_a_question_about_its_content(folder: Path, mode: str) -> None:
    async with server(folder, mode, consent="auto") as client:
        ask = asking(client)
        for name in ("conftest.py", "data.csv"):
            await ask("upload_file", name=name, content="first")
        assert "path" in await ask("download_file", name="data.csv")
        wanted = {"name": "conftest.py", "path": str(folder / "conftest.py")}
        error = await ask("download_file", **wanted)
        assert error["code"] == "consent_needed"
        assert f"as {folder / 'conftest.py'}?" in error["message"]
        assert "can be run as code" in error["message"]
        assert (
            "outside the folder for results"
            in (await ask("download_file", name="data.csv", path=f"{folder}/d.csv"))["message"]
        )
        token = re.findall(r"confirm='([^']+)'", error["next_step"])[0]
        replacing = await ask("upload_file", name="conftest.py", content="other")
        agreed = re.findall(r"confirm='([^']+)'", replacing["next_step"])[0]
        await client.call_tool("upload_file", {"function": "examples/vqe", "confirm": agreed})
        changed = await ask("download_file", confirm=token, name="conftest.py")
        assert "has changed" in changed["message"]
        assert not (folder / "conftest.py").exists()
        token = re.findall(r"confirm='([^']+)'", changed["next_step"])[0]
        assert (await ask("download_file", confirm=token, name="conftest.py"))["path"] == wanted["path"]
    assert (folder / "conftest.py").read_text() == "other"


async def test_without_an_allowed_folder_the_roots_of_the_client_are_used(
    folder: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    (folder / "data.csv").write_text("1,2")
    settings = Settings(channel="local", home=folder.parent / "home")

    async def roots(context: ClientRequestContext) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri="file:///"), Root(uri=folder.as_uri())])

    async with Client(build_server(settings), mode=mode, list_roots_callback=roots) as client:
        assert (await asking(client)("upload_file", path="data.csv"))["name"] == "data.csv"
        saved = await asking(client)("download_file", name="data.csv")
        # What names no file that is read ends with the reader's error, so it was allowed.
        run = {"function": "examples/sampler", "arguments": {"circuit": {"$file": "missing.qasm"}}}
        assert "no local folder" not in structured(await client.call_tool("check_run", run))["message"]
    assert saved["path"] == str(folder / RESULTS / "data.csv")
    async with Client(build_server(settings), mode=mode) as client:
        error = await asking(client)("upload_file", path="data.csv")
        assert structured(await client.call_tool("check_run", run)) == error
    assert "no local folder is allowed" in error["message"]
    assert "--allow-dir" in error["next_step"]
