"""Python environments with the dependencies of functions, made once for each set of them and then shared.

An environment also sees the server's own packages, behind its own: ``qiskit_serverless`` is there, and what
is there already is not installed again unless a dependency needs another version.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

_REQUIREMENT = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"  # name
    r"(\[[A-Za-z0-9._, -]*\])?"  # extras
    r"((==|!=|~=|>=|<=|<|>)[A-Za-z0-9.*+!_-]+(,(==|!=|~=|>=|<=|<|>)[A-Za-z0-9.*+!_-]+)*)?"  # versions
)
"""PEP 508 without URLs and markers; it also keeps out the options of pip."""

_MAX_REQUIREMENTS = 100

Run = Callable[[list[str]], int]
"""Runs a command in the environments' folder, its output in the job's log; gives the exit code."""


class CannotInstall(Exception):
    """The dependencies could not be installed; the text is for the function's user."""


def requirements(dependencies: str) -> tuple[str, ...]:
    """The dependencies of an upload: the JSON of a list of ``"name"``, ``"name==1.0"`` or ``{"name": "1.0"}``.

    Raises:
        ValueError: it is something else; the text is for whoever uploads.
    """
    try:
        listed = json.loads(dependencies)
    except (ValueError, RecursionError):
        raise ValueError("'dependencies' should be valid JSON.") from None
    if not isinstance(listed, list):
        raise ValueError("'dependencies' should be an array.")
    if len(listed) > _MAX_REQUIREMENTS:
        raise ValueError(f"'dependencies' has more than {_MAX_REQUIREMENTS} entries.")
    return tuple(sorted({_requirement(entry) for entry in listed}))


def _requirement(entry: object) -> str:
    if isinstance(entry, dict) and len(entry) == 1:
        (name, version), *_ = entry.items()
        entry = f"{name}{'==' if str(version)[:1].isdigit() else ''}{version}"
    text = re.sub(r"\s+", "", entry) if isinstance(entry, str) else ""
    if not _REQUIREMENT.fullmatch(text):
        raise ValueError(
            f"The dependency {str(entry)[:200]!r} is not understood. "
            "Name a package of the index, with its version if it matters: numpy, or numpy==2.1.0."
        )
    return text


@dataclass(frozen=True)
class Environment:
    """One environment; it may not be made yet.

    Attributes:
        path: its folder, named after all that decides what is in it.
    """

    path: Path
    requirements: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, wanted: tuple[str, ...]) -> Environment:
        """The environment for these requirements beside the packages that the server has now."""
        decisive = json.dumps([sys.executable, sys.version, _installed(), wanted])
        return cls(folder / hashlib.sha256(decisive.encode()).hexdigest()[:32], wanted)

    @property
    def lock(self) -> Path:
        """Held by whoever makes it."""
        return self.path.with_suffix(".lock")

    @property
    def is_made(self) -> bool:
        return self._marker.exists()

    @property
    def programs(self) -> Path:
        """The folder to look in first for commands."""
        return self.path / ("Scripts" if sys.platform == "win32" else "bin")

    @property
    def python(self) -> Path:
        return self.programs / ("python.exe" if sys.platform == "win32" else "python")

    def make(self, run: Run) -> None:
        """Make it anew, from whatever a maker that was killed has left; hold the lock.

        Raises:
            CannotInstall: nothing of it is left then.
        """
        try:
            shutil.rmtree(self.path, ignore_errors=True)
            # Keeps uv from looking further up for a project whose settings are none of ours.
            self.path.with_name("uv.toml").touch()
            (self._make_with_uv if uv() else self._make_with_pip)(run)
            self._marker.touch()
        except BaseException:
            shutil.rmtree(self.path, ignore_errors=True)
            raise

    @property
    def _marker(self) -> Path:
        return self.path / "made"

    def _make_with_uv(self, run: Run) -> None:
        """uv does not see the server's packages, so it is told to prefer their versions, and they are left out."""
        tool = uv() or ""
        _must(run, [tool, "venv", "--quiet", "--no-project", "--python", sys.executable, str(self.path)])
        self._add_own_packages()
        wanted, resolved = self.path / "wanted.txt", self.path / "resolved.txt"
        wanted.write_text("\n".join(self.requirements))
        resolved.write_text("\n".join(_installed()))
        python = ["--python", str(self.python)]
        quiet = ["--quiet", "--no-header", "--no-annotate"]
        _must(run, [tool, "pip", "compile", *python, *quiet, "--output-file", str(resolved), str(wanted)])
        missing = sorted({line for line in resolved.read_text().splitlines() if line} - set(_installed()))
        if missing:
            _must(run, [tool, "pip", "install", *python, "--no-deps", "--", *missing])

    def _make_with_pip(self, run: Run) -> None:
        _must(run, [sys.executable, "-m", "venv", str(self.path)])
        self._add_own_packages()
        pip = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        _must(run, [*pip, "--progress-bar", "off", "--", *self.requirements])

    def _add_own_packages(self) -> None:
        """Let it see what we see, as ``--system-site-packages`` does for what no virtual environment has."""
        import site
        import sysconfig

        places = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
        base = {"base": str(self.path), "platbase": str(self.path), "installed_base": str(self.path)}
        own = Path(sysconfig.get_path("purelib", "venv", base))
        (own / "server.pth").write_text("".join(f"import site; site.addsitedir({place!r})\n" for place in places))


def uv() -> str | None:
    """Where uv is: in the search path, or beside this Python."""
    return shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))


def _must(run: Run, command: list[str]) -> None:
    if run(command) != 0:
        raise CannotInstall("The function's dependencies could not be installed; the log says why.")


@cache
def _installed() -> list[str]:
    """The server's packages, as ``name==version`` with names as uv writes them."""
    found = {(_normal(each.metadata["Name"]), each.version) for each in metadata.distributions() if each.version}
    return sorted(f"{name}=={version}" for name, version in found)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
