"""OpenQASM 2 and 3 to circuits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..limits import Limits
from .errors import BY_QPY, DECLARED, OpenQASMError, position

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

__all__ = ["OpenQASMError", "declared_inputs", "load"]

_COMMENT_OR_STRING = re.compile(r'"[^"\n]*"|//[^\n]*|/\*(?:.*?\*/|.*)', re.DOTALL)
_VERSION = re.compile(r"\s*OPENQASM\b\s*(\d*)")
_INCLUDE = re.compile(r'\binclude\s*"([^"]*)"')
_LENGTH = re.compile(r"\[\s*([\d_]+)\s*\]")
_BRACKET = re.compile(r"[(){}\[\]]")
# Chats put code between such lines.
_FENCE = re.compile(r"^[ \t]*```\w*[ \t]*$", re.MULTILINE)
_LIBRARIES = {"qelib1.inc": 2, "stdgates.inc": 3}
# The parser of OpenQASM 3 recurses, and takes seconds to fail.
_MAX_NESTING = 100


def load(text: str, limits: Limits) -> QuantumCircuit:
    """Return the circuit of an OpenQASM 2 or 3 text.

    The version is that of its first statement, else that of the library that it includes, else 2 if it declares a qreg
    and 3 if it does not. The gates of Qiskit's library need no include, and files cannot be included.

    Raises:
        OpenQASMError: with construct, line and column, both from 1, and what to write instead.
    """
    if len(text) > limits.max_openqasm:
        raise OpenQASMError(
            f"{len(text):,} characters of OpenQASM; the most is {limits.max_openqasm:,}.",
            f"Give the circuit as a file in Qiskit's own format. {BY_QPY}",
        )
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    text = _FENCE.sub("", text)
    statements = _COMMENT_OR_STRING.sub(_blank_comment, text)
    if (other := _other_language(statements)) is not None:
        raise OpenQASMError(
            f"this is {other}, not OpenQASM.",
            "Write the circuit in OpenQASM 3.0 or 2.0; in Python, qiskit.qasm3.dumps(circuit) gives it.",
        )
    found = _VERSION.match(statements)
    version = _version(found[1]) if found else _version_of(statements)
    _check(statements, limits)
    # Qiskit and ANTLR take half a second to import, and most arguments hold no OpenQASM.
    if version == 2:
        from . import version2

        return version2.read(text, statements, found is not None)
    from . import version3

    return version3.read(text, limits)


def declared_inputs(circuit: QuantumCircuit) -> dict[str, Parameter]:
    """Return the parameters of a circuit that `load` has read, by the names and in the order of the text's inputs."""
    declared: dict[str, Parameter] = vars(circuit).get(DECLARED, {})
    return declared


def _blank_comment(found: re.Match[str]) -> str:
    """Keep strings, and every place in the text as it was."""
    return found[0] if found[0].startswith('"') else re.sub(r"[^\n]", " ", found[0])


def _other_language(statements: str) -> str | None:
    """Return what a text is that surely is not OpenQASM, of which the parsers would only say where they gave up."""
    text = statements.lstrip()
    if not text:
        return "an empty text"
    if text[0] in "{[":
        return "JSON"
    return "Python" if re.match(r"(?:from [\w.]+ import|import [\w.]+|\w+ = QuantumCircuit\b)", text) else None


def _version(number: str) -> int:
    if number not in ("2", "3"):
        raise OpenQASMError(
            f"OpenQASM {number or 'without a number'} is unknown.", "Begin with OPENQASM 3.0; or OPENQASM 2.0;."
        )
    return int(number)


def _version_of(statements: str) -> int:
    for include in _INCLUDE.findall(statements):
        if include in _LIBRARIES:
            return _LIBRARIES[include]
    return 2 if re.search(r"\bqreg\b", statements) and not re.search(r"\bqubit\b", statements) else 3


def _check(statements: str, limits: Limits) -> None:
    for include in _INCLUDE.finditer(statements):
        if include[1] not in _LIBRARIES:
            raise OpenQASMError(
                f"OpenQASM {_place(statements, include)}: include {include[1]!r}, but only "
                f"{' and '.join(map(repr, _LIBRARIES))} can be included, and no files.",
                "Put the definitions of that file into the text.",
            )
    for length in _LENGTH.finditer(statements):
        if int(length[1].replace("_", "")[:9] or 0) > limits.max_qubits:
            raise OpenQASMError(
                f"OpenQASM {_place(statements, length)}: [{length[1]}], but registers and indices go up to "
                f"{limits.max_qubits:,}.",
                "Declare a smaller register.",
            )
    depth = deepest = 0
    for bracket in _BRACKET.findall(statements):
        depth += 1 if bracket in "({[" else -1
        deepest = max(deepest, depth)
    if deepest > _MAX_NESTING:
        raise OpenQASMError(
            f"brackets nested more than {_MAX_NESTING} deep.", "Split the expression, or take the inner brackets out."
        )


def _place(text: str, found: re.Match[str]) -> str:
    return position(text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start()))
