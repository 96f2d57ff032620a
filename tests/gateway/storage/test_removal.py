"""Folders in which functions wrote can be removed, whatever they did there."""

from __future__ import annotations

import os
from pathlib import Path

from qiskit_functions_gateway.storage.removal import remove_tree


def test_thousands_of_folders_one_in_another_are_removed(tmp_path: Path) -> None:
    folder, here = tmp_path / "folder", Path.cwd()
    folder.mkdir()
    os.chdir(folder)
    try:
        for _ in range(3000):  # deeper than a path may be long
            Path("down").mkdir()
            Path("file").touch()
            os.chdir("down")
    finally:
        os.chdir(here)
    remove_tree(folder)
    assert not folder.exists()


def test_folders_that_may_not_be_entered_are_removed(tmp_path: Path) -> None:
    inner = tmp_path / "folder" / "closed" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    for folder in (inner, inner.parent, inner.parent.parent):
        folder.chmod(0)
    remove_tree(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_what_a_link_leads_to_stays(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(kept)
    (tmp_path / "link").symlink_to(kept)
    for path in (tmp_path / "folder", tmp_path / "link", tmp_path / "missing"):
        remove_tree(path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (kept / "file").exists()
