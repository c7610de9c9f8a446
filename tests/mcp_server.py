"""A real MCP server that speaks over its standard streams. Not a test itself."""

from __future__ import annotations

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("calculator")


@server.tool()
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


@server.tool()
def refuse() -> str:
    """Fail."""
    raise ToolError("no such luck")


if __name__ == "__main__":
    server.run()
