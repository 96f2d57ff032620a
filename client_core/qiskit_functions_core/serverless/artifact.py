"""The code of a function: a tar archive, checked before the upload because the gateway only checks its name."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import decode_source
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from ..errors import ArtifactError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

MAX_BYTES = 50 * 1024 * 1024
"""The official client's limit (``MAX_ARTIFACT_FILE_SIZE_MB_DEFAULT`` of qiskit-serverless 0.37)."""

IGNORE_FILE = ".qiskitignore"
"""A file in the uploaded directory, in the format of a ``.gitignore``."""

_LEFT_OUT = frozenset(
    {".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".ipynb_checkpoints"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox", ".DS_Store", IGNORE_FILE}
)

_OFFICIAL_ARCHIVE = "artifact.tar"
"""The official client writes it into the directory that it archives, and leaves it there if it is killed."""


@dataclass(frozen=True)
class Artifact:
    """A function's code, ready to send.

    Attributes:
        entrypoint: the script to run, relative to the archive's root.
        content: the tar archive.
        left_out: names in the directory that are not in the archive; a folder's ends with a slash.
    """

    entrypoint: str
    content: bytes
    left_out: tuple[str, ...] = ()

    def files(self) -> dict[str, int]:
        """Return the size in bytes of each file in the archive, by name."""
        with tarfile.open(fileobj=io.BytesIO(self.content)) as archive:
            return {member.name: member.size for member in archive if member.isfile()}

    @classmethod
    def from_source(cls, source: str, entrypoint: str = "main.py") -> Artifact:
        """Return an archive of one script.

        Raises:
            ArtifactError: the script is empty, too large or not Python.
        """
        try:
            return cls._of_script(source.encode(), entrypoint)
        except UnicodeEncodeError as error:
            raise ArtifactError(f"the source is not valid Python: {error}") from None

    @classmethod
    def _of_script(cls, data: bytes, entrypoint: str) -> Artifact:
        try:
            compile(decode_source(data), entrypoint, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ArtifactError(f"the source of {entrypoint} is not valid Python: {error}") from None
        if not data.strip():
            raise ArtifactError("the source is empty")
        name = _checked_entrypoint(entrypoint)
        return cls(name, _archive([_Member(name, len(data), lambda: io.BytesIO(data))]))

    @classmethod
    def from_file(cls, script: Path) -> Artifact:
        """Return an archive of one script, in any encoding that it declares (PEP 263).

        Raises:
            ArtifactError: the file cannot be read, or as in ``from_source``.
        """
        try:
            data = script.read_bytes()
        except OSError as error:
            raise ArtifactError(f"{script} cannot be read: {_reason(error)}") from None
        return cls._of_script(data, script.name)

    @classmethod
    def from_directory(cls, directory: Path, entrypoint: str) -> Artifact:
        """Return an archive of a directory; the same content gives the same bytes.

        Version control, virtual environments and caches are left out; so are links that lead out of the directory,
        links to folders, and what the ignore file names.

        Raises:
            ArtifactError: the directory or the entry point is missing, or the archive would be larger than 50 MB.
        """
        root = directory.resolve()
        if not root.is_dir():
            raise ArtifactError(f"{directory} is not a directory")
        name = _checked_entrypoint(entrypoint)
        found = _Tree(root, _ignored(root))
        try:
            members = list(found.members())
        except OSError as error:
            raise ArtifactError(f"{error.filename} cannot be read: {_reason(error)}") from None
        if not any(member.name == name for member in members):
            if (root / name).is_file():
                raise ArtifactError(
                    f"the entry point {name!r} is left out of the archive",
                    next_step=f"It leads out of the directory, is in a folder that is never uploaded, or {IGNORE_FILE} "
                    "names it.",
                )
            raise ArtifactError(
                f"there is no {name!r} in {directory}", next_step="Name a .py file inside the directory."
            )
        return cls(name, _archive(members), tuple(found.left_out))


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    open: Callable[[], IO[bytes]]
    executable: bool = False

    @classmethod
    def of_file(cls, path: Path, name: str) -> _Member:
        status = path.stat()
        return cls(name, status.st_size, lambda: path.open("rb"), bool(status.st_mode & 0o100))


class _Tree:
    """Walks a directory in the order of the names in it."""

    def __init__(self, root: Path, ignored: GitIgnoreSpec | None) -> None:
        self._root = root
        self._ignored = ignored
        self.left_out: list[str] = []

    def members(self) -> Iterator[_Member]:
        for folder, folders, names in os.walk(self._root, onerror=_raise):
            here = Path(folder)
            folders[:] = [name for name in sorted(folders) if self._keeps(here / name, self._is_code)]
            for name in sorted(names):
                if self._keeps(here / name, self._is_inside):
                    yield _Member.of_file(here / name, self._name(here / name))

    def _keeps(self, path: Path, also: Callable[[Path], bool]) -> bool:
        slash = "/" if path.is_dir() and not path.is_symlink() else ""
        name = self._name(path) + slash
        kept = path.name not in _LEFT_OUT and name != _OFFICIAL_ARCHIVE and also(path)
        if kept and not (self._ignored and self._ignored.match_file(name)):
            return True
        self.left_out.append(name)
        return False

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    @staticmethod
    def _is_code(folder: Path) -> bool:
        """A folder that is neither a link nor a virtual environment (PEP 405)."""
        return not folder.is_symlink() and not (folder / "pyvenv.cfg").is_file()

    def _is_inside(self, path: Path) -> bool:
        """A file, or a link to one that is in the archive too; not a pipe, which would have to be waited for."""
        if not path.is_file() or not path.is_symlink():
            return path.is_file()
        target = path.resolve()
        if not target.is_relative_to(self._root):
            return False
        inside = target.relative_to(self._root)
        is_left_out = not _LEFT_OUT.isdisjoint(inside.parts) or not all(
            self._is_code(self._root / folder) for folder in inside.parents
        )
        return not is_left_out and not (self._ignored and self._ignored.match_file(inside.as_posix()))


def _raise(error: OSError) -> None:
    raise error


def _ignored(root: Path) -> GitIgnoreSpec | None:
    file = root / IGNORE_FILE
    if not file.is_file():
        return None
    from pathspec import GitIgnoreSpec  # 20 ms, for the few directories with such a file

    try:
        return GitIgnoreSpec.from_lines(file.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{IGNORE_FILE} cannot be read: {_reason(error)}") from None


def _checked_entrypoint(entrypoint: str) -> str:
    """Return the name that the archive has for it: without ``./`` and doubled slashes."""
    path = PurePosixPath(entrypoint)
    if path.suffix != ".py" or path.is_absolute() or ".." in path.parts or "\\" in entrypoint or "\0" in entrypoint:
        raise ArtifactError(
            f"the entry point {entrypoint!r} is not a relative path of a .py file",
            next_step='Name it relative to the directory, such as "main.py".',
        )
    return path.as_posix()


def _archive(members: list[_Member]) -> bytes:
    if sum(member.size for member in members) > MAX_BYTES:
        raise _too_large(members)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            info = tarfile.TarInfo(member.name)  # with a fixed owner and time: the same content gives the same bytes
            info.size = member.size
            info.mode = 0o755 if member.executable else 0o644
            try:
                with member.open() as source:
                    archive.addfile(info, source)
            except OSError as error:
                raise ArtifactError(f"{member.name} cannot be read: {_reason(error)}") from None
    if content.tell() > MAX_BYTES:  # headers and padding count too
        raise _too_large(members)
    return content.getvalue()


def _too_large(members: list[_Member]) -> ArtifactError:
    largest = max(members, key=lambda member: member.size)
    return ArtifactError(
        f"the archive would be larger than {MAX_BYTES // 1024**2} MB; the largest file is {largest.name} "
        f"with {largest.size / 1024**2:.1f} MB",
        next_step=f"Upload data with upload_file, or name what the function does not need in {IGNORE_FILE}.",
    )


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
