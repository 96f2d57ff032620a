"""``python -m qiskit_functions_gateway.supervisor FOLDER JOB LIMITS``: look after one job.

It owns the job from PENDING to its end: makes the environment, unpacks the code, runs it, writes the log, answers
the function's calls to the gateway, and then starts the jobs that wait in the queue. It needs no gateway, so a job
outlives the one that started it. The function is started before anything heavy is imported here: both then load at
the same time.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from socket import AF_INET, IPPROTO_TCP, SOCK_STREAM, socket
from typing import TYPE_CHECKING

from .execution import job_environment
from .execution.job_process import POLL_SECONDS, Running, start, supervise
from .execution.lifecycle import Failure, FailureCode, JobLifecycle, JobStopped
from .execution.limits import Limits
from .execution.prctl import adopt_orphans, hide_from_functions
from .execution.process_runner import ProcessRunner
from .execution.unpacking import unpack_function
from .execution.warm_start import READY
from .storage.data_folder import DataFolder
from .storage.database import Database, JobRow
from .storage.job_states import JobStatus
from .storage.locks import Busy, locked
from .storage.logs import BoundedLog, last_lines
from .storage.removal import remove_tree
from .storage.results import keep_result

if TYPE_CHECKING:
    import psutil

    from .execution.blank_process import BlankProcess
    from .execution.environments import Environment

_BOOK_SECONDS = 5.0
"""Between two entries in the ledger: the most that a job is not charged for if it dies with its supervisor."""

_EXCERPT_LINES = 10
"""How much of an installer's output goes into the ERROR event; its reasons come last."""

_PATIENCE_SECONDS = 600.0
"""For how long the end of a job is tried to be recorded, on a disk that is full."""

_FULL_BYTES = 1024**2
"""A disk with less room than this is full: the next result, log or change of the database does not fit."""

_ENVIRONMENT_SECONDS = 3600.0
"""How long another job may take to make the environment. Large ones take minutes; its installer may be suspended."""


def main(data_folder: DataFolder, job_id: str, limits: Limits, blank: BlankProcess | None = None) -> None:
    """Look after the job, unless another supervisor does or it is no longer to be run.

    Args:
        blank: a process that can become the function's.
    """
    hide_from_functions()
    database = Database(data_folder.database_file)
    try:
        with locked(data_folder.job(job_id).lock, timeout=0):
            # The process that started this one waits for it, unless it was killed. Later output has no reader.
            with suppress(OSError):
                os.write(sys.stdout.fileno(), READY)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            job = database.job(job_id)
            if job and job.status == JobStatus.PENDING:
                supervisor = Supervisor(data_folder, database, job, limits, blank)
                try:
                    supervisor.run()
                except Exception:  # the others in the queue must go on
                    traceback.print_exc()
                if supervisor.is_told_to_end:
                    return
    except Busy:
        return
    ProcessRunner(data_folder, database, limits).dispatch()


