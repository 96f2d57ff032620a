"""Several questions at the same time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import anyio

T = TypeVar("T")


async def together(questions: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """All answers, in the order of the questions; the first error as itself instead of in a group."""
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
