"""Every regular expression in the packages takes linear time, whatever text it meets.

Python's engine goes back and tries again, so that some patterns take quadratic or exponential time for a text that was
made for it, and no other call is answered meanwhile. No library that is kept up finds both kinds (dlint and redoctor
miss the first pattern below, regexploit the second), so steps are counted here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.regex_steps import superlinear

ROOT = Path(__file__).parents[1]
METHODS = frozenset({"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"})


@dataclass(frozen=True)
class Use:
    """A pattern, and the method that is called with it."""

    file: str
    line: int
    method: str
    pattern: str
    flags: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.method} {self.pattern}"


def uses_in(source: str, file: str) -> Iterator[Use]:
    """Give what is passed to ``re``; a compiled pattern with each method that the module calls by its name."""
    tree = ast.parse(source)
    names: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in METHODS:
            names.setdefault(node.value.id, set()).add(node.attr)
    for node in ast.walk(tree):
        calls = node.value if isinstance(node, ast.Assign) else node
        if not (isinstance(calls, ast.Call) and isinstance(calls.func, ast.Attribute) and calls.args):
            continue
        if not (isinstance(calls.func.value, ast.Name) and calls.func.value.id == "re"):
            continue
        if calls.func.attr == "compile" and isinstance(node, ast.Assign):
            names_here = [target.id for target in node.targets if isinstance(target, ast.Name)]
            methods = set().union(*(names.get(name, set()) for name in names_here)) or set(METHODS)
        elif calls.func.attr in METHODS and not isinstance(node, ast.Assign):
            methods = {calls.func.attr}
        else:
            continue
        pattern, flags = _pattern_and_flags(calls)
        for method in sorted(methods):
            yield Use(file, calls.lineno, method, pattern, flags)


def _text_of(node: ast.expr) -> str:
    """Read a text that the source spells out; a word stands for each value in it."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text_of, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text_of(node.left) + _text_of(node.right)
    value = node.value if isinstance(node, ast.Constant) else "name"
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _pattern_and_flags(call: ast.Call) -> tuple[str, int]:
    pattern = _text_of(call.args[0])
    named = [
        argument.attr
        for keyword in call.keywords
        for argument in ast.walk(keyword.value)
        if keyword.arg == "flags" and isinstance(argument, ast.Attribute)
    ]
    named += [
        argument.attr
        for place in call.args[1:]
        for argument in ast.walk(place)
        if isinstance(argument, ast.Attribute) and argument.attr.isupper()
    ]
    flags = 0
    for name in named:
        flags |= getattr(re, name)
    return pattern, flags


USES = [
    use
    for folder in ("client_core", "server")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "import re\n" in (source := path.read_text(encoding="utf-8"))
    for use in uses_in(source, path.relative_to(ROOT).as_posix())
]


@pytest.mark.parametrize("use", USES, ids=str)
def test_a_pattern_takes_linear_time(use: Use) -> None:
    found = superlinear(use.method, use.pattern, use.flags)
    assert not found, f"{use}: {found} takes more than linear time"


def test_the_patterns_are_found() -> None:
    source = """
import re
_WORD = re.compile("[a-z]+", re.MULTILINE)
_WORD.fullmatch(text), re.sub(rf"{_WORD}x", "", text, flags=re.DOTALL | re.M)
"""
    assert [(use.method, use.pattern, use.flags) for use in uses_in(source, "a.py")] == [
        ("fullmatch", "[a-z]+", re.MULTILINE.value),
        ("sub", "namex", (re.DOTALL | re.M).value),
    ]
    assert len(USES) > 20, "the packages have more than that"


@pytest.mark.parametrize(
    ("method", "pattern"),
    [
        ("fullmatch", r"v?\d+(\.\d+)*([-_.]?[A-Za-z]+[-_.]?\d*)*(\+[A-Za-z0-9.]+)?"),
        ("sub", r"(https?://[^\s?'\"<>]*)\?[^\s'\"<>]+"),
        ("sub", r"(?s)<(script|style)\b.*?</\1>|<[^>]*>"),
        ("match", r"(a+)+$"),
        ("fullmatch", r"(?:a|aa)+b"),
        ("fullmatch", r"\d*\d*x"),
        ("search", r"\s+$"),
        ("fullmatch", r"[^/]*a[^/]*a[^/]*b"),
    ],
)
def test_patterns_that_took_longer_are_found(method: str, pattern: str) -> None:
    assert superlinear(method, pattern)


@pytest.mark.parametrize(
    ("method", "pattern"),
    [
        ("sub", "<[^<>]*>"),
        ("fullmatch", "[a-z]+"),
        ("sub", r"https?://[^\s]+"),
        ("fullmatch", r"(?>a+)b"),
        ("split", r"\s"),
    ],
)
def test_patterns_that_take_linear_time_are_not(method: str, pattern: str) -> None:
    assert not superlinear(method, pattern)
