"""The command ``qiskit-functions-mcp``: serve over stdio, or run one of the other commands."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from qiskit_functions_gateway.execution.prctl import hide_from_functions
from qiskit_functions_gateway.settings import add_arguments

from .install.command import add_arguments as install_arguments
from .prune import add_arguments as prune_arguments

if TYPE_CHECKING:
    from ..settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names and return the exit code."""
    options = vars(_parser().parse_args(argv))
    # Each command imports what it needs: the demo an MCP client, the gateway SQLite and uvicorn.
    match options.pop("command"):
        case "backup":
            from .backup import main as backup

            code = backup(options["file"], options["home"])
        case "demo":
            from .demo import main as demo

            code = demo()
        case "doctor":
            code = _doctor(options)
        case "gateway":
            code = _gateway(options)
        case "install":
            from .install.command import main as install

            _parser().parse_args(options["flags"])  # which ends here if the server would not take them
            code = install(options["assistant"], options["action"], options["flags"])
        case "login":
            from .login import main as login

            code = login()
        case "prune":
            from .prune import main as prune

            removal = {name: options[name] for name in ("older_than", "max_size", "dry_run")}
            code = prune(options["home"], **removal)
        case _:
            code = _serve(options)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qiskit-functions-mcp",
        description="An MCP server for Qiskit Functions. Without a command, it serves over stdio.",
    )
    parser.add_argument("--version", action="version", version=version("qiskit-functions-mcp"))
    parser.add_argument("--channel", choices=["local", "ibm_quantum_platform", "ibm_cloud"])
    parser.add_argument("--host", help="URL of a Qiskit Serverless gateway; its token comes from the environment")
    parser.add_argument("--instance", help="CRN of a Qiskit Runtime instance")
    parser.add_argument("--account", help="name of an account saved by qiskit-ibm-runtime")
    parser.add_argument("--home", help="data folder of this machine's own gateway")
    parser.add_argument(
        "--allow-dir",
        dest="allow_dirs",
        action="append",
        help="a folder that tools may use; repeat it for more (default: the working directory, unless it is / or your "
        "home folder)",
    )
    parser.add_argument(
        "--consent",
        choices=["auto", "never", "always"],
        help="how to ask before uploads, deletions and runs with a low quota: through the client where it can (auto), "
        "always through the client, or never",
    )
    parser.add_argument("--read-only", action="store_true", default=None, help="offer only tools that change nothing")
    parser.add_argument(
        "--toolsets",
        type=lambda text: text.split(","),
        help="groups of tools to offer, from functions,jobs,platform,files (default: all)",
    )
    parser.add_argument("--log-level", type=str.upper, help="log level on stderr (default: INFO)")
    parser.add_argument("--log-format", choices=["text", "json"], help="log format on stderr (default: text)")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("serve", help="serve over stdio (the default)")
    commands.add_parser("demo", help="run a VQE and a sampler on this machine through the server")
    doctor = commands.add_parser("doctor", help="check this installation, the account, and this machine's gateway")
    doctor.add_argument("--json", action="store_true", help="print the checks as JSON")
    doctor.add_argument("--home", default=argparse.SUPPRESS, help="data folder")
    gateway = commands.add_parser("gateway", help="serve this machine's gateway alone, for the official client")
    # Its --host is the address to listen on; the server's is the gateway to connect to.
    add_arguments(gateway)
    gateway.add_argument("--home", default=argparse.SUPPRESS, help="data folder")
    backup = commands.add_parser("backup", help="copy this machine's functions, jobs and files to one file")
    backup.add_argument("file", type=Path, help="the tar archive to write; unpacked, it is a data folder")
    backup.add_argument("--home", default=argparse.SUPPRESS, help="data folder")
    install_arguments(commands.add_parser("install", help="add this server to an assistant, or remove it"))
    commands.add_parser("login", help="save an account of IBM Quantum on this machine")
    prune = commands.add_parser("prune", help="show what this machine's gateway keeps, and remove what is old")
    prune_arguments(prune)
    return parser


def _doctor(flags: dict[str, Any]) -> int:
    settings = _settings({**flags, "log_level": flags["log_level"] or "ERROR"})
    if settings is None:
        return 2
    from .doctor.command import main as doctor

    return doctor(settings, as_json=flags["json"])


def _gateway(flags: dict[str, Any]) -> int:
    settings = _settings({name: flags[name] for name in ("home", "log_level", "log_format")})
    if settings is None:
        return 2
    from .gateway import main as gateway

    return gateway(argparse.Namespace(**flags), settings)


def _serve(flags: dict[str, Any]) -> int:
    hide_from_functions()  # the environment, which may hold accounts
    # Imports create many objects and no garbage; collecting meanwhile would take a tenth of the start.
    gc.disable()
    from ..app import build_server

    settings = _settings(flags)
    if settings is None:
        return 2
    # The SDK's reader thread keeps a Ctrl-C from ending the process while stdin is open.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = build_server(settings)
    gc.freeze()
    gc.enable()
    server.run("stdio")
    return 0


def _settings(flags: dict[str, Any]) -> Settings | None:
    """Return the settings and set logging up by them; if they are invalid, print why and return None."""
    from ..settings import Settings
    from .logging_setup import configure_logging

    try:
        settings = Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        for problem in error.errors():
            print(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}", file=sys.stderr)
        return None
    configure_logging(settings.log_level, settings.log_format)
    return settings