class Supervisor:
    """Runs one job from PENDING to its end.

    Attributes:
        is_told_to_end: whether this process got SIGTERM while the function ran.
    """

    def __init__(
        self, data_folder: DataFolder, database: Database, job: JobRow, limits: Limits, blank: BlankProcess | None
    ) -> None:
        self._data_folder = data_folder
        self._database = database
        self._lifecycle = JobLifecycle(data_folder, database, patience=_PATIENCE_SECONDS)
        self._job = job
        self._limits = limits
        self._blank = blank
        self._job_folder = data_folder.job(job.id)
        self._function_data = data_folder.function_data(job.provider, job.title)
        self._seconds: float | None = None
        self._broken_bytes: int | None = None
        self._inherited_bytes = 0
        self.is_told_to_end = False

    def run(self) -> None:
        """Run the job and record how it ended.

        Raises:
            EmbeddedGatewayError: the database could not be written for ten minutes, or the data folder is gone.
        """
        code, failure, is_stopped = None, None, False
        self._log = BoundedLog(self._job_folder.log, self._limits.log_bytes)
        try:
            code = self._run_function()
        except Failure as error:
            failure = error
        except JobStopped:
            is_stopped = True
        finally:
            self._log.close()
        was_full = self._is_disk_full()
        # Before the end is recorded, for which a full disk may have no room.
        remove_tree(self._job_folder.work)
        if code == 0:
            self._lifecycle.succeed(self._job.id, self._flaw(was_full), seconds=self._seconds)
        elif is_stopped:
            # Mostly it is recorded already; its seconds count in any case.
            if self._is_stopped():
                self._lifecycle.stop(self._job.id, seconds=self._seconds)
        else:
            if failure is None and was_full:
                lines = "\n".join(last_lines(self._job_folder, _EXCERPT_LINES))
                failure = Failure(FailureCode.DISK_FULL, "The function ended with an error on a full disk.", lines)
            self._lifecycle.fail(self._job.id, failure, seconds=self._seconds)

    def _is_disk_full(self) -> bool:
        try:
            return shutil.disk_usage(self._data_folder.path).free < _FULL_BYTES
        except OSError:
            return False

    def _flaw(self, was_full: bool) -> Failure | None:
        if self._broken_bytes is None:
            return None
        reason = "; the disk is full" if was_full else ""
        return Failure(
            FailureCode.RESULT_CUT_OFF,
            f"The result that the function saved is not whole JSON ({self._broken_bytes:,} bytes{reason}).",
        )

    def _run_function(self) -> int:
        """Return the function's exit code, which is 0 or greater.

        Raises:
            Failure: the function cannot be run, or was made to end.
            JobStopped: the job was stopped.
        """
        environment = self._environment()
        unpack_function(self._data_folder, self._job, self._job_folder.work)
        self._lay_out_data()
        with socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            if not self._lifecycle.start(self._job.id):
                raise JobStopped
            signal.signal(signal.SIGTERM, self._on_terminate)
            self._started = self._booked = time.monotonic()
            port = listener.getsockname()[1]
            function = self._start_function(environment, port)
            threading.Thread(target=self._answer_calls, args=(listener,), daemon=True).start()
            code, reason = supervise(function, self._log, self._find_processes, self._reason_to_end)
        self._seconds = time.monotonic() - self._started
        self._broken_bytes = keep_result(self._data_folder, self._job, only_if_whole=code != 0)
        if isinstance(reason, JobStopped):
            self._log.add_message("The job was stopped.")
        if reason:
            raise reason
        if code < 0 and self._is_stopped():
            raise JobStopped
        if code < 0:
            name = f" ({signal.Signals(-code).name})" if -code in set(signal.Signals) else ""
            raise Failure(FailureCode.KILLED, f"The function was ended by signal {-code}{name}.")
        return code

    def _start_function(self, environment: Environment | None, port: int) -> Running:
        """Start the function in its environment, or in the blank process if it would be the same there."""
        work, entrypoint = self._job_folder.work, self._job.entrypoint
        variables = job_environment.for_function(self._data_folder, self._job, port, environment)
        if self._blank and environment is None and self._blank.suits(work / entrypoint, variables):
            adopt_orphans()
            if self._blank.become(entrypoint, work, variables, job_environment.marks(self._data_folder, self._job)):
                self._inherited_bytes = self._blank.inherited_bytes
                return self._blank
        if self._blank:
            self._blank.dismiss()
        # "--", so that no entry point is taken for an option of Python.
        return start([str(environment.python) if environment else sys.executable, "--", entrypoint], work, variables)

    def _lay_out_data(self) -> None:
        try:
            for message in self._function_data.lay_out(self._job_folder, self._job.id):
                self._log.add_message(message)
        except OSError as error:
            raise Failure(
                FailureCode.CANNOT_START, f"The folder of the function's data cannot be used: {error}"
            ) from error

    def _environment(self) -> Environment | None:
        """Return the environment with the function's dependencies, made if need be; None if it has no dependencies."""
        if self._job.dependencies == "[]":
            return None
        # Most functions have no dependencies, and importlib.metadata takes a while to load.
        from .execution.environments import CannotInstall, Environment, requirements

        try:
            environment = Environment.of(self._data_folder.environments, requirements(self._job.dependencies))
            self._prepare(environment)
        except (CannotInstall, ValueError, OSError) as error:
            lines = "\n".join(last_lines(self._job_folder, _EXCERPT_LINES))
            raise Failure(FailureCode.DEPENDENCIES, str(error), lines) from error
        return environment

    def _prepare(self, environment: Environment) -> None:
        """Make the environment if need be, and note that this job uses it."""
        from .execution.environments import CannotInstall  # as above

        self._data_folder.environments.mkdir(exist_ok=True, mode=0o700)
        begun = time.monotonic()
        was_made = environment.is_made
        if not was_made:
            requirements = ", ".join(environment.requirements)
            self._log.add_message(f"Making an environment with {requirements}, once for all jobs.")
        while not self._is_noted(environment):
            if self._is_stopped():
                raise JobStopped
            if time.monotonic() - begun > _ENVIRONMENT_SECONDS:
                raise CannotInstall("Another job has been making the environment for an hour; try again later.")
        if not was_made:
            self._log.add_message("The environment is made.")

    def _is_noted(self, environment: Environment) -> bool:
        """Make the environment if need be, and note its use; return False if another process has it just now."""
        with suppress(Busy), locked(environment.lock, timeout=POLL_SECONDS) as lock:
            # Noted while it is locked, so that it cannot be pruned before.
            self._job_folder.environment.write_text(environment.path.name)
            if not environment.is_made:
                environment.make(lambda command: self._install(command, lock))
            environment.mark_use()
            return True
        return False

    def _install(self, command: list[str], lock: int) -> int:
        """Run an installer and return its exit code.

        It holds the lock too, so that no other supervisor begins while it may still write.
        """
        variables = job_environment.for_installer(self._data_folder, self._job)
        tool = start(command, self._data_folder.environments, variables, keep_open=lock)
        code, reason = supervise(
            tool, self._log, self._find_processes, lambda: JobStopped() if self._is_stopped() else None
        )
        if reason:
            raise reason
        return code

    def _find_processes(self) -> list[psutil.Process]:
        """Return the job's processes: our descendants, and any with the job's marks."""
        # psutil is loaded while the function loads what it needs.
        from .execution.processes import descendants, marked

        found = descendants()
        known = {process.pid for process in found}
        others = marked(job_environment.marks(self._data_folder, self._job))
        return [*found, *(process for process in others if process.pid not in known)]

    def _on_terminate(self, _signal: int, _frame: object) -> None:
        self.is_told_to_end = True

    def _reason_to_end(self) -> Failure | JobStopped | None:
        from .execution.processes import descendants, resident_bytes  # as above

        seconds = time.monotonic() - self._started
        limits = self._limits
        if self.is_told_to_end:
            return Failure(FailureCode.ENDED, "The job's supervisor was told to end, as when a machine shuts down.")
        if limits.seconds is not None and seconds > limits.seconds:
            return Failure(FailureCode.TIME_LIMIT, f"The function ran longer than its limit of {limits.seconds:g} s.")
        inherited, most = self._inherited_bytes, limits.memory_bytes
        if most is not None and resident_bytes(descendants(), inherited=inherited) > most:
            return Failure(FailureCode.MEMORY_LIMIT, f"The function used more memory than {limits.memory_mb:g} MiB.")
        if not self._data_folder.database_file.exists():
            return Failure(FailureCode.GONE, "The data folder is gone.")
        if time.monotonic() - self._booked > _BOOK_SECONDS:
            self._booked = time.monotonic()
            self._database.book(self._job.id, seconds)
        return JobStopped() if self._is_stopped() else None

    def _is_stopped(self) -> bool:
        return self._lifecycle.is_to_be_stopped(self._job.id)

    def _answer_calls(self, listener: socket) -> None:
        """Serve the routes that the function calls while it runs."""
        # Loaded while the function loads what it needs.
        import uvicorn

        from .api.app import calls_home_app
        from .api.connections import UVICORN

        app = calls_home_app(self._data_folder, self._database)
        # A warning is all that it takes to fill a disk with: uvicorn logs one for each request that is not HTTP.
        # It configures no logging: a short function may end meanwhile, and two threads that shut logging down wait for
        # each other.
        server = uvicorn.Server(uvicorn.Config(app, **UVICORN, log_level="error"))
        with suppress(OSError, ValueError):  # a function that starts warm may end before this, and the socket be closed
            server.run(sockets=[listener])


if __name__ == "__main__":
    main(DataFolder(Path(sys.argv[1])), sys.argv[2], Limits.from_argument(sys.argv[3]))
