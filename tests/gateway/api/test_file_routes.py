"""Files of functions over the API: in, out, listed, removed; whole or not at all; whatever they are called."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qiskit_functions_gateway.api.files import stored_name
from qiskit_functions_gateway.storage.incoming import IncomingFile
from qiskit_functions_gateway.storage.pruning import sweep
from support.raw_http import BOUNDARY, Answer, multipart
from support.serving import eventually
from support.still_gateway import TOKEN, StillGateway, still_gateway

MINE = {"function": "mine"}
THEIRS = {"function": "theirs", "provider": "examples"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StillGateway]:
    with still_gateway(tmp_path_factory.mktemp("files")) as still:
        for title, provider in (("mine", ""), ("other", ""), ("theirs", "examples"), ("theirs-too", "examples")):
            still.put_function(title, provider)
        yield still


@pytest.fixture(autouse=True)
def no_files_before(gateway: StillGateway) -> None:
    for provider, title in (("", "mine"), ("examples", "theirs")):
        for path in data_path(gateway, provider, title).glob("*"):
            path.unlink()


def data_path(gateway: StillGateway, provider: str = "", title: str = "mine") -> Path:
    return gateway.gateway.data_folder.function_data(provider, title).path


def upload(
    gateway: StillGateway, name: str, content: bytes = b"text\n", *, where: str = "", of: dict[str, str] = MINE
) -> Answer:
    form, content_type = multipart({}, {"file": (name, content)})
    headers = {"Content-Type": content_type}
    return gateway.send("POST", f"files/{where}upload/", params=of, headers=headers, content=form)


def stored(answer: Answer) -> str:
    assert answer.status == 200, answer
    return Path(answer.body["message"]).name


def download(gateway: StillGateway, name: str, *, where: str = "", of: dict[str, str] = MINE) -> Answer:
    return gateway.send("GET", f"files/{where}download/", params={**of, "file": name})


def delete(gateway: StillGateway, name: str) -> Answer:
    return gateway.send("DELETE", "files/delete/", params={**MINE, "file": name})


def listed(gateway: StillGateway, where: str = "", *, of: dict[str, str] = MINE) -> Any:
    return gateway.send("GET", f"files/{where}", params=of).body["results"]


def test_a_file_comes_back_as_it_went_in(gateway: StillGateway) -> None:
    content = bytes(range(256)) * 40_000
    assert stored(upload(gateway, "data.bin", content)) == "data.bin"
    answer = download(gateway, "data.bin")
    assert answer.content == content
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-disposition"] == "attachment; filename=data.bin"
    assert delete(gateway, "data.bin").body == {"message": "Requested file was deleted."}
    assert download(gateway, "data.bin").status == delete(gateway, "data.bin").status == 404


def test_all_of_the_users_own_functions_share_a_folder_and_a_providers_function_has_its_own(
    gateway: StillGateway,
) -> None:
    upload(gateway, "a.txt")
    upload(gateway, "b.txt", of=THEIRS)
    upload(gateway, "secret.txt", where="provider/", of=THEIRS)
    assert listed(gateway, of={"function": "other"}) == ["a.txt"]
    assert listed(gateway, of=THEIRS) == ["b.txt"]
    assert listed(gateway, "provider/", of=THEIRS) == ["secret.txt"]
    assert listed(gateway, of={"function": "theirs-too", "provider": "examples"}) == []
    assert download(gateway, "secret.txt", of=THEIRS).status == 404
    assert download(gateway, "secret.txt", where="provider/", of=THEIRS).content == b"text\n"


def test_files_are_in_the_functions_data_path(gateway: StillGateway) -> None:
    upload(gateway, "in.csv", b"1,2\n")
    assert (data_path(gateway) / "in.csv").read_bytes() == b"1,2\n"
    (data_path(gateway) / "made by the function (1).txt").write_text("out")
    assert download(gateway, "made by the function (1).txt").content == b"out"
    assert delete(gateway, "made by the function (1).txt").status == 200


def test_the_same_name_replaces_the_file_at_once_and_nothing_is_left_beside_it(gateway: StillGateway) -> None:
    upload(gateway, "x.txt", b"old")
    being_read = (data_path(gateway) / "x.txt").open("rb")
    with being_read:
        upload(gateway, "x.txt", b"new and longer")
        assert being_read.read() == b"old"
    assert download(gateway, "x.txt").content == b"new and longer"
    assert list((gateway.gateway.data_folder.path / "uploads").iterdir()) == []


def test_a_download_is_of_the_file_as_it_was_when_it_began(gateway: StillGateway) -> None:
    path = data_path(gateway) / "growing.log"
    upload(gateway, "growing.log", b"1" * 2_000_000)
    connection = HTTPConnection(urlsplit(gateway.host).netloc, timeout=30)
    url = "/api/v1/files/download/?function=mine&file=growing.log"
    connection.request("GET", url, headers={"Authorization": f"Bearer {TOKEN}"})
    response = connection.getresponse()
    with path.open("ab") as file:
        file.write(b"2" * 2_000_000)
    assert response.read() == b"1" * 2_000_000
    connection.close()


async def test_an_upload_that_breaks_off_leaves_the_old_file_and_no_trace(gateway: StillGateway) -> None:
    upload(gateway, "whole.txt", b"old")
    form, content_type = multipart({}, {"file": ("whole.txt", b"new" * 100_000)})
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": content_type, "Content-Length": str(len(form))}
    connection = HTTPConnection(urlsplit(gateway.host).netloc, timeout=30)
    connection.putrequest("POST", "/api/v1/files/upload/?function=mine")
    for name, value in headers.items():
        connection.putheader(name, value)
    uploads = gateway.gateway.data_folder.path / "uploads"

    async def comes_in() -> bool:
        return bool(list(uploads.iterdir()))

    async def is_gone() -> bool:
        return not list(uploads.iterdir())

    connection.endheaders(form[: len(form) // 2])
    await eventually(comes_in)
    connection.close()
    await eventually(is_gone)
    assert download(gateway, "whole.txt").content == b"old"


def test_what_a_killed_gateway_left_of_an_upload_is_removed_whatever_the_clock_says(gateway: StillGateway) -> None:
    upload(gateway, "x.txt")
    home = gateway.gateway.data_folder
    received = IncomingFile(home)
    (home.uploads / "left").touch()
    for path in home.uploads.iterdir():
        os.utime(path, (0, 0))
    sweep(home, gateway.gateway.database, ())
    (path,) = home.uploads.iterdir()
    assert path.name != "left"
    received.move(home.path / "moved")
    assert (home.path / "moved").exists()


@pytest.mark.parametrize("cut", [3, 30, 200])
def test_a_form_that_ends_too_early_is_refused(gateway: StillGateway, cut: int) -> None:
    form, content_type = multipart({}, {"file": ("half.txt", b"x" * 1000)})
    answer = gateway.send(
        "POST", "files/upload/", params=MINE, headers={"Content-Type": content_type}, content=form[:-cut]
    )
    assert answer.status == 400
    assert "Multipart form parse error" in answer.body["message"]
    assert listed(gateway) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("my file (1)é.txt", "my_file_1_.txt"),
        ("../../../etc/passwd.txt", "passwd.txt"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("a..b.txt", "a_b.txt"),
        ("данные.csv", "_.csv"),
        ("结果.json", "_.json"),
        (".hidden", ".hidden"),
        ("...", "_."),
        ("a\tb\x7f.txt", "a_b_.txt"),
        ("x" * 10_000 + ".txt", "x" * 251 + ".txt"),
        ("x." + "y" * 10_000, None),
        ("$(rm -rf ~);`id`.txt", "_rm_-rf_id_.txt"),
    ],
)
def test_a_hostile_name_is_made_harmless_and_finds_its_file_again(
    gateway: StillGateway, name: str, expected: str | None
) -> None:
    if len(name) > 2000:
        # A header of a part has a bound of its own; the name rule alone is at stake here.
        assert len(stored_name(name)) <= 255
        assert expected in (None, stored_name(name))
        return
    given_name = stored(upload(gateway, name))
    assert given_name == expected
    base = name.replace("\\", "/").rpartition("/")[2]
    assert download(gateway, base).status == 200
    assert download(gateway, given_name).status == 200
    assert delete(gateway, base).status == 200
    assert listed(gateway) == []


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1, max_size=300))
def test_a_stored_name_is_one_that_every_file_system_takes_and_is_stable(name: str) -> None:
    cleaned = stored_name(name)
    assert set(cleaned) <= set("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-")
    assert 1 <= len(cleaned) <= 255
    assert "/" not in cleaned
    assert cleaned != ".."
    assert stored_name(cleaned) == cleaned


@pytest.mark.parametrize("name", ["", ".", "..", "a/", "dir/.."])
def test_a_file_without_a_name_is_no_file(gateway: StillGateway, name: str) -> None:
    answer = upload(gateway, name)
    assert (answer.status, answer.body) == (400, {"message": "A file should be uploaded."})


@pytest.mark.parametrize(
    "name",
    [
        "../mine/x",
        "..",
        ".",
        "/",
        "//",
        "x/../x",
        "\\x",
        "x\0",
        "\0",
        "é" * 4000,
        "a" * 5000,
        "arguments",
        "arguments/x",
    ],
)
def test_no_name_leads_out_of_the_folder_or_into_another(gateway: StillGateway, name: str) -> None:
    upload(gateway, "x")
    for answer in (download(gateway, name), delete(gateway, name)):
        assert answer.status in (400, 404), answer
    assert listed(gateway) == ["x"]


def test_links_pipes_and_folders_of_a_function_are_no_files(gateway: StillGateway, tmp_path: Path) -> None:
    folder = data_path(gateway)
    folder.mkdir(parents=True, exist_ok=True)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (folder / "link").symlink_to(secret)
    os.mkfifo(folder / "pipe")
    assert listed(gateway) == []
    assert {download(gateway, name).status for name in ("link", "pipe")} == {404}
    # An upload replaces a link, it does not write through it.
    assert stored(upload(gateway, "link", b"mine")) == "link"
    assert secret.read_text() == "secret"
    assert download(gateway, "link").content == b"mine"


def test_an_upload_in_place_of_a_functions_folder_is_refused(gateway: StillGateway) -> None:
    folder = data_path(gateway) / "results"
    folder.mkdir(parents=True, exist_ok=True)
    answer = upload(gateway, "results")
    assert answer.status == 400
    assert "folder" in answer.body["message"]
    folder.rmdir()


def test_a_file_over_the_limit_is_refused_while_it_comes_in(tmp_path: Path) -> None:
    with still_gateway(tmp_path, max_file_bytes=1_000_000) as gateway:
        gateway.put_function("mine")
        assert upload(gateway, "fits.bin", b"1" * 1_000_000).status == 200
        answer = upload(gateway, "large.bin", b"1" * 1_000_001)
        assert (answer.status, answer.body) == (413, {"message": "The file is larger than 1000000 bytes."})
        assert listed(gateway) == ["fits.bin"]
    assert list((tmp_path / "uploads").iterdir()) == []


@pytest.mark.parametrize("where", ["", "provider/"])
def test_what_is_missing_in_the_query_is_asked_for(gateway: StillGateway, where: str) -> None:
    for method, path in (("GET", ""), ("POST", "upload/"), ("GET", "download/"), ("DELETE", "delete/")):
        answer = gateway.send(method, f"files/{where}{path}")
        assert (answer.status, answer.body) == (400, {"message": "This field is required."}), path
        assert gateway.send(method, f"files/{where}{path}", params={"function": ""}).status == 400


def test_many_uploads_at_once_of_one_name_leave_one_whole_file(gateway: StillGateway) -> None:
    contents = [bytes([65 + number]) * 300_000 for number in range(8)]
    threads = [threading.Thread(target=upload, args=(gateway, "race.txt", content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert download(gateway, "race.txt").content in contents


def test_a_form_with_two_files_or_without_a_boundary_is_refused(gateway: StillGateway) -> None:
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nx\r\n'
    twice = f"{part}{part}--{BOUNDARY}--\r\n".encode()
    for content_type, says in (
        (f"multipart/form-data; boundary={BOUNDARY}", "one file"),
        ("multipart/form-data", "boundary"),
    ):
        answer = gateway.send(
            "POST", "files/upload/", params=MINE, headers={"Content-Type": content_type}, content=twice
        )
        assert answer.status == 400
        assert says in answer.body["message"]
    assert listed(gateway) == []


def test_content_that_is_no_form_is_no_file(gateway: StillGateway) -> None:
    answer = gateway.send("POST", "files/upload/", params=MINE, headers={"Content-Type": "text/plain"}, content=b"x")
    assert answer.status == 415


@pytest.mark.parametrize(("size", "status"), [(40, 200), (64, 400)])
def test_a_program_of_windows_is_refused_and_a_few_bytes_that_begin_like_one_are_not(
    gateway: StillGateway, size: int, status: int
) -> None:
    assert upload(gateway, "program.dat", b"MZ" + bytes(size - 2)).status == status
