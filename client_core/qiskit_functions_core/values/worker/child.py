"""One child process of a worker, as its parent sees it: started, asked, watched, ended."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from subprocess import PIPE
from typing import Any, Literal, Self

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

logger = logging.getLogger(__name__)

PROGRAM = f"{__package__}.process"

Reason = Literal["cpu", "memory", "time", "size", "crash"]

_WATCH_SECONDS = 0.1
"""A child that fills a gigabyte of memory a second is stopped within 100 MiB of its limit."""

_DIAGNOSIS_BYTES = 4_096
"""A traceback's last frames."""

_ENDING_SECONDS = 2.0
"""A process that has closed its output has ended a moment later."""

_KEPT_VARIABLES = (
    *("PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "LOCALAPPDATA", "TMPDIR", "TEMP", "TMP", "LANG", "LC_ALL", "TZ"),
    *("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "MPLCONFIGDIR", "XDG_CACHE_HOME"),
    *("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"),  # without them, OpenBLAS fails on some processors
)
_SET_VARIABLES = {
    # One thread each: a task has one processor, and every thread of these libraries reserves tens of megabytes.
    **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1"),
    "QISKIT_PARALLEL": "FALSE",
    # Qiskit's allocator would otherwise claim a gigabyte in advance, which the limit on memory counts.
    "MIMALLOC_ARENA_EAGER_COMMIT": "0",
    "MPLBACKEND": "agg",
    "PYTHONUTF8": "1",
}


@dataclass(frozen=True)
class WorkerLimits:
    """What one task may take. A task that takes more ends with its child, and its caller gets ``ValueTooCostly``.

    Attributes:
        cpu_seconds: of processor time, in whole seconds where the kernel counts. The largest real results (arrays of
            100 MB, 1,000 circuits) take 5 to 10 s.
        memory: bytes of data. A text of 140 MB is held three times while it is read, beside the arrays in it.
        seconds: in all, with the start of a child. It leaves 20 s for everything else before the 60 s after which
            many MCP clients give up a call.
        turn_seconds: how long a task waits for its turn while others are done; its caller gets ``ValuesBusy`` then. A
            script has time, and so no limit.
        idle_seconds: how long a child waits for the next task. An assistant that works through results asks again
            within half a minute; starting again costs a second.
        answer_bytes: of one message. A summary has at most 250,000 characters, each of 6 bytes in JSON at worst.
        file_bytes: of a picture, or of encoded arguments, of which a gateway takes 2.5 MB.
    """

    cpu_seconds: float = 30.0
    memory: int = 2 * 2**30
    seconds: float = 40.0
    turn_seconds: float = math.inf
    idle_seconds: float = 60.0
    answer_bytes: int = 2 * 2**20
    file_bytes: int = 16 * 2**20


class Breach(Exception):
    """The child took more than a limit allows and was stopped, or it crashed."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class LeftIdle(Exception):
    """The child ended because it was idle, at the moment when a task came."""


class Child:
    """A process that runs ``process``, with limits set by the kernel or watched from here.

    Attributes:
        diagnosis: the end of what it wrote to its standard error.
    """

    def __init__(self, process: Process, limits: WorkerLimits, *, is_watched: bool) -> None:
        assert process.stdin and process.stdout and process.stderr  # noqa: S101 - pipes, as ``start`` asks for
        self._process = process
        self._stdin: ByteSendStream = process.stdin
        self._stderr: ByteReceiveStream = process.stderr
        self._stdout = BufferedByteReceiveStream(process.stdout)
        self._limits = limits
        self._is_watched = is_watched
        self.diagnosis = bytearray()

    @classmethod
    async def start(
        cls, limits: WorkerLimits, program: str = PROGRAM, *, is_watched: bool, in_advance: bool = False
    ) -> Self:
        """Start a process.

        Args:
            limits: what it may take.
            program: the module that it runs.
            is_watched: whether the process that starts it enforces the limits on CPU and memory, not the kernel.
            in_advance: whether it loads what most tasks need before it has one.
        """
        settings = {
            "cpu_seconds": None if is_watched else limits.cpu_seconds,
            "memory": None if is_watched else limits.memory,
            "idle_seconds": limits.idle_seconds,
            "in_advance": in_advance,
        }
        process = await anyio.open_process(
            [sys.executable, "-P", "-m", program, json.dumps(settings)],
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ} | _SET_VARIABLES,
            start_new_session=True,
        )
        return cls(process, limits, is_watched=is_watched)

    async def ask(self, message: bytes) -> dict[str, Any]:
        """Send one line and return the object that comes back.

        Raises:
            Breach: there is none, because the process was stopped or ended. It must not be asked again.
            LeftIdle: it had ended before.
        """
        breach: Breach | None = None

        async def watch() -> None:
            nonlocal breach
            breach = await self._broken_limit()
            self._kill()

        line = b""
        async with anyio.create_task_group() as group:
            group.start_soon(self._keep_diagnosis)
            if self._is_watched:
                group.start_soon(watch)
            try:
                await self._stdin.send(message)
                line = await self._stdout.receive_until(b"\n", self._limits.answer_bytes)
            except anyio.DelimiterNotFound:
                breach = Breach("size", f"gave an answer of more than {self._limits.answer_bytes:,} bytes")
            except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError, OSError):
                pass  # it has ended; its exit code tells why
            group.cancel_scope.cancel()
        if breach:
            raise breach
        if not line:
            raise await self._end()
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Breach("crash", "ended with an answer that is not one")
        if answer.get("breach"):
            raise Breach("memory" if answer["breach"] == "memory" else "crash", str(answer.get("message"))[:500])
        return answer

    async def kill(self) -> None:
        """End the process, and what it has started, now."""
        with anyio.CancelScope(shield=True):
            self._kill()
            await self._process.aclose()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            if hasattr(os, "killpg") and self._process.returncode is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    async def _keep_diagnosis(self) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async for part in self._stderr:
                self.diagnosis += part
                del self.diagnosis[:-_DIAGNOSIS_BYTES]

    async def _broken_limit(self) -> Breach:
        """Return when the process has taken more than a task may."""
        import psutil  # where the kernel watches, nothing needs it

        process = psutil.Process(self._process.pid)
        used = sum(process.cpu_times()[:2])
        try:
            while True:
                await anyio.sleep(_WATCH_SECONDS)
                if sum(process.cpu_times()[:2]) - used > self._limits.cpu_seconds:
                    return self._too_much_cpu()
                if process.memory_info().rss > self._limits.memory:
                    return self._too_much_memory()
        except psutil.Error:  # it has ended
            await anyio.sleep_forever()
            raise AssertionError("unreachable") from None

    async def _end(self) -> Breach | LeftIdle:
        """Why the process, which has closed its output, has ended."""
        code = None
        with anyio.move_on_after(_ENDING_SECONDS):
            await self._keep_diagnosis()
            code = await self._process.wait()
        if code == 0:
            return LeftIdle()
        if hasattr(signal, "SIGXCPU") and code == -signal.SIGXCPU:
            return self._too_much_cpu()
        if b"memory allocation of" in self.diagnosis:  # Rust's last words before it aborts
            return self._too_much_memory()
        how = "closed its output" if code is None else f"exit code {code}"
        if code is not None and code < 0:
            how = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return Breach("crash", f"ended the process that did it ({how})")

    def _too_much_cpu(self) -> Breach:
        return Breach("cpu", f"took more than {self._limits.cpu_seconds:g} s of the processor and was stopped")

    def _too_much_memory(self) -> Breach:
        return Breach("memory", f"took more than {self._limits.memory / 2**20:,.0f} MiB of memory and was stopped")
