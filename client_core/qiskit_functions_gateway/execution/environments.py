"""Python environments with the dependencies of functions, made once for each set of them and then shared.

An environment also sees the packages with which the gateway is installed, such as ``qiskit_serverless``. They are not
installed again unless a dependency needs another version.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import site
import sys
import sysconfig
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

_REQUIREMENT = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"  # name
    r"(\[[A-Za-z0-9._, -]*\])?"  # extras
    r"((==|!=|~=|>=|<=|<|>)[A-Za-z0-9.*+!_-]+(,(==|!=|~=|>=|<=|<|>)[A-Za-z0-9.*+!_-]+)*)?"  # versions
)
"""PEP 508 without URLs and markers, which also excludes pip's options."""

_MAX_REQUIREMENTS = 100

_MARKER = "made"
"""A file that is in an environment once it is complete."""

Run = Callable[[list[str]], int]
"""Runs a command in the environments' folder, with its output in the job's log; returns the exit code."""


class CannotInstall(Exception):
    """The dependencies could not be installed; the message is for the function's user."""


def requirements(dependencies: str) -> tuple[str, ...]:
    """Return the requirements in an upload's ``dependencies``, sorted, without blanks.

    Args:
        dependencies: the JSON of a list of ``"name"``, ``"name==1.0"`` or ``{"name": "1.0"}``.

    Raises:
        ValueError: it is something else; the message is for the person who uploads.
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
    """One environment, which may not be made yet.

    Attributes:
        path: its folder, named by a hash of everything that decides what is in it.
    """

    path: Path
    requirements: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, wanted: tuple[str, ...]) -> Environment:
        """Return the environment for these requirements and the gateway's present packages."""
        content = json.dumps([sys.executable, sys.version, _installed(), wanted])
        return cls(folder / hashlib.sha256(content.encode()).hexdigest()[:32], wanted)

    @property
    def lock(self) -> Path:
        """Held while it is made."""
        return self.path.with_suffix(".lock")

    @property
    def is_made(self) -> bool:
        return (self.path / _MARKER).exists()

    @property
    def programs(self) -> Path:
        """The folder that comes first in the search path of its processes."""
        return self.path / ("Scripts" if sys.platform == "win32" else "bin")

    @property
    def python(self) -> Path:
        return self.programs / ("python.exe" if sys.platform == "win32" else "python")

    def mark_use(self) -> None:
        """Note when it was used last, as the time of the marker's change."""
        with suppress(OSError):
            os.utime(self.path / _MARKER)

    def make(self, run: Run) -> None:
        """Make it, in place of one that is incomplete; the caller holds the lock.

        Raises:
            CannotInstall: nothing of it is left then.
        """
        try:
            shutil.rmtree(self.path, ignore_errors=True)
            # Keeps uv from using the settings of a project further up.
            self.path.with_name("uv.toml").touch()
            if tool := uv():
                self._make_with_uv(tool, run)
            else:
                _run(run, [sys.executable, "-m", "venv", str(self.path)])
                self._add_gateway_packages()
                pip = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
                _run(run, [*pip, "--progress-bar", "off", "--", *self.requirements])
            (self.path / _MARKER).touch()
        except BaseException:
            shutil.rmtree(self.path, ignore_errors=True)
            raise

    def _make_with_uv(self, tool: str, run: Run) -> None:
        """Let uv prefer the versions of the gateway's packages, which it does not see, and install only the others."""
        _run(run, [tool, "venv", "--quiet", "--no-project", "--python", sys.executable, str(self.path)])
        self._add_gateway_packages()
        wanted, resolved = self.path / "wanted.txt", self.path / "resolved.txt"
        wanted.write_text("\n".join(self.requirements))
        resolved.write_text("\n".join(_installed()))
        python = ["--python", str(self.python)]
        quiet = ["--quiet", "--no-header", "--no-annotate"]
        _run(run, [tool, "pip", "compile", *python, *quiet, "--output-file", str(resolved), str(wanted)])
        missing = sorted({line for line in resolved.read_text().splitlines() if line} - set(_installed()))
        if missing:
            _run(run, [tool, "pip", "install", *python, "--no-deps", "--", *missing])

    def _add_gateway_packages(self) -> None:
        """Add the gateway's packages, as ``--system-site-packages`` adds those outside of virtual environments."""
        folders = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
        base = {"base": str(self.path), "platbase": str(self.path), "installed_base": str(self.path)}
        packages = Path(sysconfig.get_path("purelib", "venv", base))
        (packages / "server.pth").write_text(
            "".join(f"import site; site.addsitedir({folder!r})\n" for folder in folders)
        )


def uv() -> str | None:
    """Return the path of uv, from the search path or beside this Python; None if it is not installed."""
    return shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))


def _run(run: Run, command: list[str]) -> None:
    if run(command) != 0:
        raise CannotInstall("The function's dependencies could not be installed; the log says why.")


@cache
def _installed() -> list[str]:
    """Return the gateway's packages as ``name==version``, with names as uv writes them."""
    found = {
        (re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower(), each.version)
        for each in metadata.distributions()
        if each.version
    }
    return sorted(f"{name}=={version}" for name, version in found)
