"""``docs/embedded-gateway.md`` explains all that a user of the gateway may see."""

from __future__ import annotations

from pathlib import Path

import pytest

from qiskit_functions_gateway.execution.lifecycle import FailureCode

TEXT = (Path(__file__).parents[2] / "docs" / "embedded-gateway.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", FailureCode)
def test_every_reason_for_which_the_gateway_ends_a_job_is_explained(code: FailureCode) -> None:
    assert f"`{code}`" in TEXT
