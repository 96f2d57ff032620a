"""What CI runs exists."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("script", ["lowest", "newest"])
def test_the_tests_with_other_versions_exist(script: str) -> None:
    """Else they would be missed only when all other tests have passed."""
    lines = [line.strip(" \\") for line in (ROOT / ".ci" / script).read_text().splitlines()]
    paths = " ".join(line for line in lines if line.startswith("tests/"))
    expanded = subprocess.run(["bash", "-c", f"echo {paths}"], check=True, stdout=subprocess.PIPE, text=True)
    assert [path for path in expanded.stdout.split() if not (ROOT / path).is_file()] == []
