"""Qiskit values, handled in a child process that a hostile or enormous value can end without harm.

Nothing here imports Qiskit or NumPy, so a server that reads results stays small. ``tasks`` is what the child does.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anyio

from ...concurrency import run_in_thread
from ...errors import GatewayFault, InputError, LiteralError, QiskitFunctionsError, ValuesBusy, ValueTooCostly
from ...job_texts import LogPart, LogQuery, StoredText
from ..limits import Limits
from ..result_query import ResultQuery
from .child import PROGRAM, Breach, Child, LeftIdle, WorkerLimits
from .handover import Handover, new_file, remove_abandoned

if TYPE_CHECKING:
    from ..summary_models import Picture, Summary

logger = logging.getLogger(__name__)

_CHILDREN = 2
"""One does the work. The second is for the others' values while a slow or hostile one holds the first; a third would
find no processor on a machine of two cores, which the server and the gateway need as well."""

_HELD_UP_SECONDS = 2.0
"""A value takes tenths of a second. What takes longer than this holds up those behind it, and a second child, with its
150 MiB, is worth starting."""

_ERRORS: dict[str, type[QiskitFunctionsError]] = {cls.code: cls for cls in (InputError, LiteralError, GatewayFault)}
"""What a task may raise for its caller."""


@dataclass(frozen=True)
class EncodedArguments:
    """The arguments of a run, as they are sent.

    Attributes:
        text: JSON.
        active_qubits: the most qubits that a circuit in them uses; 0 without one, and for objects of this process.
    """

    text: str
    active_qubits: int = 0


@dataclass(frozen=True)
class ReadResult:
    """What a result, or the part of it at a pointer, holds.

    Attributes:
        picture: None if none was asked for.
        saved: what was written to which file; None if nothing was.
    """

    summary: Summary
    picture: Picture | None = None
    saved: str | None = None


class Worker:
    """Handles Qiskit values in a child process, which is started when it is needed and ends when it is idle.

    Tasks run one at a time, in the order in which they were asked for; while one takes long, a second child takes the
    others. A child that was stopped, or that crashed, is replaced. A caller that is cancelled takes its child with it:
    starting another costs the next caller a second, waiting for an abandoned task could cost 40.

    Args:
        watches: whether this process watches the child's CPU and memory instead of the kernel. Linux limits both
            precisely; macOS limits no memory, Windows neither.
        program: the module that the child runs.
    """

    def __init__(
        self,
        limits: WorkerLimits | None = None,
        *,
        watches: bool = sys.platform != "linux",
        program: str = PROGRAM,
    ) -> None:
        self.limits = limits or WorkerLimits()
        self._watches = watches
        self._program = program
        self._idle: list[Child] = []
        self._first_in_line = anyio.Lock()
        self._running: list[float] = []
        self._freed = anyio.Event()

    async def start(self) -> None:
        """Start a child in advance, which loads what most tasks need; where that fails, the first task tries again."""
        if self._idle or self._running:
            return
        with suppress(OSError), anyio.CancelScope(shield=True):  # as in _ask
            child = await Child.start(self.limits, self._program, is_watched=self._watches, in_advance=True)
            self._idle.append(child)

    async def aclose(self) -> None:
        """End the idle children; one that does a task ends with its caller."""
        while self._idle:
            await self._idle.pop().kill()

    async def encode_arguments(
        self, arguments: Mapping[str, Any], *, allowed_folders: Sequence[Path] = ()
    ) -> EncodedArguments:
        """Encode the arguments of a run; see ``values.encode_arguments``.

        The child does it for literals and encoded values. Plain JSON needs no Qiskit, and Qiskit objects are only
        there where the caller's process has loaded Qiskit: both are encoded here.

        Raises:
            LiteralError: a literal or an encoded value cannot be read.
            InputError: there is an object that functions could not decode, or a key that JSON lacks.
            ValueTooCostly: encoding takes too much.
            ValuesBusy: others take too long.
        """
        kind = await run_in_thread(partial(_kind_of_arguments, arguments))
        if kind == "json":
            return EncodedArguments(await run_in_thread(partial(json.dumps, arguments)))
        if kind == "objects":
            # Imports Qiskit, in the caller's thread and not in one that ends: see encode_arguments.
            from .. import object_encoding  # noqa: F401
            from ..encoding import encode_arguments

            encode = partial(encode_arguments, dict(arguments), allowed_folders=allowed_folders)
            return EncodedArguments(await run_in_thread(encode))
        async with Handover() as files:
            source = await run_in_thread(lambda: files.write("arguments", json.dumps(arguments).encode()))
            target = files.path("encoded")
            qubits = await self._run(
                "encode_arguments",
                "Encoding the arguments",
                "Give smaller values, or upload the data as a file that the function reads.",
                source=str(source),
                target=str(target),
                folders=[str(folder.expanduser().absolute()) for folder in allowed_folders],
            )
            text = (await self._content(target, "The encoded arguments")).decode()
            return EncodedArguments(text, qubits)

    async def read_result(
        self,
        stored: StoredText,
        query: ResultQuery = ResultQuery(),  # noqa: B008 - frozen
        *,
        save_to: Path | None = None,
        arguments: Callable[[], Awaitable[str]] | None = None,
    ) -> ReadResult:
        """Summarise a result, and draw and save it if asked, as ``Jobs.read_result`` does.

        Args:
            arguments: asked only if the result has rows or columns without names: what the job was given, encoded.

        Raises:
            InputError: there is nothing at the query's pointer, it cannot be drawn, or it cannot be saved there.
            GatewayFault: what the gateway stores is not a result.
            ValueTooCostly: reading it takes too much.
            ValuesBusy: others take too long.
        """
        from ..summary_models import Picture, Summary  # 6 ms, which a script that only starts a run saves

        async with AsyncExitStack() as stack:
            picture_file = (await stack.enter_async_context(Handover())).path("picture") if query.draw else None
            save_file = await stack.enter_async_context(new_file(save_to)) if save_to else None
            ask = partial(
                self._run,
                "read_result",
                "Reading the result",
                "Ask for a smaller part of it with a path. If that takes as much, let the function save a smaller "
                "result, or decode the text that jobs.result() gives in a script.",
                stored=stored.as_json(),
                query=asdict(query),
                picture=picture_file and str(picture_file),
                save_to=save_file and str(save_file),
            )
            answer = await ask(arguments=None if arguments else "")
            if answer is None and arguments:
                given = (await arguments()).encode("utf-8", "replace")
                files = await stack.enter_async_context(Handover())
                named = await run_in_thread(partial(files.write, "arguments", given)) if given else ""
                answer = await ask(arguments=str(named))
            picture = None
            if picture_file:
                data, told = await self._content(picture_file, "The picture"), answer["picture"]
                picture = Picture(data, told["mime_type"], told["caption"])
        saved = answer["saved"].replace(str(save_file), str(save_to)) if save_to else None
        return ReadResult(Summary.model_validate(answer["summary"]), picture, saved)

    async def read_log(self, stored: StoredText, query: LogQuery) -> LogPart:
        """Read the part of a log that the query asks for.

        Raises:
            InputError: a regular expression in the query is not one.
            GatewayFault: what the gateway stores is not a log.
            ValueTooCostly: reading it takes too much.
            ValuesBusy: others take too long.
        """
        async with Handover() as files:
            target = files.path("lines")
            answer = await self._run(
                "read_log",
                "Reading the log",
                "Ask for fewer lines, or give a simpler expression.",
                stored=stored.as_json(),
                query=asdict(query),
                target=str(target),
            )
            text = await run_in_thread(partial(target.read_text, encoding="utf-8"))
            return LogPart(text, answer["left_out"], answer["characters_left_out"])

    async def newest_events(self, stored: StoredText) -> list[Any]:
        """Read the newest events of a large listing, as JSON objects: as many as fit into one message.

        Raises:
            GatewayFault: what the gateway sent is not a list of events.
            ValueTooCostly: reading it takes too much.
            ValuesBusy: others take too long.
        """
        events: list[Any] = await self._run(
            "newest_events", "Reading the events", "Read the job's log instead.", stored=stored.as_json()
        )
        return events

    async def _content(self, path: Path, what: str) -> bytes:
        size = (await run_in_thread(path.stat)).st_size
        if size > self.limits.file_bytes:
            raise ValueTooCostly(
                f"{what} would take {size:,} bytes, more than {self.limits.file_bytes:,}",
                reason="size",
                next_step="Give less, or ask for a smaller part.",
            )
        return await run_in_thread(path.read_bytes)

    async def _run(self, task: str, what: str, next_step: str, **arguments: Any) -> Any:
        """Let a child do one of the ``tasks``, and return its answer; ``what`` and ``next_step`` are for errors."""
        message = json.dumps({"task": task, "arguments": arguments}).encode() + b"\n"
        async with self._turn(what):
            try:
                answer = await self._ask(message)
            except Breach as breach:
                raise ValueTooCostly(f"{what} {breach}", reason=breach.reason, next_step=next_step) from None
        if "error" not in answer:
            return answer["answer"]
        # Not made by its constructor, which would add the place to its message once more.
        code, fields = answer["error"]["code"], answer["error"]["fields"]
        error = _ERRORS[code].__new__(_ERRORS[code], fields["message"])
        vars(error).update(fields)
        raise error

    @asynccontextmanager
    async def _turn(self, what: str) -> AsyncIterator[None]:
        """Wait until a child may work for this caller.

        Raises:
            ValuesBusy: it took too long.
        """
        started = None
        with anyio.move_on_after(self.limits.turn_seconds):
            async with self._first_in_line:
                while self._running:
                    may_start_at = inf
                    if len(self._running) < _CHILDREN:
                        may_start_at = min(self._running) + _HELD_UP_SECONDS
                    if anyio.current_time() >= may_start_at:
                        break
                    with anyio.CancelScope(deadline=may_start_at):
                        await self._freed.wait()
                started = anyio.current_time()
                self._running.append(started)
        if started is None:
            raise ValuesBusy(f"{what} was not begun: for {self.limits.turn_seconds:g} s other values had their turn.")
        try:
            yield
        finally:
            self._running.remove(started)
            self._freed.set()
            self._freed = anyio.Event()

    async def _ask(self, message: bytes) -> dict[str, Any]:
        with anyio.move_on_after(self.limits.seconds):
            while True:
                if self._idle:
                    child = self._idle.pop()
                else:
                    await run_in_thread(remove_abandoned)
                    # Cancelled halfway, it would leave a process that is not ended.
                    with anyio.CancelScope(shield=True):
                        child = await Child.start(self.limits, self._program, is_watched=self._watches)
                try:
                    answer = await child.ask(message)
                except BaseException as error:
                    await child.kill()
                    if isinstance(error, LeftIdle):
                        continue
                    if isinstance(error, Breach):
                        logger.warning(
                            "a worker process was replaced: it %s; its last words: %r", error, child.diagnosis
                        )
                    raise
                self._idle.append(child)
                return answer
        raise Breach("time", f"took longer than {self.limits.seconds:g} s and was stopped")


def _kind_of_arguments(arguments: Mapping[str, Any]) -> Literal["json", "literals", "objects"]:
    """What has to be done to encode them.

    Raises:
        LiteralError: they are nested too deeply, as a structure that holds itself is.
    """
    kind: Literal["json", "literals"] = "json"
    stack: list[tuple[Any, int]] = [(arguments, 0)]
    deepest = Limits().max_depth
    while stack:
        value, depth = stack.pop()
        if isinstance(value, Mapping):
            if "__type__" in value or any(str(key).startswith("$") for key in value):
                kind = "literals"
            if not all(isinstance(key, str | int | float | None) for key in value):
                return "objects"
            held: Any = value.values()
        elif isinstance(value, list | tuple):
            held = value
        elif value is None or isinstance(value, str | int | float):
            continue
        else:
            return "objects"
        if depth > deepest:
            raise LiteralError("", f"nested deeper than {deepest}.")
        stack += [(item, depth + 1) for item in held]
    return kind
