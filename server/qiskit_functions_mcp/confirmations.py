"""Tokens with which an assistant passes on that the person agreed, where the client cannot ask the person itself."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
import weakref
from collections.abc import Mapping
from typing import Any

LIFETIME_SECONDS = 300
"""Long enough for a person to read and answer, short enough that a forgotten token is useless."""

_REMEMBERED = 10_000
"""Used tokens that are remembered. They expire long before that many are redeemed."""


class Confirmations:
    """Issues tokens, and redeems each of them once.

    A token is bound to a tool and its exact arguments. The key is random and kept in memory only, so a token that
    another server process issued is never valid here.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        # The call is referenced weakly: its arguments, which may be private and large, are freed when it ends.
        self._redeemed: dict[str, weakref.ref[object]] = {}

    def issue(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Return a new token for a call of ``tool`` with these arguments. No two tokens are the same."""
        head = f"{int(time.time()) + LIFETIME_SECONDS}-{secrets.token_hex(4)}"
        return f"{head}-{self._signature(tool, arguments, head)}"

    def redeem(self, token: str, tool: str, arguments: Mapping[str, Any], call: object) -> bool:
        """Return whether ``token`` is valid for this call, and mark it as used if it is.

        Args:
            call: the object that represents the call. The SDK may run a resolver more than once in a call, so a
                token that was redeemed for the same call is valid again.
        """
        head, _, signature = token.rpartition("-")
        expires = head.partition("-")[0]
        if not expires.isdecimal() or int(expires) < time.time():
            return False
        if not hmac.compare_digest(signature.encode(), self._signature(tool, arguments, head).encode()):
            return False
        redeemed_for = self._redeemed.get(token)
        if redeemed_for and redeemed_for() is not call:
            return False
        self._redeemed[token] = weakref.ref(call)
        while len(self._redeemed) > _REMEMBERED:
            del self._redeemed[next(iter(self._redeemed))]
        return True

    def _signature(self, tool: str, arguments: Mapping[str, Any], head: str) -> str:
        message = json.dumps([tool, dict(arguments), head], sort_keys=True, default=str).encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:32]
