"""JSON with comments and trailing commas, as hosts keep their settings: read, and changed in place.

A change touches the bytes of one member; comments, order, indentation and line ends of the rest stay. Of Python's
libraries for it, those that keep comments write the whole file in their own style, or are one person's and new.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qiskit_functions_core.errors import InputError

_DECODER = json.JSONDecoder()


@dataclass
class _Value:
    """A value, and where it stands in the text.

    Attributes:
        members: of an object; None for anything else.
    """

    start: int
    end: int
    value: Any
    members: list[_Member] | None = None


@dataclass
class _Member:
    """A member of an object; ``comma`` is the position of the comma after it, or None."""

    key: str
    start: int
    value: _Value
    comma: int | None = None


def read(text: str) -> Any:
    """Return what the text says; None if it has no value.

    Raises:
        InputError: it is not valid; the message gives line and column.
    """
    root = _Parser(text).document()
    return root.value if root else None


def set_member(text: str, path: Sequence[str], value: Any) -> str:
    """Return the text with the member at the path set, and the objects made that lead to it.

    Raises:
        InputError: the text is not valid, or something on the path is not an object.
    """
    node = _Parser(text).document()
    if node is None:
        end = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{end}{json.dumps(_nested(path, value), indent=2, ensure_ascii=False)}\n"
    style = _Style.of(text, node)
    for depth, key in enumerate(path):
        member = _last(_members(text, node, path[:depth]), key)
        if member is None:
            return _inserted(text, node, key, _nested(path[depth + 1 :], value), style)
        node = member.value
    if node.value == value:
        return text
    return text[: node.start] + style.written(value, _indent(text, node.start)) + text[node.end :]


def remove_member(text: str, path: Sequence[str]) -> str:
    """Return the text without the member at the path; unchanged if there is none.

    Raises:
        InputError: as ``set_member``.
    """
    node = _Parser(text).document()
    parent = member = None
    for depth, key in enumerate(path):
        member = _last(_members(text, node, path[:depth]), key) if node else None
        if member is None:
            return text
        parent, node = node, member.value
    if parent is None or member is None:
        return text
    # Again, for another one of the same name.
    return remove_member(_without(text, parent, member), path)


def _nested(path: Sequence[str], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _members(text: str, node: _Value, path: Sequence[str]) -> list[_Member]:
    if node.members is None:
        what = f"{'.'.join(path)} is" if path else "the file's content is"
        raise InputError(f"{_place(text, node.start)}: {what} not an object")
    return node.members


def _last(members: list[_Member], key: str) -> _Member | None:
    """Return the member of that name; of several the last, which is the one that parsers take."""
    return next((member for member in reversed(members) if member.key == key), None)


@dataclass(frozen=True)
class _Style:
    """How a file is written.

    Attributes:
        unit: the indentation of one level; empty for a file without line breaks.
        line_end: ``\\n`` or ``\\r\\n``.
    """

    unit: str
    line_end: str

    @classmethod
    def of(cls, text: str, root: _Value) -> _Style:
        first = root.members[0] if root.members else None
        line_end = "\r\n" if "\r\n" in text else "\n"
        if first and "\n" not in text[root.start : root.end]:
            return cls("", line_end)
        indent = _indent(text, first.start) if first and _is_first_on_line(text, first.start) else ""
        return cls(indent.removeprefix(_indent(text, root.start)) or "  ", line_end)

    def written(self, value: Any, indent: str) -> str:
        """Return a value for a line that is indented so."""
        dumped = json.dumps(value, indent=self.unit or None, ensure_ascii=False)
        return dumped.replace("\n", self.line_end + indent)


def _inserted(text: str, node: _Value, key: str, value: Any, style: _Style) -> str:
    """Return the text with a new last member of an object."""
    assert node.members is not None  # noqa: S101 - for the type checker
    name, last = json.dumps(key, ensure_ascii=False), node.members[-1] if node.members else None
    if not style.unit or (last and not _is_first_on_line(text, last.start)):
        member = f"{name}: {json.dumps(value, ensure_ascii=False)}"
        at = last.value.end if last else node.start + 1
        return f"{text[:at]}{', ' if last else ''}{member}{text[at:]}"
    outer = _indent(text, node.start)
    indent = _indent(text, last.start) if last else outer + style.unit
    member = f"{style.line_end}{indent}{name}: {style.written(value, indent)}"
    if last is None:
        at = _end_of_line(text, node.start + 1)
        closing = "" if "\n" in text[at : node.end] else style.line_end + outer
        return f"{text[:at]}{member}{closing}{text[at:]}"
    # What is said behind the last member is about that one, so the new one follows it.
    at = _end_of_line(text, last.value.end if last.comma is None else last.comma + 1)
    if last.comma is not None:
        return f"{text[:at]}{member},{text[at:]}"
    return f"{text[: last.value.end]},{text[last.value.end : at]}{member}{text[at:]}"


def _without(text: str, parent: _Value, member: _Member) -> str:
    """Return the text without one member, its line and the comma that it needed; comments stay."""
    assert parent.members is not None  # noqa: S101 - for the type checker
    place = next(index for index, other in enumerate(parent.members) if other is member)
    before = parent.members[place - 1] if place else None
    start, end = member.start, member.value.end
    after = _end_of_line(text, end if member.comma is None else member.comma + 1)
    # A line break that ends a comment may be needed for what follows.
    ends_comment = "//" in text[before.value.end if before else parent.start : start]
    is_first_on_line = _is_first_on_line(text, start)
    has_line = is_first_on_line and (text[after : after + 1] in ("\r", "\n") or not ends_comment)
    is_last = place + 1 == len(parent.members)
    needed_before = before is not None and (member.comma is None or (is_last and not is_first_on_line))
    comma = before.comma if before and needed_before else member.comma
    cuts = [] if comma is None else [(comma, comma + 1)]
    if has_line:
        start = text.rfind("\n", 0, start)
        start -= text[start - 1] == "\r"
    elif comma is not None and needed_before:
        start = comma + 1 + len(text[comma + 1 : start].rstrip(" \t"))
    elif comma is not None:
        cuts.append((comma + 1, _end_of_blanks(text, comma + 1)))
    for first, last in sorted([*cuts, (start, end)], reverse=True):
        text = text[:first] + text[last:]
    inside = text[parent.start + 1 : text.index("}", parent.start)]
    if len(parent.members) == 1 and not inside.strip():
        text = text[: parent.start + 1] + text[parent.start + 1 + len(inside) :]
    return text


def _is_first_on_line(text: str, at: int) -> bool:
    line_start = text.rfind("\n", 0, at) + 1
    return line_start > 0 and not text[line_start:at].strip()


def _indent(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _end_of_line(text: str, at: int) -> int:
    """Return where the line ends, after the comments on it; or where something else begins."""
    parser = _Parser(text)
    while text.startswith(("//", "/*"), at := _end_of_blanks(text, at)):
        at = parser.after_comment(at)
        at -= text[at - 1] == "\r"
    return at


def _end_of_blanks(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t"):
        at += 1
    return at


def _place(text: str, at: int) -> str:
    line_start = text.rfind("\n", 0, at) + 1
    return f"line {text.count(chr(10), 0, at) + 1}, column {at - line_start + 1}"


class _Parser:
    """Parses a text by descending into it; the time is linear in its length."""

    def __init__(self, text: str) -> None:
        self._text = text

    def document(self) -> _Value | None:
        at = self._skipped(1 if self._text.startswith("\ufeff") else 0)
        if at == len(self._text):
            return None
        try:
            root = self._value(at)
        except RecursionError:
            raise InputError("it is nested too deeply") from None
        end = self._skipped(root.end)
        if end < len(self._text):
            raise self._unexpected(end)
        return root

    def _value(self, at: int) -> _Value:
        character = self._text[at : at + 1]
        if character == "{":
            return self._object(at)
        if character == "[":
            return self._array(at)
        try:
            value, end = _DECODER.raw_decode(self._text, at)
        except json.JSONDecodeError as error:
            if character != '"':
                raise self._unexpected(at) from None
            raise InputError(f"{_place(self._text, error.pos)}: {error.msg}") from None
        return _Value(at, end, value)

    def _object(self, start: int) -> _Value:
        members: list[_Member] = []
        at = self._skipped(start + 1)
        while self._text[at : at + 1] != "}":
            if members and members[-1].comma is None:
                raise self._unexpected(at)
            if self._text[at : at + 1] != '"':
                raise self._unexpected(at)
            key = self._value(at)
            colon = self._skipped(key.end)
            if self._text[colon : colon + 1] != ":":
                raise self._unexpected(colon)
            value = self._value(self._skipped(colon + 1))
            members.append(_Member(key.value, at, value))
            at = self._skipped(value.end)
            if self._text[at : at + 1] == ",":
                members[-1].comma = at
                at = self._skipped(at + 1)
        return _Value(start, at + 1, {member.key: member.value.value for member in members}, members)

    def _array(self, start: int) -> _Value:
        items: list[Any] = []
        at, may_follow = self._skipped(start + 1), True
        while self._text[at : at + 1] != "]":
            if not may_follow:
                raise self._unexpected(at)
            item = self._value(at)
            items.append(item.value)
            at = self._skipped(item.end)
            may_follow = self._text[at : at + 1] == ","
            if may_follow:
                at = self._skipped(at + 1)
        return _Value(start, at + 1, items)

    def _skipped(self, at: int) -> int:
        """Return where white space and comments end."""
        while True:
            while self._text[at : at + 1] in (" ", "\t", "\r", "\n"):
                at += 1
            if not self._text.startswith(("//", "/*"), at):
                return at
            at = self.after_comment(at)

    def after_comment(self, at: int) -> int:
        """Return where the comment ends that begins there; one to the end of the line ends before that."""
        is_block = self._text.startswith("/*", at)
        end = self._text.find("*/" if is_block else "\n", at + 2)
        if end < 0 and is_block:
            raise InputError(f"{_place(self._text, at)}: the comment has no end")
        return len(self._text) if end < 0 else end + 2 * is_block

    def _unexpected(self, at: int) -> InputError:
        found = repr(self._text[at]) if at < len(self._text) else "end of the file"
        return InputError(f"{_place(self._text, at)}: unexpected {found}")
