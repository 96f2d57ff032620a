"""Changes of jobs, told to those who subscribed to a job's resource, in both protocol eras.

Up to 2025-11-25 a client sends ``resources/subscribe``, which the SDK's server leaves to us; later ones keep a
``subscriptions/listen`` stream open. Either way the job is watched while somebody is subscribed, whether a tool
waits for it or not, and all who watch one job share its polling. Nothing else here changes by itself.
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

_OF_A_JOB = re.compile(rf"{re.escape(SCHEME)}/jobs/([^/]+)(/result|/logs)?")

MOST = 100
"""Subscriptions of one client; each job among them is a request to the gateway now and then."""

Request = ServerRequestContext[Session, Any]


def add_subscriptions(server: MCPServer[Session]) -> None:
    """Serve them in both eras."""
    methods = lowlevel_server(server)
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
    """The SDK's stream, which acknowledges what it will tell of: jobs that there are."""
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
            tell = partial(bus.publish, ResourceUpdated(uri=uri))
            watches.callback(session.start(partial(_watch, session, job, tell)).cancel)
        return await ListenHandler(bus)(ctx, params.model_copy(update={"notifications": wanted}))


async def _job(session: Session, uri: str) -> Job:
    """Raises MCPError when the address is not that of a job's resource."""
    found = _OF_A_JOB.fullmatch(uri)
    if not found:
        raise MCPError(code=INVALID_PARAMS, message=f"only jobs change by themselves, as {SCHEME}/jobs/{{job_id}}")
    try:
        return await (await session.client()).jobs.get(found[1])
    except QiskitFunctionsError as error:
        raise MCPError(code=INVALID_PARAMS, message=error.message) from error


async def _watch(session: Session, known: Job, tell: Callable[[], Awaitable[None]]) -> None:
    """Tell of each change since ``known``."""
    told = known.status, known.sub_status
    try:
        async for job in (await session.client()).jobs.watch(known.id):
            if (job.status, job.sub_status) != told:
                told = job.status, job.sub_status
                await tell()
    except QiskitFunctionsError as error:
        logger.warning("job %s is no longer watched: %s", known.id, error.message)
