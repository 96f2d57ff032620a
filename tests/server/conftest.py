from __future__ import annotations

from typing import Literal

import pytest

Mode = Literal["auto", "legacy"]


@pytest.fixture(params=["auto", "legacy"])
def mode(request: pytest.FixtureRequest) -> Mode:
    """The protocol era: the stateless one of 2026-07-28, or a handshake first."""
    era: Mode = request.param
    return era
