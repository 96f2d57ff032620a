"""The code of a function: a tar archive, checked before the upload because the gateway only checks its name."""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import decode_source
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from ..errors import ArtifactError
from ..local_files import open_regular

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

_LONGEST_ENTRYPOINT = 255
"""Characters, as gateways have it."""

_MAX_IGNORE_BYTES = 64 * 1024
"""Of an ignore file; a hundred lines have some thousand."""

_MAX_ENTRIES = 100_000
"""Files and folders that are looked at, some seconds' worth. A tar archive has half a kilobyte for each at least, so no
more fit into 50 MB."""

_MAX_CHECKED = 1024 * 1024
"""Bytes of a script whose syntax is checked: that takes a second, in which no other call is answered."""

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
            if len(data) <= _MAX_CHECKED:
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
            with open_regular(script) as file:
                data = file.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
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
        try:
            root = directory.resolve()
            is_directory = root.is_dir()
        except (OSError, ValueError, RuntimeError) as error:
            raise ArtifactError(f"{str(directory)[:200]!r} cannot be read: {_reason(error)}") from None
        if not is_directory:
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
        return cls(name, status.st_size, partial(open_regular, path), bool(status.st_mode & 0o100))


class _Tree:
    """Walks a directory in the order of the names in it."""

    def __init__(self, root: Path, ignored: GitIgnoreSpec | None) -> None:
        self._root = root
        self._ignored = ignored
        self.left_out: list[str] = []

    def members(self) -> Iterator[_Member]:
        entries = 0
        for folder, folders, names in os.walk(self._root, onerror=_raise):
            here = Path(folder)
            entries += len(folders) + len(names)
            if entries > _MAX_ENTRIES:
                raise ArtifactError(
                    f"the directory has more than {_MAX_ENTRIES} files and folders",
                    next_step=f"Name a smaller one, or in {IGNORE_FILE} the folders that the function does not need.",
                )
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
    # 20 ms, for the few directories with such a file.
    import re2
    from pathspec import GitIgnoreSpec

    try:
        with open_regular(file) as opened:
            text = opened.read(_MAX_IGNORE_BYTES + 1)
        if len(text) > _MAX_IGNORE_BYTES:
            raise ArtifactError(f"{IGNORE_FILE} has more than {_MAX_IGNORE_BYTES // 1024} KB")
        # re2 takes linear time for every pattern; with Python's own engine, *a*a*a*b can take hours for one name.
        return GitIgnoreSpec.from_lines(text.decode().splitlines(), backend="re2")
    except (OSError, ValueError, re.error, re2.error) as error:
        raise ArtifactError(f"{IGNORE_FILE} cannot be read: {_reason(error)}") from None


def _checked_entrypoint(entrypoint: str) -> str:
    """Return the name that the archive has for it: without ``./`` and doubled slashes."""
    path = PurePosixPath(entrypoint)
    if len(entrypoint) > _LONGEST_ENTRYPOINT:
        raise ArtifactError(f"the entry point has more than {_LONGEST_ENTRYPOINT} characters")
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
            except (OSError, UnicodeEncodeError) as error:  # the latter for a name that is not text
                raise ArtifactError(f"{member.name!r} cannot be read: {_reason(error)}") from None
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
