"""What is in an archive, what is not, and what is never uploaded."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from qiskit_functions_core import Artifact
from qiskit_functions_core.errors import ArtifactError
from qiskit_functions_core.serverless.artifact import IGNORE_FILE, MAX_BYTES

SCRIPT = "print('hello')\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tree(tmp_path / "project", {"main.py": SCRIPT, "lib/tools.py": "", "lib/data.csv": "1,2"})


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def members(artifact: Artifact) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(artifact.content)) as archive:
        opened = {info.name: archive.extractfile(info) for info in archive.getmembers()}
        return {name: file.read() if file else b"" for name, file in opened.items()}


def names(root: Path, entrypoint: str = "main.py") -> set[str]:
    return set(members(Artifact.from_directory(root, entrypoint)))


def test_a_directory_is_archived_by_paths_relative_to_it(project: Path) -> None:
    assert members(Artifact.from_directory(project, "main.py")) == {
        "main.py": SCRIPT.encode(),
        "lib/tools.py": b"",
        "lib/data.csv": b"1,2",
    }


def test_one_file_is_an_archive_of_itself(project: Path) -> None:
    artifact = Artifact.from_file(project / "main.py")
    assert (artifact.entrypoint, members(artifact)) == ("main.py", {"main.py": SCRIPT.encode()})


@pytest.mark.parametrize("source", ["", "  \n", "def f(:", "x = '\ud800'"])
def test_a_source_that_is_not_a_script_is_refused(source: str) -> None:
    with pytest.raises(ArtifactError, match="source"):
        Artifact.from_source(source)


@pytest.mark.parametrize("name", ["missing.py", "latin.py"])
def test_a_file_that_is_missing_or_not_utf_8_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "latin.py").write_bytes(b"# \xe9")
    with pytest.raises(ArtifactError, match=name):
        Artifact.from_file(tmp_path / name)


@pytest.mark.parametrize("data", [b"\xef\xbb\xbfx = 1\n", b"# coding: latin-1\nx = '\xe9'\n"], ids=["BOM", "coding"])
def test_a_script_keeps_the_encoding_that_it_declares(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "main.py").write_bytes(data)
    assert members(Artifact.from_file(tmp_path / "main.py")) == {"main.py": data}


def test_a_link_does_not_bring_in_what_is_left_out_itself(project: Path) -> None:
    tree(project, {".git/config": "secret", ".qiskitignore": "hidden.txt\n", "hidden.txt": "secret"})
    tree(project, {"env/pyvenv.cfg": "", "env/key": "secret", "shown.txt": "shown"})
    for name, target in (("a", ".git/config"), ("b", "hidden.txt"), ("c", "env/key"), ("d", "shown.txt")):
        (project / name).symlink_to(target)
    artifact = Artifact.from_directory(project, "main.py")
    assert {"a", "b", "c"} <= set(artifact.left_out)
    assert members(artifact)["d"] == b"shown"
    assert "secret" not in str(members(artifact))


def test_the_same_content_gives_the_same_bytes_at_any_time_and_place(project: Path, tmp_path: Path) -> None:
    copy = tree(tmp_path / "copy", {"lib/data.csv": "1,2", "lib/tools.py": "", "main.py": SCRIPT})
    os.utime(copy / "main.py", (1, 1))
    (copy / "lib/tools.py").chmod(0o600)
    first, second = (Artifact.from_directory(root, "main.py").content for root in (project, copy))
    assert first == second


def test_other_content_gives_other_bytes(project: Path) -> None:
    before = Artifact.from_directory(project, "main.py").content
    (project / "lib/data.csv").write_text("1,3")
    assert Artifact.from_directory(project, "main.py").content != before


def test_a_script_that_can_be_executed_still_can(project: Path) -> None:
    (project / "lib/tools.py").chmod(0o755)
    content = Artifact.from_directory(project, "main.py").content
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        modes = {info.name: stat.S_IMODE(info.mode) for info in archive.getmembers()}
    assert (modes["lib/tools.py"], modes["main.py"]) == (0o755, 0o644)


def test_version_control_environments_and_caches_are_left_out_and_named(project: Path) -> None:
    tree(
        project,
        {
            ".git/config": "",
            ".venv/bin/python": "",
            "myenv/pyvenv.cfg": "",
            "myenv/lib/x.py": "",
            "lib/__pycache__/tools.pyc": "",
            ".mypy_cache/x": "",
            "artifact.tar": "what the official client left here",
        },
    )
    artifact = Artifact.from_directory(project, "main.py")
    assert set(members(artifact)) == {"main.py", "lib/tools.py", "lib/data.csv"}
    assert set(artifact.left_out) == {
        ".git/",
        ".venv/",
        "myenv/",
        "lib/__pycache__/",
        ".mypy_cache/",
        "artifact.tar",
    }


def test_the_ignore_file_is_read_as_git_reads_its_own(project: Path) -> None:
    tree(project, {"data/big.bin": "", "run.log": "", "keep.log": "", "lib/deep/notes.md": ""})
    (project / IGNORE_FILE).write_text("# what stays here\n/data/\n*.log\n!keep.log\nlib/**/*.md\n")
    artifact = Artifact.from_directory(project, "main.py")
    assert set(members(artifact)) == {"main.py", "lib/tools.py", "lib/data.csv", "keep.log"}
    assert set(artifact.left_out) == {"data/", "run.log", "lib/deep/notes.md", IGNORE_FILE}


def test_links_that_lead_out_and_links_to_folders_are_left_out(project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (project / "out.txt").symlink_to(tmp_path / "secret.txt")
    (project / "out").symlink_to(tmp_path)
    (project / "loop").symlink_to(project)
    (project / "circle").symlink_to("circle")
    (project / "inside.csv").symlink_to("lib/data.csv")
    artifact = Artifact.from_directory(project, "main.py")
    assert members(artifact)["inside.csv"] == b"1,2"
    assert set(artifact.left_out) == {"out.txt", "out", "loop", "circle"}
    assert b"secret" not in artifact.content


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_block_the_archive(project: Path) -> None:
    os.mkfifo(project / "pipe")
    assert Artifact.from_directory(project, "main.py").left_out == ("pipe",)


def test_nothing_is_written_into_the_directory(project: Path) -> None:
    before = sorted(project.rglob("*"))
    Artifact.from_directory(project, "main.py")
    assert sorted(project.rglob("*")) == before


@pytest.mark.parametrize(
    "entrypoint", ["missing.py", "../main.py", "/main.py", "main.txt", "", "lib", "lib\\tools.py", "a\0.py"]
)
def test_an_entry_point_that_is_not_a_script_in_the_directory_is_refused(project: Path, entrypoint: str) -> None:
    with pytest.raises(ArtifactError):
        Artifact.from_directory(project, entrypoint)


def test_an_entry_point_is_stored_as_the_archive_names_it(project: Path) -> None:
    assert Artifact.from_directory(project, "./lib//tools.py").entrypoint == "lib/tools.py"


def test_an_entry_point_that_is_left_out_is_refused_with_the_reason(project: Path) -> None:
    (project / IGNORE_FILE).write_text("main.py\n")
    with pytest.raises(ArtifactError, match="left out") as error:
        Artifact.from_directory(project, "main.py")
    assert IGNORE_FILE in error.value.next_step


def test_a_path_that_is_not_a_directory_is_refused(project: Path) -> None:
    with pytest.raises(ArtifactError, match="not a directory"):
        Artifact.from_directory(project / "main.py", "main.py")


@pytest.mark.parametrize("beyond", [0, -1024])
def test_an_archive_over_50_mb_is_refused_with_its_largest_file(project: Path, beyond: int) -> None:
    with (project / "lib/big.bin").open("wb") as file:
        file.truncate(MAX_BYTES + beyond)  # the tar's own blocks count too
    with pytest.raises(ArtifactError, match=r"50 MB.*lib/big\.bin"):
        Artifact.from_directory(project, "main.py")


def test_names_in_any_alphabet_survive(project: Path) -> None:
    tree(project, {"données/測定.csv": "1", f"{'long' * 40}/{'name' * 40}.csv": "2"})
    assert {"données/測定.csv", f"{'long' * 40}/{'name' * 40}.csv"} <= names(project)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is closed to root")
def test_what_cannot_be_read_is_named(project: Path) -> None:
    (project / "lib/data.csv").chmod(0)
    with pytest.raises(ArtifactError, match=r"data\.csv"):
        Artifact.from_directory(project, "main.py")


def test_a_pattern_with_many_stars_is_matched_in_linear_time(project: Path) -> None:
    tree(project, {IGNORE_FILE: "*a" * 30 + "b\nlib/*.csv\n", "a" * 250: ""})
    assert names(project) == {"main.py", "lib/tools.py", "a" * 250}


@pytest.mark.parametrize("text", ["[z-a]\n", "x" * 70_000, "(" * 100 + "\n"])
def test_an_ignore_file_that_is_too_long_or_broken_stops_nothing_else(project: Path, text: str) -> None:
    tree(project, {IGNORE_FILE: text})
    try:
        names(project)
    except ArtifactError as error:
        assert IGNORE_FILE in error.message


@pytest.mark.parametrize("path", [Path("a" * 300), Path("b/" * 3_000), Path("nul\0"), Path("\ud800")])
def test_a_path_that_no_file_can_have_is_an_artifact_error(path: Path) -> None:
    with pytest.raises(ArtifactError):
        Artifact.from_directory(path, "main.py")
    with pytest.raises(ArtifactError):
        Artifact.from_file(path)
