"""Qiskit in threads that come and go."""

from __future__ import annotations

import subprocess
import sys

# Qiskit 2.6's native library fails in new threads once the thread that imported it first has ended.
_SCRIPT = """
import sys, threading
import anyio, numpy
from qiskit_functions_core.values import encode_arguments
from qiskit_functions_core.values.worker.worker import Worker

assert "qiskit" not in sys.modules
anyio.run(Worker().encode_arguments, {"array": numpy.eye(2)})
assert "qiskit" in sys.modules

def use():
    encode_arguments({"circuit": {"$circuit": "OPENQASM 3.0; qubit[1] q;"}})

for _ in range(10):
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
"""


def test_a_worker_imports_qiskit_for_objects_in_its_callers_thread_so_that_later_threads_can_use_it() -> None:
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", _SCRIPT], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
