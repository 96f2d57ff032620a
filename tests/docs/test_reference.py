"""The API reference in ``docs/reference`` has all that the core offers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import qiskit_functions_core
from qiskit_functions_core import values

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
DOCUMENTED = {
    name for page in FOLDER.glob("*.md") for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.M)
}

PUBLIC = [getattr(package, name) for package in (qiskit_functions_core, values) for name in package.__all__]


@pytest.mark.parametrize("public", PUBLIC, ids=lambda public: public.__qualname__)
def test_every_public_name_is_in_the_reference(public: type) -> None:
    assert DOCUMENTED & {public.__module__, f"{public.__module__}.{public.__qualname__}"}
