"""The statuses of jobs and the events that record what happens to them, in the words of Qiskit Serverless."""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """A job's status."""

    QUEUED = "QUEUED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"

    @property
    def is_active(self) -> bool:
        """Whether the job can still change its status."""
        return self in ACTIVE

    @property
    def is_finished(self) -> bool:
        return self not in ACTIVE


STARTED = frozenset({JobStatus.PENDING, JobStatus.RUNNING})
"""The statuses of jobs that have left the queue and have not ended."""

ACTIVE = STARTED | {JobStatus.QUEUED}
"""The statuses that are not final."""


class EventType(StrEnum):
    """What an event records."""

    STATUS_CHANGE = "STATUS_CHANGE"
    SUB_STATUS_CHANGE = "SUB_STATUS_CHANGE"
    ERROR = "ERROR"


class EventOrigin(StrEnum):
    """What caused an event: a request, or the part of the gateway that runs jobs."""

    API = "API"
    SCHEDULER = "SCHEDULER"


class EventContext(StrEnum):
    """The operation during which an event happened."""

    RUN_PROGRAM = "RUN_PROGRAM"
    SCHEDULE_JOBS = "SCHEDULE_JOBS"
    UPDATE_JOB_STATUS = "UPDATE_JOB_STATUS"
    STOP_JOB = "STOP_JOB"
    SET_SUB_STATUS = "SET_SUB_STATUS"
    SEND_ERROR = "SEND_ERROR"
