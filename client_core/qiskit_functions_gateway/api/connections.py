"""Limits and deadlines for connections, which uvicorn lacks: it waits without end for the rest of a request.

Without them 300 half requests, for which no token is needed, use up all descriptors of the process.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE_SECONDS = 10.0
"""How long a request may take to begin, and its body to bring the next ``_PROGRESS_BYTES``; at most twice as long,
because it is looked at so often. It is longer than uvicorn keeps an idle connection, and clients send at once."""

_PROGRESS_BYTES = 1024

_MOST_CONNECTIONS = 200
"""More than all clients of one machine need; each takes a descriptor and some 20 KB."""

_BACKLOG = 32
"""How many connections asyncio accepts in one turn; three turns go by before the first of them is counted."""


def _most_connections() -> int:
    """Return how many connections are open at most: of few descriptors a quarter, as files and jobs need some too."""
    if sys.platform == "win32":
        return _MOST_CONNECTIONS
    import resource  # which Windows lacks

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(16, min(_MOST_CONNECTIONS, soft // 4))


class BoundedConnection(H11Protocol):
    """A connection that is closed when its request does not come on, or when it is one too many.

    Of too many, one that waits for a request goes first, the oldest before the others; so requests that are being
    answered go on, and new ones are heard.
    """

    patience_seconds = PATIENCE_SECONDS
    most = _most_connections()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._received = self._received_before = 0
        self._stage_before: tuple[object, bool] = None, False
        self._opened = self.loop.time()
        self._timer = self.loop.call_later(self.patience_seconds, self._check)
        # Those that were told to close are still listed until the next turn of the loop.
        ours = [each for each in self.connections if isinstance(each, BoundedConnection)]
        still_open = [each for each in ours if not each.transport.is_closing()]
        if len(still_open) > self.most:
            waiting = [each for each in still_open if not each._is_answering]
            min(waiting or [self], key=lambda each: each._opened).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        try:
            super().data_received(data)
        except h11.LocalProtocolError:
            # uvicorn wants to answer nonsense with 400, while it is still answering the request before.
            self.transport.abort()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _check(self) -> None:
        """Close the connection if it has brought too little since the last look, and it is not our turn."""
        stage = self.cycle, self._is_answering
        is_new = stage != self._stage_before
        progress = self._received - self._received_before
        if self._is_answering:
            is_our_turn = not self.cycle.more_body or self.flow.read_paused
            is_stalled = not is_our_turn and not is_new and progress < _PROGRESS_BYTES
        else:
            is_stalled = not is_new
        if is_stalled:
            self.transport.abort()
            return
        self._stage_before, self._received_before = stage, self._received
        self._timer = self.loop.call_later(self.patience_seconds, self._check)


UVICORN: dict[str, Any] = {
    "access_log": False,
    "backlog": _BACKLOG,
    "http": BoundedConnection,
    "lifespan": "off",
    "log_config": None,  # the program decides where its log goes
    "ws": "none",
}
"""Settings of every server of ours."""
