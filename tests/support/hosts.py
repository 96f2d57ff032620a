"""MCP hosts as people install them, with a scripted model on loopback in place of theirs, and without an account.

Each run has a home of its own. The model is also the proxy for whatever a host wants from elsewhere, and refuses it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from .programs import HOSTS, end_with_children
from .scripted_model import Script, ScriptedModel, scripted_model
from .terminal import Terminal
from .wire_tap import messages

SERVER = "qiskit"
"""What the server is called in the hosts' configurations."""

KEY = "sk-ant-not-a-real-key"

RUN_SECONDS = 150.0
"""For all that a host does without a terminal. A quiet machine needs a tenth of it."""


@dataclass(frozen=True)
class Run:
    """One run of a host.

    Attributes:
        home: the user's home.
        work: the working directory.
        data: the data folder of the server's gateway.
        wire: the file with the messages between the host and the server.
        url: the model's address.
        server: the command that starts the server.
    """

    home: Path
    work: Path
    data: Path
    wire: Path
    url: str
    server: list[str]

    def sent(self, sender: Literal["host", "server"]) -> list[dict[str, Any]]:
        return messages(self.wire, sender)

    def offered(self) -> bool:
        """Return whether the host has got the list of tools."""
        return any("tools" in message.get("result", {}) for message in self.sent("server"))

    def declared(self) -> tuple[str, dict[str, Any]]:
        """Return the protocol version and the capabilities that the host ended up with."""
        initialized = [message["params"] for message in self.sent("host") if message.get("method") == "initialize"]
        if initialized:
            return initialized[0]["protocolVersion"], initialized[0]["capabilities"]
        envelope = self.sent("host")[0]["params"]["_meta"]
        prefix = "io.modelcontextprotocol/"
        return envelope[f"{prefix}protocolVersion"], envelope[f"{prefix}clientCapabilities"]


Start = tuple[list[str], dict[str, str]]
"""Arguments after the program, and environment variables."""


@dataclass(frozen=True)
class Host:
    """How a host is started.

    Attributes:
        headless: writes its configuration, and returns how to start it with a request and no terminal.
        interactive: the same for a terminal, where the request is typed.
        ready: what the screen shows when a request can be typed.
    """

    program: str
    headless: Callable[[Run], Start]
    interactive: Callable[[Run], Start]
    ready: str

    def run(self, folder: Path, script: Script) -> tuple[Run, ScriptedModel]:
        """Let the host do what the script says, without a terminal."""
        with scripted_model(script, SERVER) as model:
            run = _run(folder, model.url)
            arguments, environ = self.headless(run)
            with (folder / "output.txt").open("wb") as output:
                process = subprocess.Popen(
                    [self._path(), *arguments],
                    env=_environ(run, environ),
                    cwd=run.work,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
                try:
                    process.wait(RUN_SECONDS)
                finally:
                    end_with_children(process)
        if model.failure:
            raise model.failure
        assert model.finished.is_set(), (folder / "output.txt").read_text()
        return run, model

    @contextmanager
    def terminal(self, folder: Path, script: Script) -> Iterator[tuple[Terminal, Run]]:
        """Start the host in a terminal, and type a request once it has the tools."""
        with scripted_model(script, SERVER) as model:
            run = _run(folder, model.url)
            arguments, environ = self.interactive(run)
            terminal = Terminal([self._path(), *arguments], _environ(run, environ), run.work)
            try:
                terminal.wait_for(self.ready, within=60)
                terminal.wait_until(run.offered, within=60)
                _ask(terminal, model)
                yield terminal, run
            finally:
                terminal.close()
        if model.failure:
            raise model.failure

    def _path(self) -> str:
        return str(Path(os.environ[HOSTS]) / self.program)


def _ask(terminal: Terminal, model: ScriptedModel) -> None:
    """Type a request, again if the host made it without the tools, which may lag behind what the server has sent."""
    for _ in range(5):
        asked = model.requests
        terminal.press("Do it.")
        terminal.wait_for("Do it.", within=20)
        # Gemini CLI takes an Enter that follows too soon for a part of what was typed.
        terminal.press_until("\r", partial(_has_asked, model, asked))
        if terminal.happens(lambda: bool(model.tools), within=3):
            return
    raise AssertionError(f"the model is not given the tools; the screen:\n{terminal.text}")


def _has_asked(model: ScriptedModel, before: int) -> bool:
    return model.requests > before


def _run(folder: Path, url: str) -> Run:
    home, work, data, wire = folder / "home", folder / "work", folder / "data", folder / "wire.jsonl"
    home.mkdir()
    work.mkdir()
    tap = Path(__file__).with_name("wire_tap.py")
    server = [sys.executable, "-m", "qiskit_functions_mcp", "--channel", "local", "--home", str(data)]
    return Run(home, work, data, wire, url, [sys.executable, str(tap), str(wire), *server])


def _environ(run: Run, more: dict[str, str]) -> dict[str, str]:
    """Nothing of this process's environment but what programs need: there may be keys of real accounts in it."""
    return {
        "PATH": f"{os.environ[HOSTS]}:{os.environ['PATH']}",
        "HOME": str(run.home),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "HTTP_PROXY": run.url,
        "HTTPS_PROXY": run.url,
        "NO_PROXY": "127.0.0.1,localhost",
        **more,
    }


# Claude Code


def _claude_code(run: Run, *more: str) -> Start:
    configuration = run.home / "mcp.json"
    entry = {"command": run.server[0], "args": run.server[1:]}
    configuration.write_text(json.dumps({"mcpServers": {SERVER: entry}}))
    answered = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "customApiKeyResponses": {"approved": [KEY[-20:]], "rejected": []},
        "projects": {str(run.work): {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}},
    }
    (run.home / ".claude.json").write_text(json.dumps(answered))
    arguments = ["--mcp-config", str(configuration), "--strict-mcp-config", "--allowedTools", f"mcp__{SERVER}"]
    arguments += ["--model", "sonnet", "--permission-mode", "manual"]
    return [*arguments, *more], {
        "ANTHROPIC_BASE_URL": run.url,
        "ANTHROPIC_API_KEY": KEY,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",
        "DISABLE_AUTOUPDATER": "1",
        # Otherwise the model gets names only, and looks tools up; that is the model's work, not ours.
        "ENABLE_TOOL_SEARCH": "false",
    }


