"""Replies about backends, the account and its quota."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from qiskit_functions_core import Backend

from .truncation import Listing


class BackendLine(BaseModel):
    name: str
    num_qubits: int
    operational: bool
    simulator: bool
    status_message: str | None = None
    queue_length: int | None = None
    processor: str | None = None
    basis_gates: list[str] | None = None
    max_shots: int | None = None
    coupling_map: list[tuple[int, int]] | None = Field(default=None, description="only for one backend by name")

    @classmethod
    def of(cls, backend: Backend, *, whole: bool = False) -> BackendLine:
        """Return a backend; in a list, without its coupling map and its number of shots."""
        fields = backend.model_dump(exclude=set() if whole else {"coupling_map", "max_shots"})
        return cls(**{key: value for key, value in fields.items() if value not in ("", [], None)})


class BackendList(Listing):
    backends: list[BackendLine]
    age_seconds: float = Field(description="how long ago this was fetched")


class AccountReply(BaseModel):
    channel: str
    host: str
    instance: str | None = None
    source: str


class UsageReply(BaseModel):
    account: AccountReply
    standing: Literal["ok", "warning", "refused"] = Field(description="the outcome of check_run's quota check")
    message: str
    consumed_seconds: float | None = None
    limit_seconds: float | None = None
    remaining_seconds: float | None = None
