"""Lists and calls the tools with a Python framework for agents, in an environment that is thrown away.

Usage: ``uv run --no-project --with REQUIREMENT tests/hosts/frameworks.py NAME``, for example::

    uv run --no-project --with fastmcp --with 'mcp>=2.3' tests/hosts/frameworks.py fastmcp
    uv run --no-project --with 'pydantic-ai-slim[mcp]' --with 'mcp>=2.3' tests/hosts/frameworks.py pydantic-ai
    uv run --no-project --with openai-agents --with 'mcp>=2.3' tests/hosts/frameworks.py openai-agents
    uv run --no-project --with langchain-mcp-adapters --with 'mcp<2' tests/hosts/frameworks.py langchain

The server runs in the project's environment, as it does for people, whose frameworks may need another ``mcp``.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

TOOL = "list_functions"


async def with_fastmcp(command: str, arguments: list[str]) -> tuple[list[str], Any]:
    from fastmcp import Client
    from fastmcp.client.transports import StdioTransport

    async with Client(StdioTransport(command, arguments)) as client:
        return [tool.name for tool in await client.list_tools()], await client.call_tool(TOOL, {})


async def with_langchain(command: str, arguments: list[str]) -> tuple[list[str], Any]:
    from langchain_mcp_adapters.client import MultiServerMCPClient

    client = MultiServerMCPClient({"qiskit": {"transport": "stdio", "command": command, "args": arguments}})
    tools = {tool.name: tool for tool in await client.get_tools()}
    return list(tools), await tools[TOOL].ainvoke({})


async def with_pydantic_ai(command: str, arguments: list[str]) -> tuple[list[str], Any]:
    from fastmcp.client.transports import StdioTransport
    from pydantic_ai.mcp import MCPToolset

    async with MCPToolset(StdioTransport(command, arguments)) as server:
        return [tool.name for tool in await server.list_tools()], await server.direct_call_tool(TOOL, {})


async def with_openai_agents(command: str, arguments: list[str]) -> tuple[list[str], Any]:
    from agents.mcp import MCPServerStdio

    async with MCPServerStdio({"command": command, "args": arguments}, client_session_timeout_seconds=60) as server:
        return [tool.name for tool in await server.list_tools()], await server.call_tool(TOOL, {})


FRAMEWORKS: dict[str, Callable[[str, list[str]], Awaitable[tuple[list[str], Any]]]] = {
    "fastmcp": with_fastmcp,
    "langchain": with_langchain,
    "pydantic-ai": with_pydantic_ai,
    "openai-agents": with_openai_agents,
}


async def main(name: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        # The gateway that the server starts is not needed for longer.
        server = ["QISKIT_FUNCTIONS_GATEWAY_IDLE_SECONDS=5", "uv", "run", "--project", str(ROOT)]
        server += ["qiskit-functions-mcp", "--channel", "local", "--home", home]
        names, answer = await FRAMEWORKS[name]("env", server)
    assert "examples/sampler" in str(answer), answer
    print(f"{name}: {len(names)} tools; {TOOL} answers {str(answer)[:200]}…")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
