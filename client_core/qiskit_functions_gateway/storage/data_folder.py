"""The data folder: where each file is, and how files in it are written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_core.local_files import atomic_write, refuse_foreign_folder

from .locks import locked

_LOCK_SECONDS = 10.0
"""How long the token may take that another process is making, which takes milliseconds."""


@dataclass(frozen=True)
class JobFolder:
    """What the gateway keeps of one job."""

    path: Path

    @property
    def arguments(self) -> Path:
        """The function's arguments, out of reach of functions that ran before it."""
        return self.path / "arguments.json"

    @property
    def result(self) -> Path:
        """The saved result, once the job has ended."""
        return self.path / "result.json"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def work(self) -> Path:
        """The unpacked artifact, in which the function runs."""
        return self.path / "work"

    @property
    def lock(self) -> Path:
        """Held by the job's supervisor as long as it lives."""
        return self.path / "supervisor.lock"

    @property
    def supervisor_log(self) -> Path:
        return self.path / "supervisor.log"

    @property
    def environment(self) -> Path:
        """Names the folder of the environment that the job uses, if it uses one."""
        return self.path / "environment.txt"

    @property
    def stop_request(self) -> Path:
        """An empty file that is there when the job is to be stopped and the database could not be told."""
        return self.path / "stop"


@dataclass(frozen=True)
class FunctionData:
    """A function's DATA_PATH, laid out as Qiskit Serverless does it."""

    path: Path

    def arguments(self, job_id: str) -> Path:
        return self.path / "arguments" / f"{job_id}.json"

    def result(self, job_id: str) -> Path:
        """Return the path at which the function saves its result."""
        return self.path / "results" / f"{job_id}.json"

    def lay_out(self, job: JobFolder, job_id: str) -> list[str]:
        """Make the folders and put the job's arguments there.

        Functions can do there what they like, and must not break later ones: what is in the way of a folder
        or a file is renamed, and returned as a sentence each.

        Raises:
            OSError: the data folder cannot be written.
        """
        moved = []
        for path in (self.arguments(job_id), self.result(job_id)):
            for folder in (self.path, path.parent):
                if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
                    moved.append(_move_away(folder))
                folder.mkdir(parents=True, exist_ok=True)
                if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                    folder.chmod(0o700)
        # The first version of this project left arguments only there, of jobs that waited.
        has_arguments = job.arguments.exists()
        for path in (self.arguments(job_id), self.result(job_id))[0 if has_arguments else 1 :]:
            if os.path.lexists(path):
                moved.append(_move_away(path))
        if has_arguments:
            shutil.copyfile(job.arguments, self.arguments(job_id))
        return moved


def _move_away(path: Path) -> str:
    """Rename what is where a folder or a file of ours should be, and say so."""
    aside = next(
        candidate
        for number in count(1)
        if not os.path.lexists(candidate := path.with_name(f"{path.stem}-{number}{path.suffix}"))
    )
    with suppress(FileNotFoundError):  # the supervisor of another job has just done it
        path.rename(aside)
    return f"{path.name} was in the way in DATA_PATH; it is called {aside.name} now."


@dataclass(frozen=True)
class DataFolder:
    """One data folder, which one gateway serves, and which supervisors use beside it."""

    path: Path

    @property
    def database_file(self) -> Path:
        return self.path / "gateway.db"

    @property
    def gateway_file(self) -> Path:
        """Says where the gateway that serves the folder answers."""
        return self.path / "gateway.json"

    @property
    def artifacts(self) -> Path:
        """Archives by the SHA-256 of their content, so that an update changes no job that still waits."""
        return self.path / "artifacts"

    @property
    def environments(self) -> Path:
        """Python environments with the dependencies of functions."""
        return self.path / "environments"

    @property
    def uploads(self) -> Path:
        """Files that are being received."""
        return self.path / "uploads"

    @property
    def submissions(self) -> Path:
        """A file for each job that a Ray cluster may know, with its submission id."""
        return self.path / "ray"

    @property
    def dispatch_lock(self) -> Path:
        """Held while jobs are started or taken back, so that no process finds one half started."""
        return self.path / "dispatch.lock"

    def job(self, job_id: str) -> JobFolder:
        return JobFolder(self.path / "jobs" / job_id)

    def function_data(self, provider: str, title: str) -> FunctionData:
        """Return one folder for all of the user's own functions, and one for each provider function."""
        folder = self.path / "data"
        return FunctionData(folder / "providers" / provider / title if provider else folder / "user")

    def provider_files(self, provider: str, title: str) -> Path:
        """Return the folder of a provider function's files that only its provider sees."""
        return self.path / "data" / "of-providers" / provider / title

    def prepare(self) -> None:
        """Make the folders that are missing.

        Raises:
            EmbeddedGatewayError: the folder cannot be written, or another user may have prepared it.
        """
        refuse_foreign_folder(self.path)
        try:
            # Only this user may read functions and results, also if the folder itself existed and is open to all.
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self.artifacts, self.path / "jobs", self.path / "data", self.uploads):
                folder.mkdir(exist_ok=True, mode=0o700)
            self.database_file.touch(mode=0o600)
            probe = self.path / f".probe-{os.urandom(4).hex()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise EmbeddedGatewayError(
                f"the data folder {self.path} cannot be used: {error.strerror}",
                next_step="Ask the person to free it, or to set QISKIT_FUNCTIONS_HOME to another folder.",
            ) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Raise an EmbeddedGatewayError that names the folder in place of an OSError."""
        try:
            yield
        except OSError as error:
            raise EmbeddedGatewayError(f"the data folder {self.path} cannot be written: {error.strerror}") from error

    def write_text(self, path: Path, text: str) -> None:
        """Replace a file in one step.

        Raises:
            EmbeddedGatewayError: it cannot be written; what was there before still is.
        """
        # Not synced: after a crash of the machine no job runs on, and waiting for the disk would slow each run down.
        with self.writing(), atomic_write(path, synced=False) as file:
            file.write(text.encode())

    def token(self) -> str:
        """Return the gateway's token, which is made at its first start.

        Raises:
            EmbeddedGatewayError: it can be neither read nor made.
        """
        path = self.path / "token"
        try:
            with locked(self.path / "token.lock", timeout=_LOCK_SECONDS):
                if not path.exists():
                    with atomic_write(path, mode=0o600) as file:
                        file.write(new_token().encode())
            return path.read_text()
        except OSError as error:
            raise EmbeddedGatewayError(
                f"the token in the data folder {self.path} cannot be read: {error.strerror}"
            ) from error


def new_token() -> str:
    """Return a random token of 256 bits."""
    import secrets  # supervisors make none, and its import takes a tenth of the time in which a job starts

    return secrets.token_urlsafe(32)
