"""What ``docs/picture.py`` calls a stale picture; ``.ci/run`` lets it compare with a real run."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "picture.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("picture", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("-1.82", "-1.82", []),
        ("-1.82", "-1.81", []),  # as on another processor
        ("-1.82", "-1.52", ["energy -1.82' was, 'energy -1.52' is"]),
        ("energy", "Energy", ["energy -1.82' was, 'Energy -1.82' is"]),
        ("1,2 3.5,4", "1,2 3.1,4", []),
        ("1,2 3.5,4", "1,2", ["it is drawn otherwise"]),
        ("</text>", "</text><text>more</text>", ["it is drawn otherwise"]),
    ],
)
def test_a_picture_is_stale_if_it_shows_something_else(
    script: ModuleType, before: str, after: str, found: list[str]
) -> None:
    picture = '<svg><text x="1">energy -1.82</text><polyline points="1,2 3.5,4"/></svg>'
    differences = list(script.differences(picture, picture.replace(before, after)))
    assert [difference.removeprefix("'") for difference in differences] == found
