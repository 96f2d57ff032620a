"""Several awaitables at the same time, and CPU-bound work in threads, off the event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

T = TypeVar("T")

THREADS = 2
"""Threads for CPU-bound work. They share one interpreter: more would not finish sooner, and each one makes the event
loop wait 5 ms."""

_limiter: RunVar[anyio.CapacityLimiter] = RunVar("CPU threads")


async def run_in_thread(work: Callable[[], T]) -> T:
    """Call CPU-bound work in a thread, and return what it returns.

    A caller that is cancelled does not wait for it. The thread is not one of anyio's default threads, which an MCP
    server needs to read and write its pipes.
    """
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(THREADS)
        _limiter.set(limiter)
    return await anyio.to_thread.run_sync(work, limiter=limiter, abandon_on_cancel=True)


async def gather(questions: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Await all of them at the same time, and return their results in order.

    The first error cancels the others and is raised itself, not in a group.
    """
    answers: dict[int, T] = {}

    async def keep(number: int, question: Callable[[], Awaitable[T]]) -> None:
        answers[number] = await question()

    try:
        async with anyio.create_task_group() as group:
            for number, question in enumerate(questions):
                group.start_soon(keep, number, question)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [answers[number] for number in sorted(answers)]
