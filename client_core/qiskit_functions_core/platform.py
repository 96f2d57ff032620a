"""Quota and backends: what pre-flight needs to know, and what people choose from."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anyio.to_thread

from .errors import PlatformUnavailable
from .models import Backend, Usage

if TYPE_CHECKING:
    from .transport import Transport


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


class LocalPlatform:
    """The fake backends of qiskit-ibm-runtime, and the embedded gateway's ledger of seconds used.

    The backends are read from the configuration files inside the package, since the library loads
    every backend whole to answer anything, and takes seconds for it.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = anyio.Lock()
        self._cached: tuple[Backend, ...] | None = None
        self._fetched = 0.0

    async def usage(self) -> Usage:
        answer = await self._transport.get("instances/usage")
        return Usage.model_validate(answer.json())

    async def backends(self, *, refresh: bool = False) -> Listing:
        async with self._lock:
            if self._cached is None or refresh:
                self._cached = await anyio.to_thread.run_sync(_fake_backends)
                self._fetched = time.monotonic()
            return Listing(self._cached, time.monotonic() - self._fetched)

    async def backend(self, name: str) -> Backend | None:
        return await anyio.to_thread.run_sync(_fake_backend, name)


def least_busy(backends: Sequence[Backend]) -> Backend | None:
    """The operational backend with the shortest queue; where no queue is known, the smallest one."""
    candidates = [backend for backend in backends if backend.operational]
    return min(candidates, key=lambda b: (b.queue_length or 0, b.num_qubits, b.name), default=None)


def _configurations() -> Path:
    package = find_spec("qiskit_ibm_runtime")
    if package is None or package.origin is None:
        raise PlatformUnavailable("qiskit-ibm-runtime, whose fake backends are used here, is not installed")
    return Path(package.origin).parent / "fake_provider" / "backends"


def _fake_backends() -> tuple[Backend, ...]:
    files = sorted(_configurations().glob("*/conf_*.json"))
    return tuple(_parsed(file) for file in files)


def _fake_backend(name: str) -> Backend | None:
    family = name.removeprefix("fake_")
    if family == name or not re.fullmatch(r"[a-z0-9_]+", family):
        return None
    file = _configurations() / family / f"conf_{family}.json"
    return _parsed(file) if file.is_file() else None


def _parsed(file: Path) -> Backend:
    conf: dict[str, Any] = json.loads(file.read_bytes())
    processor = conf.get("processor_type") or {}
    return Backend(
        name=f"fake_{file.parent.name}",
        num_qubits=conf["n_qubits"],
        simulator=True,
        queue_length=0,
        processor=" ".join(str(processor[key]) for key in ("family", "revision") if key in processor),
        basis_gates=conf.get("basis_gates", []),
        max_shots=conf.get("max_shots"),
        coupling_map=[(a, b) for a, b in conf.get("coupling_map") or []],
    )
