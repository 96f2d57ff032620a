"""Qiskit in threads that come and go."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import sys, threading
from qiskit_functions_core.values import encode_arguments
assert "qiskit" not in sys.modules

def use():
    encode_arguments({"circuit": {"$circuit": "OPENQASM 3.0; qubit[1] q;"}})

for _ in range(10):
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
"""


def test_qiskit_outlives_the_thread_that_used_it_first() -> None:
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", _SCRIPT], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
