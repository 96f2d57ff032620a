"""Run the command line as ``python -m qiskit_functions_mcp``."""

import sys

from .commands.cli import main

sys.exit(main())
