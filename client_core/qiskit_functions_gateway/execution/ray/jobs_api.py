"""Ray's Jobs API, as far as we use it: the one place that knows Ray's own client."""

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
"""Without a shell between, Ray's signals reach the worker itself."""

_SIGNALLED = 128
"""Exit codes above are a shell's way to tell which signal ended a process."""


class Unreachable(Exception):
    """The cluster does not answer, or cannot."""


@dataclass(frozen=True)
class Report:
    """What the cluster says of a job.

    Attributes:
        status: in Ray's words, which are the gateway's but for QUEUED.
        error_type: a kind of failure, in Ray's words.
        exit_code: of the worker, if it has ended; it is the function's.
        seconds: from its submission to its end; 0 before.
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
        """Why it failed, when the function itself did not end as a failure."""
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
        """A job of one processor; it is no error when the cluster has it already.

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
                why = str(refused).rstrip(". \n").splitlines()[-1]  # the rest is Ray's way to it
                raise Failure(FailureCode.CANNOT_START, f"The Ray cluster refused the job: {why}") from refused

    def look(self, submission: str) -> Report | None:
        """None when the cluster does not know it."""
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
        """All of it so far; none when it cannot be had, as when the node it is on has died."""
        try:
            with _asking():
                return str(self._client.get_job_logs(submission))
        except (_Refused, Unreachable):
            return None

    def stop(self, submission: str) -> None:
        """Ask it to end; nothing happens when it has, or is unknown."""
        try:
            with _asking():
                self._client.stop_job(submission)
        except _Refused:
            return


class _Refused(Exception):
    """The cluster answers that it cannot be done, and would answer so again."""


@contextmanager
def _asking() -> Iterator[None]:
    from ray.exceptions import AuthenticationError

    try:
        yield
    except (OSError, AuthenticationError) as error:
        raise Unreachable(str(error)) from error
    except RuntimeError as error:
        # The client tells its errors apart in their texts only.
        if "status code 4" in str(error):
            raise _Refused(str(error)) from error
        raise Unreachable(str(error)) from error


def _client(address: str) -> Any:
    from ray.job_submission import JobSubmissionClient

    class Client(JobSubmissionClient):  # type: ignore[misc, unused-ignore] # Ray may be not installed
        """With a time-out, which Ray's has not: a cluster that falls silent would hold us for ever."""

        def _do_request(self, *args: Any, **more: Any) -> Any:
            return super()._do_request(*args, timeout=_TIMEOUT_SECONDS, **more)

    return Client(address)
