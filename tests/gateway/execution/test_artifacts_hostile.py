"""Archives that no honest program makes: nothing of them gets out of its folder, and none takes long."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from qiskit_functions_gateway.execution.unpacking import CannotUnpack, unpack
from support.gateways import archive, user_of


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def packed(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.LNKTYPE, linkname=target)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file beside the folder that is unpacked to."""
    path = tmp_path / "outside.txt"
    path.write_text("mine")
    return path


LEADING_OUT = {
    "a parent": [member("../outside.txt", b"yours")],
    "a parent further in": [member("a/../../outside.txt", b"yours")],
    "a link to a parent": [link("out", ".."), member("out/outside.txt", b"yours")],
    "an absolute link": [link("out", "/tmp"), member("out/x", b"yours")],
    "a link over a link": [link("out", "../outside.txt"), member("out", b"yours")],
    "a link in another case": [link("Out", ".."), member("out/outside.txt", b"yours")],
    "links that lead out together": [
        member("a/b/c/file", b""),
        link("short", "a/b/c"),
        link("out", "short/../../../.."),
        member("out/outside.txt", b"yours"),
    ],
    "a hard link": [hard_link("hard", "../outside.txt"), member("hard", b"yours")],
    "a hard link to a link": [link("soft", "../outside.txt"), hard_link("hard", "soft")],
    "a device": [member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "a pipe": [member("pipe", type=tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("name", LEADING_OUT)
def test_what_leads_out_is_refused_and_writes_nothing_there(tmp_path: Path, outside: Path, name: str) -> None:
    target = tmp_path / "target"
    with pytest.raises(CannotUnpack):
        unpack(packed(tmp_path / "artifact.tar", *LEADING_OUT[name]), target)
    assert outside.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"outside.txt", "artifact.tar", "target"}
    assert not [path for path in target.rglob("*") if not (path.is_file() or path.is_dir() or path.is_symlink())]


def test_an_absolute_path_is_taken_as_a_relative_one(tmp_path: Path, outside: Path) -> None:
    unpack(packed(tmp_path / "artifact.tar", member(str(outside), b"yours")), tmp_path / "target")
    assert outside.read_text() == "mine"
    assert (tmp_path / "target" / outside.relative_to("/")).read_text() == "yours"


def test_links_inside_are_kept(tmp_path: Path) -> None:
    members = [member("a/file", b"text"), link("b", "a/file"), hard_link("c", "a/file")]
    unpack(packed(tmp_path / "artifact.tar", *members), tmp_path / "target")
    assert {name: (tmp_path / "target" / name).read_text() for name in "bc"} == {"b": "text", "c": "text"}


def test_endless_entries_are_refused_after_ten_thousand(tmp_path: Path) -> None:
    header = member("x")[0].tobuf()
    path = tmp_path / "artifact.tar"
    path.write_bytes(header * 100_000)
    with pytest.raises(CannotUnpack, match="10,000 files"):
        unpack(path, tmp_path / "target")


def compressed_zeros(path: Path, info: tarfile.TarInfo, size: int) -> Path:
    """A header that promises ``size``, and as many zeros as are ever read, a thousandth of that on disk."""
    info.size = size
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(info.tobuf(tarfile.PAX_FORMAT))
        for _ in range(64):
            file.write(bytes(1024**2))
    return path


def test_ten_gigabytes_of_zeros_are_refused_before_they_are_written(tmp_path: Path) -> None:
    path = compressed_zeros(tmp_path / "artifact.tar", member("zeros")[0], 7 * 1024**3)
    with pytest.raises(CannotUnpack, match="too much"):
        unpack(path, tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
def test_a_header_as_large_as_memory_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = compressed_zeros(tmp_path / "artifact.tar", member("x", type=kind)[0], 4 * 1024**3)
    with pytest.raises(CannotUnpack, match="larger than any real one"):
        unpack(path, tmp_path / "target")


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8bno gzip", b"BZh9 broken", b"\xfd7zXZ\x00"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "artifact.tar"
    path.write_bytes(content)
    with pytest.raises(CannotUnpack):
        unpack(path, tmp_path / "target")


def test_a_compressed_archive_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "artifact.tar"
    path.write_bytes(gzip.compress(archive({"main.py": b"pass", "a/b.txt": bytes(3_000_000)})))
    unpack(path, tmp_path / "target")
    assert (tmp_path / "target" / "a" / "b.txt").stat().st_size == 3_000_000


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "artifact.tar"
    path.write_bytes(archive({"main.py": bytes(5000)})[:3000])
    with pytest.raises(CannotUnpack):
        unpack(path, tmp_path / "target")


HOSTILE_HEADERS = {
    "a time beyond all numbers": {"mtime": "1e400"},
    "a time that is not one": {"mtime": "nan"},
    "a size below zero": {"size": "-1"},
    "a sparse map of nonsense": {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,9" * 999},
    "a sparse size beyond the bound": {"GNU.sparse.size": "9" * 30},
    "a name that no file can have": {"path": "x" * 5000},
    "a name with a NUL": {"path": "a\0b"},
    "a link to nothing": {"linkpath": "y" * 100_000},
}


@pytest.mark.parametrize("name", HOSTILE_HEADERS)
async def test_a_hostile_header_fails_the_job_or_does_nothing_and_kills_no_supervisor(home: Path, name: str) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in [member("main.py", b"pass"), member("data", b"x" * 10)]:
            if info.name == "data":
                info.pax_headers = dict(HOSTILE_HEADERS[name])
            if "linkpath" in info.pax_headers:
                info.type = tarfile.LNKTYPE
            tar.addfile(info, io.BytesIO(data))
    async with user_of(home) as user:
        await user.upload_archive("hostile", content.getvalue())
        job = await user.run("hostile")
        if await user.ended(job) == "FAILED":
            assert await user.errors(job) == ["CANNOT_START"]
            assert len(await user.log(job)) < 2000


async def test_a_job_with_such_an_archive_fails_and_says_why(home: Path) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for info, data in [member("main.py", b"pass"), *LEADING_OUT["a link to a parent"]]:
            tar.addfile(info, io.BytesIO(data))
    async with user_of(home) as user:
        await user.upload_archive("hostile", content.getvalue())
        job = await user.run("hostile")
        assert await user.ended(job) == "FAILED"
        assert await user.errors(job) == ["CANNOT_START"]
        assert "The artifact cannot be unpacked" in await user.log(job)
        await user.upload_archive("empty", archive({"other.py": b"pass"}))
        job = await user.run("empty")
        assert await user.ended(job) == "FAILED"
        assert await user.log(job) == "The artifact has no main.py, which is the function's entry point.\n"
