"""Work that takes the processor does not stand in the way of pipes and loops."""

from __future__ import annotations

import threading

import anyio
import anyio.to_thread
import pytest

from qiskit_functions_core.concurrency import THREADS, run_in_thread
from support.serving import eventually


async def test_much_work_leaves_the_default_threads_free() -> None:
    begun, release = list[int](), threading.Event()

    def work() -> None:
        begun.append(1)
        release.wait(60)

    async def under_way() -> bool:
        return len(begun) == THREADS

    async with anyio.create_task_group() as group:
        for _ in range(45):
            group.start_soon(run_in_thread, work)
        await eventually(under_way)
        assert await anyio.to_thread.run_sync(lambda: "free") == "free"
        assert len(begun) == THREADS
        release.set()
    assert len(begun) == 45


async def test_a_cancelled_caller_does_not_wait_for_the_work() -> None:
    begun, release = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        release.wait(60)

    async def under_way() -> bool:
        return begun.is_set()

    async with anyio.create_task_group() as group:
        group.start_soon(run_in_thread, work)
        await eventually(under_way)
        group.cancel_scope.cancel()
    assert not release.is_set()
    release.set()


async def test_results_and_errors_reach_the_caller() -> None:
    assert await run_in_thread(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        await run_in_thread(lambda: 1 // 0)
