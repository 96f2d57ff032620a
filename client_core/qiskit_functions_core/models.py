"""What the APIs send and take; each wire format is parsed here, once.

Statuses are Qiskit's, as the official client shows them; the gateway's own names are translated here.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import AliasPath, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .errors import GatewayFault

ArgumentsSchema = dict[str, Any] | bool

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class JobStatus(StrEnum):
    """A job's status in Qiskit's terms."""

    QUEUED = "QUEUED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    ERROR = "ERROR"
    CANCELED = "CANCELED"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self in (JobStatus.DONE, JobStatus.ERROR, JobStatus.CANCELED)

    @property
    def on_gateway(self) -> str:
        """The gateway's name for it, which is the only one that its filters take."""
        return _TO_GATEWAY[self]

    @classmethod
    def from_gateway(cls, name: str) -> JobStatus:
        """Return the status that the gateway calls so.

        Raises:
            ValueError: no known gateway uses that name.
        """
        return _FROM_GATEWAY.get(name) or cls(name)


_TO_GATEWAY = {
    JobStatus.QUEUED: "QUEUED",
    JobStatus.INITIALIZING: "PENDING",
    JobStatus.RUNNING: "RUNNING",
    JobStatus.DONE: "SUCCEEDED",
    JobStatus.ERROR: "FAILED",
    JobStatus.CANCELED: "STOPPED",
}
_FROM_GATEWAY = {name: status for status, name in _TO_GATEWAY.items()}

_SUB_STATUSES = {"OPTIMIZING_HARDWARE": "OPTIMIZING_FOR_HARDWARE", "WAITING_QPU": "WAITING_FOR_QPU"}
"""The official client's names, where they differ from the gateway's."""


def _decoded(value: Any) -> Any:
    """The gateway sends objects and lists as JSON strings inside JSON; empty ones, and no text, count as absent."""
    value = json.loads(value) if isinstance(value, str) and value else value
    return None if value in ({}, [], "") else value


_List = BeforeValidator(lambda value: _decoded(value) or [])

_Decoded = BeforeValidator(_decoded)

_Status = BeforeValidator(lambda value: JobStatus.from_gateway(value) if isinstance(value, str) else value)

_Provider = BeforeValidator(lambda value: None if isinstance(value, str) and _UUID.fullmatch(value) else value)
"""Listings send a provider's id in place of its name, and an id means nothing to a reader."""

_ProviderId = BeforeValidator(lambda value: value if isinstance(value, str) and _UUID.fullmatch(value) else None)


