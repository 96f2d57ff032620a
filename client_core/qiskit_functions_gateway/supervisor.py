"""``python -m qiskit_functions_gateway.supervisor HOME JOB LIMITS``: look after one job.

It owns the job from PENDING to its end: makes its environment, unpacks the code, runs it, writes its log,
answers its calls home, and then starts what waits in the queue. It needs no gateway, so a job outlives the
one that started it. The function is started before anything heavy is imported here: both then load side by
side.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from socket import AF_INET, IPPROTO_TCP, SOCK_STREAM, socket
from typing import TYPE_CHECKING

from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_gateway.execution import job_environment as variables
from qiskit_functions_gateway.execution.job_process import LOOK_SECONDS, Ended, Failure, attend, start
from qiskit_functions_gateway.execution.limits import Limits
from qiskit_functions_gateway.execution.process_runner import READY, ProcessRunner, error_data
from qiskit_functions_gateway.execution.unpacking import CannotUnpack, unpack
from qiskit_functions_gateway.storage.data_folder import DataFolder
from qiskit_functions_gateway.storage.database import Database, JobRow
from qiskit_functions_gateway.storage.locks import Busy, locked
from qiskit_functions_gateway.storage.logs import BoundedLog, read_log
from qiskit_functions_gateway.storage.results import keep_result

if TYPE_CHECKING:
    import psutil

    from qiskit_functions_gateway.execution.environments import Environment

_BOOK_SECONDS = 5.0
"""Between two entries in the ledger: what a job that dies with its supervisor is not charged for."""

_EXCERPT_LINES = 10
"""Of what an installer says, whose reasons come last."""

_RETRY_SECONDS = 600.0
"""How long the end of a job is kept trying to be recorded, on a disk that is full."""


class _Stopped(Exception):
    """The job was stopped before its function ran."""


def main(data_folder: DataFolder, job_id: str, limits: Limits) -> None:
    """Look after the job, unless somebody else does or it is no longer to be run."""
    database = Database(data_folder.database_file)
    try:
        with locked(data_folder.job(job_id).lock, timeout=0):
            _say_ready()
            job = database.job(job_id)
            if job and job.status == "PENDING" and not _Supervision(data_folder, database, job, limits).run():
                return
    except Busy:
        return
    ProcessRunner(data_folder, database, limits).dispatch()


def _say_ready() -> None:
    """Whoever started us waits for this, unless it was killed; nobody reads what comes after it."""
    with suppress(OSError):
        os.write(sys.stdout.fileno(), READY)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Supervision:
    """One job from PENDING to its end."""

    def __init__(self, data_folder: DataFolder, database: Database, job: JobRow, limits: Limits) -> None:
        self._database = database
        self._job = job
        self._data_folder = data_folder
        self._limits = limits
        self._folder = data_folder.job(job.id)
        self._data = data_folder.data(job.provider, job.title)
        self._begun = self._booked = 0.0
        self._is_told_to_end = False

    def run(self) -> bool:
        """Tells whether there may be a next job."""
        self._log = BoundedLog(self._folder.log, self._limits.log_bytes)
        try:
            self._run()
        except _Stopped:
            pass
        except Failure as failure:
            self._finish("FAILED", failure)
        except CannotUnpack as error:
            self._finish("FAILED", Failure("CANNOT_START", str(error)))
        finally:
            self._log.close()
        shutil.rmtree(self._folder.work, ignore_errors=True)
        return not self._is_told_to_end

    def _run(self) -> None:
        environment = self._environment()
        shutil.rmtree(self._folder.work, ignore_errors=True)  # of a supervisor that died
        unpack(self._artifact(), self._folder.work)
        if not (self._folder.work / self._job.entrypoint).is_file():
            raise Failure(
                "CANNOT_START", f"The artifact has no {self._job.entrypoint}, which is the function's entry point."
            )
        self._lay_out_data()
        with socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            if not self._move("RUNNING", since="PENDING"):
                raise _Stopped
            signal.signal(signal.SIGTERM, self._on_terminate)
            self._begun = self._booked = time.monotonic()
            port = listener.getsockname()[1]
            # "./", so that no entry point is taken for an option.
            command = [str(environment.python) if environment else sys.executable, f"./{self._job.entrypoint}"]
            given = variables.for_function(self._data_folder, self._job, port, environment)
            function = start(command, self._folder.work, given)
            threading.Thread(target=self._answer_calls_home, args=(listener,), daemon=True).start()
            ended = attend(function, self._log, self._living, self._reason_to_end)
        self._conclude(ended, time.monotonic() - self._begun)

    def _artifact(self) -> Path:
        if not self._job.artifact:
            raise Failure("CANNOT_START", "The function was uploaded without an artifact, so there is nothing to run.")
        return self._data_folder.artifacts / self._job.artifact

    def _lay_out_data(self) -> None:
        arguments, result = self._data.arguments(self._job.id), self._data.result(self._job.id)
        try:
            for path in (arguments, result):
                path.parent.mkdir(parents=True, exist_ok=True)
            if self._folder.arguments.exists():
                shutil.copyfile(self._folder.arguments, arguments)
        except OSError as error:
            raise Failure("CANNOT_START", f"The folder of the function's data cannot be used: {error}") from error

    # The environment

    def _environment(self) -> Environment | None:
        """The one with the function's dependencies, made if it has to be; none when there are none."""
        if self._job.dependencies == "[]":
            return None
        from qiskit_functions_gateway.execution.environments import CannotInstall, Environment, requirements

        try:
            wanted = requirements(self._job.dependencies)
            environment = Environment.of(self._data_folder.environments, wanted)
            if not environment.is_made:
                self._make(environment)
        except (CannotInstall, ValueError, OSError) as error:
            said = (read_log(self._folder) or "").splitlines()
            raise Failure("DEPENDENCIES", str(error), "\n".join(said[-_EXCERPT_LINES:])) from error
        return environment

    def _make(self, environment: Environment) -> None:
        self._data_folder.environments.mkdir(exist_ok=True)
        self._log.say(f"Making an environment with {', '.join(environment.requirements)}, once for all jobs.")
        while not environment.is_made:
            with suppress(Busy), locked(environment.lock, timeout=LOOK_SECONDS) as lock:
                if not environment.is_made:
                    environment.make(lambda command: self._install(command, lock))
            if self._is_stopped():
                raise _Stopped
        self._log.say("The environment is made.")

    def _install(self, command: list[str], lock: int) -> int:
        """Run a tool; it holds the lock too, so that nobody else begins while it may still write."""
        given = variables.for_installer(self._data_folder, self._job)
        tool = start(command, self._data_folder.environments, given, keep_open=lock)
        ended = attend(tool, self._log, self._living, lambda: Failure("STOPPED", "") if self._is_stopped() else None)
        if ended.failure:
            raise _Stopped
        return ended.code

    # While it runs

    def _living(self) -> list[psutil.Process]:
        """The job's processes: our descendants, and any that carry its mark."""
        from qiskit_functions_gateway.execution.processes import descendants, marked

        found = descendants()
        known = {process.pid for process in found}
        others = marked(variables.mark(self._data_folder, self._job))
        return [*found, *(process for process in others if process.pid not in known)]

    def _on_terminate(self, _signal: int, _frame: object) -> None:
        self._is_told_to_end = True

    def _reason_to_end(self) -> Failure | None:
        """Why the function may not go on; asked a few times a second."""
        seconds = time.monotonic() - self._begun
        if self._is_told_to_end:
            return Failure("ENDED", "The job's supervisor was told to end, as when a machine shuts down.")
        if self._limits.seconds is not None and seconds > self._limits.seconds:
            return Failure("TIME_LIMIT", f"The function ran longer than its limit of {self._limits.seconds:g} s.")
        if self._limits.memory_bytes is not None and self._memory() > self._limits.memory_bytes:
            return Failure("MEMORY_LIMIT", f"The function used more memory than {self._limits.memory_mb:g} MiB.")
        if not self._data_folder.database_file.exists():
            return Failure("GONE", "The data folder is gone.")
        if time.monotonic() - self._booked > _BOOK_SECONDS:
            self._booked = time.monotonic()
            self._database.book(self._job.id, seconds)
        return Failure("STOPPED", "The job was stopped.") if self._is_stopped() else None

    def _memory(self) -> int:
        from qiskit_functions_gateway.execution.processes import descendants, resident_bytes

        return resident_bytes(descendants())

    def _is_stopped(self) -> bool:
        job = self._database.job(self._job.id)
        return job is not None and job.status == "STOPPED"

    def _answer_calls_home(self, listener: socket) -> None:
        import uvicorn

        from qiskit_functions_gateway.api.app import calls_home_app

        app = calls_home_app(self._data_folder, self._database)
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
        uvicorn.Server(config).run(sockets=[listener])

    # The end

    def _conclude(self, ended: Ended, seconds: float) -> None:
        keep_result(self._data_folder, self._job, only_if_whole=ended.code != 0)
        failure = ended.failure
        if failure is None and ended.code < 0:
            failure = Failure("KILLED", f"The function was ended by signal {_signal_name(-ended.code)}.")
        self._finish("SUCCEEDED" if ended.code == 0 and not failure else "FAILED", failure, seconds)

    def _finish(self, status: str, failure: Failure | None = None, seconds: float = 0.0) -> None:
        """Record the end, also when the database cannot be written for a while."""
        if failure:
            self._log.say(failure.message)
        self._log.close()
        deadline = time.monotonic() + _RETRY_SECONDS
        while True:
            try:
                self._record(status, failure, seconds)
                return
            except EmbeddedGatewayError:
                if time.monotonic() > deadline or not self._data_folder.database_file.exists():
                    raise
                time.sleep(1)

    def _record(self, status: str, failure: Failure | None, seconds: float) -> None:
        if seconds:
            self._database.book(self._job.id, seconds)
        is_ours = any(self._move(status, since=since) for since in ("RUNNING", "PENDING"))
        if is_ours and failure:
            message = f"{failure.message}\n{failure.excerpt}".rstrip()
            self._database.add_error(self._job.id, error_data(failure.code, message), origin="SCHEDULER")

    def _move(self, status: str, *, since: str) -> bool:
        return self._database.move(
            self._job.id, status, since=(since,), origin="SCHEDULER", context="UPDATE_JOB_STATUS"
        )


def _signal_name(number: int) -> str:
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)


if __name__ == "__main__":
    main(DataFolder(Path(sys.argv[1])), sys.argv[2], Limits.from_argument(sys.argv[3]))
