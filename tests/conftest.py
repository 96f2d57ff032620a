from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

from support.programs import end_gateways, gateways_under
from support.warm import PLACE

os.environ["QISKIT_FUNCTIONS_GATEWAY_IDLE_SECONDS"] = "60"
"""Of what a test run leaves behind that was killed, and could not end it itself."""

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
"""With it, each program that a test starts would compile what it imports."""

os.environ["QISKIT_FUNCTIONS_WARM_JOBS"] = "0"
"""Most tests have a data folder of their own and one job in it: a warm parent for each costs more than it saves.
Servers over stdio share one, see ``support.warm``."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_finish() -> None:
    """Leave what tests have imported out of garbage collection, which would go through it all each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def ends_gateways(request: pytest.FixtureRequest) -> Iterator[None]:
    """End the gateways that a test's clients and servers have started in its folder, however it ends."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder:
        end_gateways(gateways_under(folder))


@pytest.fixture(autouse=True, scope="session")
def ends_all_gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """End those in folders that several tests have shared."""
    yield
    end_gateways(folder for shared in tmp_path_factory.getbasetemp().iterdir() for folder in gateways_under(shared))


@pytest.fixture(autouse=True, scope="session")
def place_of_the_warm_parent(tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()
    os.environ[PLACE] = str((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "warm-parent")


def pytest_xdist_auto_num_workers() -> int:
    """Return what ``-n auto`` means: two workers a processor, since tests often wait for other processes."""
    return 2 * (os.cpu_count() or 1)
