"""Work that takes the processor, kept out of the event loop's way and out of the default threads' way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

T = TypeVar("T")

AT_ONCE = 2
"""They share one interpreter: more would not be done sooner, and every one makes the event loop wait 5 ms."""

_limiter: RunVar[anyio.CapacityLimiter] = RunVar("computing")


async def computed(work: Callable[[], T]) -> T:
    """What the work gives, done in a thread; whoever is cancelled meanwhile does not wait for it.

    Not in one of anyio's default threads: an MCP server's pipes need those to be read and written at all.
    """
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(AT_ONCE)
        _limiter.set(limiter)
    return await anyio.to_thread.run_sync(work, limiter=limiter, abandon_on_cancel=True)
