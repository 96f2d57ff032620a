"""The page that hosts with MCP Apps show in the chat: a job while it runs, then its result.

https://github.com/modelcontextprotocol/ext-apps (``io.modelcontextprotocol/ui``, revision 2026-01-26). The page is
``page.html``, which is built from ``server/page/``. A client that does not declare the extension is offered nothing of
it, so that no model reads of a tool that only the page calls.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer
from mcp.server.apps import APP_MIME_TYPE, Apps, client_supports_apps
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver.resources import FileResource
from mcp_types import ListResourcesResult, ListToolsResult, PaginatedRequestParams

from ..sdk import lowlevel_server

if TYPE_CHECKING:
    from ..session import Session

PAGE_URI = "ui://qiskit-functions/job"

OPENS_PAGE: dict[str, Any] = {"ui": {"resourceUri": PAGE_URI}}
"""``_meta`` of a tool whose calls the page is shown for."""

FOR_THE_PAGE: dict[str, Any] = {"ui": {"visibility": ["app"]}}
"""``_meta`` of a tool that hosts offer to the page only."""


def apps_extension() -> Apps:
    """Return the extension, with the page as its resource. It asks for no origin, so hosts refuse it the network."""
    apps = Apps()
    apps.add_resource(
        FileResource(
            uri=PAGE_URI,
            name="job_page",
            title="A job and its result",
            mime_type=APP_MIME_TYPE,
            # Its charts need a ground to stand on, and copying a table needs the clipboard.
            meta={"ui": {"prefersBorder": True, "permissions": {"clipboardWrite": {}}}},
            path=Path(__file__).with_name("page.html"),
            encoding="utf-8",
        )
    )
    return apps


def offer_page_where_declared(server: MCPServer[Session], *, is_served: bool) -> None:
    """Leave the page, and what belongs to it, out of the lists for clients that do not declare MCP Apps.

    ``MCPServer`` lists the same for every client, so the handlers are replaced.

    Args:
        is_served: whether the server has the page at all.
    """
    methods = lowlevel_server(server)

    async def list_tools(ctx: ServerRequestContext[Session, Any], _: PaginatedRequestParams) -> ListToolsResult:
        tools = await server.list_tools()
        if not (is_served and client_supports_apps(ctx)):
            tools = [tool.model_copy(update={"meta": None}) for tool in tools if tool.meta != FOR_THE_PAGE]
        return ListToolsResult(tools=tools)

    async def list_resources(ctx: ServerRequestContext[Session, Any], _: PaginatedRequestParams) -> ListResourcesResult:
        resources = await server.list_resources()
        if not (is_served and client_supports_apps(ctx)):
            resources = [resource for resource in resources if resource.uri != PAGE_URI]
        return ListResourcesResult(resources=resources)

    methods.add_request_handler("tools/list", PaginatedRequestParams, list_tools)
    methods.add_request_handler("resources/list", PaginatedRequestParams, list_resources)
