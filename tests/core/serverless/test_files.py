"""Files go up and down in parts, arrive whole or not at all, and are found by the name that the gateway gave."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from pydantic import SecretStr
from starlette.responses import Response, StreamingResponse

from qiskit_functions_core import Account, Channel
from qiskit_functions_core.errors import GatewayFault, GatewayTimeout, InputError, NotFound
from qiskit_functions_core.http.transport import RetryPolicy, Timeouts
from qiskit_functions_core.serverless.files import Files
from qiskit_functions_core.serverless.gateway import gateway_transport
from qiskit_functions_core.serverless.gateway_traits import ELSEWHERE, THIS_MACHINE, GatewayTraits
from support.clients import By, InTurn, NotingGateway, client_of, noting_gateway
from support.serving import handling
from support.still_gateway import TOKEN, StillGateway, still_gateway
from support.tls import certificate

MIB = 1024 * 1024
UP, DOWN = "POST files/upload/", "GET files/download/"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StillGateway]:
    with still_gateway(tmp_path_factory.mktemp("gateway")) as still:
        still.put_function("mine")
        still.put_function("theirs", "examples")
        yield still


@pytest.fixture
def noting() -> Iterator[NotingGateway]:
    with noting_gateway({}) as gateway:
        yield gateway


@asynccontextmanager
async def files_of(
    host: str, *, traits: GatewayTraits = ELSEWHERE, timeouts: Timeouts | None = None
) -> AsyncIterator[Files]:
    account = Account(channel=Channel.LOCAL, host=host, token=SecretStr(TOKEN))
    transport = gateway_transport(account, retries=RetryPolicy(base=0.01), timeouts=timeouts)
    try:
        yield Files(transport, traits)
    finally:
        await transport.aclose()


class Heard:
    """What a transfer told of its progress."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int | None]] = []

    async def __call__(self, done: int, total: int | None) -> None:
        self.told.append((done, total))


def content_of(size: int) -> bytes:
    return os.urandom(1024) * (size // 1024)


@pytest.mark.parametrize(("function", "scope"), [("mine", "user"), ("examples/theirs", "provider")])
async def test_a_file_comes_back_unchanged(gateway: StillGateway, tmp_path: Path, function: str, scope: Any) -> None:
    content = content_of(2 * MIB + 4096)
    (tmp_path / "data.bin").write_bytes(content)
    up, down = Heard(), Heard()
    async with files_of(gateway.host) as files:
        name = await files.upload(function, tmp_path / "data.bin", scope=scope, progress=up)
        assert name in await files.list(function, scope=scope)
        size = await files.download(function, name, tmp_path / "new" / "back.bin", scope=scope, progress=down)
        assert await files.read(function, name, scope=scope, limit=len(content)) == content
        await files.delete(function, name, scope=scope)
        assert name not in await files.list(function, scope=scope)
    assert (tmp_path / "new" / "back.bin").read_bytes() == content
    assert size == len(content)
    for heard in (up, down):
        assert heard.told[-1] == (size, size)
        assert heard.told == sorted(heard.told)
        assert len(heard.told) > 1, "it goes in parts"


async def test_the_name_that_the_gateway_gave_is_returned_and_finds_the_file(gateway: StillGateway) -> None:
    async with files_of(gateway.host) as files:
        name = await files.upload("mine", b"a,b", name="my data (1).csv")
        assert name == "my_data_1_.csv"
        assert await files.read("mine", name, limit=100) == b"a,b"


@pytest.mark.parametrize("message", ["/usr/src/app/media/mockuser/notes.txt", "notes.txt"], ids=["ray", "fleets"])
async def test_a_path_on_the_server_and_a_bare_name_are_both_understood(noting: NotingGateway, message: str) -> None:
    noting.answers[UP] = {"message": message}
    async with files_of(noting.host) as files:
        assert await files.upload("examples/theirs", b"text", name="notes.txt") == "notes.txt"
    (asked,) = noting.asked
    assert asked.query == {"function": "theirs", "provider": "examples"}


async def test_an_answer_without_a_name_is_the_gateways_fault(noting: NotingGateway) -> None:
    noting.answers[UP] = {}
    async with files_of(noting.host) as files:
        with pytest.raises(GatewayFault, match="name"):
            await files.upload("mine", b"text", name="notes.txt")


async def test_a_name_cannot_break_out_of_the_form(noting: NotingGateway) -> None:
    noting.answers[UP] = {"message": "x"}
    async with files_of(noting.host) as files:
        await files.upload("mine", b"text", name='a"\r\nX-Injected: 1\r\n\r\n.txt')
    (asked,) = noting.asked
    assert list(asked.form) == ["file"]
    assert b"\r\nX-Injected" not in asked.body


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0b"])
async def test_what_is_not_a_file_name_is_refused_unsent(noting: NotingGateway, name: str) -> None:
    async with files_of(noting.host, traits=THIS_MACHINE) as files:
        with pytest.raises(InputError, match="not a file's name"):
            await files.delete("mine", name)
    assert noting.asked == []


@pytest.mark.parametrize("name", ["a b.txt", "größe.csv", "a..b"])
async def test_a_name_by_which_the_gateway_may_find_another_file_is_refused_unsent(
    noting: NotingGateway, name: str, tmp_path: Path
) -> None:
    async with files_of(noting.host) as files:
        with pytest.raises(InputError, match="another file"):
            await files.delete("mine", name)
        with pytest.raises(InputError, match="another file"):
            await files.download("mine", name, tmp_path / "x")
    assert noting.asked == []


async def test_a_gateway_that_keeps_names_as_they_are_finds_them(gateway: StillGateway) -> None:
    folder = gateway.gateway.data_folder.function_data("", "mine").path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "by the function.txt").write_text("result")
    async with files_of(gateway.host, traits=THIS_MACHINE) as files:
        assert await files.read("mine", "by the function.txt", limit=100) == b"result"


