"""What jobs say: texts as the gateway gives them, and the lines of them that matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from ..errors import GatewayFault, InputError
from ..http.answers import NOT_A_GATEWAY
from ..models import JobEvent

if TYPE_CHECKING:
    from ..http.answers import Answer

_ERROR_LINES = 20
"""Enough for a Python traceback's last frames and its message."""


def filter_lines(text: str, *, include: str = "", exclude: str = "") -> str:
    """The lines in which ``include`` is found and ``exclude`` is not.

    Args:
        include, exclude: regular expressions; empty ones filter nothing.

    Raises:
        InputError: not a regular expression, or one with look-around or back-references.
    """
    wanted, unwanted = _finder(include), _finder(exclude)
    return "\n".join(line for line in lines_of(text) if wanted(line) and not (exclude and unwanted(line)))


def _finder(expression: str) -> Callable[[str], bool]:
    """Tells whether it is found in a line, in linear time; Python's own engine can take for ever."""
    import jsonschema_rs

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
    """Lines as files have them, not split where Unicode would also split."""
    return text.removesuffix("\n").split("\n") if text else []


def stored_text(answer: Answer, key: Literal["result", "logs"]) -> str:
    """Bare text from an object store, or the field of the gateway's own JSON; empty when there is nothing.

    Raises:
        GatewayFault: it is something else.
    """
    if answer.redirected or not answer.body:
        return answer.body.decode(errors="replace")
    body = answer.json()
    if not isinstance(body, dict) or not isinstance(body.get(key, ...), str | None):
        raise GatewayFault(f"the gateway answered without {key}", status=answer.status, next_step=NOT_A_GATEWAY)
    return body[key] or ""


def event_text(event: JobEvent) -> str:
    code, message = event.data.get("code"), event.data.get("message") or event.data.get("exception")
    details = event.data.get("args")
    return f"[{code}] {message}" + (f" {details}" if details else "")


def error_lines(log: str) -> str:
    """From the last traceback on, else the last lines."""
    lines = lines_of(log.rstrip())
    starts = [number for number, line in enumerate(lines) if "Traceback (most recent call last)" in line]
    tail = lines[starts[-1] :] if starts else lines
    return "\n".join(tail[-_ERROR_LINES:])
