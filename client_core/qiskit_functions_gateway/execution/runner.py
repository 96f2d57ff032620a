"""Where jobs run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Runner(Protocol):
    """Takes a data folder's jobs from the queue to their end. Blocking: call it from a thread."""

    def dispatch(self) -> None:
        """Start what waits, and see to what runs; called again and again."""

    def stop(self, job_id: str) -> bool:
        """End a job; tells whether it was active. Returns when it is over."""


@dataclass(frozen=True)
class Cluster:
    """An existing Ray cluster.

    Attributes:
        address: of its Jobs API, which is the dashboard's: ``http://head:8265``.
        gateway: our own address as the cluster's nodes know it; where we listen by default.
        shared_folder: where they see our data folder, if they do; else files go through our API.
        patience: for how many seconds it may be out of reach before its jobs are given up.
    """

    address: str
    gateway: str = ""
    shared_folder: str = ""
    patience: float = 600.0
