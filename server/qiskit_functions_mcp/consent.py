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
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Annotated, Any

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver.resolve import Elicit
from pydantic import BaseModel, Field

from qiskit_functions_core.errors import QiskitFunctionsError

from .connection import Ctx, connection

TOKEN_SECONDS = 300
"""Long enough for a person to read and answer, too short to lie around."""

_key = secrets.token_bytes(32)
"""Of this process only: a token from an earlier server opens nothing."""

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


CALL: ContextVar[tuple[str, Mapping[str, Any]]] = ContextVar("CALL")
"""The tool and the arguments of the call at hand, which a token is bound to."""


async def consent(ctx: Ctx, question: str) -> Go | Elicit[Go]:
    """Ask, or take what was agreed before.

    Args:
        question: depends on the arguments alone, since the protocol may ask it twice.

    Raises:
        ConsentNeeded: nobody can be asked here, or the token is not for this call.
    """
    policy = connection(ctx).settings.consent
    if policy == "never":
        return Go()
    if can_ask(ctx):
        return Elicit(question, Go)
    if policy == "always":
        raise ConsentNeeded(
            f"{question} This server asks before that, and this client cannot show a question. Nothing was done.",
            next_step="Tell the person to use a client with elicitation, or to start the server with --consent auto.",
        )
    tool, given = CALL.get()
    arguments = {name: value for name, value in given.items() if name != "confirm"}
    token = str(given.get("confirm", ""))
    if token and _is_valid(token, tool, arguments):
        return Go()
    stale = "The confirmation token has expired or is for another call. " if token else ""
    fresh = _token(tool, arguments, int(time.time()) + TOKEN_SECONDS)
    raise ConsentNeeded(
        f"{stale}{question} Nothing was done.",
        next_step=f"Ask the person. If they agree, call {tool} with the same arguments and confirm={fresh!r}.",
    )


async def before_upload(ctx: Ctx, title: str, provider: str) -> Go | Elicit[Go]:
    """Code that will run on this machine, or that replaces other code."""
    name = f"{provider}/{title}" if provider else title
    client = await connection(ctx).client()
    if client.account.is_embedded:
        where = "Its code will run on this machine, with your rights, when it is run."
        return await consent(ctx, f"Upload the function {name!r}? {where} A function of that name is replaced.")
    if any(function.name == name for function in await client.functions.list()):
        return await consent(ctx, f"Replace the function {name!r}?")
    return Go()


async def before_run(ctx: Ctx, function: str) -> Go | Elicit[Go]:
    """A run while the quota is low, also when no warning is wanted: that is the assistant's word, not the person's."""
    check, _ = await (await connection(ctx).client()).quota()
    if check.code != "quota_low":
        return Go()
    return await consent(ctx, f"The quota is low. Run {function!r} all the same?")


async def before_delete(ctx: Ctx, function: str, name: str) -> Go | Elicit[Go]:
    return await consent(ctx, f"Delete the file {name!r} of {function!r} for good?")


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
    return f"{expires}-{_mac(tool, arguments, expires)}"


def _mac(tool: str, arguments: Mapping[str, Any], expires: int) -> str:
    message = json.dumps([tool, dict(arguments), expires], sort_keys=True, default=str).encode()
    return hmac.new(_key, message, hashlib.sha256).hexdigest()[:32]


def _is_valid(token: str, tool: str, arguments: Mapping[str, Any]) -> bool:
    expires, _, mac = token.partition("-")
    if not expires.isdecimal() or int(expires) < time.time():
        return False
    return hmac.compare_digest(mac, _mac(tool, arguments, int(expires)))
