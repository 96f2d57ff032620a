"""The tools, by domain."""