async def test_files_of_a_provider_need_one(noting: NotingGateway) -> None:
    async with files_of(noting.host) as files:
        with pytest.raises(InputError, match="provider"):
            await files.list("mine", scope="provider")
    assert noting.asked == []


async def test_a_missing_file_is_not_found_and_the_target_stays_as_it_was(
    gateway: StillGateway, tmp_path: Path
) -> None:
    target = tmp_path / "target.txt"
    target.write_text("before")
    async with files_of(gateway.host) as files:
        with pytest.raises(NotFound):
            await files.download("mine", "nothing.txt", target)
        with pytest.raises(NotFound):
            await files.delete("mine", "nothing.txt")
    assert contents(tmp_path) == {"target.txt": b"before"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def broken_off(_: Any, half: bytes = b"half") -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield half
        raise ConnectionError("the worker died")

    return StreamingResponse(parts(), headers={"content-length": str(2 * len(half))})


@pytest.mark.parametrize("half", [b"half", bytes(2 * MIB)], ids=["small", "large"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_download_that_breaks_off_leaves_nothing_behind(
    noting: NotingGateway, tmp_path: Path, half: bytes
) -> None:
    target = tmp_path / "target.txt"
    target.write_text("before")
    noting.answers[DOWN] = By(partial(broken_off, half=half))
    async with files_of(noting.host) as files:
        with pytest.raises(GatewayTimeout, match="broke off"):
            await files.download("mine", "notes.txt", target)
    assert contents(tmp_path) == {"target.txt": b"before"}
    assert len(noting.asked) == 3, "it was tried again"


@pytest.mark.parametrize("sent", [b"part", bytes(2 * MIB)], ids=["small", "large"])
async def test_a_download_that_stalls_ends_in_time_and_leaves_nothing_behind(
    noting: NotingGateway, tmp_path: Path, sent: bytes
) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield sent
        await anyio.sleep_forever()

    noting.answers[DOWN] = By(lambda _: StreamingResponse(parts(), headers={"content-length": str(2 * len(sent))}))
    async with files_of(noting.host, timeouts=Timeouts(read=0.2)) as files:
        with pytest.raises(GatewayTimeout, match="broke off"):
            await files.download("mine", "notes.txt", tmp_path / "target.txt")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("size", [1, MIB, MIB + 1, 5 * MIB])
async def test_a_download_of_any_size_is_complete_over_tls(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = random.Random(size).randbytes(size)
    cert, key = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with noting_gateway({DOWN: Response(content)}, (cert, key)) as gateway:
        async with files_of(gateway.host) as files:
            for _ in range(2):
                assert await files.download("mine", "big.bin", tmp_path / "target.bin") == size
                assert (tmp_path / "target.bin").read_bytes() == content


@pytest.mark.parametrize("part", [50_000, MIB])
async def test_a_chunked_download_is_complete_whatever_length_is_announced(part: int, tmp_path: Path) -> None:
    content = random.Random(part).randbytes(4 * MIB)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            for start in range(0, len(content), part):
                piece = content[start : start + part]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    with handling(Handler) as host:
        async with files_of(host) as files:
            await files.download("mine", "big.bin", tmp_path / "target.bin")
    assert (tmp_path / "target.bin").read_bytes() == content


async def test_a_download_cancelled_at_its_end_leaves_nothing_half_done(noting: NotingGateway, tmp_path: Path) -> None:
    noting.answers[DOWN] = Response(bytes(3 * MIB))
    with anyio.CancelScope() as scope:

        async def cancel(done: int, total: int | None) -> None:
            if done == total:
                scope.cancel()

        async with files_of(noting.host) as files:
            await files.download("mine", "big.bin", tmp_path / "target.bin", progress=cancel)
    assert names(tmp_path) <= {"target.bin"}


async def test_a_download_has_the_permissions_of_the_file_that_it_replaces(
    noting: NotingGateway, tmp_path: Path
) -> None:
    noting.answers[DOWN] = Response(b"content")
    (tmp_path / "old.txt").write_text("old")
    (tmp_path / "old.txt").chmod(0o640)
    (tmp_path / "usual.txt").touch()
    async with files_of(noting.host) as files:
        for name in ("old.txt", "new.txt"):
            await files.download("mine", "notes.txt", tmp_path / name)
    assert stat.S_IMODE((tmp_path / "old.txt").stat().st_mode) == 0o640
    assert (tmp_path / "new.txt").stat().st_mode == (tmp_path / "usual.txt").stat().st_mode


async def test_a_retried_download_has_nothing_of_the_first_attempt(noting: NotingGateway, tmp_path: Path) -> None:
    noting.answers[DOWN] = InTurn([By(broken_off), Response(status_code=503), Response(b"whole")])
    async with files_of(noting.host) as files:
        assert await files.download("mine", "notes.txt", tmp_path / "target.txt") == 5
    assert contents(tmp_path) == {"target.txt": b"whole"}


async def test_a_cancelled_download_leaves_nothing_behind(noting: NotingGateway, tmp_path: Path) -> None:
    noting.answers[DOWN] = Response(bytes(3 * MIB))
    with anyio.CancelScope() as scope:

        async def cancel(done: int, total: int | None) -> None:
            scope.cancel()

        async with files_of(noting.host) as files:
            await files.download("mine", "big.bin", tmp_path / "target.bin", progress=cancel)
    assert scope.cancelled_caught
    assert contents(tmp_path) == {}


async def test_a_target_that_cannot_be_written_is_an_input_error(noting: NotingGateway, tmp_path: Path) -> None:
    noting.answers[DOWN] = Response(b"whole")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    async with files_of(noting.host) as files:
        for target in (tmp_path / "folder", tmp_path / "file" / "below"):
            with pytest.raises(InputError, match="cannot be written"):
                await files.download("mine", "notes.txt", target)
    assert names(tmp_path) == {"folder", "file"}


async def test_a_file_that_was_made_meanwhile_is_not_replaced_where_a_new_one_is_wanted(
    noting: NotingGateway, tmp_path: Path
) -> None:
    target = tmp_path / "target.bin"
    noting.answers[DOWN] = Response(bytes(3 * MIB))

    async def make(done: int, total: int | None) -> None:
        target.write_bytes(b"the person's")

    async with files_of(noting.host) as files:
        with pytest.raises(InputError, match="cannot be written: it exists"):
            await files.download("mine", "big.bin", target, progress=make, overwrite=False)
    assert contents(tmp_path) == {"target.bin": b"the person's"}


async def test_a_file_larger_than_the_disk_is_refused_before_it_fills_the_disk(
    noting: NotingGateway, tmp_path: Path
) -> None:
    heard = Heard()
    noting.answers[DOWN] = By(lambda _: StreamingResponse(much(), headers={"content-length": str(2**60)}))
    async with files_of(noting.host) as files:
        with pytest.raises(InputError, match="bytes free, too few") as refused:
            await files.download("mine", "big.bin", tmp_path / "target.bin", progress=heard)
    assert "make room" in refused.value.next_step
    assert (heard.told, contents(tmp_path)) == ([], {})


async def much() -> AsyncIterator[bytes]:
    for _ in range(40):
        yield bytes(MIB)


async def test_a_file_whose_size_is_not_told_stops_while_the_disk_has_room_for_others(
    noting: NotingGateway, small_disk: Path
) -> None:
    heard = Heard()
    noting.answers[DOWN] = By(lambda _: StreamingResponse(much()))
    async with files_of(noting.host) as files:
        with pytest.raises(InputError, match="bytes free, too few"):
            await files.download("mine", "big.bin", small_disk / "target.bin", progress=heard)
    assert 0 < heard.told[-1][0] <= 8 * MIB
    assert contents(small_disk) == {}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("announced", [True, False])
async def test_reading_stops_at_the_limit(noting: NotingGateway, announced: bool) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield bytes(MIB)

    noting.answers[DOWN] = Response(bytes(MIB)) if announced else StreamingResponse(parts())
    async with files_of(noting.host) as files:
        with pytest.raises(InputError, match="more than 1000 bytes"):
            await files.read("mine", "big.bin", limit=1000)


@pytest.mark.parametrize("name", ["missing.txt", "folder", "empty.txt", "pipe"])
async def test_what_cannot_be_uploaded_is_refused_unsent(noting: NotingGateway, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.txt").touch()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    async with files_of(noting.host) as files:
        with pytest.raises(InputError):
            await files.upload("mine", tmp_path / name)
        with pytest.raises(InputError, match="name"):
            await files.upload("mine", b"content without one")
    assert noting.asked == []


async def test_a_file_that_shrinks_while_it_is_sent_is_not_stored(gateway: StillGateway, tmp_path: Path) -> None:
    source = tmp_path / "shrinks.bin"
    source.write_bytes(bytes(3 * MIB))

    async def shrink(done: int, total: int | None) -> None:
        os.truncate(source, MIB)

    async with files_of(gateway.host) as files:
        with pytest.raises(InputError, match="shorter"):
            await files.upload("mine", source, progress=shrink)
        assert "shrinks.bin" not in await files.list("mine")


async def test_a_file_that_grows_while_it_is_sent_is_stored_as_it_was(gateway: StillGateway, tmp_path: Path) -> None:
    source = tmp_path / "grows.bin"
    source.write_bytes(b"1" * 2 * MIB)

    async def grow(done: int, total: int | None) -> None:
        with source.open("ab") as file:
            file.write(b"2")

    async with files_of(gateway.host) as files:
        await files.upload("mine", source, progress=grow)
        assert await files.read("mine", "grows.bin", limit=3 * MIB) == b"1" * 2 * MIB


@pytest.mark.parametrize("size", [1, 3 * MIB])
async def test_a_file_that_is_not_the_one_that_was_agreed_to_is_not_stored(
    gateway: StillGateway, tmp_path: Path, size: int
) -> None:
    source = tmp_path / f"agreed-{size}.bin"
    source.write_bytes(b"2" * size)
    agreed = hashlib.sha256(source.read_bytes()).hexdigest()
    async with files_of(gateway.host) as files:
        await files.upload("mine", source, sha256=agreed)
        source.write_bytes(b"3" + b"2" * (size - 1))
        with pytest.raises(InputError, match="was changed meanwhile; it was not stored"):
            await files.upload("mine", source, sha256=agreed)
        assert await files.read("mine", source.name, limit=size) == b"2" * size


async def test_an_upload_that_is_cancelled_stores_nothing(gateway: StillGateway, tmp_path: Path) -> None:
    (tmp_path / "cancelled.bin").write_bytes(bytes(3 * MIB))
    with anyio.CancelScope() as scope:

        async def cancel(done: int, total: int | None) -> None:
            scope.cancel()

        async with files_of(gateway.host) as files:
            await files.upload("mine", tmp_path / "cancelled.bin", progress=cancel)
    async with files_of(gateway.host) as files:
        assert "cancelled.bin" not in await files.list("mine")


async def test_an_answer_without_a_listing_is_the_gateways_fault(noting: NotingGateway) -> None:
    noting.answers["GET files/"] = ["a.txt"]
    async with files_of(noting.host) as files:
        with pytest.raises(GatewayFault, match="list of files"):
            await files.list("mine")


async def test_an_upload_that_was_cut_off_says_what_may_exist() -> None:
    fault = Response("<h1>Bad gateway</h1>", 502)
    with noting_gateway({"POST files/upload/": fault, "DELETE files/delete/": fault}) as gateway:
        async with client_of(gateway.host) as client:
            with pytest.raises(GatewayFault, match=r"data\.csv may be there") as error:
                await client.files.upload("f", b"1,2", name="data.csv")
            assert "list_files" in error.value.next_step
            with pytest.raises(GatewayFault, match="may have been deleted"):
                await client.files.delete("f", "data.csv")
    with noting_gateway({}) as gateway:
        async with client_of(gateway.host) as client:
            for name in ("n" * 300, "nul\0"):
                with pytest.raises(InputError):
                    await client.files.upload("f", Path(name))
    assert gateway.asked == []
