"""Replies about backends, the account and its quota."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from qiskit_functions_core import Backend

from .truncation import Listing


class Medians(BaseModel):
    two_qubit_error: float | None = None
    single_qubit_error: float | None = None
    readout_error: float | None = None
    t1_us: float | None = None
    t2_us: float | None = None


class BackendLine(BaseModel):
    name: str
    num_qubits: int
    operational: bool
    simulated: str | None = Field(default=None, description="where, if it is not a quantum computer")
    status_message: str | None = None
    queue_length: int | None = None
    processor: str | None = None
    basis_gates: list[str] | None = None
    max_shots: int | None = None
    medians: Medians | None = Field(default=None, description="as last calibrated; times in µs")
    couplings: int | None = Field(default=None, description="pairs of qubits in its coupling map")
    coupling_map: list[tuple[int, int]] | None = None

    @classmethod
    def of(cls, backend: Backend, *, is_here: bool, whole: bool = False, coupling_map: bool = False) -> BackendLine:
        """Return a backend.

        Args:
            is_here: whether the account's backends are simulated on this machine.
            whole: with what a list leaves out, except the coupling map.
            coupling_map: with the coupling map.
        """
        left_out = {"simulator", "coupling_map"} | (set() if whole else {"max_shots", "medians"})
        fields = {
            key: value for key, value in backend.model_dump(exclude=left_out).items() if value not in ("", [], None)
        }
        if backend.simulator:
            fields["simulated"] = "simulated on this machine" if is_here else "a simulator"
        if is_here:  # nothing queues for a simulation
            fields.pop("queue_length", None)
        pairs = backend.coupling_map or []
        return cls(
            **fields,
            couplings=len(pairs) if whole and pairs else None,
            coupling_map=pairs if coupling_map and pairs else None,
        )


class BackendList(Listing):
    backends: list[BackendLine]
    age_seconds: float = Field(description="how long ago this was fetched")
    note: str | None = None


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
