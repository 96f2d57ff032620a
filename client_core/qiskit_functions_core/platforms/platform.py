"""Quota and backends: what pre-flight needs to know, and what people choose from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import PlatformUnavailable
from ..models import Backend, Instance, Usage


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
        """Those backends for which all of this holds; none leaves a question open.

        Args:
            predicate: asked last. What only a configuration tells is there after ``Platform.configured``.
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
    """Where an account's quota and backends are asked for."""

    async def usage(self) -> Usage:
        """The instance's quota."""

    async def backends(self, *, refresh: bool = False) -> Listing:
        """All backends of the instance."""

    async def backend(self, name: str) -> Backend | None:
        """One backend, asked for anew; none when the instance has no such backend."""

    async def details(self, name: str) -> Backend | None:
        """As ``backend``, with what only its configuration tells: basis gates, coupling map, shots."""

    async def configured(self, backends: Sequence[Backend]) -> list[Backend]:
        """These backends with what only their configurations tell, which are fetched side by side."""

    async def instances(self, *, name: str = "", region: str = "", plan: str = "") -> list[Instance]:
        """The instances that the account's token opens, narrowed by exact name, region and plan."""

    async def cancel_runtime_job(self, job_id: str) -> bool:
        """Cancel a Qiskit Runtime job; whether there was anything left to cancel."""

    async def close_session(self, session_id: str) -> bool:
        """End a Qiskit Runtime session and cancel its jobs; whether there was anything left to end."""


class NoPlatform:
    """Nobody to ask: every question raises this error.

    Args:
        error: whether that is for good (PlatformAbsent) or not, and why.
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

    async def cancel_runtime_job(self, job_id: str) -> bool:
        raise self._error

    async def close_session(self, session_id: str) -> bool:
        raise self._error


def least_busy(backends: Sequence[Backend]) -> Backend | None:
    """The operational backend with the shortest queue that is known; where none is, the smallest one."""
    candidates = [backend for backend in backends if backend.operational]
    return min(
        candidates,
        key=lambda b: (math.inf if b.queue_length is None else b.queue_length, b.num_qubits, b.name),
        default=None,
    )
