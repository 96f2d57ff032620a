"""An MCP server for Qiskit Functions."""
