"""Qiskit's native library, loaded where it survives."""

from __future__ import annotations

import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def hold_qiskit() -> None:
    """Load Qiskit's native library, and nothing else of Qiskit, in a thread that never ends; takes 5 ms.

    Its allocator (mimalloc, in Qiskit 2.6) keeps what it needs in the thread that loads it. Qiskit is imported
    off the event loop here, in worker threads that come and go; once the one that imported it first has gone,
    the next new thread that uses Qiskit brings the process down.
    """
    qiskit = find_spec("qiskit")
    libraries = list(Path(qiskit.origin).parent.glob("_accelerate*")) if qiskit and qiskit.origin else []
    if libraries:
        loaded = threading.Event()
        threading.Thread(target=_hold, args=(libraries[0], loaded), name="holds Qiskit", daemon=True).start()
        loaded.wait()


def _hold(library: Path, loaded: threading.Event) -> None:
    import ctypes

    try:
        ctypes.CDLL(str(library))
    except OSError:
        return  # whoever imports Qiskit gets to know why
    finally:
        loaded.set()
    threading.Event().wait()
