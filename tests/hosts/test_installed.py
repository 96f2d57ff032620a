"""What ``install`` writes and the plugins say, as the hosts' own programs read it; and the bundle of ``mcpb``."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from support.programs import HOSTS

ROOT = Path(__file__).parents[2]

CONNECTED = "Connected"
"""What Claude Code says of a server that it has started; Gemini CLI does too, but waits no longer than 5 s for one."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    # Else Gemini CLI starts no server in a folder before a person trusts it.
    (tmp_path / ".gemini").mkdir()
    settings = {"security": {"folderTrust": {"enabled": False}}}
    (tmp_path / ".gemini" / "settings.json").write_text(json.dumps(settings))
    return tmp_path


def run(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a home of its own."""
    environ = {**os.environ, "PATH": f"{os.environ[HOSTS]}:{os.environ['PATH']}", "HOME": str(home)}
    done = subprocess.run(
        command,
        env={**environ, "UV_CACHE_DIR": cache(), "DISABLE_AUTOUPDATER": "1", "MCP_TIMEOUT": "100000"},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def said(home: Path, *command: str) -> str:
    done = run(home, *command)
    return done.stdout + done.stderr


def install(home: Path, host: str, *more: str) -> None:
    run(home, sys.executable, "-m", "qiskit_functions_mcp", "install", host, *more)


@pytest.mark.parametrize(("host", "program"), [("claude-code", "claude"), ("gemini", "gemini")])
def test_a_host_lists_the_entry_until_it_is_removed(host: str, program: str, home: Path) -> None:
    install(home, host, "--", "--channel", "local")
    (line,) = [line for line in said(home, program, "mcp", "list").splitlines() if "qiskit-functions" in line]
    assert f"{sys.executable} -P -m qiskit_functions_mcp --channel local" in line
    assert CONNECTED in line or host == "gemini"
    install(home, host, "--remove")
    assert "qiskit-functions" not in said(home, program, "mcp", "list")


def test_codex_reads_the_entry_until_it_is_removed(home: Path) -> None:
    install(home, "codex")
    (entry,) = json.loads(run(home, "codex", "mcp", "list", "--json").stdout)
    assert (entry["name"], entry["enabled"]) == ("qiskit-functions", True)
    assert entry["transport"]["command"] == sys.executable
    assert entry["startup_timeout_sec"] == 30
    install(home, "codex", "--remove")
    assert json.loads(run(home, "codex", "mcp", "list", "--json").stdout) == []


def test_claude_code_takes_the_plugin_and_starts_its_server(home: Path) -> None:
    run(home, "claude", "plugin", "validate", str(ROOT))
    assert CONNECTED in said(home, "claude", "--plugin-dir", str(ROOT), "mcp", "list")


async def test_gemini_cli_takes_the_extension_and_starts_its_server(home: Path) -> None:
    extension = str(ROOT / "server" / "plugins" / "gemini")
    run(home, "gemini", "extensions", "validate", extension)
    run(home, "gemini", "extensions", "link", extension, "--consent")
    (command,) = re.findall(r"qiskit-functions\): (.*) \(stdio\)", said(home, "gemini", "mcp", "list"))
    await starts(home, shlex.split(command))


async def test_the_bundle_is_valid_and_starts_the_server_from_where_it_is_unpacked(home: Path) -> None:
    bundle, unpacked = home / "qiskit-functions.mcpb", home / "unpacked"
    assert "Manifest schema validation passes" in said(home, str(ROOT / "server" / "mcpb" / "build"), str(bundle))
    with zipfile.ZipFile(bundle) as archive:
        assert "pyproject.toml" in archive.namelist()
    run(home, "mcpb", "unpack", str(bundle), str(unpacked))
    server: dict[str, Any] = json.loads((unpacked / "manifest.json").read_text())["server"]
    assert (unpacked / server["entry_point"]).is_file()
    # As Claude Desktop does for a person who has entered nothing.
    values = {"${__dirname}": str(unpacked)} | {
        f"${{user_config.{name}}}": "" for name in ("folder", "token", "instance")
    }
    arguments = [filled(part, values) for part in server["mcp_config"]["args"]]
    environ = {name: filled(value, values) for name, value in server["mcp_config"]["env"].items()}
    await starts(home, [server["mcp_config"]["command"], *arguments], **environ)


async def starts(home: Path, command: list[str], **environ: str) -> None:
    variables = {**os.environ, **environ, "HOME": str(home), "UV_CACHE_DIR": cache()}
    server = StdioServerParameters(command=command[0], args=command[1:], env=variables, cwd="/")
    async with Client(server) as client:
        assert "run_function" in [tool.name for tool in (await client.list_tools()).tools]


def cache() -> str:
    """uv's cache on this machine, so that nothing is downloaded again."""
    return subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()


def filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    assert "${" not in text
    return text
