"""The command ``qiskit-functions-mcp``: serve over stdio, or show what the server can do."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit code."""
    options = vars(_parser().parse_args(argv))
    command = options.pop("command")
    if command == "demo":
        from .demo import main as demo

        return demo()
    return _serve({name: value for name, value in options.items() if value is not None})


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
    return parser


def _serve(flags: dict[str, Any]) -> int:
    # Imports make many objects and no garbage; looking for it among them is a tenth of the start.
    gc.disable()
    from .app import build_server
    from .logs import configure_logging
    from .settings import Settings

    try:
        settings = Settings(**flags)
    except ValidationError as error:
        for problem in error.errors():
            print(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}", file=sys.stderr)  # noqa: T201
        return 2
    configure_logging(settings.log_level, settings.log_format)
    # The SDK's reader thread keeps a Ctrl-C from ending the process while stdin is open.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = build_server(settings)
    gc.freeze()
    gc.enable()
    server.run("stdio")
    return 0
