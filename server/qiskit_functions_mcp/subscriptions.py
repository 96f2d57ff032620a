"""Subscriptions to a job's resources, in both protocol eras.

Up to 2025-11-25 a client sends ``resources/subscribe``, which the SDK's server does not serve itself; from 2026-07-28
on it keeps a ``subscriptions/listen`` stream open. Either way the job is polled while a client is subscribed, and all
that watch one job share its polling. Other resources do not change by themselves and cannot be subscribed to.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
from mcp.server import MCPServer
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    EmptyResult,
    ResourceUpdatedNotification,
    ResourceUpdatedNotificationParams,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from qiskit_functions_core import Job
from qiskit_functions_core.errors import QiskitFunctionsError

from .replies.uris import SCHEME
from .sdk import lowlevel_server
from .session import Session
from .tasks import TaskNotification, detailed, job_of_task, require_declaration

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

        async def changed(_: Job) -> None:
            await ctx.session.send_resource_updated(uri)

        session.subscriptions[uri] = session.start(partial(_watch, session, job, changed))
    return EmptyResult()


async def _unsubscribe(ctx: Request, params: UnsubscribeRequestParams) -> EmptyResult:
    scope = ctx.lifespan_context.subscriptions.pop(str(params.uri), None)
    if scope:
        scope.cancel()
    return EmptyResult()


async def _listen(ctx: Request, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
    """Serve a stream of those of the wanted URIs and tasks that are existing jobs, until the client closes it.

    The SDK's own handler knows no extensions, and acknowledges changes of lists, which never change here.
    """
    session, wanted = ctx.lifespan_context, params.notifications
    task_ids = (wanted.model_extra or {}).get("taskIds") or []
    if not isinstance(task_ids, list):
        raise MCPError(code=INVALID_PARAMS, message="taskIds is not a list")
    if task_ids:
        require_declaration(ctx)
    uris, tasks = dict[str, Job](), dict[str, Job]()
    for uri in (wanted.resource_subscriptions or [])[:MOST]:
        try:
            uris[uri] = await _job(session, uri)
        except MCPError as error:
            logger.info("no subscription to %s: %s", uri, error)
    for task_id in task_ids[:MOST]:
        try:
            _, tasks[task_id] = await job_of_task(ctx, str(task_id))
        except MCPError as error:
            logger.info("no subscription to task %s: %s", task_id, error)
    honored = SubscriptionFilter(resource_subscriptions=list(uris) or None)
    if tasks:
        honored = SubscriptionFilter.model_validate({**honored.model_dump(), "taskIds": list(tasks)})
    meta = {SUBSCRIPTION_ID_META_KEY: ctx.request_id}
    acknowledged = SubscriptionsAcknowledgedNotificationParams(notifications=honored, _meta=meta)
    await _send(ctx, SubscriptionsAcknowledgedNotification(params=acknowledged))

    async def resource_changed(uri: str, _: Job) -> None:
        await _send(ctx, ResourceUpdatedNotification(params=ResourceUpdatedNotificationParams(uri=uri, _meta=meta)))

    async def task_changed(job: Job) -> None:
        task = await detailed(ctx, await session.client(), job)
        await _send(ctx, TaskNotification(params={**task, "_meta": meta}))

    async with anyio.create_task_group() as watches:
        for uri, job in uris.items():
            watches.start_soon(_watch, session, job, partial(resource_changed, uri))
        for job in tasks.values():
            watches.start_soon(_watch, session, job, task_changed)
        await anyio.sleep_forever()
    raise AssertionError("unreachable: the client ends the stream")


async def _send(ctx: Request, notification: Any) -> None:
    """Send a notification on the request's own stream. The SDK's type does not list those of extensions."""
    await ctx.session.send_notification(notification, related_request_id=ctx.request_id)


async def _job(session: Session, uri: str) -> Job:
    """Return the job of a resource; raise ``MCPError`` if the URI is not one of an existing job."""
    found = _JOB_URI.fullmatch(uri)
    if not found:
        raise MCPError(code=INVALID_PARAMS, message=f"only jobs can be subscribed to, as {SCHEME}/jobs/{{job_id}}")
    try:
        return await (await session.client()).jobs.get(found[1])
    except QiskitFunctionsError as error:
        raise MCPError(code=INVALID_PARAMS, message=error.message) from error


async def _watch(session: Session, known: Job, notify: Callable[[Job], Awaitable[None]]) -> None:
    """Notify the client of each change since ``known``."""
    last = known.status, known.sub_status
    try:
        async for job in (await session.client()).jobs.watch(known.id):
            if (job.status, job.sub_status) != last:
                last = job.status, job.sub_status
                await notify(job)
    except QiskitFunctionsError as error:
        logger.warning("job %s can no longer be watched: %s", known.id, error.message)
