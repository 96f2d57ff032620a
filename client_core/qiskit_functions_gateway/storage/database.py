"""Functions ("programs"), jobs, events and the ledger in SQLite; no other module knows SQL.

A gateway and supervisors use one file at the same time. A change of status states which status it follows, so that
only one of two changes at the same time happens, and its event is written in the same transaction.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from qiskit_functions_core.errors import EmbeddedGatewayError

from .data_folder import new_token
from .job_states import ACTIVE, STARTED, EventContext, EventOrigin, EventType, JobStatus
from .locks import locked

_BUSY_SECONDS = 10
"""How long a write waits for those of other processes, each of which takes milliseconds."""

_MIGRATIONS = (
    """
    CREATE TABLE programs (
        id TEXT PRIMARY KEY, title TEXT NOT NULL, provider TEXT NOT NULL, entrypoint TEXT NOT NULL,
        artifact TEXT, image TEXT, dependencies TEXT NOT NULL, env_vars TEXT NOT NULL, description TEXT,
        version TEXT, type TEXT NOT NULL, runner TEXT NOT NULL, arguments_schema TEXT NOT NULL,
        created TEXT NOT NULL, UNIQUE (provider, title)
    );
    CREATE TABLE jobs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
        program_id TEXT NOT NULL REFERENCES programs (id), entrypoint TEXT NOT NULL, artifact TEXT,
        env_vars TEXT NOT NULL, status TEXT NOT NULL, sub_status TEXT, created TEXT NOT NULL, token TEXT NOT NULL
    );
    CREATE INDEX jobs_by_status ON jobs (status, seq);
    CREATE INDEX jobs_by_program ON jobs (program_id, seq);
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL REFERENCES jobs (id),
        event_type TEXT NOT NULL, origin TEXT NOT NULL, context TEXT NOT NULL, created TEXT NOT NULL,
        data TEXT NOT NULL
    );
    CREATE INDEX events_by_job ON events (job_id, seq);
    CREATE TABLE runtime_jobs (
        runtime_job TEXT PRIMARY KEY, job_id TEXT NOT NULL REFERENCES jobs (id), runtime_session TEXT
    );
    CREATE TABLE ledger (job_id TEXT PRIMARY KEY REFERENCES jobs (id), seconds REAL NOT NULL);
    """,
    "ALTER TABLE jobs ADD COLUMN dependencies TEXT NOT NULL DEFAULT '[]';",
    "ALTER TABLE jobs ADD COLUMN runner TEXT NOT NULL DEFAULT 'process';",
    """
    ALTER TABLE jobs ADD COLUMN idempotency_key TEXT;
    ALTER TABLE jobs ADD COLUMN request_digest TEXT;
    CREATE UNIQUE INDEX jobs_by_idempotency_key ON jobs (idempotency_key);
    """,
    "ALTER TABLE jobs ADD COLUMN instance TEXT NOT NULL DEFAULT 'local';",
    "CREATE TABLE pruned (seconds REAL NOT NULL); INSERT INTO pruned VALUES (0.0);",
)
"""Each brings the schema to its next version; ``user_version`` counts those that were applied."""


@dataclass(frozen=True)
class ProgramRow:
    """A function; the fields that are JSON strings in the API are JSON strings here."""

    title: str
    provider: str = ""
    entrypoint: str = "main.py"
    artifact: str | None = None
    image: str | None = None
    dependencies: str = "[]"
    env_vars: str = "{}"
    description: str | None = None
    version: str | None = None
    type: str = "GENERIC"
    runner: str = "ray"
    arguments_schema: str = "{}"
    id: str = ""
    created: str = ""


@dataclass(frozen=True)
class JobRow:
    """A job, with its function's name, and the function's code as it was when the job was submitted."""

    status: JobStatus
    seq: int
    id: str
    program_id: str
    title: str
    provider: str
    entrypoint: str
    artifact: str | None
    dependencies: str
    env_vars: str
    sub_status: str | None
    created: str
    token: str
    instance: str


@dataclass(frozen=True)
class Idempotency:
    """A run request that its caller has named, so that sending it again starts no second job.

    Attributes:
        key: the name, which belongs to one request only.
        digest: of the request's body.
    """

    key: str
    digest: str


class KeyUsedOtherwise(Exception):
    """The key of this request was used before, by a request with another body."""


@dataclass(frozen=True)
class EndedJob:
    """A job that has ended.

    Attributes:
        ended: when, as the database writes times.
    """

    id: str
    title: str
    provider: str
    ended: str


@dataclass(frozen=True)
class JobFilter:
    """Which jobs to list; None and empty texts exclude nothing."""

    title: str = ""
    provider: str | None = None
    kind: Literal["", "serverless", "catalog"] = ""
    status: str = ""
    created_after: str = ""


_PROGRAM_COLUMNS = ", ".join(field.name for field in fields(ProgramRow))
_JOB_COLUMNS = ", ".join(
    f"p.{field.name}" if field.name in ("title", "provider") else f"j.{field.name}" for field in fields(JobRow)
)
_JOBS = f"SELECT {_JOB_COLUMNS} FROM jobs j JOIN programs p ON p.id = j.program_id"

_IS_ACTIVE = f"status IN ({', '.join(repr(str(status)) for status in sorted(ACTIVE))})"
_COUNT_ACTIVE = f"SELECT count(*) FROM jobs WHERE {_IS_ACTIVE}"
_COUNT_STARTED = (
    f"SELECT count(*) FROM jobs WHERE status IN ({', '.join(repr(str(status)) for status in sorted(STARTED))})"
    " AND runner = ?"
)

_ARTIFACTS = (
    "SELECT artifact FROM programs WHERE artifact IS NOT NULL"
    f" UNION SELECT artifact FROM jobs WHERE artifact IS NOT NULL AND {_IS_ACTIVE}"
)

_EVENT_CHARACTERS = 8192
"""How long each text of an ERROR event may be: a traceback of a hundred frames. The end of one says most."""

_MOST_EVENTS = 500
"""How many of the newest ERROR events that a function sends are kept, and as many changes of its sub-status."""

MOST_RUNTIME_JOBS = 10_000
"""Of one job. A year of runs, one each hour; a function that adds them without an end would fill the disk."""

_MOST_EVENT_CHARACTERS = 16 * 1024**2
"""How much of a job's events is read at once. Older versions stored events of 2.5 MB, as many as a function sent."""

