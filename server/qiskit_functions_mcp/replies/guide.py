"""The guide to writing a function, which the prompt, the resource and the documentation share."""

from __future__ import annotations

from pathlib import Path


def write_a_function_guide() -> str:
    """Return the guide, as Markdown."""
    return Path(__file__).with_name("write_a_function.md").read_text(encoding="utf-8")
