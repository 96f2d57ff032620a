"""OpenQASM 3 texts to syntax trees, advice on what does not parse, and questions about a tree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import openqasm3
from antlr4.error.ErrorListener import ConsoleErrorListener, ErrorListener
from openqasm3 import ast

from .errors import OR_BY_QPY, OpenQASMError, position

# "L4:C0: message" of the parser; lines count from 1 and columns from 0.
# Qiskit before 2.6 wrote `for _ in [0:3]`, and so do people; the language wants a type.
_UNTYPED_LOOP = re.compile(r"\bfor\s+(?=\w+\s+in\b)")
_PARSER_ERROR = re.compile(r"L(\d+):C(\d+):\s*(.*)", re.DOTALL)


class Source:
    """The text of a person, and the places in it of what stands in the text that is parsed."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.parsed = _UNTYPED_LOOP.sub(r"\g<0>int ", text)
        self._parsed_lines = self.parsed.split("\n")

    def position(self, line: int, column: int, name: str = "") -> tuple[int, int]:
        """Return line and column, both from 1, of a line from 1 and a column from 0 in the text that is parsed.

        openqasm3 1.0 gives some names their offset in the text instead of a column: `name` is such a name.
        """
        shown = self._parsed_lines[line - 1] if line <= len(self._parsed_lines) else ""
        if name and not shown.startswith(name, column):
            column -= sum(len(before) + 1 for before in self._parsed_lines[: line - 1])
        if self.lines[line - 1 : line] != [shown]:
            inserted = [found.end() for found in _UNTYPED_LOOP.finditer(self.lines[line - 1])]
            column -= len("int ") * sum(end + len("int ") * count <= column for count, end in enumerate(inserted))
        return line, column + 1


def parse(source: Source) -> ast.Program:
    """Return the tree of an OpenQASM 3 text.

    Raises:
        OpenQASMError: with line and column.
    """
    # It writes the text that it does not understand to stderr, beside the error that says the same.
    ConsoleErrorListener.INSTANCE = ErrorListener()
    try:
        return openqasm3.parse(source.parsed)
    except Exception as error:  # the parser lets ANTLR's and Python's own errors through
        raise _not_parsed(error, source) from error


def walk(node: Any) -> Iterator[Any]:
    """Yield a node and all that are in it."""
    if isinstance(node, (list, tuple)):
        for item in node:
            yield from walk(item)
    elif isinstance(node, ast.QASMNode):
        yield node
        for child in vars(node).values():
            if isinstance(child, (list, tuple, ast.QASMNode)):
                yield from walk(child)


def name_of(node: Any) -> str:
    return str(node.name.name if isinstance(node, ast.IndexedIdentifier) else node.name)


def mentions(block: Sequence[Any], name: str) -> bool:
    return any(isinstance(node, ast.Identifier) and node.name == name for node in walk(block))


def leaves(block: Any) -> bool:
    """Return whether break or continue in a block leaves the loop around it."""
    if isinstance(block, (list, tuple)):
        return any(map(leaves, block))
    if isinstance(block, (ast.BreakStatement, ast.ContinueStatement)):
        return True
    if isinstance(block, ast.BranchingStatement):
        return leaves(block.if_block) or leaves(block.else_block)
    if isinstance(block, ast.SwitchStatement):
        return leaves([body for _, body in block.cases]) or (block.default is not None and leaves(block.default))
    return isinstance(block, ast.CompoundStatement) and leaves(block.statements)


def _not_parsed(error: Exception, source: Source) -> OpenQASMError:
    found = _PARSER_ERROR.match(str(error))
    token = None if found else _offending_token(error)
    if found:
        line, column, message = int(found[1]), int(found[2]), found[3].strip()
    elif token is not None:
        line, column, message = token.line, token.column, f"unexpected {token.text!r}"
    elif isinstance(error, RecursionError):
        return too_long()
    else:
        return OpenQASMError(f"OpenQASM 3: {str(error) or 'it cannot be parsed'}", "Write it in OpenQASM 3.0 or 2.0.")
    line, column = source.position(line, column)
    return OpenQASMError(f"OpenQASM 3 {position(line, column)}: {message}", _syntax(source.lines, line, column))


def too_long() -> OpenQASMError:
    return OpenQASMError(
        "OpenQASM 3: an expression or a chain of else has too many parts.", "Split it into shorter ones."
    )


def _offending_token(error: BaseException | None) -> Any:
    """Return the token at which ANTLR gave up, which the parser keeps in a chain of causes and arguments."""
    while error is not None:
        for candidate in (error, *error.args):
            if (token := getattr(candidate, "offendingToken", None)) is not None:
                return token
        error = error.__cause__ or error.__context__
    return None


def _syntax(lines: list[str], line: int, column: int) -> str:
    """Advise on a line that does not parse: most are one of a few mistakes."""
    here = lines[line - 1] if line <= len(lines) else ""
    before = [text.partition("//")[0].rstrip() for text in lines[: line - 1]]
    last = next((text for text in reversed(before) if text.strip()), "")
    if re.match(r"\s*for\b.*\bin\s*(?:range\b|\d)", here):
        return "A range stands in brackets and holds both ends: for int i in [0:3] { … }."
    if re.match(r"\s*const\s+\w+\s*=", here):
        return "Give the constant a type: const int n = 3;."
    if re.match(r"\s*opaque\b", here):
        return "opaque is OpenQASM 2: begin the text with OPENQASM 2.0;."
    if not here[: column - 1].strip() and last and not last.endswith((";", "{", "}")):
        return f"End line {line - 1} with a semicolon."
    return f"Correct that line. {OR_BY_QPY}"
