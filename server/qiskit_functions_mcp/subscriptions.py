"""Subscriptions to a job's resources, in both protocol eras.

Up to 2025-11-25 a client sends ``resources/subscribe``, which the SDK's server does not serve itself; from 2026-07-28
on it keeps a ``subscriptions/listen`` stream open. Either way the job is polled while a client is subscribed, and all
that watch one job share its polling. Other resources do not change by themselves and cannot be subscribed to.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from mcp.server import MCPServer
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourceUpdated
from mcp_types import (
    INVALID_PARAMS,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from qiskit_functions_core import Job
from qiskit_functions_core.errors import QiskitFunctionsError

from .replies.uris import SCHEME
from .sdk import lowlevel_server
from .session import Session

logger = logging.getLogger(__name__)

_JOB_URI = re.compile(rf"{re.escape(SCHEME)}/jobs/([^/]+)(/result|/logs)?")

MOST = 100
"""Subscriptions of one client; each of them makes the server poll the gateway."""

Request = ServerRequestContext[Session, Any]


def add_subscriptions(server: MCPServer[Session]) -> None:
    """Serve subscriptions in both eras."""
    methods = lowlevel_server(server)  # MCPServer itself takes no handlers for these
    methods.add_request_handler("resources/subscribe", SubscribeRequestParams, _subscribe)
    methods.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, _unsubscribe)
    methods.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, _listen)


async def _subscribe(ctx: Request, params: SubscribeRequestParams) -> EmptyResult:
    session, uri = ctx.lifespan_context, str(params.uri)
    if uri not in session.subscriptions:
        if len(session.subscriptions) >= MOST:
            raise MCPError(code=INVALID_PARAMS, message=f"more than {MOST} subscriptions at once")
        job = await _job(session, uri)
        session.subscriptions[uri] = session.start(
            partial(_watch, session, job, partial(ctx.session.send_resource_updated, uri))
        )
    return EmptyResult()


async def _unsubscribe(ctx: Request, params: UnsubscribeRequestParams) -> EmptyResult:
    scope = ctx.lifespan_context.subscriptions.pop(str(params.uri), None)
    if scope:
        scope.cancel()
    return EmptyResult()


async def _listen(ctx: Request, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
    """Serve the SDK's stream for those of the wanted URIs that are of existing jobs."""
    session, bus = ctx.lifespan_context, InMemorySubscriptionBus()
    jobs = dict[str, Job]()
    for uri in (params.notifications.resource_subscriptions or [])[:MOST]:
        try:
            jobs[uri] = await _job(session, uri)
        except MCPError as error:
            logger.info("no subscription to %s: %s", uri, error)
    wanted = params.notifications.model_copy(update={"resource_subscriptions": list(jobs) or None})
    with ExitStack() as watches:
        for uri, job in jobs.items():
            notify = partial(bus.publish, ResourceUpdated(uri=uri))
            watches.callback(session.start(partial(_watch, session, job, notify)).cancel)
        return await ListenHandler(bus)(ctx, params.model_copy(update={"notifications": wanted}))


async def _job(session: Session, uri: str) -> Job:
    """Return the job of a resource; raise ``MCPError`` if the URI is not one of an existing job."""
    found = _JOB_URI.fullmatch(uri)
    if not found:
        raise MCPError(code=INVALID_PARAMS, message=f"only jobs can be subscribed to, as {SCHEME}/jobs/{{job_id}}")
    try:
        return await (await session.client()).jobs.get(found[1])
    except QiskitFunctionsError as error:
        raise MCPError(code=INVALID_PARAMS, message=error.message) from error


async def _watch(session: Session, known: Job, notify: Callable[[], Awaitable[None]]) -> None:
    """Notify the client of each change since ``known``."""
    last = known.status, known.sub_status
    try:
        async for job in (await session.client()).jobs.watch(known.id):
            if (job.status, job.sub_status) != last:
                last = job.status, job.sub_status
                await notify()
    except QiskitFunctionsError as error:
        logger.warning("job %s can no longer be watched: %s", known.id, error.message)