_BOOK = "INSERT OR REPLACE INTO ledger (job_id, seconds) VALUES (?, ?)"


class Database:
    """One data folder's database. Blocking: call it from a thread.

    Args:
        runner: where the jobs run that are created here; ``jobs_in`` returns only these.

    Raises:
        EmbeddedGatewayError: the file cannot be read or written; by every method. The file is not damaged.
    """

    def __init__(
        self,
        path: Path,
        *,
        runner: Literal["process", "ray"] = "process",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path = path
        self._runner = runner
        self._clock = clock
        self._lock = threading.Lock()
        with self._failures():
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def backup(self, target: Path) -> None:
        """Copy the whole database as it is now, also while other processes use it."""
        with self._reading() as connection, closing(sqlite3.connect(target)) as copy:
            connection.backup(copy)

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        if self._version() > len(_MIGRATIONS):
            raise EmbeddedGatewayError(
                f"{self._path} was written by a newer version of qiskit-functions-mcp",
                next_step="Ask the person to upgrade, or to set QISKIT_FUNCTIONS_HOME to another folder.",
            )
        if self._version() < len(_MIGRATIONS):
            # SQLite does not wait for another process that is changing to WAL too.
            with locked(self._path.with_suffix(".lock"), timeout=_BUSY_SECONDS):
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._migrate()

    def _version(self) -> int:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        return int(version)

    def _migrate(self) -> None:
        version = self._version()
        for number, script in enumerate(_MIGRATIONS[version:], version + 1):
            with self._writing() as connection:
                for statement in filter(str.strip, script.split(";")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise EmbeddedGatewayError(
                f"the database {self._path} cannot be used: {error}",
                next_step="Ask the person to look at the data folder: is the disk full, or the folder read-only?",
            ) from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._failures():
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._failures():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself rolls back when the disk is full
                    self._connection.execute("ROLLBACK")
                raise

    # Programs

    def program(self, title: str, provider: str) -> ProgramRow | None:
        query = f"SELECT {_PROGRAM_COLUMNS} FROM programs WHERE title = ? AND provider = ?"
        with self._reading() as connection:
            row = connection.execute(query, (title, provider)).fetchone()
        return ProgramRow(*row) if row else None

    def programs(self) -> list[ProgramRow]:
        query = f"SELECT {_PROGRAM_COLUMNS} FROM programs"
        with self._reading() as connection:
            return [ProgramRow(*row) for row in connection.execute(query)]

    def put_program(self, title: str, provider: str, changes: dict[str, str | None]) -> ProgramRow:
        """Create or update a function; columns that ``changes`` lacks keep their values."""
        from uuid import uuid4  # supervisors, which have to start fast, do not need it

        with self._writing() as connection:
            connection.execute(
                "INSERT INTO programs (id, title, provider, entrypoint, dependencies, env_vars, type, runner,"
                " arguments_schema, created) VALUES (?, ?, ?, 'main.py', '[]', '{}', 'GENERIC', 'ray', '{}', ?)"
                " ON CONFLICT DO NOTHING",
                (str(uuid4()), title, provider, self._now()),
            )
            for column, value in changes.items():
                connection.execute(
                    f"UPDATE programs SET {column} = ? WHERE title = ? AND provider = ?",
                    (value, title, provider),
                )
        stored = self.program(title, provider)
        assert stored is not None, "programs are never deleted"  # noqa: S101 - for the type checker
        return stored

    # Jobs

    def active_jobs(self) -> int:
        with self._reading() as connection:
            (active,) = connection.execute(_COUNT_ACTIVE).fetchone()
        return int(active)

    def create_job(
        self,
        program: ProgramRow,
        job_id: str,
        *,
        most_active: int,
        instance: str = "local",
        idempotency: Idempotency | None = None,
    ) -> JobRow | None:
        """Create a queued job with a new token; return None if ``most_active`` jobs are active already.

        If this request has created a job before, return that one.

        Args:
            instance: the one that the user has named, which the function sees.

        Raises:
            KeyUsedOtherwise: another request has used the key.
        """
        with self._writing() as connection:
            if idempotency and (existing := _job_of_request(connection, idempotency)):
                return existing
            (active,) = connection.execute(_COUNT_ACTIVE).fetchone()
            if active >= most_active:
                return None
            connection.execute(
                "INSERT INTO jobs"
                " (id, program_id, entrypoint, artifact, dependencies, env_vars, status, created, token, runner,"
                " instance, idempotency_key, request_digest)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job_id,
                    program.id,
                    program.entrypoint,
                    program.artifact,
                    program.dependencies,
                    program.env_vars,
                    JobStatus.QUEUED,
                    self._now(),
                    new_token(),
                    self._runner,
                    instance,
                    idempotency.key if idempotency else None,
                    idempotency.digest if idempotency else None,
                ),
            )
            self._add_event(
                connection,
                job_id,
                EventType.STATUS_CHANGE,
                EventOrigin.API,
                EventContext.RUN_PROGRAM,
                {"status": JobStatus.QUEUED},
            )
        return self.job(job_id)

    def job(self, job_id: str) -> JobRow | None:
        with self._reading() as connection:
            row = connection.execute(f"{_JOBS} WHERE j.id = ?", (job_id,)).fetchone()
        return _job(row) if row else None

    def job_of_request(self, idempotency: Idempotency) -> JobRow | None:
        """Return the job that this request has created before, or None.

        Raises:
            KeyUsedOtherwise: another request has used the key.
        """
        with self._reading() as connection:
            return _job_of_request(connection, idempotency)

    def jobs(self, wanted: JobFilter, *, limit: int, offset: int) -> tuple[int, list[JobRow]]:
        """Return how many jobs match, and ``limit`` of them, newest first; a limit of 0 means all."""
        where, values = _conditions(wanted)
        with self._reading() as connection:
            (count,) = connection.execute(
                f"SELECT count(*) FROM jobs j JOIN programs p ON p.id = j.program_id{where}",
                values,
            ).fetchone()
            rows = connection.execute(
                f"{_JOBS}{where} ORDER BY j.seq DESC LIMIT ? OFFSET ?", (*values, limit or -1, offset)
            ).fetchall()
        return count, [_job(row) for row in rows]

    def jobs_in(self, statuses: Collection[JobStatus]) -> list[JobRow]:
        """Return the jobs of this runner in one of these statuses, oldest first."""
        query = f"{_JOBS} WHERE j.status IN ({', '.join('?' * len(statuses))}) AND j.runner = ? ORDER BY j.seq"
        with self._reading() as connection:
            rows = connection.execute(query, (*statuses, self._runner))
            return [_job(row) for row in rows]

    def change_status(
        self,
        job_id: str,
        status: JobStatus,
        *,
        after: Collection[JobStatus],
        origin: EventOrigin = EventOrigin.SCHEDULER,
        context: EventContext = EventContext.UPDATE_JOB_STATUS,
        error: dict[str, object] | None = None,
        seconds: float | None = None,
        most_started: int | None = None,
    ) -> bool:
        """Change the job's status and record it as an event; return False if its status is not one of ``after``.

        Args:
            error: the data of an ERROR event that explains the change, and is recorded only with it.
            seconds: an entry for the ledger, which is made in any case.
            most_started: change nothing if so many jobs of this runner have left the queue and not ended.
        """
        marks = ", ".join("?" * len(after))
        limit = f" AND ({_COUNT_STARTED}) < ?" if most_started is not None else ""
        limit_values = (self._runner, most_started) if limit else ()
        with self._writing() as connection:
            if seconds is not None:
                connection.execute(_BOOK, (job_id, max(seconds, 0.0)))
            changed = connection.execute(
                f"UPDATE jobs SET status = ? WHERE id = ? AND status IN ({marks}){limit}",
                (status, job_id, *after, *limit_values),
            ).rowcount
            if changed and error:
                self._add_event(connection, job_id, EventType.ERROR, origin, EventContext.SEND_ERROR, error)
            if changed:
                self._add_event(connection, job_id, EventType.STATUS_CHANGE, origin, context, {"status": status})
        return bool(changed)

    def set_sub_status(self, job_id: str, sub_status: str) -> bool:
        """Change the job's sub-status and record it as an event; return False if the job is not active."""
        with self._writing() as connection:
            changed = connection.execute(
                f"UPDATE jobs SET sub_status = ? WHERE id = ? AND {_IS_ACTIVE}",
                (sub_status, job_id),
            ).rowcount
            if changed:
                self._add_event(
                    connection,
                    job_id,
                    EventType.SUB_STATUS_CHANGE,
                    EventOrigin.API,
                    EventContext.SET_SUB_STATUS,
                    {"sub_status": sub_status},
                )
        return bool(changed)

    def times_scheduled(self, job_id: str) -> int:
        """Return how often the job has left the queue."""
        pending = json.dumps({"status": JobStatus.PENDING})
        with self._reading() as connection:
            (count,) = connection.execute(
                "SELECT count(*) FROM events WHERE job_id = ? AND event_type = ? AND data = ?",
                (job_id, EventType.STATUS_CHANGE, pending),
            ).fetchone()
        return int(count)

    def add_error(self, job_id: str, data: dict[str, Any]) -> None:
        """Record an ERROR event that the job's function has sent; its texts are shortened if they are long."""
        bounded = {name: _bounded(value) for name, value in data.items()}
        with self._writing() as connection:
            self._add_event(connection, job_id, EventType.ERROR, EventOrigin.API, EventContext.SEND_ERROR, bounded)

    def events(self, job_id: str, event_type: EventType | None = None) -> list[dict[str, Any]]:
        """Return the job's events, of one type or of all, newest first; of very large ones not the oldest."""
        query = (
            "SELECT event_type, origin, context, created, data FROM events"
            " WHERE job_id = ? AND event_type = ifnull(?, event_type)"
        )
        with self._reading() as connection:
            rows: list[Any] = []
            characters = 0
            for row in connection.execute(f"{query} ORDER BY seq DESC", (job_id, event_type)):
                characters += len(row[4])
                if characters > _MOST_EVENT_CHARACTERS and rows:
                    break
                rows.append(row)
        names = ("event_type", "origin", "context", "created")
        return [{**dict(zip(names, row, strict=False)), "data": json.loads(row[4])} for row in rows]

    def add_runtime_job(self, job_id: str, runtime_job: str, runtime_session: str | None) -> bool:
        """Record a job of IBM's runtime that a job has started; return False if it is known, or there are too many."""
        with self._writing() as connection:
            added = connection.execute(
                "INSERT INTO runtime_jobs (runtime_job, job_id, runtime_session) SELECT ?, ?, ?"
                " WHERE (SELECT count(*) FROM runtime_jobs WHERE job_id = ?) < ? ON CONFLICT DO NOTHING",
                (runtime_job, job_id, runtime_session, job_id, MOST_RUNTIME_JOBS),
            ).rowcount
        return bool(added)

    def runtime_jobs(self, job_id: str) -> list[dict[str, str | None]]:
        query = "SELECT runtime_job, runtime_session FROM runtime_jobs WHERE job_id = ? ORDER BY rowid"
        with self._reading() as connection:
            return [
                {"runtime_job": job, "runtime_session": session}
                for job, session in connection.execute(query, (job_id,))
            ]

    # The ledger

    def book(self, job_id: str, seconds: float) -> None:
        """Record how many seconds the job has used so far; a later figure replaces an earlier one."""
        with self._writing() as connection:
            connection.execute(_BOOK, (job_id, max(seconds, 0.0)))

    def seconds_used(self, job_id: str | None = None) -> float:
        """Return the seconds in the ledger, of one job or of all, also of those that were pruned."""
        query = "SELECT total(seconds) FROM ledger WHERE job_id = ifnull(?, job_id)"
        pruned = "SELECT total(seconds) FROM pruned WHERE ? IS NULL"
        with self._reading() as connection:
            (seconds,) = connection.execute(f"SELECT ({query}) + ({pruned})", (job_id, job_id)).fetchone()
        return float(seconds)

    # Pruning

    def active_ids(self) -> list[str]:
        with self._reading() as connection:
            return [job_id for (job_id,) in connection.execute(f"SELECT id FROM jobs WHERE {_IS_ACTIVE}")]

    def ended_jobs(self) -> list[EndedJob]:
        """Return the jobs that have ended, oldest first."""
        query = (
            "SELECT j.id, p.title, p.provider, ifnull((SELECT created FROM events WHERE job_id = j.id AND"
            " event_type = 'STATUS_CHANGE' ORDER BY seq DESC LIMIT 1), j.created)"
            f" FROM jobs j JOIN programs p ON p.id = j.program_id WHERE NOT {_IS_ACTIVE} ORDER BY j.seq"
        )
        with self._reading() as connection:
            return [EndedJob(*row) for row in connection.execute(query)]

    def forget_job(self, job_id: str) -> bool:
        """Delete a job with its events, but not the seconds that it has used; return False if it is active."""
        with self._writing() as connection:
            if connection.execute(f"SELECT 1 FROM jobs WHERE id = ? AND {_IS_ACTIVE}", (job_id,)).fetchone():
                return False
            connection.execute(
                "UPDATE pruned SET seconds = seconds + (SELECT total(seconds) FROM ledger WHERE job_id = ?)", (job_id,)
            )
            for table in ("ledger", "runtime_jobs", "events"):
                connection.execute(f"DELETE FROM {table} WHERE job_id = ?", (job_id,))
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
        return True

    def artifacts_in_use(self) -> set[str]:
        """Return the names of the artifacts of functions, and of jobs that may still unpack them."""
        with self._reading() as connection:
            return {name for (name,) in connection.execute(_ARTIFACTS)}

    def if_unused(self, artifact: str, remove: Callable[[], None]) -> bool:
        """Call a function if no function and no active job has the artifact; nothing can get it meanwhile."""
        with self._writing() as connection:
            if connection.execute(f"SELECT 1 WHERE ? IN ({_ARTIFACTS})", (artifact,)).fetchone():
                return False
            remove()
        return True

    def compact(self) -> None:
        """Give the room of deleted rows back to the disk, if there is room to do so and nothing else writes."""
        with self._lock, suppress(sqlite3.Error):
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _add_event(
        self,
        connection: sqlite3.Connection,
        job_id: str,
        event_type: EventType,
        origin: EventOrigin,
        context: EventContext,
        data: object,
    ) -> None:
        connection.execute(
            "INSERT INTO events (job_id, event_type, origin, context, created, data) VALUES (?, ?, ?, ?, ?, ?)",
            (job_id, event_type, origin, context, self._now(), json.dumps(data)),
        )
        if event_type in (EventType.ERROR, EventType.SUB_STATUS_CHANGE) and origin == EventOrigin.API:
            of_function = "FROM events WHERE job_id = :job AND event_type = :type AND origin = :origin"
            connection.execute(
                f"DELETE {of_function} AND seq <="
                f" (SELECT seq {of_function} ORDER BY seq DESC LIMIT 1 OFFSET {_MOST_EVENTS})",
                {"job": job_id, "type": event_type, "origin": origin},
            )

    def _now(self) -> str:
        """Return UTC with microseconds, as the gateway writes it; the texts sort as their times do."""
        return self._clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _bounded(value: Any) -> Any:
    """Return a value that a function sent, or the beginning and the end of its text if that is long."""
    text = value if isinstance(value, str) else json.dumps(value)
    left_out = len(text) - _EVENT_CHARACTERS
    if left_out <= 0:
        return value
    beginning, end = text[: _EVENT_CHARACTERS // 4], text[-3 * _EVENT_CHARACTERS // 4 :]
    shortened = f"{beginning}\n[{left_out:,} characters were left out]\n{end}"
    return shortened if isinstance(value, str) else [shortened]


def _job(row: Sequence[Any]) -> JobRow:
    status, *others = row
    return JobRow(JobStatus(status), *others)


def _job_of_request(connection: sqlite3.Connection, idempotency: Idempotency) -> JobRow | None:
    row = connection.execute(f"{_JOBS} WHERE j.idempotency_key = ?", (idempotency.key,)).fetchone()
    if row is None:
        return None
    job = _job(row)
    (digest,) = connection.execute("SELECT request_digest FROM jobs WHERE id = ?", (job.id,)).fetchone()
    if digest != idempotency.digest:
        raise KeyUsedOtherwise
    return job


def _conditions(wanted: JobFilter) -> tuple[str, list[str]]:
    conditions: list[str] = []
    values: list[str] = []
    for condition, value in (
        ("p.title = ?", wanted.title),
        ("j.status = ?", wanted.status),
        ("j.created >= ?", wanted.created_after),
    ):
        if value:
            conditions.append(condition)
            values.append(value)
    if wanted.provider is not None:
        conditions.append("p.provider = ?")
        values.append(wanted.provider)
    if wanted.kind:
        conditions.append("p.provider = ''" if wanted.kind == "serverless" else "p.provider != ''")
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), values
