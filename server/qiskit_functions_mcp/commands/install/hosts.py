"""The assistants that ``install`` knows: where each keeps its servers, in which format, and what an entry looks like.

The files are those of the user, for all projects. Each is where its host's documentation or source has it, as of
November 2026; ``.ci/hosts`` checks those of Claude Code, Codex and Gemini CLI with the programs themselves.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from . import jsonc, toml

NAME = "qiskit-functions"
"""What the server is called in every host."""

_START_SECONDS = 30
"""For hosts that by themselves wait less, and then do without the server. A start takes two seconds, and many times as
long when a disk is cold."""


class Format(Protocol):
    """A module that reads and changes one format."""

    def read(self, text: str) -> Any: ...

    def set_member(self, text: str, path: Sequence[str], value: Any) -> str: ...

    def remove_member(self, text: str, path: Sequence[str]) -> str: ...


@dataclass(frozen=True)
class Places:
    """Where programs of this user keep their settings.

    Attributes:
        platform: as ``sys.platform``.
    """

    home: Path = field(default_factory=Path.home)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    platform: str = sys.platform

    def named(self, variable: str, default: Path) -> Path:
        """Return the folder or file that a variable names."""
        value = self.environ.get(variable)
        return Path(value).expanduser() if value else default

    @property
    def xdg(self) -> Path:
        """The folder of settings by the XDG base directory specification."""
        return self.named("XDG_CONFIG_HOME", self.home / ".config")

    @property
    def applications(self) -> Path:
        """The folder of desktop applications' settings (Electron's ``appData``)."""
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support"
        if self.platform == "win32":
            return self.named("APPDATA", self.home / "AppData" / "Roaming")
        return self.xdg


Entry = Callable[[list[str]], dict[str, Any]]
"""Makes a host's entry from the command that starts the server."""


@dataclass(frozen=True)
class Host:
    """An assistant.

    Attributes:
        title: its name.
        files: gives the files that may hold its servers; the first that exists does, or else the first.
        table: the member of the file that the servers are in.
    """

    title: str
    files: Callable[[Places], list[Path]]
    entry: Entry
    table: str = "mcpServers"
    format: Format = jsonc

    def file(self, places: Places) -> Path:
        """Return the file that holds its servers."""
        candidates = self.files(places)
        return next((file for file in candidates if file.exists()), candidates[0])


def _plain(command: list[str]) -> dict[str, Any]:
    return {"command": command[0], "args": command[1:]}


def _typed(command: list[str]) -> dict[str, Any]:
    return {"type": "stdio", **_plain(command)}


def _claude_desktop(places: Places) -> list[Path]:
    file, folders = Path("Claude", "claude_desktop_config.json"), [places.applications]
    if places.platform == "win32":
        # Since 2026 it is installed as a package, whose files Windows keeps apart; the suffix is the publisher's.
        packages = places.named("LOCALAPPDATA", places.home / "AppData" / "Local") / "Packages"
        folders = [*(package / "LocalCache" / "Roaming" for package in sorted(packages.glob("Claude_*"))), *folders]
    return [folder / file for folder in folders]


_CLINE = Path("settings", "cline_mcp_settings.json")

HOSTS: Mapping[str, Host] = {
    "claude-code": Host(
        "Claude Code",
        lambda places: [places.named("CLAUDE_CONFIG_DIR", places.home) / ".claude.json"],
        _typed,
    ),
    "claude-desktop": Host("Claude Desktop", _claude_desktop, _plain),
    "cursor": Host("Cursor", lambda places: [places.home / ".cursor" / "mcp.json"], _plain),
    "vscode": Host(
        "VS Code", lambda places: [places.applications / "Code" / "User" / "mcp.json"], _typed, table="servers"
    ),
    "codex": Host(
        "Codex",
        lambda places: [places.named("CODEX_HOME", places.home / ".codex") / "config.toml"],
        # Without `required` its first turn may be without the tools; with it a start that takes too long ends Codex.
        lambda command: {**_plain(command), "required": True, "startup_timeout_sec": _START_SECONDS},
        table="mcp_servers",
        format=toml,
    ),
    "gemini": Host(
        "Gemini CLI",
        lambda places: [places.named("GEMINI_CLI_HOME", places.home) / ".gemini" / "settings.json"],
        _plain,
    ),
    "windsurf": Host("Windsurf", lambda places: [places.home / ".codeium" / "windsurf" / "mcp_config.json"], _plain),
    "cline": Host(
        "Cline",
        lambda places: [
            places.named("CLINE_MCP_SETTINGS_PATH", places.home / ".cline" / "data" / _CLINE),
            # Of the extension for VS Code before it shared its settings with the command line.
            places.applications / "Code" / "User" / "globalStorage" / "saoudrizwan.claude-dev" / _CLINE,
        ],
        _plain,
    ),
    "opencode": Host(
        "opencode",
        # The same on every platform; of two files, the first given here wins in opencode too.
        lambda places: [places.xdg / "opencode" / name for name in ("opencode.jsonc", "opencode.json")],
        lambda command: {"type": "local", "command": command, "enabled": True, "timeout": 1000 * _START_SECONDS},
        table="mcp",
    ),
    "zed": Host(
        "Zed",
        # On macOS it is not where other applications have theirs.
        lambda places: [
            {"win32": places.applications / "Zed", "darwin": places.home / ".config" / "zed"}.get(
                places.platform, places.xdg / "zed"
            )
            / "settings.json"
        ],
        _plain,
        table="context_servers",
    ),
}


def command_in(entry: Any) -> list[str]:
    """Return the command that an entry of any host starts; empty if it starts none, such as that of a remote server."""
    if not isinstance(entry, dict):
        return []
    command, arguments = entry.get("command"), entry.get("args")
    parts = [*(command if isinstance(command, list) else [command])]
    parts += arguments if isinstance(arguments, list) else []
    return [part for part in parts if isinstance(part, str)]


def is_ours(command: Sequence[str]) -> bool:
    """Return whether a command starts this server, from whatever installation."""
    return any("qiskit-functions-mcp" in part or "qiskit_functions_mcp" in part for part in command)
