"""``docs/settings.md`` has every variable and every flag, and no other."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from qiskit_functions_core.preflight import Thresholds
from qiskit_functions_core.serverless.local_gateway import IDLE_SECONDS
from qiskit_functions_gateway.execution.limits import Limits
from qiskit_functions_mcp.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in row.split("|")] for row in re.findall(r"^\|(.*)\|$", TEXT, re.M)]

OURS = re.compile(r"(QISKIT_FUNCTIONS|USAGE|QISKIT_IBM|ENV_GATEWAY_PROVIDER|IBM_SERVERLESS|IAM|SSL_CERT)_[A-Z_]*[A-Z]")

SET_FOR_FUNCTIONS = {"QISKIT_IBM_PRIVATE_ENDPOINT", "ENV_GATEWAY_PROVIDER_VERSION"}
"""What gateways set for functions; the second is read as well."""

PROXIES = {"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"}
"""What ``urllib.request.getproxies`` reads."""


def variables_in_the_code() -> set[str]:
    """Return all names of variables that are written out in the packages or made from their parts."""
    found = {f"QISKIT_FUNCTIONS_{name.upper()}" for name in Settings.model_fields}
    for folder in ("client_core", "server"):
        for path in (ROOT / folder).rglob("*.py"):
            found |= set(literals(ast.parse(path.read_text(encoding="utf-8"))))
    # Made from a prefix and the names of fields.
    found |= {f"QISKIT_FUNCTIONS_{name}" for name in ("RUNNER", "RAY_ADDRESS", "RAY_SHARED_FOLDER", "ADVERTISE")}
    found |= {f"QISKIT_FUNCTIONS_JOB_{name}" for name in ("SECONDS", "MEMORY_MB", "LOG_MB")}
    return found | {f"ENV_GATEWAY_PROVIDER_{name}" for name in ("HOST", "TOKEN", "VERSION")} | PROXIES


def literals(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and OURS.fullmatch(node.value):
            yield node.value


def test_every_variable_is_on_the_page_and_no_other() -> None:
    documented = {name for row in ROWS for name in re.findall(r"`([A-Z][A-Z_]+)`", row[0])}
    assert documented == variables_in_the_code() - (SET_FOR_FUNCTIONS - {"ENV_GATEWAY_PROVIDER_VERSION"})


@pytest.mark.parametrize("command", ["", "gateway", "backup", "prune", "install", "login", "doctor", "demo"])
def test_every_flag_of_a_command_is_on_the_page_and_no_other(command: str) -> None:
    asked = [sys.executable, "-m", "qiskit_functions_mcp", *([command] if command else []), "--help"]
    ran = subprocess.run(asked, capture_output=True, text=True, check=True)
    flags = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", ran.stdout, re.M)) - {"--help"}
    if command in ("", "gateway"):
        heading = "The gateway of this machine" if command else "The server"
        part = TEXT.partition(f"## {heading}")[2].partition("\n## ")[0]
        # The same flag as the server's, and explained there.
        flags -= {"--home"} if command else set()
        documented = set(re.findall(r"`(--[a-z-]+)", part)) - {"--help"}
    else:
        (row,) = (row for row in ROWS if re.match(rf"`{command}\b", row[0]))
        documented = set(re.findall(r"`(--[a-z-]+)`", row[1]))
    assert documented == flags


def test_the_commands_are_those_that_there_are() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "qiskit_functions_mcp", "--help"], capture_output=True, text=True, check=True
    )
    commands = set(re.findall(r"^    (\w+) ", ran.stdout.partition("command")[2], re.M))
    part = TEXT.partition("## Other commands")[2]
    assert set(re.findall(r"^\| `(\w+)", part, re.M)) | {"serve", "gateway"} == commands


@pytest.mark.parametrize(
    ("variable", "default"),
    [
        *(
            (f"QISKIT_FUNCTIONS_{name.upper()}", field.default)
            for name, field in Settings.model_fields.items()
            if field.default not in ("", None, PydanticUndefined)
        ),
        ("QISKIT_FUNCTIONS_GATEWAY_IDLE_SECONDS", IDLE_SECONDS),
        ("QISKIT_FUNCTIONS_JOB_LOG_MB", Limits.log_mb),
        ("USAGE_LOW_THRESHOLD_SECONDS", Thresholds.low),
        ("USAGE_ZERO_EPSILON_SECONDS", Thresholds.zero_epsilon),
    ],
)
def test_the_defaults_are_those_of_the_code(variable: str, default: object) -> None:
    (row,) = (row for row in ROWS if row[0].startswith(f"`{variable}`"))
    said = f"{default:g}" if isinstance(default, float) else str(default)
    assert row[1] == (said.lower() if isinstance(default, bool) else said)
