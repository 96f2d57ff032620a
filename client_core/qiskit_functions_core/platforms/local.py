"""Quota and backends of this machine, which needs no account: the gateway's ledger, and simulated backends."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ..errors import PlatformUnavailable
from ..models import Backend, BackendMedians, Instance, RuntimeJobState, Usage, parsed
from .calibration import medians
from .platform import Listing

if TYPE_CHECKING:
    from ..http.transport import Transport


AER = "aer_simulator"
"""The name of Aer's simulator, which has no noise, in qiskit-ibm-runtime's local service."""


class LocalPlatform:
    """The fake backends of qiskit-ibm-runtime, Aer's simulator, and the seconds in the local gateway's ledger.

    The backends are read from the configuration files inside the package: the library would load every backend
    completely to answer any question, which takes seconds.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = anyio.Lock()
        self._cached: tuple[Backend, ...] | None = None
        self._fetched = 0.0

    async def usage(self) -> Usage:
        answer = await self._transport.get("instances/usage")
        return parsed(Usage, answer.json())

    async def backends(self, *, refresh: bool = False) -> Listing:
        async with self._lock:
            if self._cached is None or refresh:
                self._cached = await anyio.to_thread.run_sync(_fake_backends)
                self._fetched = time.monotonic()
            return Listing(self._cached, time.monotonic() - self._fetched)

    async def backend(self, name: str) -> Backend | None:
        return await anyio.to_thread.run_sync(_fake_backend, name)

    async def details(self, name: str) -> Backend | None:
        found = await self.backend(name)
        if found is None or name == AER:
            return found
        return found.model_copy(update={"medians": await anyio.to_thread.run_sync(_medians, name)})

    async def configured(self, backends: Sequence[Backend]) -> list[Backend]:
        return list(backends)

    async def instances(self, *, name: str = "", region: str = "", plan: str = "") -> list[Instance]:
        return []

    async def runtime_job(self, job_id: str) -> RuntimeJobState | None:
        return None

    async def cancel_runtime_job(self, job_id: str) -> bool:
        """Return False: a simulation ends with the function's process."""
        return False

    async def close_session(self, session_id: str) -> bool:
        return False


def _configurations() -> Path:
    package = find_spec("qiskit_ibm_runtime")
    if package is None or package.origin is None:
        raise PlatformUnavailable("qiskit-ibm-runtime, whose fake backends are used here, is not installed")
    return Path(package.origin).parent / "fake_provider" / "backends"


@cache  # the files of an installed package do not change, and reading them takes 0.2 s
def _fake_backends() -> tuple[Backend, ...]:
    files = sorted(_configurations().glob("*/conf_*.json"))
    return (*(_parsed(file) for file in files), *_aer())


def _fake_backend(name: str) -> Backend | None:
    if name == AER:
        return next(iter(_aer()), None)
    family = name.removeprefix("fake_")
    if family == name or not re.fullmatch(r"[a-z0-9_]{1,100}", family):
        return None
    file = _configurations() / family / f"conf_{family}.json"
    return _parsed(file) if file.is_file() else None


def _medians(name: str) -> BackendMedians | None:
    family = name.removeprefix("fake_")
    file = _configurations() / family / f"props_{family}.json"
    return medians(json.loads(file.read_bytes())) if file.is_file() else None


def _aer() -> list[Backend]:
    """Return Aer's simulator, if it is installed, with as many qubits as Aer can hold in memory."""
    if find_spec("qiskit_aer") is None:
        return []
    import psutil  # needed nowhere else in the client

    # A state vector takes 16 bytes an amplitude (MAX_QUBITS_STATEVECTOR in qiskit_aer.backends.backend_utils).
    qubits = int(math.log2(psutil.virtual_memory().total / 16))
    return [Backend(name=AER, num_qubits=qubits, simulator=True, queue_length=0, processor="Aer, no noise")]


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
