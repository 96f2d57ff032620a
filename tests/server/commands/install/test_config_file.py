"""A settings file that a host writes at the same time."""

from __future__ import annotations

from pathlib import Path

import pytest

from qiskit_functions_core.errors import InputError
from qiskit_functions_mcp.commands.install.config_file import change_config


def test_a_change_is_made_again_on_what_a_host_has_written_meanwhile(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text("old")
    writes = iter(["written by the host", None])

    def change(text: str) -> str:
        if other := next(writes):
            file.write_text(other)
        return f"{text}, changed"

    backup = change_config(file, change)
    assert file.read_text() == "written by the host, changed"
    assert backup is not None
    assert backup.read_text() == "written by the host"
    assert sorted(tmp_path.iterdir()) == [file, backup]


def test_a_host_that_never_stops_writing_keeps_its_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text("0")

    def change(text: str) -> str:
        file.write_text(str(int(text) + 1))
        return "changed"

    with pytest.raises(InputError, match="is being written by another program"):
        change_config(file, change)
    assert file.read_text().isdecimal()


def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / ".cursor").write_text("")
    with pytest.raises(InputError, match="cannot be read: Not a directory"):
        change_config(tmp_path / ".cursor" / "mcp.json", str.upper)
