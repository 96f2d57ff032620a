"""Each assistant that ``install`` knows has a page, which shows what ``install`` writes there."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from qiskit_functions_mcp.commands.install import toml
from qiskit_functions_mcp.commands.install.hosts import HOSTS, NAME, Places, command_in

FOLDER = Path(__file__).parents[2] / "docs" / "hosts"
OTHERS = {"index", "tried"}


def test_each_host_has_a_page_and_is_named_on_the_first() -> None:
    assert {page.stem for page in FOLDER.glob("*.md")} - OTHERS == HOSTS.keys()
    first = (FOLDER / "index.md").read_text(encoding="utf-8").partition("\n## ")[0]
    assert all(f"`{name}`" in first for name in HOSTS)


@pytest.mark.parametrize("name", HOSTS)
def test_a_page_shows_the_command_and_the_entry_that_it_writes(name: str) -> None:
    text, host = (FOLDER / f"{name}.md").read_text(encoding="utf-8"), HOSTS[name]
    assert text.startswith(f"# {host.title}\n")
    assert f"\nqiskit-functions-mcp install {name}" in text
    (shown,) = re.findall(r"^```(?:json|toml)\n(.*?)^```$", text, re.M | re.S)
    entry = (tomllib.loads if host.format is toml else json.loads)(shown)[host.table][NAME]
    assert entry == host.entry(command_in(entry))


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize(("platform", "roaming"), [("linux", ""), ("darwin", ""), ("win32", "%APPDATA%")])
def test_a_page_names_the_file_on_each_platform(name: str, platform: str, roaming: str) -> None:
    places = Places(home=Path("~"), environ={"APPDATA": roaming} if roaming else {}, platform=platform)
    file = HOSTS[name].file(places).as_posix()
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8").replace("\\", "/")
    folder, _, ending = file.rpartition("/")
    assert f"`{file}`" in text or (f"`{folder}`" in text and f"`{ending}`" in text)
