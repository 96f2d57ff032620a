"""What can be asked about quota and backends, wherever an account has them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import PlatformUnavailable
from ..models import Backend, Instance, RuntimeJobState, Usage


@dataclass(frozen=True)
class Listing:
    """A complete, unfiltered listing of backends.

    Attributes:
        age: seconds since it was fetched.
    """

    backends: tuple[Backend, ...]
    age: float

    def matching(
        self,
        *,
        name: str = "",
        min_num_qubits: int = 0,
        operational: bool | None = None,
        simulator: bool | None = None,
        predicate: Callable[[Backend], bool] | None = None,
    ) -> list[Backend]:
        """Return the backends that match all of the filters; an empty name and None match every backend.

        Args:
            predicate: called last. It sees gates, couplings and shots only after ``Platform.configured``.
        """
        return [
            backend
            for backend in self.backends
            if (not name or backend.name == name)
            and backend.num_qubits >= min_num_qubits
            and operational in (None, backend.operational)
            and simulator in (None, backend.simulator)
            and (predicate is None or predicate(backend))
        ]


class Platform(Protocol):
    """Where an account's quota and backends come from.

    Each method may raise ``PlatformUnavailable``; one that sends a request, also ``GatewayUnreachable``,
    ``GatewayTimeout`` and ``GatewayError``.
    """

    async def usage(self) -> Usage:
        """Return the instance's quota, in seconds."""

    async def backends(self, *, refresh: bool = False) -> Listing:
        """Return all backends of the instance; from a cache, unless ``refresh`` is set."""

    async def backend(self, name: str) -> Backend | None:
        """Return one backend, always looked up; None if the instance has no such backend."""

    async def details(self, name: str) -> Backend | None:
        """Return one backend with its medians, and what only its configuration has: gates, couplings, shots."""

    async def configured(self, backends: Sequence[Backend]) -> list[Backend]:
        """Return these backends with what only their configurations have, which are fetched concurrently."""

    async def instances(self, *, name: str = "", region: str = "", plan: str = "") -> list[Instance]:
        """Return the instances that the account's token can use, filtered by exact name, region and plan."""

    async def runtime_job(self, job_id: str) -> RuntimeJobState | None:
        """Return how far a Qiskit Runtime job is; None where such jobs are not known."""

    async def cancel_runtime_job(self, job_id: str) -> bool:
        """Cancel a Qiskit Runtime job, and return whether it was still active."""

    async def close_session(self, session_id: str) -> bool:
        """Close a Qiskit Runtime session, which cancels its jobs, and return whether it was still open."""


class NoPlatform:
    """A platform that raises the same error for every question.

    Args:
        error: ``PlatformAbsent`` if there will never be an answer.
    """

    def __init__(self, error: PlatformUnavailable) -> None:
        self._error = error

    async def usage(self) -> Usage:
        raise self._error

    async def backends(self, *, refresh: bool = False) -> Listing:
        raise self._error

    async def backend(self, name: str) -> Backend | None:
        raise self._error

    async def details(self, name: str) -> Backend | None:
        raise self._error

    async def configured(self, backends: Sequence[Backend]) -> list[Backend]:
        raise self._error

    async def instances(self, *, name: str = "", region: str = "", plan: str = "") -> list[Instance]:
        raise self._error

    async def runtime_job(self, job_id: str) -> RuntimeJobState | None:
        raise self._error

    async def cancel_runtime_job(self, job_id: str) -> bool:
        raise self._error

    async def close_session(self, session_id: str) -> bool:
        raise self._error


def useful_first(backends: Sequence[Backend]) -> list[Backend]:
    """Return the backends in the order in which most runs would choose them.

    Operational ones come first, then those with the shorter queue. Simulated ones queue nowhere: of them the first of
    each size comes before the second of any, and small ones, which are fast, before large ones. A single qubit is of
    little use.
    """
    turns, seen = dict[str, int](), Counter[int]()
    for backend in backends:
        turns[backend.name] = seen[backend.num_qubits] if backend.simulator else 0
        seen[backend.num_qubits] += 1
    return sorted(
        backends,
        key=lambda b: (
            not b.operational,
            math.inf if b.queue_length is None else b.queue_length,
            turns[b.name],
            b.num_qubits <= 1,
            b.num_qubits if b.simulator else -b.num_qubits,
            b.name,
        ),
    )


def least_busy(backends: Sequence[Backend]) -> Backend | None:
    """Return the operational backend with the shortest queue, of several the first of ``useful_first``.

    None if none of them is operational.
    """
    return next((backend for backend in useful_first(backends) if backend.operational), None)
