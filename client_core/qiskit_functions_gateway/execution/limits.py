"""What a job may use, as settings."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Self

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Bounds of a gateway's jobs; they reach a supervisor with its command, out of its function's sight.

    Attributes:
        max_jobs: how many run at once on a data folder; as many as there are processors by default.
        seconds: how long a function may run; none is unlimited, because some functions wait for days in a
            queue of hardware.
        memory_mb: MiB of resident memory of all of a job's processes together; none is unlimited.
        log_mb: MiB of log that are kept, 50 as Qiskit Serverless keeps them.
    """

    max_jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    seconds: float | None = None
    memory_mb: float | None = None
    log_mb: float = 50

    @classmethod
    def from_argument(cls, text: str) -> Self:
        return cls(**json.loads(text))

    def as_argument(self) -> str:
        return json.dumps(asdict(self))

    @property
    def memory_bytes(self) -> float | None:
        return None if self.memory_mb is None else self.memory_mb * MEBIBYTE

    @property
    def log_bytes(self) -> int:
        return int(self.log_mb * MEBIBYTE)
