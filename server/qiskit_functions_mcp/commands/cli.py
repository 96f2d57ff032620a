"""The command ``qiskit-functions-mcp``: serve over stdio, or show what the server can do."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from qiskit_functions_gateway.settings import add_arguments

if TYPE_CHECKING:
    from ..settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit code."""
    options = vars(_parser().parse_args(argv))
    command = options.pop("command")
    if command == "demo":
        from .demo import main as demo

        return demo()
    if command == "gateway":
        return _gateway(options)
    if command == "backup":
        from .backup import main as backup

        return backup(options["file"], options["home"])
    return _serve(options)


def _parser() -> argparse.ArgumentParser:
    from importlib.metadata import version

    parser = argparse.ArgumentParser(
        prog="qiskit-functions-mcp",
        description="An MCP server for Qiskit Functions; without a command, it serves.",
    )
    parser.add_argument("--version", action="version", version=version("qiskit-functions-mcp"))
    parser.add_argument("--channel", choices=["local", "ibm_quantum_platform", "ibm_cloud"])
    parser.add_argument("--host", help="address of a Qiskit Serverless gateway; its token comes from the environment")
    parser.add_argument("--instance", help="CRN of a Qiskit Runtime instance")
    parser.add_argument("--account", help="name of an account saved by qiskit-ibm-runtime")
    parser.add_argument("--home", help="data folder of this machine's own gateway")
    parser.add_argument(
        "--allow-dir",
        dest="allow_dirs",
        action="append",
        help="a folder that tools may use (again for more; the working directory if never given)",
    )
    parser.add_argument(
        "--consent",
        choices=["auto", "never", "always"],
        help="before uploads, deletions and runs with a low quota: ask where the client can (auto), never, or always",
    )
    parser.add_argument("--read-only", action="store_true", default=None, help="offer only tools that change nothing")
    parser.add_argument(
        "--toolsets",
        type=lambda text: text.split(","),
        help="which tools to offer, such as functions,jobs (of functions, jobs, platform, files)",
    )
    parser.add_argument("--log-level", type=str.upper, help="of what goes to stderr (INFO)")
    parser.add_argument("--log-format", choices=["text", "json"], help="of what goes to stderr (text)")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("serve", help="serve over stdio (the default)")
    commands.add_parser("demo", help="run a VQE and a sampler on this machine, through the server, and show it")
    _add_gateway(commands.add_parser("gateway", help="serve this machine's gateway alone, for the official client"))
    _add_backup(commands.add_parser("backup", help="copy this machine's functions, jobs and files to one file"))
    return parser


def _add_gateway(parser: argparse.ArgumentParser) -> None:
    # Its --host is where to listen, and the server's own is a gateway to go to.
    add_arguments(parser)
    parser.add_argument("--home", default=argparse.SUPPRESS, help="data folder")


def _add_backup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="a tar archive to write; unpacked, it is a data folder")
    parser.add_argument("--home", default=argparse.SUPPRESS, help="data folder")


def _gateway(flags: dict[str, Any]) -> int:
    settings = _settings({name: flags[name] for name in ("home", "log_level", "log_format")})
    if settings is None:
        return 2
    from .gateway import main as gateway

    return gateway(argparse.Namespace(**flags), settings)


def _serve(flags: dict[str, Any]) -> int:
    # Imports make many objects and no garbage; looking for it among them is a tenth of the start.
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
    """The settings, with logging set up by them; none, and what is wrong on stderr, when they are no good."""
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
