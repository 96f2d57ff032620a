"""The core's client as the tools hold it: made on first use, shared by all calls, closed with the server."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import TaskGroup
from mcp.server.mcpserver import Context

from qiskit_functions_core import Account
from qiskit_functions_core.concurrency import run_in_thread

from .settings import Settings

if TYPE_CHECKING:
    from qiskit_functions_core import FunctionsClient


class Connection:
    """One account's client, opened by the first call that needs it, so that a server starts in no time.

    All sessions of one server share it; it is closed when the last of them has ended.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = anyio.Lock()
        self._stack = AsyncExitStack()
        self._client: FunctionsClient | None = None
        self._sessions = 0

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """One more; with it ends what it has started."""
        self._sessions += 1
        try:
            async with anyio.create_task_group() as background:
                yield Session(self, background)
                background.cancel_scope.cancel()
        finally:
            self._sessions -= 1
            if not self._sessions:
                await self._close()

    async def client(self) -> FunctionsClient:
        """Raises AccountError or EmbeddedGatewayError, at each call anew while the cause lasts."""
        async with self._lock:
            if self._client is None:
                client: FunctionsClient = (await run_in_thread(_load_core)).FunctionsClient(
                    self._account(),
                    home=self.settings.home,
                    local_usage_limit=self.settings.local_usage_limit_seconds,
                    allowed_folders=self.settings.folders,
                )
                self._client = await self._stack.enter_async_context(client)
            return self._client

    def _account(self) -> Account:
        chosen = self.settings
        return Account.resolve(
            channel=chosen.channel,
            host=chosen.host,
            # No setting, so that nothing that shows settings shows it, but of one source with them.
            token=os.environ.get("QISKIT_FUNCTIONS_TOKEN", ""),
            instance=chosen.instance,
            name=chosen.account,
        )

    async def _close(self) -> None:
        self._client = None
        await self._stack.aclose()


def _load_core() -> Any:
    """Not before it is needed: httpx costs a start that only lists tools a tenth of a second."""
    core = import_module("qiskit_functions_core.client")
    # What imports make stays, and looking through it for garbage takes 50 ms each time.
    gc.freeze()
    return core


@dataclass
class Session:
    """One client's time with the server.

    Attributes:
        background: what goes on beside its calls.
        subscriptions: how to end each, by the resource's address.
    """

    connection: Connection
    background: TaskGroup
    subscriptions: dict[str, anyio.CancelScope] = field(default_factory=dict)

    def start(self, work: Callable[[], Awaitable[None]]) -> anyio.CancelScope:
        """Let something go on until it or the session ends; gives what ends it before."""
        scope = anyio.CancelScope()

        async def run() -> None:
            with scope:
                await work()

        self.background.start_soon(run)
        return scope


Ctx = Context[Session]


def connection(ctx: Ctx) -> Connection:
    return ctx.request_context.lifespan_context.connection
