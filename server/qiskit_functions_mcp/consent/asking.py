"""Asking the client something in the middle of a call, in both protocol eras.

Since 2026-07-28 a call answers with its question, and the client repeats the call with the answer: ``Asked`` carries
the question out of the tool, which runs again from its start. Before, the question is a request of its own, and the
tool waits. The SDK's resolvers do the same, but their forms have keys at the root that the specification does not
allow, they refuse an accepted form without content, and they run before the tool has read what it would change.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse
from urllib.request import url2pathname

import anyio.to_thread
from mcp.shared.exceptions import MCPError
from mcp_types import (
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
)
from pydantic import BaseModel, Field, ValidationError

from ..folders import NoFolder, is_too_broad
from ..session import Ctx, session_of

FORM: dict[str, Any] = {"type": "object", "properties": {}}
"""A form without fields: hosts then show the question with Accept and Decline, once. Codex cancels a form with a key
that the specification does not name, and Claude Code asks a second time for a checkbox."""

_ROOTS = "roots"

_FIRST_WITH_ROUNDS = "2026-07-28"

Action = Literal["accept", "decline", "cancel"]


class Asked(Exception):
    """The call cannot go on before the client has answered; it is repeated with the answer.

    Attributes:
        result: what the call answers.
    """

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__("the client is asked first")
        self.result = result


class _Rounds(BaseModel):
    """What earlier rounds of this call brought. The SDK seals it, and binds it to the call and its arguments."""

    asked: str = ""
    answers: dict[str, Action] = Field(default_factory=dict)
    roots: list[str] | None = None


def can_ask(ctx: Ctx) -> bool:
    """Return whether the client says that it shows forms. An empty elicitation capability means that it does."""
    capabilities = ctx.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    reachable = _has_rounds(ctx) or ctx.session.can_send_request
    return reachable and elicitation is not None and (elicitation.form is not None or elicitation.url is None)


async def ask_person(ctx: Ctx, question: str, about: str) -> Action:
    """Return the person's answer to a question, "cancel" if the client did not show it.

    Args:
        about: what is agreed to, with the digest of its content. The answer holds for nothing else: if this differs
            when the call is repeated, the person is asked again.

    Raises:
        Asked: the client has to be asked.
    """
    if not _has_rounds(ctx):
        try:
            answer: ElicitResult = await ctx.session.elicit_form(question, FORM, ctx.request_id)
        except (MCPError, ValidationError):  # it cannot show the question after all, or its answer cannot be read
            return "cancel"
        return answer.action
    key = hashlib.sha256(about.encode()).hexdigest()[:32]
    rounds = _rounds(ctx)
    if key not in rounds.answers:
        request = ElicitRequest(params=ElicitRequestFormParams(message=question, requested_schema=FORM))
        raise _asked(rounds, key, request)
    return rounds.answers[key]


async def local_folders(ctx: Ctx) -> list[Path]:
    """Return the local folders that tools may use: those of the settings, else the client's roots.

    Raises:
        NoFolder: there are none, or only roots that hold more than a project.
        Asked: the client has to be asked for its roots.
    """
    if folders := session_of(ctx).settings.folders:
        return folders
    roots = [Path(url2pathname(urlparse(uri).path)) for uri in await _roots(ctx) if uri.startswith("file:///")]

    def usable() -> list[Path]:
        return [root for root in roots if root.is_dir() and not is_too_broad(root)]

    found = await anyio.to_thread.run_sync(usable)
    if not found:
        raise NoFolder
    return found


async def _roots(ctx: Ctx) -> list[str]:
    capabilities = ctx.client_capabilities
    if not capabilities or not capabilities.roots:
        return []
    if not _has_rounds(ctx):
        if not ctx.session.can_send_request:
            return []
        try:
            # Not by list_roots, which warns that newer revisions deprecate roots; this is an older one.
            answer = await ctx.session.send_request(ListRootsRequest(), ListRootsResult)
            return [str(root.uri) for root in answer.roots]
        except (MCPError, ValidationError):
            return []
    rounds = _rounds(ctx)
    if rounds.roots is None:
        raise _asked(rounds, _ROOTS, ListRootsRequest())
    return rounds.roots


def _has_rounds(ctx: Ctx) -> bool:
    version = ctx.protocol_version
    return version is not None and version >= _FIRST_WITH_ROUNDS  # revisions are dates


def _rounds(ctx: Ctx) -> _Rounds:
    """Return what earlier rounds brought, and what this one does. Only an answer to what was asked counts."""
    rounds = _Rounds.model_validate_json(ctx.request_state) if ctx.request_state else _Rounds()
    response = (ctx.input_responses or {}).get(rounds.asked)
    if response is not None and rounds.asked == _ROOTS:
        rounds.roots = [str(root.uri) for root in response.roots] if isinstance(response, ListRootsResult) else []
    elif response is not None:
        rounds.answers[rounds.asked] = response.action if isinstance(response, ElicitResult) else "cancel"
    return rounds


def _asked(rounds: _Rounds, key: str, request: InputRequest) -> Asked:
    state = rounds.model_copy(update={"asked": key}).model_dump_json()
    return Asked(InputRequiredResult(input_requests={key: request}, request_state=state))
