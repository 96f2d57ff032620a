"""What the APIs speak of; each wire format is parsed here, once.

Statuses are Qiskit's, as the official client shows them; the gateway's own are mapped at the boundary.
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
        return self in (JobStatus.DONE, JobStatus.ERROR, JobStatus.CANCELED)

    @property
    def on_gateway(self) -> str:
        """The gateway's word, which is the only one that its filters know."""
        return _TO_GATEWAY[self]

    @classmethod
    def from_gateway(cls, word: str) -> JobStatus:
        """Raises ValueError for a word that no known gateway uses."""
        return _FROM_GATEWAY.get(word) or cls(word)


_TO_GATEWAY = {
    JobStatus.QUEUED: "QUEUED",
    JobStatus.INITIALIZING: "PENDING",
    JobStatus.RUNNING: "RUNNING",
    JobStatus.DONE: "SUCCEEDED",
    JobStatus.ERROR: "FAILED",
    JobStatus.CANCELED: "STOPPED",
}
_FROM_GATEWAY = {word: status for status, word in _TO_GATEWAY.items()}

_SUB_STATUSES = {"OPTIMIZING_HARDWARE": "OPTIMIZING_FOR_HARDWARE", "WAITING_QPU": "WAITING_FOR_QPU"}
"""Those that the official client calls otherwise than the gateway does."""


def _decoded(value: Any) -> Any:
    """The gateway sends objects and lists as JSON strings inside JSON."""
    return json.loads(value) if isinstance(value, str) and value else value


def _decoded_or_empty(value: Any) -> Any:
    return _decoded(value) or None


def _list_or_empty(value: Any) -> Any:
    return _decoded(value) or []


def _no_schema_when_empty(value: Any) -> Any:
    schema = _decoded(value)
    return None if schema in ({}, "", None) else schema


def _status(value: Any) -> Any:
    return JobStatus.from_gateway(value) if isinstance(value, str) else value


def _provider_name(value: Any) -> Any:
    """Listings give a provider's id in place of its name; an id says nothing to anybody."""
    return None if isinstance(value, str) and _UUID.fullmatch(value) else value


class Wire(BaseModel):
    """Frozen, and tolerant of fields that newer gateways add; built when first used, as few are in most processes."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, defer_build=True)


W = TypeVar("W", bound=Wire)


def parsed(model: type[W], value: Any) -> W:
    """What a server answered, as a model.

    Raises:
        GatewayFault: it is something else.
    """
    try:
        return model.model_validate(value)
    except (ValidationError, RecursionError) as error:
        raise GatewayFault(
            f"the answer is no {model.__name__} that this version understands",
            status=200,
            next_step="Check that the host is a Qiskit Serverless gateway, and whether it is newer than this client.",
        ) from error


def parsed_list(model: type[W], value: Any) -> list[W]:
    """As ``parsed``, for an array."""
    if not isinstance(value, list):
        raise GatewayFault(f"the answer is no list of {model.__name__}s", status=200)
    return [parsed(model, item) for item in value]


class Function(Wire):
    """A Qiskit Function ("program" in the gateway's API).

    Attributes:
        sizes: the compute profile behind each size, such as ``{"m": "cx3d-4x16"}``.
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
    dependencies: Annotated[list[Any], BeforeValidator(_list_or_empty)] = Field(default_factory=list)
    sizes: Annotated[dict[str, str] | None, BeforeValidator(_decoded_or_empty)] = None
    default_size: str | None = None
    arguments_schema: Annotated[ArgumentsSchema | None, BeforeValidator(_no_schema_when_empty)] = None

    @property
    def name(self) -> str:
        """``title``, or ``provider/title``."""
        return f"{self.provider}/{self.title}" if self.provider else self.title


class Job(Wire):
    """One run of a function.

    Attributes:
        function_title: none in the gateway's answer to a run, which names the function by an id only.
        created: with its time zone, by the gateway's clock.
        sub_status: what the function says it is doing while it runs (MAPPING, EXECUTING_QPU, …).
    """

    id: str = Field(pattern=f"^{_UUID.pattern}$")
    status: Annotated[JobStatus, BeforeValidator(_status)]
    sub_status: str | None = None
    created: AwareDatetime
    function_title: str | None = Field(default=None, validation_alias=AliasPath("program", "title"))
    provider: Annotated[str | None, BeforeValidator(_provider_name)] = Field(
        default=None, validation_alias=AliasPath("program", "provider")
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
        """``title`` or ``provider/title``, as far as the gateway told."""
        return f"{self.provider}/{self.function_title}" if self.provider else self.function_title


class JobPage(Wire):
    """A part of a job listing, newest first.

    Attributes:
        total: how many jobs match in all.
    """

    jobs: list[Job] = Field(validation_alias="results")
    total: int = Field(validation_alias="count")


class JobEvent(Wire):
    """A change in a job's life; ``data`` of an ERROR holds code, message, exception and args."""

    event_type: str
    origin: str | None = None
    context: str | None = None
    created: datetime
    data: dict[str, Any] = Field(default_factory=dict)


class RuntimeJob(Wire):
    """A Qiskit Runtime job that a function started."""

    runtime_job: str
    runtime_session: str | None = None


class Usage(Wire):
    """Quota of an instance, in seconds.

    Attributes:
        remaining: none where there is no limit.
        limit_reached: what the platform itself says, also without a remaining value.
    """

    consumed: float | None = Field(default=None, validation_alias="usage_consumed_seconds")
    limit: float | None = Field(default=None, validation_alias="usage_limit_seconds")
    remaining: float | None = Field(default=None, validation_alias="usage_remaining_seconds")
    limit_reached: bool = Field(default=False, validation_alias="usage_limit_reached")


class Backend(Wire):
    """A quantum computer or simulator.

    Attributes:
        queue_length: jobs that wait; none where it is not known.
        basis_gates: empty until the configuration was read.
    """

    name: str
    num_qubits: int
    simulator: bool = False
    operational: bool = True
    status_message: str = ""
    queue_length: int | None = None
    processor: str = ""
    basis_gates: list[str] = Field(default_factory=list)
    max_shots: int | None = None
    coupling_map: list[tuple[int, int]] | None = None


class Instance(Wire):
    """An instance of Qiskit Runtime that an API key opens.

    Attributes:
        plan: in lower case, such as ``open`` or ``premium``; ``unknown`` where IBM Cloud does not tell.
    """

    crn: str = Field(repr=False)  # an account is in it
    name: str = ""
    plan: str = "unknown"
    tags: Annotated[list[str], BeforeValidator(_list_or_empty)] = Field(default_factory=list)

    @property
    def region(self) -> str:
        """The region in the CRN, such as ``us-east``."""
        return crn_region(self.crn)


def crn_region(crn: str) -> str:
    """The region of ``crn:v1:cloud:type:service:region:…``; empty for what is no CRN."""
    fields = crn.split(":")
    return fields[5] if len(fields) > 5 else ""  # noqa: PLR2004 - as the docstring counts
