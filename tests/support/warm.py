"""One warm parent for all tests of a run, since one for each data folder would cost more than it saves."""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path
from unittest.mock import patch

from mcp.client.stdio import get_default_environment

from qiskit_functions_gateway.execution.warm_start import IS_SUPPORTED, MeetingPlace, WarmParent
from qiskit_functions_gateway.storage.data_folder import DataFolder

PLACE = "QISKIT_FUNCTIONS_TEST_WARM_PARENT"
"""The environment variable with the data folder of the warm parent that this run's tests share."""

_START_SECONDS = 60.0


def start_warm_in(home: Path) -> None:
    """Let the jobs of a data folder, whose gateway a server over stdio starts, start from the tests' warm parent."""
    own = MeetingPlace.of(DataFolder(home)).socket
    if IS_SUPPORTED and PLACE in os.environ and not own.exists():
        shared, _ = _shared()
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if shared.exists():
            own.hardlink_to(shared)  # another name of the same socket; links are refused in a data folder


@cache
def _shared() -> tuple[Path, WarmParent]:
    """Return the socket of the warm parent, started if no other process of this run has done it, and who holds it."""
    folder = DataFolder(Path(os.environ[PLACE]))
    folder.prepare()
    socket, warm_parent = MeetingPlace.of(folder).socket, WarmParent(folder)
    # The variables of a server over stdio, and so those of its jobs.
    with patch.dict(os.environ, get_default_environment(), clear=True):
        warm_parent.tend(0)
    give_up = time.monotonic() + _START_SECONDS
    while not socket.exists() and time.monotonic() < give_up:
        time.sleep(0.02)
    return socket, warm_parent