CLAUDE_CODE = Host(
    "claude",
    headless=lambda run: _claude_code(run, "--print", "Do it."),
    interactive=_claude_code,
    ready="❯",
)


# Codex


def _codex(run: Run, *arguments: str) -> Start:
    home = run.home / ".codex"
    home.mkdir()
    (home / "config.toml").write_text(f"""\
model = "scripted"
model_provider = "loopback"
check_for_update_on_startup = false
approval_policy = "on-request"
[analytics]
enabled = false
[features]
apps = false
plugins = false
[model_providers.loopback]
name = "loopback"
base_url = "{run.url}/v1"
env_key = "LOOPBACK_KEY"
wire_api = "responses"
[mcp_servers.{SERVER}]
command = {json.dumps(run.server[0])}
args = {json.dumps(run.server[1:])}
required = true # else the first turn is without the tools of a server that is still starting
startup_timeout_sec = 60
default_tools_approval_mode = "approve"
[projects.{json.dumps(str(run.work))}]
trust_level = "trusted"
""")
    return list(arguments), {"CODEX_HOME": str(home), "LOOPBACK_KEY": KEY}


CODEX = Host(
    "codex",
    headless=lambda run: _codex(run, "exec", "--skip-git-repo-check", "--json", "Do it."),
    interactive=lambda run: _codex(run, "--no-alt-screen", "--no-daemon"),
    ready="›",
)


# Gemini CLI


def _gemini_cli(run: Run, *arguments: str, trust: bool) -> Start:
    home = run.home / ".gemini"
    home.mkdir()
    settings = {
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
        "privacy": {"usageStatisticsEnabled": False},
        "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
        "model": {"skipNextSpeakerCheck": True},
        "mcpServers": {SERVER: {"command": run.server[0], "args": run.server[1:], "trust": trust}},
    }
    (home / "settings.json").write_text(json.dumps(settings))
    # A named model, since otherwise a model is asked first which one fits.
    return ["--model", "gemini-2.5-flash", *arguments], {
        "GOOGLE_GEMINI_BASE_URL": run.url,
        "GEMINI_API_KEY": KEY,
        "GEMINI_CLI_NO_RELAUNCH": "true",
    }


GEMINI_CLI = Host(
    "gemini",
    headless=lambda run: _gemini_cli(run, "--prompt", "Do it.", trust=True),
    interactive=lambda run: _gemini_cli(run, trust=False),
    ready="Type your message",
)
