"""What is uploaded as a function: a tar archive, checked here because the gateway only checks its name."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from .errors import ArtifactError

MAX_BYTES = 50 * 1024 * 1024
"""The official client's rule (``MAX_ARTIFACT_FILE_SIZE_MB_DEFAULT`` of qiskit-serverless 0.37)."""

_IN_MEMORY = 4 * 1024 * 1024

_LEFT_OUT = frozenset(
    {".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".ipynb_checkpoints"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".DS_Store"}
)


@dataclass(frozen=True)
class Artifact:
    """A function's code, ready to send.

    Attributes:
        entrypoint: the script that is run, relative to the archive's root.
        content: the tar archive, positioned at its start.
    """

    entrypoint: str
    content: IO[bytes]

    @classmethod
    def from_source(cls, source: str, entrypoint: str = "main.py") -> Artifact:
        """An archive of one script.

        Raises:
            ArtifactError: the script is empty, too large or no Python.
        """
        try:
            compile(source, entrypoint, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            raise ArtifactError(f"the source is not valid Python: {error}") from None
        if not source.strip():
            raise ArtifactError("the source is empty")
        data = source.encode()
        return cls(
            _checked_entrypoint(entrypoint),
            _archive([_Member(entrypoint, len(data), lambda: io.BytesIO(data))]),
        )

    @classmethod
    def from_directory(cls, directory: Path, entrypoint: str) -> Artifact:
        """An archive of a directory, the same bytes for the same content.

        Version control, virtual environments and caches are left out; so are links that lead out of the
        directory.

        Raises:
            ArtifactError: no such directory or entry point, or the archive would be over 50 MB.
        """
        root = directory.resolve()
        if not root.is_dir():
            raise ArtifactError(f"{directory} is not a directory")
        script = root / _checked_entrypoint(entrypoint)
        if not script.is_file() or not script.resolve().is_relative_to(root):
            raise ArtifactError(
                f"there is no {entrypoint!r} in {directory}",
                next_step="Name a .py file inside the directory.",
            )
        return cls(entrypoint, _archive(_Member.of_file(path, root) for path in _files(root)))


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    open: Callable[[], IO[bytes]]

    @classmethod
    def of_file(cls, path: Path, root: Path) -> _Member:
        return cls(path.relative_to(root).as_posix(), path.stat().st_size, lambda: path.open("rb"))


def _checked_entrypoint(entrypoint: str) -> str:
    path = PurePosixPath(entrypoint)
    if path.suffix != ".py" or path.is_absolute() or ".." in path.parts or "\\" in entrypoint:
        raise ArtifactError(
            f"the entry point {entrypoint!r} is not a relative path of a .py file",
            next_step='Name it as seen from the directory, such as "main.py".',
        )
    return entrypoint


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        for name in sorted(set(names) - _LEFT_OUT):
            path = Path(folder, name)
            if path.is_file() and path.resolve().is_relative_to(root):
                yield path


def _archive(members: Iterable[_Member]) -> IO[bytes]:
    # Not a context manager: the archive outlives this function, and an upload closes it by dropping it.
    content = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            if content.tell() + member.size > MAX_BYTES:
                raise ArtifactError(
                    f"the archive would be larger than {MAX_BYTES // 1024**2} MB",
                    next_step="Upload data with upload_file, or leave out what the function does not need.",
                )
            _add(archive, member)
    content.seek(0)
    return content


def _add(archive: tarfile.TarFile, member: _Member) -> None:
    """Owner, mode and time are fixed, so that the same content gives the same bytes."""
    info = tarfile.TarInfo(member.name)
    info.size = member.size
    info.mode = 0o644
    with member.open() as source:
        archive.addfile(info, source)
