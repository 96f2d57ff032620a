"""Where in the arguments a literal stands, and what it may do there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from ...errors import LiteralError
from .. import json_pointer
from ..limits import Limits


@dataclass(frozen=True)
class LiteralContext:
    """What a literal's reader knows of its surroundings.

    Attributes:
        limits: how large the literal may be.
        pointer: JSON pointer of what is being read.
        example: a correct literal of its kind, for errors.
        folders: where ``$file`` may read.
    """

    limits: Limits
    pointer: str = ""
    example: str = ""
    folders: tuple[Path, ...] = ()

    def child(self, token: str | int) -> LiteralContext:
        """Return the context of a key or an item of what is being read."""
        return replace(self, pointer=json_pointer.join(self.pointer, token))

    def fail(self, message: str, next_step: str = "") -> NoReturn:
        """Refuse the literal.

        Raises:
            LiteralError: always, with the pointer, and the example if there is no other next step.
        """
        raise LiteralError(self.pointer, message, next_step=next_step or f"Write it like {self.example}")


def kind_of(value: object) -> str:
    """Return what JSON calls a value, with its article, for errors."""
    names: dict[type, str] = {dict: "an object", list: "a list", str: "text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
