"""Links that the site's build does not see: those of pages that people read in the repository, and the navigation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READ_THERE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as GitHub and the site make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def broken(page: Path) -> list[str]:
    """Return the links of a page that lead to no file, or to no heading of it."""
    found = []
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, fragment = target.partition("#")
        file = (page.parent / path) if path else page
        headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M) if file.suffix == ".md" else []
        if not file.exists() or (fragment and fragment not in map(anchor, headings)):
            found.append(target)
    return found


@pytest.mark.parametrize("page", READ_THERE, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One two\n[a](#one-two) [b](#three) [c](page.md#one-two) [d](other.txt)\n")
    (tmp_path / "other.md").touch()
    assert broken(page) == ["#three", "other.txt"]


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert set(re.findall(r"(\S+\.md)$", navigation, re.M)) == pages
