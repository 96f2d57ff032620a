"""``python -m qiskit_functions_mcp``."""

import sys

from .cli import main

sys.exit(main())
