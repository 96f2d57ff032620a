"""``qiskit-functions-mcp install`` as people call it, with a home of its own; a client starts what it wrote."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from mcp import Client, StdioServerParameters

from qiskit_functions_mcp.commands.install.hosts import HOSTS, NAME, Places, command_in

FILES = {
    "claude-code": ".claude.json",
    "claude-desktop": ".config/Claude/claude_desktop_config.json",
    "cursor": ".cursor/mcp.json",
    "vscode": ".config/Code/User/mcp.json",
    "codex": ".codex/config.toml",
    "gemini": ".gemini/settings.json",
    "windsurf": ".codeium/windsurf/mcp_config.json",
    "cline": ".cline/data/settings/cline_mcp_settings.json",
    "opencode": ".config/opencode/opencode.jsonc",
    "zed": ".config/zed/settings.json",
}

OTHER = """\
{
  // What I use every day.
  "mcpServers": {
    "other": { "command": "other-server", "env": { "KEY": "secret" } }, // keep
  },
}
"""


def install(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qiskit_functions_mcp", "install", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def installed(home: Path, *arguments: str) -> str:
    done = install(home, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def entry(home: Path, host: str) -> dict[str, object]:
    text = (home / FILES[host]).read_text()
    content = tomllib.loads(text) if host == "codex" else json.loads(text)
    return dict(content[HOSTS[host].table][NAME])


@pytest.fixture(scope="module")
def started() -> set[str]:
    """The commands that a client has started: most hosts get the same."""
    return set()


@pytest.mark.skipif(sys.platform != "linux", reason="the files are where Linux has them")
@pytest.mark.parametrize("host", HOSTS)
async def test_a_client_starts_the_entry_that_a_host_gets(host: str, tmp_path: Path, started: set[str]) -> None:
    data = tmp_path.parent / "data"
    said = installed(tmp_path, host, "--", "--channel", "local", "--home", str(data))
    assert FILES[host] in said
    command = command_in(entry(tmp_path, host))
    if str(command) in started:
        return
    # As a host would: without a shell's environment, in a folder with a module of a library's name.
    (tmp_path / "mcp.py").write_text("raise SystemExit('not the library')")
    server = StdioServerParameters(command=command[0], args=command[1:], env={"HOME": str(tmp_path)}, cwd=tmp_path)
    async with Client(server) as client:
        tools = await client.list_tools()
    assert "run_function" in [tool.name for tool in tools.tools]
    started.add(str(command))


def test_hosts_get_what_they_need_to_wait_for_a_start(tmp_path: Path) -> None:
    installed(tmp_path, "codex")
    assert entry(tmp_path, "codex")["required"] is True
    installed(tmp_path, "opencode")
    assert entry(tmp_path, "opencode")["timeout"] == 30_000


def test_other_entries_comments_permissions_and_links_stay(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "cursor.json"
    real.parent.mkdir()
    real.write_text(OTHER)
    real.chmod(0o600)
    file = tmp_path / FILES["cursor"]
    file.parent.mkdir()
    file.symlink_to(real)
    said = installed(tmp_path, "cursor")
    assert file.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert [line for line in real.read_text().splitlines() if line in OTHER.splitlines()] == OTHER.splitlines()
    backup = real.with_name("cursor.json.before-qiskit-functions")
    assert str(backup) in said
    assert backup.read_text() == OTHER
    assert backup.stat().st_mode & 0o777 == 0o600
    assert "Nothing to change" in installed(tmp_path, "cursor")
    assert backup.read_text() == OTHER
    assert "removed" in installed(tmp_path, "cursor", "--remove")
    assert real.read_text() == OTHER
    assert "Nothing to change" in installed(tmp_path, "cursor", "--remove")


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    installed(tmp_path, "claude-code")
    assert (tmp_path / FILES["claude-code"]).stat().st_mode & 0o777 == 0o600


def test_an_entry_of_an_older_installation_is_renewed_and_keeps_what_was_added(tmp_path: Path) -> None:
    file = tmp_path / FILES["codex"]
    file.parent.mkdir()
    file.write_text(
        '[mcp_servers.qiskit-functions] # mine\ncommand = "/old/bin/qiskit-functions-mcp"\nenv = { A = "b" }\n\n[tui]\n'
    )
    installed(tmp_path, "codex", "--", "--read-only")
    renewed = entry(tmp_path, "codex")
    assert renewed["command"] == sys.executable
    assert renewed["args"] == ["-P", "-m", "qiskit_functions_mcp", "--read-only"]
    assert renewed["env"] == {"A": "b"}
    assert "# mine" in file.read_text()


@pytest.mark.parametrize("arguments", [[], ["--remove"]])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n  "mcpServers": {\n', "line 3, column 1: unexpected end of the file"),
        ('{"mcpServers": []}', "line 1, column 16: mcpServers is not an object"),
        ('{"mcpServers": {"qiskit-functions": {"url": "https://example.org"}}}', "starts something else"),
        ("\xff", "is not UTF-8 text"),
    ],
)
def test_what_cannot_be_changed_safely_is_refused_untouched(
    text: str, message: str, arguments: list[str], tmp_path: Path
) -> None:
    file = tmp_path / FILES["cursor"]
    file.parent.mkdir()
    file.write_text(text, encoding="latin-1")
    refused = install(tmp_path, "cursor", *arguments)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert str(file) in refused.stderr
    assert file.read_text(encoding="latin-1") == text
    assert list(file.parent.iterdir()) == [file]


def test_broken_toml_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / FILES["codex"]
    file.parent.mkdir()
    file.write_text("a = 1\nb = \n")
    refused = install(tmp_path, "codex")
    assert "line 2, column" in refused.stderr
    assert file.read_text() == "a = 1\nb = \n"


def test_print_shows_the_entry_and_writes_nothing(tmp_path: Path) -> None:
    shown = install(tmp_path, "vscode", "--print")
    assert json.loads(shown.stdout)["servers"][NAME]["type"] == "stdio"
    assert str(tmp_path / FILES["vscode"]) in shown.stderr
    assert list(tmp_path.iterdir()) == []


def test_links_hold_the_entry(tmp_path: Path) -> None:
    link = urlsplit(installed(tmp_path, "cursor", "--link").strip())
    assert (link.scheme, link.netloc, link.path) == ("cursor", "anysphere.cursor-deeplink", "/mcp/install")
    query = parse_qs(link.query)
    assert query["name"] == [NAME]
    assert json.loads(base64.b64decode(query["config"][0]))["command"] == sys.executable
    links = installed(tmp_path, "vscode", "--link").split()
    assert [text.partition(":")[0] for text in links] == ["vscode", "vscode-insiders"]
    for text in links:
        assert json.loads(unquote(text.partition("?")[2]))["name"] == NAME
    refused = install(tmp_path, "zed", "--link")
    assert refused.returncode == 1
    assert "opens no links" in refused.stderr


def test_flags_that_the_server_does_not_have_are_refused(tmp_path: Path) -> None:
    refused = install(tmp_path, "cursor", "--", "--token=abc")
    assert refused.returncode == 2
    assert "--token" in refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "platform", "file"),
    [
        ("claude-desktop", "darwin", "Library/Application Support/Claude/claude_desktop_config.json"),
        ("claude-desktop", "win32", "AppData/Roaming/Claude/claude_desktop_config.json"),
        ("vscode", "darwin", "Library/Application Support/Code/User/mcp.json"),
        ("zed", "darwin", ".config/zed/settings.json"),
        ("zed", "win32", "AppData/Roaming/Zed/settings.json"),
        ("opencode", "win32", ".config/opencode/opencode.jsonc"),
    ],
)
def test_files_are_where_each_platform_has_them(host: str, platform: str, file: str, tmp_path: Path) -> None:
    assert HOSTS[host].file(Places(tmp_path, {}, platform)) == tmp_path / file


def test_variables_of_hosts_move_their_files(tmp_path: Path) -> None:
    environ = {
        name: str(tmp_path / name) for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "XDG_CONFIG_HOME")
    }
    places = Places(tmp_path, environ, "linux")
    moved = {
        host: HOSTS[host].file(places).relative_to(tmp_path).parts[0]
        for host in ("claude-code", "codex", "gemini", "zed")
    }
    assert list(moved.values()) == list(environ)


def test_claude_desktop_in_a_package_of_windows_keeps_its_file_there(tmp_path: Path) -> None:
    file = tmp_path / "AppData/Local/Packages/Claude_abc/LocalCache/Roaming/Claude/claude_desktop_config.json"
    file.parent.mkdir(parents=True)
    assert HOSTS["claude-desktop"].file(Places(tmp_path, {}, "win32")) == file


def test_help_names_every_host(tmp_path: Path) -> None:
    assert re.findall(r"[a-z]+(?:-[a-z]+)?", installed(tmp_path, "--help").partition("one of ")[2])[
        : len(HOSTS)
    ] == list(HOSTS)
