"""The command ``qiskit-functions-mcp gateway``: the gateway's program, started by a person."""

from __future__ import annotations

import argparse
import sys

from qiskit_functions_core.platforms.local_packages import local_packages_notice
from qiskit_functions_core.serverless.local_gateway import default_data_folder
from qiskit_functions_gateway.__main__ import serve

from ..settings import Settings


def main(options: argparse.Namespace, settings: Settings) -> int:
    """Serve the data folder until the process is asked to end, and return the exit code."""
    options.home = settings.home or default_data_folder()
    if options.runner == "process" and (notice := local_packages_notice()):
        print(notice, file=sys.stderr)
    return serve(options)
