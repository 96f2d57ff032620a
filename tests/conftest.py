from __future__ import annotations

import pytest

from qiskit_functions_core.values.native import hold_qiskit

hold_qiskit()  # the official clients, too, run in threads here


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
