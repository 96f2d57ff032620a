"""The data folder: what lies where."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from qiskit_functions_core.errors import EmbeddedGatewayError


def default_data_folder() -> Path:
    """``QISKIT_FUNCTIONS_HOME``, or a folder of the user where the platform wants it."""
    if chosen := os.environ.get("QISKIT_FUNCTIONS_HOME"):
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("qiskit-functions-mcp", appauthor=False))


@dataclass(frozen=True)
class JobFolder:
    """What the gateway keeps of one job."""

    path: Path

    @property
    def arguments(self) -> Path:
        """What the function is given, out of reach of functions that ran before it."""
        return self.path / "arguments.json"

    @property
    def result(self) -> Path:
        """Where a saved result is kept once the job has ended."""
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
        """Held by the supervisor as long as it lives."""
        return self.path / "supervisor.lock"

    @property
    def supervisor_log(self) -> Path:
        return self.path / "supervisor.log"


@dataclass(frozen=True)
class FunctionData:
    """A function's DATA_PATH, laid out as Qiskit Serverless does it."""

    path: Path

    def arguments(self, job_id: str) -> Path:
        return self.path / "arguments" / f"{job_id}.json"

    def result(self, job_id: str) -> Path:
        """Where the function saves its result."""
        return self.path / "results" / f"{job_id}.json"


@dataclass(frozen=True)
class DataFolder:
    """One data folder, which several gateways may share."""

    path: Path

    @property
    def database_file(self) -> Path:
        return self.path / "gateway.db"

    @property
    def artifacts(self) -> Path:
        """Archives by the SHA-256 of their content, so that an update changes no job that still waits."""
        return self.path / "artifacts"

    @property
    def environments(self) -> Path:
        """Python environments with the dependencies of functions."""
        return self.path / "environments"

    @property
    def dispatch_lock(self) -> Path:
        """Held while jobs are started or given up, so that nobody sees one that is only half started."""
        return self.path / "dispatch.lock"

    def job(self, job_id: str) -> JobFolder:
        return JobFolder(self.path / "jobs" / job_id)

    def data(self, provider: str, title: str) -> FunctionData:
        """One folder for all of the user's own functions, one for each provider function."""
        folder = self.path / "data"
        return FunctionData(folder / "providers" / provider / title if provider else folder / "user")

    def prepare(self) -> None:
        """Make what is missing.

        Raises:
            EmbeddedGatewayError: the folder cannot be written.
        """
        try:
            # Other people's functions and results are nobody else's business.
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            # So it is inside a folder that was there before, and may be open to all.
            for folder in (self.artifacts, self.path / "jobs", self.path / "data", self.path / "uploads"):
                folder.mkdir(exist_ok=True, mode=0o700)
            self.database_file.touch(mode=0o600)
            probe = self.path / f".probe-{_random_hex()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise EmbeddedGatewayError(
                f"the data folder {self.path} cannot be used: {error.strerror}",
                next_step="Ask the person to free it, or to set QISKIT_FUNCTIONS_HOME to another folder.",
            ) from error

    def token(self) -> str:
        """The gateway's token, made at the first start; whoever comes first wins, and all read the same.

        Raises:
            EmbeddedGatewayError: it can be neither read nor made.
        """
        path = self.path / "token"
        try:
            if not path.exists():
                candidate = self.path / f"token.{_random_hex()}"
                candidate.touch(mode=0o600, exist_ok=False)
                candidate.write_text(new_token())
                with suppress(FileExistsError):
                    # A link either appears with the whole token in it, or was there before.
                    path.hardlink_to(candidate)
                candidate.unlink()
            return path.read_text()
        except OSError as error:
            raise EmbeddedGatewayError(
                f"the token in the data folder {self.path} cannot be read: {error.strerror}"
            ) from error


def new_token() -> str:
    """256 bits that nobody can guess."""
    import secrets  # supervisors need none, and its import is a tenth of what a job's start costs

    return secrets.token_urlsafe(32)


def _random_hex() -> str:
    return os.urandom(4).hex()
