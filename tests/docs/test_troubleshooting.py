"""``docs/troubleshooting.md`` has a paragraph for every code of an error, and none for a code that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import qiskit_functions_mcp.app
from qiskit_functions_core.errors import QiskitFunctionsError
from qiskit_functions_core.preflight import CheckCode
from qiskit_functions_core.values.worker.child import Reason, WorkerLimits

TEXT = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")

SHORTEST = 60
"""Characters of a paragraph that says something."""

assert qiskit_functions_mcp.app  # so that the server's own errors are there


def codes(error: type[QiskitFunctionsError]) -> Iterator[str]:
    if error.__module__.startswith("qiskit_functions_"):  # not those of other tests
        yield error.code
    for kind in error.__subclasses__():
        yield from codes(kind)


def paragraph(code: str) -> str:
    return TEXT.partition(f"\n### `{code}`\n")[2].partition("\n#")[0].strip()


def test_every_code_has_its_paragraph_and_no_other_has() -> None:
    there = set(codes(QiskitFunctionsError))
    assert set(re.findall(r"^### `(\w+)`$", TEXT, re.M)) == there
    assert {code for code in there if len(paragraph(code)) < SHORTEST} == {"error"}


@pytest.mark.parametrize("code", get_args(CheckCode))
def test_every_code_of_a_check_is_explained(code: str) -> None:
    assert f"`{code}`" in paragraph("preflight_refused")


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_limit_of_a_value_is_named(reason: str) -> None:
    assert f"`{reason}`" in paragraph("value_too_costly")


def test_the_limits_of_values_are_those_of_the_code() -> None:
    limits, said = WorkerLimits(), paragraph("value_too_costly")
    for text in (f"{limits.cpu_seconds:g} s of", f"{limits.memory // 2**30} GiB", f"{limits.seconds:g} s in all"):
        assert text in said


@pytest.mark.parametrize("field", ["code", "message", "submitted", "next_step", "person", "reason", "candidates"])
def test_the_fields_of_an_error_are_explained(field: str) -> None:
    assert f"| `{field}` |" in TEXT
