"""A copy of a data folder in one file, made while a gateway and jobs use the folder."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_core.local_files import atomic_write

from .data_folder import DataFolder
from .database import Database

_IN_MEMORY = 1024 * 1024

_OF_A_JOB = ("arguments.json", "result.json", "log.txt")


def backup(data_folder: DataFolder, target: Path) -> None:
    """Write functions, jobs, results, logs and data files to a tar archive; unpacked, it is a data folder.

    It does not contain the token. Environments are made again when they are needed.

    Raises:
        EmbeddedGatewayError: there is no such data folder, or the file cannot be written; a file that was there stays.
    """
    if not data_folder.database_file.is_file():
        raise EmbeddedGatewayError(f"there is no data folder at {data_folder.path}")
    try:
        # Only the user may read it: the variables of functions may hold secrets.
        with atomic_write(target, mode=0o600) as file, tarfile.open(fileobj=file, mode="w") as archive:
            with tempfile.TemporaryDirectory() as folder, closing(Database(data_folder.database_file)) as database:
                copy = Path(folder) / data_folder.database_file.name
                database.backup(copy)
                _add(archive, copy, copy.name)
            # The database comes first: what it refers to is there, and what was added since does no harm.
            for path in _files(data_folder):
                with suppress(FileNotFoundError):
                    _add(archive, path, path.relative_to(data_folder.path).as_posix())
    except OSError as error:
        raise EmbeddedGatewayError(f"the backup {target} cannot be written: {error.strerror}") from error


def _files(data_folder: DataFolder) -> Iterator[Path]:
    yield from data_folder.path.glob("settings.json")
    yield from data_folder.artifacts.glob("*.tar")
    for name in _OF_A_JOB:
        yield from (data_folder.path / "jobs").glob(f"*/{name}")
    for path in (data_folder.path / "data").rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Add a copy of a file, because one that grows or shrinks meanwhile would break the archive."""
    with path.open("rb") as source, tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
        shutil.copyfileobj(source, copy)
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = copy.tell(), 0o600, path.stat().st_mtime
        copy.seek(0)
        archive.addfile(info, copy)
