"""Where in the arguments a value stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from ..errors import LiteralError
from . import json_pointer as pointer
from .limits import Limits


@dataclass(frozen=True)
class Place:
    """Where in the arguments a literal stands, and what it may do there.

    Attributes:
        pointer: JSON pointer of what is being read.
        example: a correct literal of its kind, for errors.
        folders: where ``$file`` may read.
    """

    limits: Limits
    pointer: str = ""
    example: str = ""
    folders: tuple[Path, ...] = ()

    def child(self, token: str | int) -> Place:
        return replace(self, pointer=pointer.join(self.pointer, token))

    def fail(self, message: str, next_step: str = "") -> NoReturn:
        raise LiteralError(self.pointer, message, next_step=next_step or f"Write it like {self.example}")
