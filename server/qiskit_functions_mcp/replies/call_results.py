"""From a reply's model, a text or an error to the protocol's ``CallToolResult``."""

from __future__ import annotations

from base64 import b64encode

from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent
from pydantic import BaseModel, Field

from qiskit_functions_core.errors import (
    AccountError,
    EmbeddedGatewayError,
    GatewayUnreachable,
    PreflightRefused,
    QiskitFunctionsError,
    SubmissionUnknown,
    Submitted,
    Unauthorized,
)

from .truncation import Bounded, cut, text_of


class ErrorReply(BaseModel):
    """What every failed call answers."""

    code: str
    message: str
    submitted: Submitted | None = None
    next_step: str = ""
    person: bool | None = Field(default=None, description="whether only the person can fix it")
    reason: str | None = None
    candidates: list[str] | None = None


def reply(model: BaseModel, *more: ContentBlock) -> CallToolResult:
    """Return a reply as structured content, and as text for hosts that show only that."""
    if isinstance(model, Bounded) and model.is_cut:
        model.truncated = True
    return CallToolResult(
        content=[TextContent(type="text", text=text_of(model)), *more],
        structured_content=model.model_dump(mode="json", exclude_none=True),
    )


def text_reply(text: str, *pictures: ImageContent) -> CallToolResult:
    """Return text and pictures without structured content, beside which some hosts would not show them."""
    return CallToolResult(content=[TextContent(type="text", text=text), *pictures])


def image_block(data: bytes, mime_type: str) -> ImageContent:
    """Return a picture as a block of a result."""
    return ImageContent(type="image", data=b64encode(data).decode(), mime_type=mime_type)


_DOCTOR = "The person can find out what is wrong with `qiskit-functions-mcp doctor` in a terminal."

_FOR_THE_DOCTOR = (AccountError, EmbeddedGatewayError, GatewayUnreachable, Unauthorized)
"""Errors whose cause is the installation, the account or the network, which no tool can change."""


def error_reply(error: QiskitFunctionsError, budget: int = 4_000, *, only_reads: bool = False) -> CallToolResult:
    """Return an error as the result of the call that failed with it.

    Args:
        budget: characters of JSON that the whole result may have.
        only_reads: whether the call could not have submitted anything, so that it is not worth saying.
    """
    next_step = f"{error.next_step} {_DOCTOR}".lstrip() if isinstance(error, _FOR_THE_DOCTOR) else error.next_step
    failed = reply(
        ErrorReply(
            code=error.code,
            message=cut(error.message, min(2_000, budget // 2)),
            submitted=None if only_reads and error.submitted == "no" else error.submitted,
            next_step=cut(next_step, min(1_000, budget // 4)),
            person=error.person or (None if only_reads else False),
            reason=error.reason if isinstance(error, PreflightRefused) else None,
            candidates=error.candidates[:10] if isinstance(error, SubmissionUnknown) else None,
        )
    )
    failed.is_error = True
    return failed
