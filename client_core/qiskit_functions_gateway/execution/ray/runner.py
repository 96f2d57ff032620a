"""Jobs on an existing Ray cluster, through Ray's Jobs API.

A file in ``ray/`` of the data folder says that the cluster may know a job, and under which submission id. It is written
before the job is submitted and removed when the job is known to have ended, so that a gateway that is restarted goes on
where the last one ended. A job is submitted only while it is queued, and the cluster accepts a submission id once: a
lost answer does no harm.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
import zipfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_core.local_files import atomic_write

from ...storage.data_folder import DataFolder
from ...storage.database import Database, JobRow
from ...storage.job_states import ACTIVE, STARTED, EventOrigin, EventType, JobStatus
from ...storage.locks import Busy, locked
from ...storage.logs import replace_log
from ...storage.results import keep_result
from ..environments import requirements
from ..job_environment import of_job
from ..lifecycle import Failure, FailureCode, JobLifecycle
from ..limits import Limits
from ..runner import Cluster
from ..unpacking import unpack_function
from .jobs_api import JobsApi, Report, Unreachable
from .worker import BEGIN

logger = logging.getLogger(__name__)

_OURS = ".qiskit-functions"
"""The folder of our files beside the function's; no artifact should have one of this name."""

_STOP_SECONDS = 15.0
"""How long a stop waits for the cluster, which gives processes 3 s and looks once a second."""

_POLL_SECONDS = 0.1

_LOG_SHARE = 10
"""Ray gives only whole logs: a log that takes a second to read is read again after ten."""


