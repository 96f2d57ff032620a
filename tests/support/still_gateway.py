"""The embedded gateway without what starts jobs: a job stays as it is put."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from starlette.applications import Starlette

from qiskit_functions_gateway.api.app import gateway_app
from qiskit_functions_gateway.api.context import Gateway
from qiskit_functions_gateway.execution.lifecycle import JobLifecycle
from qiskit_functions_gateway.execution.limits import Limits
from qiskit_functions_gateway.execution.process_runner import ProcessRunner
from qiskit_functions_gateway.storage.data_folder import DataFolder
from qiskit_functions_gateway.storage.database import Database, JobRow
from qiskit_functions_gateway.storage.job_states import ACTIVE

from .raw_http import Answer, send
from .serving import serving

TOKEN = "awesome_token"


@dataclass(frozen=True)
class StillGateway:
    """One over a data folder, served on a loopback port."""

    host: str
    app: Starlette
    gateway: Gateway

    @property
    def lifecycle(self) -> JobLifecycle:
        return JobLifecycle(self.gateway.data_folder, self.gateway.database)

    def send(self, method: str, path: str, *, token: str | None = TOKEN, **request: Any) -> Answer:
        """A request under ``/api/v1/``."""
        headers = {**({} if token is None else {"Authorization": f"Bearer {token}"}), **request.pop("headers", {})}
        return send(self.host, method, f"/api/v1/{path}", headers=headers, **request)

    def put_function(self, title: str, provider: str = "") -> None:
        self.gateway.database.put_program(title, provider, {"entrypoint": "main.py"})

    def put_job(self, title: str, provider: str, status: str) -> JobRow:
        database, job_id = self.gateway.database, str(uuid4())
        program = database.program(title, provider)
        assert program is not None
        database.create_job(program, job_id, most_active=1000)
        lifecycle = self.lifecycle
        if status == "STOPPED":
            assert lifecycle.stop(job_id)
        elif status != "QUEUED":
            assert lifecycle.schedule(job_id)
            if status != "PENDING":
                assert lifecycle.start(job_id)
            if status == "SUCCEEDED":
                assert lifecycle.succeed(job_id)
            if status == "FAILED":
                assert lifecycle.fail(job_id)
        job = database.job(job_id)
        assert job is not None
        return job

    def stop_all(self) -> None:
        """So that no job is active any more."""
        for job in self.gateway.database.jobs_in(ACTIVE):
            self.lifecycle.stop(job.id)


@contextmanager
def still_gateway(folder: Path, **settings: Any) -> Iterator[StillGateway]:
    """A gateway over this folder.

    Args:
        settings: fields of ``Gateway``.
    """
    home = DataFolder(folder)
    home.prepare()
    with closing(Database(home.database_file)) as database:
        gateway = Gateway(home, database, TOKEN, ProcessRunner(home, database, Limits()), wake=lambda: None, **settings)
        app = gateway_app(gateway)
        with serving(app) as host:
            yield StillGateway(host, app, gateway)