class Wire(BaseModel):
    """A frozen model that ignores fields which newer gateways add; built at its first use, as few are used in most
    processes.

    A default such as ``[]`` is copied for each instance. pydantic would take 2 ms to inspect ``default_factory=list``.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, defer_build=True)


W = TypeVar("W", bound=Wire)


def parsed(model: type[W], value: Any) -> W:
    """Return what a server answered as a model.

    Raises:
        GatewayFault: it does not match the model.
    """
    try:
        return model.model_validate(value)
    except (ValidationError, RecursionError) as error:
        raise GatewayFault(
            f"the answer is not a {model.__name__} that this version understands",
            status=200,
            next_step="Check that the host is a Qiskit Serverless gateway, and whether it is newer than this client.",
        ) from error


def parsed_list(model: type[W], value: Any) -> list[W]:
    """Return what a server answered as a list of models. Errors are as in ``parsed``."""
    if not isinstance(value, list):
        raise GatewayFault(f"the answer is not a list of {model.__name__}s", status=200)
    return [parsed(model, item) for item in value]


class Function(Wire):
    """A Qiskit Function ("program" in the gateway's API).

    Attributes:
        provider: None for a function that an account uploaded for itself.
        sizes: the compute profile of each size, such as ``{"m": "cx3d-4x16"}``.
        arguments_schema: a JSON Schema; None without one.
    """

    title: str
    provider: str | None = None
    id: str | None = None
    description: str | None = None
    version: str | None = None
    type: str | None = None
    runner: str | None = None
    entrypoint: str | None = None
    image: str | None = None
    documentation_url: str | None = None
    dependencies: Annotated[list[Any], _List] = []
    sizes: Annotated[dict[str, str] | None, _Decoded] = None
    default_size: str | None = None
    arguments_schema: Annotated[ArgumentsSchema | None, _Decoded] = None

    @property
    def name(self) -> str:
        """``title`` or ``provider/title``."""
        return f"{self.provider}/{self.title}" if self.provider else self.title


class Job(Wire):
    """One run of a function.

    Attributes:
        id: a UUID.
        sub_status: what a running function says that it is doing (MAPPING, EXECUTING_QPU, …).
        created: when, by the gateway's clock.
        function_title: None in the gateway's answer to a run, which has only the function's id.
        provider_id: the provider's id, where the gateway tells it in place of the name.
    """

    id: str = Field(pattern=f"^{_UUID.pattern}$")
    status: Annotated[JobStatus, _Status]
    sub_status: str | None = None
    created: AwareDatetime
    function_title: str | None = Field(default=None, validation_alias=AliasPath("program", "title"))
    provider: Annotated[str | None, _Provider] = Field(default=None, validation_alias=AliasPath("program", "provider"))
    provider_id: Annotated[str | None, _ProviderId] = Field(
        default=None, validation_alias=AliasPath("program", "provider"), repr=False
    )
    compute_profile: str | None = None
    fleet_id: str | None = None
    business_model: str | None = None

    @property
    def qiskit_status(self) -> str:
        """Status and sub-status as the official client shows them, such as ``RUNNING: WAITING_FOR_QPU``."""
        if self.status is not JobStatus.RUNNING or not self.sub_status:
            return self.status.value
        return f"{self.status}: {_SUB_STATUSES.get(self.sub_status, self.sub_status)}"

    @property
    def function(self) -> str | None:
        """``title`` or ``provider/title``, as far as the gateway tells it."""
        return f"{self.provider}/{self.function_title}" if self.provider else self.function_title


class JobPage(Wire):
    """A part of a job listing, newest first.

    Attributes:
        total: how many jobs the whole listing has.
    """

    jobs: list[Job] = Field(validation_alias="results")
    total: int = Field(validation_alias="count")


class JobEvent(Wire):
    """Something that happened to a job.

    Attributes:
        event_type: such as STATUS_CHANGE or ERROR.
        data: of an ERROR: code, message, exception and args.
    """

    event_type: str
    origin: str | None = None
    context: str | None = None
    created: datetime
    data: dict[str, Any] = {}


class StoredFile(Wire):
    """A file in a function's data folder.

    Attributes:
        size: in bytes; None where the gateway does not say.
        modified: when, by the gateway's clock; None where it does not say.
    """

    name: str
    size: int | None = None
    modified: AwareDatetime | None = None


class RuntimeJob(Wire):
    """A Qiskit Runtime job that a function started."""

    runtime_job: str
    runtime_session: str | None = None


class JobUsage(Wire):
    """What a job has used of this machine's quota, in seconds."""

    usage_seconds: float


class RuntimeJobState(Wire):
    """How far a Qiskit Runtime job is, as IBM Quantum tells it.

    Attributes:
        status: such as Queued, Running, Completed, Failed or Cancelled.
        reason: why it failed.
        quantum_seconds: of the quota; None until they are settled.
    """

    status: str | None = None
    reason: str | None = None
    quantum_seconds: float | None = None


class Usage(Wire):
    """Quota of an instance, in seconds.

    Attributes:
        remaining: None without a limit.
        limit_reached: what the platform itself says, sometimes without a remaining value.
    """

    consumed: float | None = Field(default=None, validation_alias="usage_consumed_seconds")
    limit: float | None = Field(default=None, validation_alias="usage_limit_seconds")
    remaining: float | None = Field(default=None, validation_alias="usage_remaining_seconds")
    limit_reached: bool = Field(default=False, validation_alias="usage_limit_reached")


class BackendMedians(Wire):
    """Medians over a backend's qubits and gates, as it was last calibrated; times in microseconds."""

    two_qubit_error: float | None = None
    single_qubit_error: float | None = None
    readout_error: float | None = None
    t1_us: float | None = None
    t2_us: float | None = None


class Backend(Wire):
    """A quantum computer or simulator.

    Attributes:
        queue_length: jobs that wait; None where it is not known.
        processor: its family and revision, such as ``Heron 2``.
        basis_gates: empty until the configuration was read.
        coupling_map: pairs of qubits; None until the configuration was read.
        medians: of errors and coherence times; None until the properties were read, or if it has none.
    """

    name: str
    num_qubits: int
    simulator: bool = False
    operational: bool = True
    status_message: str = ""
    queue_length: int | None = None
    processor: str = ""
    basis_gates: list[str] = []
    max_shots: int | None = None
    coupling_map: list[tuple[int, int]] | None = None
    medians: BackendMedians | None = None


class Instance(Wire):
    """An instance of Qiskit Runtime that an API key can use.

    Attributes:
        plan: in lower case, such as ``open`` or ``premium``; ``unknown`` where IBM Cloud does not tell.
    """

    crn: str = Field(repr=False)  # an account is in it
    name: str = ""
    plan: str = "unknown"
    tags: Annotated[list[str], _List] = []

    @property
    def region(self) -> str:
        """The region in the CRN, such as ``us-east``."""
        return crn_region(self.crn)


def crn_region(crn: str) -> str:
    """Return the region in ``crn:v1:cloud:type:service:region:…``; empty for what is not a CRN."""
    fields = crn.split(":")
    return fields[5] if len(fields) > 5 else ""  # as the docstring counts
