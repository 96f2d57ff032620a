"""``docs/tools.md``, with the part of the README that it includes, names all that the server offers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8").partition("[start:tools]")[2].partition("[end:tools]")[0]
TEXT = README + (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")
CONTRACT = json.loads((ROOT / "tests" / "server" / "contract.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", ["tools", "prompts", "resources", "resource_templates"])
def test_all_that_is_offered_is_on_the_page(kind: str) -> None:
    assert [name for name in CONTRACT[kind] if f"`{name}`" not in TEXT] == []
