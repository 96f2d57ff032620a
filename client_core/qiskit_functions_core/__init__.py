"""Client core for Qiskit Functions: find, run and follow them on any Qiskit Serverless gateway.

The public names are loaded when they are first used: a supervisor needs none of them, and a server that
only lists its tools needs no client, which brings httpx.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .account import Account, Channel
    from .artifact import Artifact
    from .client import FunctionsClient, RunConfig, Submission
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

_HOMES = {
    "account": ("Account", "Channel"),
    "artifact": ("Artifact",),
    "client": ("FunctionsClient", "RunConfig", "Submission"),
    "errors": ("QiskitFunctionsError",),
    "models": ("Backend", "Function", "Job", "JobEvent", "JobPage", "JobStatus", "RuntimeJob", "Usage"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
