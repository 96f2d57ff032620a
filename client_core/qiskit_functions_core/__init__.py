"""The client library for Qiskit Functions: find, run and follow them on any Qiskit Serverless gateway.

``FunctionsClient`` is the object to start with; ``errors`` has every error that it raises. The public names are loaded
at their first use: the gateway's jobs need none of them, and a server that only lists its tools needs no client and so
no httpx.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .accounts.account import Account, Channel
    from .accounts.resolution import resolve_account
    from .accounts.saved_accounts import SavedAccount, delete_account, save_account, saved_accounts
    from .client import FunctionsClient, RunConfig
    from .errors import QiskitFunctionsError
    from .models import Backend, Function, Instance, Job, JobEvent, JobPage, JobStatus, RuntimeJob, Usage
    from .serverless.artifact import Artifact
    from .serverless.submission import Submission

__all__ = [
    "Account",
    "Artifact",
    "Backend",
    "Channel",
    "Function",
    "FunctionsClient",
    "Instance",
    "Job",
    "JobEvent",
    "JobPage",
    "JobStatus",
    "QiskitFunctionsError",
    "RunConfig",
    "RuntimeJob",
    "SavedAccount",
    "Submission",
    "Usage",
    "delete_account",
    "resolve_account",
    "save_account",
    "saved_accounts",
]

_MODULES = {
    "accounts.account": ("Account", "Channel"),
    "accounts.resolution": ("resolve_account",),
    "accounts.saved_accounts": ("SavedAccount", "delete_account", "save_account", "saved_accounts"),
    "serverless.artifact": ("Artifact",),
    "client": ("FunctionsClient", "RunConfig"),
    "errors": ("QiskitFunctionsError",),
    "models": ("Backend", "Function", "Instance", "Job", "JobEvent", "JobPage", "JobStatus", "RuntimeJob", "Usage"),
    "serverless.submission": ("Submission",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
