"""Where jobs run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Runner(Protocol):
    """Runs a data folder's jobs. Blocking: call it from a thread."""

    def dispatch(self) -> None:
        """Start jobs that wait and follow those that run; called once a second, and when a job was queued."""

    def stop(self, job_id: str) -> bool:
        """Stop a job; return when it has ended, with False if it was not active."""


@dataclass(frozen=True)
class Cluster:
    """An existing Ray cluster.

    Attributes:
        address: the URL of its Jobs API, which is the dashboard's, such as ``http://head:8265``.
        gateway: the gateway's URL for the cluster's nodes; by default that at which it listens.
        shared_folder: the data folder's path on the nodes, if they see it; else files go through the gateway's API.
        patience: for how many seconds the cluster may be unreachable before its jobs fail.
    """

    address: str
    gateway: str = ""
    shared_folder: str = ""
    patience: float = 600.0
