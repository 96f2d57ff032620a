"""OpenQASM text to circuits, with errors that name line and column."""

from __future__ import annotations

import re
from typing import Any

from antlr4.error.ErrorListener import ConsoleErrorListener, ErrorListener
from qiskit import QuantumCircuit, qasm2, qasm3

from ..limits import Limits

_VERSION = re.compile(r"(?:\s|//[^\n]*\n|/\*.*?\*/)*OPENQASM\s+(\d+)", re.DOTALL)
_INCLUDE = re.compile(r'(?:^|;)\s*include\s*"([^"]*)"', re.MULTILINE)
_LENGTH = re.compile(r"\[\s*([\d_]+)\s*\]")
# "<input>:4,0: …" (OpenQASM 2), "4,0: …" and "L4:C0: …" (OpenQASM 3); columns count from 0.
_POSITION = re.compile(r"^(?:<input>:|L)?(\d+)(?:,|:C)(\d+):\s*")
_LIBRARY = {2: "qelib1.inc", 3: "stdgates.inc"}
_MAX_NESTING = 100


# ANTLR would write the text that it does not understand to stderr, beside the error that says the same.
ConsoleErrorListener.INSTANCE = ErrorListener()


class OpenQASMError(ValueError):
    """The text is not a circuit; ``next_step`` may say how to repair it."""

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.next_step = next_step


def load(text: str, limits: Limits) -> QuantumCircuit:
    """Return the circuit of OpenQASM 2 or 3, by the version that its first statement names.

    Raises:
        OpenQASMError: with line and column, both from 1, where the parser knows them.
    """
    version = _version(text)
    _check(text, version, limits)
    try:
        circuit: QuantumCircuit = qasm2.loads(text, include_path=()) if version == 2 else qasm3.loads(text)  # noqa: PLR2004
    except Exception as error:  # the importers let ANTLR's and Python's own errors through
        message, position = _explain(error)
        library, advice = _LIBRARY[version], ""
        if "not defined" in message and library not in text:
            advice = f'The standard gates need include "{library}"; after the first line.'
        raise OpenQASMError(f"OpenQASM {version}{position}: {message}", advice) from error
    return circuit


def _version(text: str) -> int:
    found = _VERSION.match(text)
    if found is None:
        raise OpenQASMError("it does not start with OPENQASM 3.0; or OPENQASM 2.0;")
    if (version := int(found[1][:9])) not in _LIBRARY:
        raise OpenQASMError(f"OpenQASM {version} is unknown; write OPENQASM 3.0; or OPENQASM 2.0;")
    return version


def _check(text: str, version: int, limits: Limits) -> None:
    if len(text) > limits.max_openqasm:
        raise OpenQASMError(f"{len(text):,} characters of OpenQASM; the most is {limits.max_openqasm:,}.")
    for include in _INCLUDE.findall(text):
        if include != _LIBRARY[version]:
            raise OpenQASMError(
                f"include {include!r}: OpenQASM {version} here includes {_LIBRARY[version]!r} and no files.",
                f'Put the definitions into the text; keep only include "{_LIBRARY[version]}";',
            )
    for length in _LENGTH.findall(text):
        if int(length.replace("_", "")[:9] or 0) > limits.max_qubits:
            raise OpenQASMError(f"[{length}]: registers and indices go up to {limits.max_qubits:,}.")
    if _nesting(text) > _MAX_NESTING:
        raise OpenQASMError(f"brackets nested more than {_MAX_NESTING} deep.")


def _nesting(text: str) -> int:
    """Return how deep brackets go; the OpenQASM 3 parser recurses, and takes seconds to fail."""
    depth = deepest = 0
    for bracket in re.findall(r"[(){}\[\]]", text):
        depth += 1 if bracket in "({[" else -1
        deepest = max(deepest, depth)
    return deepest


def _explain(error: Exception) -> tuple[str, str]:
    """Return what is wrong, and where: `` at line 4, column 1`` or nothing."""
    message = str(getattr(error, "message", "") or error).strip().strip("'\"")
    if found := _POSITION.match(message):
        return message[found.end() :], _position(int(found[1]), int(found[2]))
    token = _offending_token(error)
    if token is not None:
        return f"unexpected {token.text!r}", _position(token.line, token.column)
    return message or "it cannot be parsed", ""


def _position(line: int, column: int) -> str:
    return f" at line {line}, column {column + 1}"


def _offending_token(error: BaseException | None) -> Any:
    """Return the token at which ANTLR gave up, which the importer keeps in a chain of causes and arguments."""
    while error is not None:
        for candidate in (error, *error.args):
            if (token := getattr(candidate, "offendingToken", None)) is not None:
                return token
        error = error.__cause__ or error.__context__
    return None
