"""What calls share: one client of the core for a server, and one session for each MCP client of it."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import TaskGroup
from mcp.server.mcpserver import Context

from qiskit_functions_core.concurrency import run_in_thread

from .confirmations import Confirmations
from .settings import Settings

if TYPE_CHECKING:
    from qiskit_functions_core import FunctionsClient

_TURN_SECONDS = 15.0
"""How long a call waits for its turn with Qiskit values. With the 40 s that the values themselves may take, it ends
before the 60 s after which many clients give a call up."""


class SharedClient:
    """The account's ``FunctionsClient``, opened by the first call that needs it.

    All sessions of a server share it. It is closed when the last of them ends.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = anyio.Lock()
        self._stack = AsyncExitStack()
        self._client: FunctionsClient | None = None
        self._holders = 0

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keep the client open; the last holder to leave closes it."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                self._client = None
                await self._stack.aclose()

    async def get(self) -> FunctionsClient:
        """Return the client, after opening it if needed.

        Raises:
            AccountError: the credentials are missing or incomplete.
            EmbeddedGatewayError: the gateway of this machine cannot start. Either error is raised again by each
                call until its cause is gone.
        """
        async with self._lock:
            if self._client is None:
                # Imported late because a start that only lists tools would spend 0.1 s on httpx.
                core = await run_in_thread(partial(import_module, "qiskit_functions_core.client"))
                # What imports create stays alive; without this, each full collection walks it for 50 ms.
                gc.freeze()
                client: FunctionsClient = core.FunctionsClient(
                    self.settings.resolved_account(),
                    home=self.settings.home,
                    local_usage_limit=self.settings.local_usage_limit_seconds,
                    allowed_folders=self.settings.folders,
                    worker_limits=core.WorkerLimits(turn_seconds=_TURN_SECONDS),
                )
                self._client = await self._stack.enter_async_context(client)
                await client.start_worker()
            return self._client


@dataclass
class Session:
    """The time that one MCP client is connected to the server.

    Attributes:
        shared_client: the core's client, shared with other sessions.
        confirmations: the tokens with which a person's consent is passed on, shared with other sessions.
        background: runs what goes on between calls; it is cancelled when the session ends.
        subscriptions: the cancel scope of each subscription, by the resource's URI.
        has_answered: whether this client has answered a question, and so shows them.
        free_uploads: by function, whether the person allowed uploads of it without a question, for this session.
    """

    shared_client: SharedClient
    confirmations: Confirmations
    background: TaskGroup
    subscriptions: dict[str, anyio.CancelScope] = field(default_factory=dict)
    has_answered: bool = False
    free_uploads: dict[str, bool] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def opened(cls, shared_client: SharedClient, confirmations: Confirmations) -> AsyncIterator[Session]:
        """Open a session; leaving it cancels what runs in its background."""
        async with shared_client.held(), anyio.create_task_group() as background:
            yield cls(shared_client, confirmations, background)
            background.cancel_scope.cancel()

    @property
    def settings(self) -> Settings:
        """The server's settings."""
        return self.shared_client.settings

    async def client(self) -> FunctionsClient:
        """Return the shared client; raises as ``SharedClient.get`` does."""
        return await self.shared_client.get()

    def start(self, work: Callable[[], Awaitable[None]]) -> anyio.CancelScope:
        """Run ``work`` in the background; return the scope that cancels it before the session ends."""
        scope = anyio.CancelScope()

        async def run() -> None:
            with scope:
                await work()

        self.background.start_soon(run)
        return scope


Ctx = Context[Session]
"""The context that the SDK hands to tools, resolvers and resource templates."""


def session_of(ctx: Ctx) -> Session:
    """Return the session that a call belongs to."""
    return ctx.request_context.lifespan_context


def call_of(ctx: Ctx) -> tuple[str, dict[str, Any]]:
    """Return the tool and the arguments of a call as the client sent them, without defaults and nulls."""
    params = ctx.request_context.params or {}
    given = params.get("arguments") or {}
    return str(params["name"]), {name: value for name, value in given.items() if value is not None}
