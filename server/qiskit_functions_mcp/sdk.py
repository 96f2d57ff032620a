"""The one place that depends on parts of the MCP SDK which its documentation does not promise.

No other module of the server may use a private name of the SDK or import a private module of it;
``tests/server/test_sdk.py`` holds that rule, and every assumption below, against the installed SDK.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from mcp.server import MCPServer, Server
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp_types import ServerCapabilities

LifespanT = TypeVar("LifespanT")

ToolFailure = Literal["unknown_tool", "invalid_arguments", "exception"]


def lowlevel_server(server: MCPServer[LifespanT]) -> Server[LifespanT]:
    """Return the low-level server that an ``MCPServer`` wraps.

    ``MCPServer`` has no public way to serve ``resources/subscribe``, to replace the handler of
    ``subscriptions/listen``, or to serve streams that it did not open; the low-level server has public methods for
    all three.
    """
    return server._lowlevel_server


def announce_fixed_lists(server: MCPServer[LifespanT]) -> None:
    """Let the server say in every protocol era that its lists never change.

    From 2026-07-28 on the SDK derives ``listChanged`` from whether subscriptions are served at all.
    """
    lowlevel = lowlevel_server(server)
    derived = lowlevel.get_capabilities

    def get_capabilities(*args: Any, **kwargs: Any) -> ServerCapabilities:
        capabilities = derived(*args, **kwargs)
        for part in (capabilities.tools, capabilities.prompts, capabilities.resources):
            if part:
                part.list_changed = False
        return capabilities

    lowlevel.get_capabilities = get_capabilities  # type: ignore[method-assign] # it takes no other setting


def tool_failure(error: ToolError) -> ToolFailure:
    """Return why ``MCPServer.call_tool`` raised ``error``, which the SDK tells by its type and cause only.

    The tools raise no ``ToolError`` themselves, so a deliberate one always comes from the SDK.
    """
    if isinstance(error, UnexpectedToolError):
        return "exception"
    return "unknown_tool" if error.__cause__ is None else "invalid_arguments"
