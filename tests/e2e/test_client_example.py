"""The example of the client core without the server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "client.py"


def test_the_example_runs_a_bell_circuit_and_sends_a_file_to_and_fro(tmp_path: Path) -> None:
    environ = {**os.environ, "QISKIT_FUNCTIONS_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, EXAMPLE], env=environ, capture_output=True, text=True, check=False, timeout=300
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "is DONE" in ran.stdout
    assert '"00"' in ran.stdout
    assert "angles.csv came back: 0.1,0.2" in ran.stdout
