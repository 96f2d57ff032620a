"""Client core for Qiskit Functions: find, run and follow them on any Qiskit Serverless gateway."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .account import Account, Channel
from .errors import QiskitFunctionsError
from .models import Backend, Function, Job, JobEvent, JobPage, JobStatus, RuntimeJob, Usage

__all__ = [
    "Account",
    "Artifact",
    "Backend",
    "Channel",
    "Function",
    "FunctionsClient",
    "Job",
    "JobEvent",
    "JobPage",
    "JobStatus",
    "QiskitFunctionsError",
    "RunConfig",
    "RuntimeJob",
    "Submission",
    "Usage",
]

_LAZY = {
    "Artifact": "artifact",
    "FunctionsClient": "client",
    "RunConfig": "client",
    "Submission": "client",
}

if TYPE_CHECKING:
    from .artifact import Artifact
    from .client import FunctionsClient, RunConfig, Submission


def __getattr__(name: str) -> Any:
    """The client brings httpx with it, which a server that only lists its tools can do without."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
