from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.gateways import Gate, assert_in_order


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Path]:
    """A new data folder; afterwards it must be in order, with every job over and no process left."""
    home = tmp_path / "home"
    yield home
    await assert_in_order(home)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")
