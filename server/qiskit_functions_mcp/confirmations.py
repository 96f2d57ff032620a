"""Tokens with which an assistant passes on that the person agreed, where the client cannot ask the person itself."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LIFETIME_SECONDS = 300
"""Long enough for a person to read and answer, short enough that a forgotten token is useless."""

MAX_CALLS = 100
MAX_CHARACTERS = 64 * 1024**2
"""Of the arguments of all calls that wait for an answer, as JSON; the oldest are forgotten first. The largest that a
gateway takes has 50 MB."""


@dataclass(frozen=True)
class ConfirmableCall:
    """A call that waits for the person's consent.

    Attributes:
        about: what the person was asked to agree to, with the digest of its content.
        characters: size of the arguments.
        expires: by the monotonic clock, which cannot be set back.
    """

    tool: str
    arguments: Mapping[str, Any]
    about: str
    characters: int
    expires: float


class Confirmations:
    """The calls that wait for consent; a token stands for one of them, and is good for one use.

    They are kept in memory only, so a token of another server process is never valid here.
    """

    def __init__(self) -> None:
        self._calls: dict[str, ConfirmableCall] = {}

    def issue(self, tool: str, arguments: Mapping[str, Any], about: str) -> str:
        """Return a new token for a call of ``tool`` with these arguments. No two tokens are the same."""
        token = secrets.token_hex(8)
        size = len(json.dumps(dict(arguments), default=str))
        self._calls[token] = ConfirmableCall(tool, arguments, about, size, time.monotonic() + LIFETIME_SECONDS)
        while len(self._calls) > MAX_CALLS or sum(call.characters for call in self._calls.values()) > MAX_CHARACTERS:
            del self._calls[next(iter(self._calls))]
        return token

    def find(self, token: str) -> ConfirmableCall | None:
        """Return the call that a token stands for; None if it was used, has expired or was never issued."""
        now = time.monotonic()
        self._calls = {token: call for token, call in self._calls.items() if call.expires > now}
        return self._calls.get(token)

    def take(self, token: str) -> ConfirmableCall | None:
        """Return the call as ``find`` does, and mark the token as used."""
        call = self.find(token)
        self._calls.pop(token, None)
        return call
