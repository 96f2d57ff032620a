"""How commands report that they failed."""

from __future__ import annotations

import sys

from qiskit_functions_core.errors import QiskitFunctionsError


def failed(error: QiskitFunctionsError) -> int:
    """Print what happened and what to do, and return the exit code of a command that failed."""
    print(f"error: {error.message}\n{error.next_step}".rstrip(), file=sys.stderr)
    return 1
