"""Quota and backends: what pre-flight needs to know, and what people choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .errors import PlatformUnavailable
from .models import Backend, Usage


@dataclass(frozen=True)
class Listing:
    """A complete, unfiltered listing of backends.

    Attributes:
        age: seconds since it was fetched.
    """

    backends: tuple[Backend, ...]
    age: float


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


def least_busy(backends: Sequence[Backend]) -> Backend | None:
    """The operational backend with the shortest queue; where no queue is known, the smallest one."""
    candidates = [backend for backend in backends if backend.operational]
    return min(candidates, key=lambda b: (b.queue_length or 0, b.num_qubits, b.name), default=None)
