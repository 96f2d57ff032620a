"""The packages that functions import on this machine: the extra ``local``, which a plain installation lacks.

It is an extra because qiskit-serverless pins exact versions of common packages.
"""

from __future__ import annotations

import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

_REQUIREMENT = re.compile(r"([A-Za-z0-9_-]{1,50})[^;]{0,50};\s?extra\s?==\s?['\"]local['\"]")


PROBLEM = "functions cannot run on this machine yet: qiskit-serverless is not installed"


def local_packages_notice() -> str:
    """Return a line that says that functions cannot run here, and the command that changes it; empty if they can."""
    command = local_packages_command()
    return f"{PROBLEM.capitalize()}. Add it with: {command}" if command else ""


def local_packages_command() -> str:
    """Return the command that installs what is missing into this interpreter's environment.

    It is empty if there is qiskit-serverless: the other packages are only needed by some functions.
    """
    if find_spec("qiskit_serverless"):
        return ""
    try:
        listed = requires("qiskit-functions-mcp") or []
    except PackageNotFoundError:  # run from a checkout that is not installed
        listed = []
    found = [(match[1], match[0].partition(";")[0].strip()) for match in map(_REQUIREMENT.match, listed) if match]
    missing = [requirement for name, requirement in found if not find_spec(name.replace("-", "_"))]
    python = shlex.quote(sys.executable)
    # An environment that uv has made has no pip of its own.
    installer = f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
    return f"{installer} {' '.join(map(shlex.quote, missing or ['qiskit-serverless']))}"
