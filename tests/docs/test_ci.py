"""What CI runs exists."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tests_with_the_lowest_versions_exist() -> None:
    """Else they would be missed only when all other tests have passed."""
    lines = [line.strip(" \\") for line in (ROOT / ".ci" / "lowest").read_text().splitlines()]
    paths = " ".join(line for line in lines if line.startswith("tests/"))
    expanded = subprocess.run(["bash", "-c", f"echo {paths}"], check=True, stdout=subprocess.PIPE, text=True)
    assert [path for path in expanded.stdout.split() if not (ROOT / path).is_file()] == []
