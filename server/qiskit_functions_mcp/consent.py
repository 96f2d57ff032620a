"""Asking the person before something is overwritten, deleted, run as code on this machine, or paid for.

Where the client can show a question, it is asked (elicitation, in both protocol eras). Where it cannot, the
call is refused with a short-lived token that is bound to its exact arguments, and the assistant is told to
ask the person and to call again with it; or, as the server was started, nothing is asked, or nothing done.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Annotated, Any, Literal, NamedTuple

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver.resolve import Elicit
from pydantic import BaseModel, Field

from qiskit_functions_core.errors import NotFound, QiskitFunctionsError

from .session import Ctx, connection

TOKEN_SECONDS = 300
"""Long enough for a person to read and answer, too short to lie around."""

_MOST_USED = 10_000

_key = secrets.token_bytes(32)
"""Of this process only: a token from an earlier server opens nothing."""

_used: dict[str, object] = {}
"""Each token is good for one call, which may ask twice; the newest are remembered, longer than any is valid."""

Confirm = Annotated[
    str, Field(description="Only after the person agreed: the token of the refusal that asked for it", max_length=200)
]


class Go(BaseModel):
    """The form that the person sees."""

    go_ahead: bool = Field(default=True, description="Do it")


Consent = ElicitationResult[Go]


class ConsentNeeded(QiskitFunctionsError):
    """The client cannot ask, so the assistant has to."""

    code = "consent_needed"
    person = True


class Call(NamedTuple):
    """A call of a tool.

    Attributes:
        mark: of this call and no other.
    """

    tool: str
    arguments: Mapping[str, Any]
    mark: object


CALL: ContextVar[Call] = ContextVar("CALL")
"""The call at hand; a token is bound to its tool and its arguments."""


async def consent(ctx: Ctx, question: str, possible: Callable[[], Awaitable[None]]) -> Go | Elicit[Go]:
    """Ask, or take what was agreed before.

    Args:
        question: depends on the arguments alone, since the protocol may ask it twice.
        possible: raises what would come of it after a yes; nobody is asked about what cannot be done.

    Raises:
        ConsentNeeded: nobody can be asked here, or the token is not for this call.
    """
    if _asks_nothing(ctx):
        return Go()
    await possible()
    if can_ask(ctx):
        return Elicit(question, Go)
    if connection(ctx).settings.consent == "always":
        raise ConsentNeeded(
            f"{question} This server asks before that, and this client cannot show a question. Nothing was done.",
            next_step="Tell the person to use a client with elicitation, or to start the server with --consent auto.",
        )
    tool, given, mark = CALL.get()
    arguments = {name: value for name, value in given.items() if name != "confirm"}
    token = str(given.get("confirm", ""))
    if token and _is_valid(token, tool, arguments):
        _used[token] = mark
        return Go()
    stale = "The confirmation token was used, has expired, or is for another call. " if token else ""
    fresh = _token(tool, arguments, int(time.time()) + TOKEN_SECONDS)
    raise ConsentNeeded(
        f"{stale}{question} Nothing was done.",
        next_step=f"Ask the person. If they agree, call {tool} with the same arguments and confirm={fresh!r}.",
    )


async def before_upload(ctx: Ctx, name: str, possible: Callable[[], Awaitable[None]]) -> Go | Elicit[Go]:
    """Code that will run on this machine, or that replaces other code."""
    if _asks_nothing(ctx):
        return Go()
    client = await connection(ctx).client()
    if client.account.is_embedded:
        where = "Its code will run on this machine, with your rights, when it is run."
        question = f"Upload the function {name!r}? {where} If there is one of that name, it is replaced."
        return await consent(ctx, question, possible)
    if any(function.name == name for function in await client.functions.list()):
        return await consent(ctx, f"Replace the function {name!r}?", possible)
    return Go()


async def before_run(ctx: Ctx, function: str, arguments: dict[str, Any]) -> Go | Elicit[Go]:
    """A run while the quota is low, also when no warning is wanted: that is the assistant's word, not the person's."""
    if _asks_nothing(ctx):
        return Go()
    client = await connection(ctx).client()
    check, _ = await client.quota()
    if check.code != "quota_low":
        return Go()

    async def possible() -> None:
        (await client.check(function, arguments)).raise_for_refusal()

    return await consent(ctx, f"The quota is low. Run {function!r} all the same?", possible)


async def before_delete(ctx: Ctx, function: str, name: str, scope: Literal["user", "provider"]) -> Go | Elicit[Go]:
    files = (await connection(ctx).client()).files

    async def possible() -> None:
        # Hidden ones can be deleted and are not listed.
        if not name.startswith(".") and name not in await files.list(function, scope=scope):
            raise NotFound(f"there is no file {name!r}", status=404, next_step="Take a name of list_files.")

    return await consent(ctx, f"Delete the file {name!r} of {function!r} for good?", possible)


def _asks_nothing(ctx: Ctx) -> bool:
    """Then nothing is looked up to ask about, either."""
    return connection(ctx).settings.consent == "never"


def can_ask(ctx: Ctx) -> bool:
    """Whether the client shows forms: an empty capability means forms, one for addresses only does not."""
    capabilities = ctx.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    if elicitation is None:
        return False
    return elicitation.form is not None or elicitation.url is None


def agreed(answer: Consent) -> bool:
    return isinstance(answer, AcceptedElicitation) and answer.data.go_ahead


DECLINED = "The person declined, or the client never showed the question. Nothing was done."


def _token(tool: str, arguments: Mapping[str, Any], expires: int) -> str:
    """No two are the same, so that the use of one is not that of another."""
    head = f"{expires}-{secrets.token_hex(4)}"
    return f"{head}-{_mac(tool, arguments, head)}"


def _mac(tool: str, arguments: Mapping[str, Any], head: str) -> str:
    message = json.dumps([tool, dict(arguments), head], sort_keys=True, default=str).encode()
    return hmac.new(_key, message, hashlib.sha256).hexdigest()[:32]


def _is_valid(token: str, tool: str, arguments: Mapping[str, Any]) -> bool:
    while len(_used) > _MOST_USED:
        _used.pop(next(iter(_used)))
    head, _, mac = token.rpartition("-")
    expires = head.partition("-")[0]
    mark = CALL.get().mark
    if _used.get(token, mark) is not mark or not expires.isdecimal() or int(expires) < time.time():
        return False
    return hmac.compare_digest(mac.encode(), _mac(tool, arguments, head).encode())