class RayRunner:
    """Hands jobs to the cluster, follows them and stops them. Blocking: call it from a thread.

    Args:
        host: the URL at which the gateway listens.

    Raises:
        EmbeddedGatewayError: Ray is not installed, or its client would use another address.
    """

    def __init__(
        self, data_folder: DataFolder, database: Database, limits: Limits, cluster: Cluster, host: str
    ) -> None:
        _check_client()
        self._data_folder = data_folder
        self._database = database
        self._limits = limits
        self._cluster = cluster
        self._host = (cluster.gateway or host).rstrip("/")
        self._lifecycle = JobLifecycle(data_folder, database)
        self._handed_over = _Submissions(data_folder.submissions)
        self._logs: dict[str, tuple[int, float]] = {}
        self._watched: dict[str, tuple[float, float]] = {}
        self._api: JobsApi | None = None
        self._unreachable_since: float | None = None

    def dispatch(self) -> None:
        """Hand over the jobs that wait, oldest first, and record what the cluster says about the others."""
        if not (self._database.jobs_in(ACTIVE) or self._handed_over.jobs()):
            return
        with suppress(Busy), locked(self._data_folder.path / "ray.lock", timeout=0):
            try:
                self._api = api = self._api or JobsApi(self._cluster.address)
                for job in self._database.jobs_in({JobStatus.QUEUED}):
                    self._hand_over(api, job)
                for job in self._database.jobs_in(STARTED):
                    if not self._handed_over.of(job.id):  # in a data folder that comes from a backup
                        self._handed_over.note(job.id, job.id)
                for job_id in self._handed_over.jobs():
                    self._follow(api, job_id)
                self._unreachable_since = None
            except Unreachable as error:
                self._on_unreachable(error)

    def stop(self, job_id: str) -> bool:
        """Stop a job; return when the cluster has ended it or 15 s are over, with False if it was not active."""
        if not self._lifecycle.stop(job_id):
            return False
        deadline = time.monotonic() + _STOP_SECONDS
        while self._handed_over.of(job_id) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return True

    # From the queue to the cluster

    def _hand_over(self, api: JobsApi, job: JobRow) -> None:
        submission = self._handed_over.of(job.id) or job.id
        self._handed_over.note(job.id, submission)
        try:
            api.submit(submission, job.title, self._runtime_env(job))
        except Failure as failure:
            self._fail(job, failure)
            self._settle(job.id)
        else:
            self._lifecycle.schedule(job.id)
        finally:
            shutil.rmtree(self._data_folder.job(job.id).work, ignore_errors=True)

    def _runtime_env(self, job: JobRow) -> dict[str, Any]:
        """Return the function's files and ours as ``working_dir``, and its dependencies.

        Secrets go with the files, because Ray shows and logs ``env_vars``.
        """
        try:
            packages = requirements(job.dependencies)
        except ValueError as error:
            raise Failure(FailureCode.CANNOT_START, str(error)) from error
        pip = {"pip": {"packages": list(packages), "pip_check": False}} if packages else {}
        return {"working_dir": str(self._package(job)), **pip}

    def _package(self, job: JobRow) -> Path:
        """Return a ZIP archive: of a folder, Ray would leave out the files that its ``.gitignore`` names."""
        folder = self._data_folder.job(job.id)
        files = folder.work / "files"
        unpack_function(self._data_folder, job, files)
        package = folder.work / "package.zip"
        # Artifacts may have times before 1980, which ZIP does not know.
        with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for place, _, names in os.walk(files):
                for path in (Path(place, name) for name in names):
                    archive.write(path, path.relative_to(files))
            archive.write(Path(__file__).with_name("worker.py"), f"{_OURS}/worker.py")
            archive.write(folder.arguments, f"{_OURS}/arguments.json")
            archive.writestr(f"{_OURS}/job.json", json.dumps(self._for_worker(job)))
        return package

    def _for_worker(self, job: JobRow) -> dict[str, object]:
        data = self._data_folder.function_data(job.provider, job.title).path.relative_to(self._data_folder.path)
        shared = self._cluster.shared_folder
        return {
            "entrypoint": job.entrypoint,
            "variables": of_job(job, self._host),
            "log_bytes": self._limits.log_bytes,
            "data": f"{shared.rstrip('/')}/{data.as_posix()}" if shared else None,
        }

    # What the cluster says

    def _follow(self, api: JobsApi, job_id: str) -> None:
        job, submission = self._database.job(job_id), self._handed_over.of(job_id)
        if job is None or submission is None or job.status == JobStatus.QUEUED:
            return
        report = api.look(submission)
        if report is None:
            message = "The Ray cluster does not know the job any more; was it started again?"
            self._fail(job, Failure(FailureCode.LOST, message))
            self._settle(job_id)
        elif report.status.is_finished:
            self._conclude(api, job, submission, report)
        elif job.status.is_finished:
            api.stop(submission)
        elif report.status == JobStatus.RUNNING:
            self._keep_up(api, job, submission)

    def _keep_up(self, api: JobsApi, job: JobRow, submission: str) -> None:
        if job.status == JobStatus.PENDING:
            self._lifecycle.start(job.id)
        if time.monotonic() >= self._logs.get(job.id, (0, 0.0))[1]:
            self._mirror(api, job, submission)
        seconds, limit = self._running_seconds(job), self._limits.seconds
        self._database.book(job.id, seconds)
        if limit is not None and seconds > limit:
            self._fail(job, Failure(FailureCode.TIME_LIMIT, f"The function ran longer than its limit of {limit:g} s."))

    def _conclude(self, api: JobsApi, job: JobRow, submission: str, report: Report) -> None:
        if report.never_had_its_turn and job.status == JobStatus.PENDING:
            self._queue_again(job, submission)
            return
        is_logged = self._mirror(api, job, submission)
        keep_result(self._data_folder, job, only_if_whole=report.status != JobStatus.SUCCEEDED)
        seconds = None
        if job.status == JobStatus.RUNNING:
            watched, booked_before = self._running_seconds(job), self._watched[job.id][0]
            # The cluster counts the making of an environment too, but has seen the job while no gateway did.
            seconds = report.seconds if booked_before else min(watched, report.seconds)
        elif report.exit_code is not None and self._lifecycle.start(job.id):  # it ran between two looks
            seconds = report.seconds
        if report.status == JobStatus.SUCCEEDED:
            self._lifecycle.succeed(job.id, seconds=seconds)
        elif report.status == JobStatus.STOPPED:
            self._lifecycle.stopped_by_cluster(job.id, seconds=seconds)
        else:
            failure = report.failure
            if failure is None and not is_logged:
                # Without the log, Ray's record is all that says why: it has the exit code and the last lines.
                message = f"The function failed, and Ray cannot give its log. Its record says: {report.message}"
                failure = Failure(FailureCode.CLUSTER, message)
            self._fail(job, failure, seconds)
        self._settle(job.id)

    def _queue_again(self, job: JobRow, submission: str) -> None:
        """Queue a job again that Ray has given up because no processor was free for a quarter of an hour.

        Ray accepts an id only once, so the next one has a number at its end.
        """
        first, _, number = submission.partition("_")
        self._lifecycle.put_back(job.id)
        self._handed_over.note(job.id, f"{first}_{int(number or 1) + 1}")

    def _settle(self, job_id: str) -> None:
        """Forget a job for which nothing is left to do."""
        self._handed_over.forget(job_id)
        self._logs.pop(job_id, None)
        self._watched.pop(job_id, None)

    def _on_unreachable(self, error: Unreachable) -> None:
        """Change nothing until it has lasted too long; jobs that run on then are ended when the cluster is back."""
        since = self._unreachable_since
        if since is None:
            self._unreachable_since = time.monotonic()
            logger.warning("the Ray cluster at %s cannot be asked, trying again: %s", self._cluster.address, error)
        elif time.monotonic() - since > self._cluster.patience:
            message = f"The Ray cluster was out of reach for more than {self._cluster.patience:g} s: {error}"
            for job in self._database.jobs_in(STARTED):
                self._fail(job, Failure(FailureCode.CLUSTER_GONE, message))

    def _mirror(self, api: JobsApi, job: JobRow, submission: str) -> bool:
        """Replace the job's log by Ray's, and the gateway's own messages; return False if Ray cannot give it."""
        begun = time.monotonic()
        text = api.log(submission)
        known, _ = self._logs.get(job.id, (-1, 0.0))
        self._logs[job.id] = len(text or ""), time.monotonic() + _LOG_SHARE * (time.monotonic() - begun)
        if text is None:
            return False
        if len(text) == known:
            return True
        messages = [
            event["data"]["message"]
            for event in reversed(self._database.events(job.id, EventType.ERROR))
            if event["origin"] == EventOrigin.SCHEDULER
        ]
        output = text.partition(f"{BEGIN}\n")[2]
        replace_log(self._data_folder.job(job.id).log, output, messages, self._limits.log_bytes)
        return True

    def _fail(self, job: JobRow, failure: Failure | None, seconds: float | None = None) -> None:
        if job.status.is_active:
            self._lifecycle.fail(job.id, failure, seconds=seconds)

    def _running_seconds(self, job: JobRow) -> float:
        """Return for how long gateways have seen the job run: this one, by a clock that is never set, and those before.

        Seconds in which there was no gateway are missing.
        """
        booked, since = self._watched.setdefault(job.id, (self._database.seconds_used(job.id), time.monotonic()))
        return booked + time.monotonic() - since


class _Submissions:
    """The jobs that the cluster may know, with their submission ids: a file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def jobs(self) -> list[str]:
        try:
            return sorted(path.stem for path in self._folder.glob("*.txt"))
        except FileNotFoundError:
            return []

    def of(self, job_id: str) -> str | None:
        try:
            return (self._folder / f"{job_id}.txt").read_text(encoding="ascii")
        except FileNotFoundError:
            return None

    def note(self, job_id: str, submission: str) -> None:
        with atomic_write(self._folder / f"{job_id}.txt", synced=False) as file:
            file.write(submission.encode("ascii"))

    def forget(self, job_id: str) -> None:
        (self._folder / f"{job_id}.txt").unlink(missing_ok=True)


def _check_client() -> None:
    if find_spec("ray") is None:
        raise EmbeddedGatewayError(
            "Ray is not installed, which hands jobs to a cluster",
            next_step="Ask the person to install it: pip install 'qiskit-functions-mcp[ray]'.",
        )
    for variable in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):
        if os.environ.get(variable):
            raise EmbeddedGatewayError(
                f"{variable} is set, and Ray's client follows it rather than the address that it is given",
                next_step=f"Ask the person to remove {variable} from the gateway's environment.",
            )
