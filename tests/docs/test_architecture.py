"""``docs/architecture.md`` names only what exists, and each room stays small enough to be seen at once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

PACKAGES = {
    "core": ROOT / "client_core" / "qiskit_functions_core",
    "gateway": ROOT / "client_core" / "qiskit_functions_gateway",
    "server": ROOT / "server" / "qiskit_functions_mcp",
}
"""What the page abbreviates so."""

PLACE = re.compile(
    rf"(?<![\w/])(?P<package>{'|'.join(PACKAGES)})/(?!qiskit_)(?P<path>[\w/.]*[\w/])(?:::(?P<name>\w+(?:\.\w+)*))?"
)
PLACES = sorted({match.group() for match in PLACE.finditer(TEXT)})

MOST_MODULES = 14
"""Those of a room that a newcomer can keep in mind; ``__init__.py`` is not counted."""

ROOMS = [
    folder.relative_to(package.parent).as_posix()
    for package in PACKAGES.values()
    for folder in [package, *sorted(path for path in package.rglob("*") if path.is_dir())]
    if any(folder.glob("*.py"))
]


@pytest.mark.parametrize("place", PLACES)
def test_each_place_that_the_page_names_exists(place: str) -> None:
    match = PLACE.fullmatch(place)
    assert match
    path = PACKAGES[match["package"]] / match["path"]
    assert path.exists(), f"there is no {path.relative_to(ROOT)}"
    if match["name"]:
        assert match["name"] in set(names(ast.parse(path.read_text(encoding="utf-8"))))


def test_all_code_spans_that_look_like_python_have_their_path() -> None:
    """``core/client.py::FunctionsClient.run`` is checked above; ``FunctionsClient.run`` alone would not be."""
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", TEXT)
    pattern = r"(?:\w+/)*\w+\.py(?:::.*)?|[A-Z]\w*\.\w+|\w+(?:\.\w+)*\(\)"
    assert [span for span in spans if re.fullmatch(pattern, span) and not PLACE.fullmatch(span)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_is_on_the_page(package: str) -> None:
    folders = {path.parent for path in PACKAGES[package].rglob("*.py")} - {PACKAGES[package]}
    rooms = {f"{package}/{folder.relative_to(PACKAGES[package]).parts[0]}/" for folder in folders}
    assert {room for room in rooms if room not in TEXT} == set()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_holds_at_most_fourteen_modules(room: str) -> None:
    package, *rest = room.split("/")
    [root] = [path for path in PACKAGES.values() if path.name == package]
    modules = [path.name for path in root.joinpath(*rest).glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES, sorted(modules)


def names(tree: ast.AST, prefix: str = "") -> Iterator[str]:
    """Return the names that a module defines, those in classes with a dot."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.ClassDef():
                yield prefix + node.name
                yield from names(node, f"{prefix}{node.name}.")
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield prefix + node.name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name
