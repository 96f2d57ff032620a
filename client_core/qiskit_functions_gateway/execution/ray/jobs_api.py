"""The part of Ray's Jobs API that the gateway uses; no other module knows Ray's client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...storage.job_states import JobStatus
from ..lifecycle import Failure, FailureCode

_TIMEOUT_SECONDS = 30.0
"""For each step of a request; an upload of 50 MB is many of them."""

_COMMAND = "exec python .qiskit-functions/worker.py"
"""``exec``: without a shell in between, Ray's signals reach the worker itself."""

_SIGNALLED = 128
"""Greater exit codes are a shell's way to say which signal ended a process."""


class Unreachable(Exception):
    """The cluster does not answer, or answers that it cannot at present."""


@dataclass(frozen=True)
class Report:
    """What the cluster says about a job.

    Attributes:
        status: in Ray's words, which are the gateway's but for QUEUED.
        error_type: the kind of failure, in Ray's words; empty if there is none.
        exit_code: of the worker, if it has ended; it is the function's.
        seconds: from its submission to its end; 0 until it has ended.
    """

    status: JobStatus
    message: str
    error_type: str
    exit_code: int | None
    seconds: float

    @property
    def never_had_its_turn(self) -> bool:
        return self.error_type == "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"

    @property
    def failure(self) -> Failure | None:
        """Why it failed; None if the function itself ended with an error."""
        code = self.exit_code
        if code is None:
            is_setup = self.error_type == "RUNTIME_ENV_SETUP_FAILURE"
            why = FailureCode.DEPENDENCIES if is_setup else FailureCode.CLUSTER
            return Failure(why, f"Ray ended the job: {self.message}")
        if code < 0 or code > _SIGNALLED:
            number = -code if code < 0 else code - _SIGNALLED
            return Failure(FailureCode.KILLED, f"The function was ended by signal {number}.")
        return None


class JobsApi:
    """One cluster's Jobs API. Blocking.

    Raises:
        Unreachable: by any method.
    """

    def __init__(self, address: str) -> None:
        with _asking():
            self._client = _client(address)

    def submit(self, submission: str, title: str, runtime_env: dict[str, Any]) -> None:
        """Submit a job of one processor, unless the cluster has it already.

        Raises:
            Failure: the cluster refuses it.
        """
        try:
            with _asking():
                self._client.submit_job(
                    entrypoint=_COMMAND,
                    submission_id=submission,
                    runtime_env=runtime_env,
                    metadata={"qiskit_function": title},
                    entrypoint_num_cpus=1,
                )
        except _Refused as refused:
            if "already exists" not in str(refused):
                why = str(refused).rstrip(". \n").splitlines()[-1]  # the other lines are a traceback of Ray's
                raise Failure(FailureCode.CANNOT_START, f"The Ray cluster refused the job: {why}") from refused

    def look(self, submission: str) -> Report | None:
        """Return what the cluster says about the job, or None if it does not know it."""
        try:
            with _asking():
                info = self._client.get_job_info(submission)
        except _Refused:
            return None
        seconds = (info.end_time - info.start_time) / 1000 if info.end_time and info.start_time else 0.0
        return Report(
            JobStatus(str(info.status)), info.message or "", str(info.error_type or ""), info.driver_exit_code, seconds
        )

    def log(self, submission: str) -> str | None:
        """Return the whole log so far, or None if it cannot be read, as when its node has died."""
        try:
            with _asking():
                return str(self._client.get_job_logs(submission))
        except (_Refused, Unreachable):
            return None

    def stop(self, submission: str) -> None:
        """Ask the cluster to end the job; nothing happens if it has ended, or is unknown."""
        try:
            with _asking():
                self._client.stop_job(submission)
        except _Refused:
            return


class _Refused(Exception):
    """The cluster refuses the request, and would refuse it again."""


@contextmanager
def _asking() -> Iterator[None]:
    from ray.exceptions import AuthenticationError

    try:
        yield
    except (OSError, AuthenticationError) as error:
        raise Unreachable(str(error)) from error
    except RuntimeError as error:
        # Only the texts of the client's errors differ.
        if "status code 4" in str(error):
            raise _Refused(str(error)) from error
        raise Unreachable(str(error)) from error


def _client(address: str) -> Any:
    from ray.job_submission import JobSubmissionClient

    class Client(JobSubmissionClient):  # type: ignore[misc, unused-ignore] # Ray may be not installed
        """A client with a time-out, which Ray's lacks: a cluster that stops answering would block this process."""

        def _do_request(self, *args: Any, **more: Any) -> Any:
            return super()._do_request(*args, timeout=_TIMEOUT_SECONDS, **more)

    return Client(address)
