"""Qiskit values in and out: literals and encoding, bounded decoding, summaries, pictures, files.

- ``families``: one module for each family of types, with all that is done with them.
- ``literals``: what an assistant writes in JSON where a function wants a Qiskit value.
- ``drawing``: what pictures look like.

The public names are loaded when they are first used, and Qiskit and NumPy when a value needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .decoding import decode
    from .encoding import encode_arguments
    from .families.containers import Opaque
    from .limits import Limits
    from .result_query import ResultQuery
    from .results import Result, summarize
    from .summary_models import Counts, Outcome, Picture, Summary, ValueSummary
    from .worker.child import WorkerLimits
    from .worker.worker import ReadResult, Worker

__all__ = [
    "Counts",
    "Limits",
    "Opaque",
    "Outcome",
    "Picture",
    "ReadResult",
    "Result",
    "ResultQuery",
    "Summary",
    "ValueSummary",
    "Worker",
    "WorkerLimits",
    "decode",
    "encode_arguments",
    "summarize",
]

_HOMES = {
    "decoding": ("decode",),
    "encoding": ("encode_arguments",),
    "families.containers": ("Opaque",),
    "limits": ("Limits",),
    "result_query": ("ResultQuery",),
    "results": ("Result", "summarize"),
    "summary_models": ("Counts", "Outcome", "Picture", "Summary", "ValueSummary"),
    "worker.worker": ("ReadResult", "Worker"),
    "worker.child": ("WorkerLimits",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
