"""Texts that a job leaves at its gateway: what is around a result or a log there, and the lines of a log that matter.

A log can have 50 MB and a result 250 MB: they arrive in files, and the worker process reads those.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from .errors import NOT_A_GATEWAY, GatewayFault, InputError
from .local_files import open_regular

StoredKind = Literal["result", "logs", "events"]

_ERROR_LINES = 20
"""Of a log without a traceback: enough to see what happened last."""

_CHAINED = re.compile(r"was the direct cause of the following exception|another exception occurred:")


@dataclass(frozen=True)
class StoredText:
    """The body of a gateway's answer that holds a result, a log or a list of events.

    Attributes:
        kind: what it holds, which is also the key that the gateway puts it under.
        text: of a small body, what it holds; None for a large one.
        file: where a large body is.
        is_bare: whether the body is the text itself, as object stores have it, instead of the gateway's JSON.
    """

    kind: StoredKind
    text: str | None = None
    file: Path | None = None
    is_bare: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"file": self.file and str(self.file)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> StoredText:
        return cls(**fields | {"file": Path(fields["file"]) if fields["file"] else None})

    def load(self) -> Any:
        """Return the text of a bare body, else the gateway's JSON. It blocks: of a large body, for a while.

        Raises:
            GatewayFault: the body is not JSON.
        """
        if self.file is None:
            raise ValueError("a small body was read when it arrived")
        with open_regular(self.file) as file:
            body = file.read()
        if self.is_bare:
            return body.decode(errors="replace")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise GatewayFault(
                "the gateway answered without JSON", status=200, from_gateway=False, next_step=NOT_A_GATEWAY
            ) from None

    def read(self) -> str:
        """Return the result or the log; empty if the gateway says null. It blocks as ``load`` does.

        Raises:
            GatewayFault: the body is something else.
        """
        if self.text is not None:
            return self.text
        content = self.load()
        return content if self.is_bare else unwrapped(content, self.kind)


def unwrapped(envelope: Any, key: str) -> str:
    """Return the text in the gateway's JSON, such as ``{"logs": "…"}``; empty for null.

    Raises:
        GatewayFault: it is something else.
    """
    if not isinstance(envelope, dict) or not isinstance(envelope.get(key, ...), str | None):
        raise GatewayFault(
            f"the gateway answered without {key}", status=200, from_gateway=False, next_step=NOT_A_GATEWAY
        )
    return envelope[key] or ""


@dataclass(frozen=True)
class LogQuery:
    """Which part of a log to read.

    Attributes:
        include, exclude: regular expressions of the lines to read; empty ones filter nothing.
        tail: at most so many lines, from the end of what is left; None for all.
        characters: at most so many characters, from the end of that; None for all.
        only_error: from the last traceback on, with those of its causes; without one, the last 20 lines.
    """

    include: str = ""
    exclude: str = ""
    tail: int | None = None
    characters: int | None = None
    only_error: bool = False


@dataclass(frozen=True)
class LogPart:
    """The part of a log that was asked for.

    Attributes:
        left_out: lines before the part that passed the filter; one that is cut counts as shown.
        characters_left_out: how many ``LogQuery.characters`` cut off, maybe in the middle of a line.
    """

    text: str
    left_out: int = 0
    characters_left_out: int = 0


def read_log(text: str, query: LogQuery) -> LogPart:
    """Return the part of a log that the query asks for.

    Raises:
        InputError: not a regular expression, or one with look-around or back-references.
    """
    if query.include or query.exclude:
        text = filter_lines(text, include=query.include, exclude=query.exclude)
    if query.only_error:
        text = error_lines(text)
    lines = lines_of(text)
    if query.tail is not None:
        text = "\n".join(lines[-query.tail :]) if query.tail > 0 else ""
    shown = text if query.characters is None else text[max(len(text) - query.characters, 0) :]
    return LogPart(shown, len(lines) - len(lines_of(shown)), len(text) - len(shown))


def filter_lines(text: str, *, include: str = "", exclude: str = "") -> str:
    """Return the lines in which ``include`` is found and ``exclude`` is not.

    Args:
        include, exclude: regular expressions; empty ones filter nothing.

    Raises:
        InputError: not a regular expression, or one with look-around or back-references.
    """
    wanted, unwanted = _finder(include), _finder(exclude)
    return "\n".join(line for line in lines_of(text) if wanted(line) and not (exclude and unwanted(line)))


def _finder(expression: str) -> Callable[[str], bool]:
    """Tell whether it is found in a line, in linear time; Python's own engine can take exponential time."""
    import jsonschema_rs  # takes 20 ms, and most processes filter nothing

    try:
        # A schema's pattern is searched for, not anchored.
        return jsonschema_rs.Draft202012Validator(
            {"pattern": expression}, pattern_options=jsonschema_rs.RegexOptions()
        ).is_valid
    except ValueError:
        raise InputError(
            f"not a regular expression: {expression[:100]!r}",
            next_step="Close its brackets, and leave out look-around and back-references.",
        ) from None


def lines_of(text: str) -> list[str]:
    """Return the lines as files have them, not split where Unicode would also split."""
    return text.removesuffix("\n").split("\n") if text else []


def error_lines(log: str) -> str:
    """Return what follows the beginning of the last traceback, or of those that led to it, else the last lines."""
    lines = lines_of(log.rstrip())
    starts = [number for number, line in enumerate(lines) if "Traceback (most recent call last)" in line]
    if not starts:
        return "\n".join(lines[-_ERROR_LINES:])
    while len(starts) > 1 and any(_CHAINED.search(line) for line in lines[max(starts[-1] - 2, 0) : starts[-1]]):
        starts.pop()
    return "\n".join(lines[starts[-1] :])
