"""Paths from outside, files opened without waiting, files replaced in one step."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from qiskit_functions_core.errors import InputError
from qiskit_functions_core.local_files import allowed_path, atomic_write, open_regular, replacing


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "a.txt") as file:
        file.write(b"half")
        1 / 0  # noqa: B018 - what a writer that fails does
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "before")]


def test_a_folder_that_cannot_be_written_is_an_input_error_only_for_a_path_that_a_caller_chose(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError), atomic_write(tmp_path / "file" / "a.txt"):
        pass
    with pytest.raises(InputError, match=r"a\.txt cannot be written: [NF]\w+ "), replacing(tmp_path / "file" / "a.txt"):
        pass
    with pytest.raises(InputError, match=r"cannot be written: UnicodeEncodeError"), replacing(tmp_path / "\ud800"):
        pass


def test_missing_folders_are_made_and_a_new_file_gets_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    with replacing(tmp_path / "a" / "b" / "c.txt") as file:
        file.write(b"new")
    assert (tmp_path / "a" / "b" / "c.txt").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("is_link", [False, True])
def test_a_file_that_was_made_meanwhile_is_not_overwritten_where_a_new_one_is_wanted(
    tmp_path: Path, is_link: bool
) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(FileExistsError), atomic_write(path, overwrite=False) as file:
        file.write(b"ours")
        if is_link:
            path.symlink_to(tmp_path / "nowhere")
        else:
            path.write_text("theirs")
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]
    assert path.is_symlink() == is_link


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
def test_a_replaced_file_keeps_its_permissions_unless_others_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.txt"
    with atomic_write(path, mode=0o600) as file:
        file.write(b"secret")
        assert [stat.S_IMODE(partial.stat().st_mode) for partial in path.parent.iterdir()] == [0o600]
    with atomic_write(path, synced=False) as file:
        file.write(b"another")
    assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (0o600, b"another")


def test_a_file_is_on_the_disk_before_it_takes_its_place_unless_that_may_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    synced: list[tuple[int, bool]] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append((os.fstat(number).st_size, path.exists())))
    with atomic_write(path, synced=False) as file:
        file.write(b"1")
    assert synced == []
    path.unlink()
    with atomic_write(path) as file:
        file.write(b"22")
    assert synced == [(2, False)]
    with replacing(path) as file:
        file.write(b"333")
    assert (synced, path.read_bytes()) == ([(2, False), (3, True)], b"333")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes in its folders")
def test_only_a_regular_file_is_opened_and_a_pipe_without_a_writer_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "link"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"x"
    for name in ("pipe", "."):
        with pytest.raises(OSError, match="not a regular file"):
            open_regular(tmp_path / name)
    with pytest.raises(OSError):
        open_regular(tmp_path / "link", follow_links=False)


def test_a_file_that_is_not_opened_in_the_end_is_closed_again(tmp_path: Path) -> None:
    os.close(lowest := os.dup(0))
    with pytest.raises(OSError):
        open_regular(tmp_path)
    os.close(number := os.dup(0))
    assert number == lowest


def test_relative_paths_start_at_the_first_folder_and_links_are_followed(tmp_path: Path) -> None:
    first, second, outside = (tmp_path / name for name in ("first", "second", "outside"))
    for folder in (first, second, outside):
        folder.mkdir()
    (first / "link").symlink_to(outside)
    (first / "loop").symlink_to(first / "loop")
    assert allowed_path(Path("a.json"), [first, second]) == first / "a.json"
    assert allowed_path(second / "a.json", [first, second]) == second / "a.json"
    for path in ("../outside/a", "link/a", str(outside / "a"), "a\0b", "~nobody-has-this-name/a"):
        with pytest.raises(InputError):
            allowed_path(Path(path), [first, second])
    with pytest.raises(InputError, match=r"loop' leads nowhere: (RuntimeError|Too many levels)"):
        allowed_path(Path("loop"), [first])
    with pytest.raises(InputError, match="no local folder"):
        allowed_path(Path("a"), [])


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a" * 300, "leads nowhere: File name too long"),
        ("b/" * 3_000, "leads nowhere: File name too long"),
        ("nul\0", "a path cannot hold a NUL character"),
        ("\ud800", "leads nowhere: UnicodeEncodeError"),
        ("~nobody-has-this-name/x", "leads nowhere: RuntimeError"),
    ],
)
def test_a_path_that_no_file_can_have_is_an_input_error(path: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=reason) as error:
        allowed_path(Path(path), [tmp_path])
    assert len(str(error.value)) < 500
