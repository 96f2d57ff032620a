"""Asking the person before something is overwritten, deleted, run as code on this machine, or paid for.

A client that can show a question is asked to show it (elicitation, in both protocol eras). Otherwise the call is
refused with a token that is bound to its exact arguments, and the assistant is told to ask the person and to call
again with that token. The setting ``consent`` can replace this: ``never`` asks nothing, and ``always`` refuses where
the client cannot show a question.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver.resolve import Elicit
from pydantic import BaseModel, Field

from qiskit_functions_core.errors import NotFound, QiskitFunctionsError

from .session import Ctx, call_params, given_arguments, session_of

Confirm = Annotated[
    str, Field(description="Only after the person agreed: the token from the refusal that asked for it", max_length=200)
]
"""The argument of a tool that passes a token on."""

DECLINED = "The person declined, or the client never showed the question. Nothing was done."


class Go(BaseModel):
    """The form that the person sees."""

    go_ahead: bool = Field(default=True, description="Do it")


Consent = ElicitationResult[Go]
"""The person's answer."""


class ConsentNeeded(QiskitFunctionsError):
    """The client cannot show the question, so the assistant has to ask it."""

    code = "consent_needed"
    person = True


async def consent(ctx: Ctx, question: str, rehearse: Callable[[], Awaitable[None]]) -> Go | Elicit[Go]:
    """Return the person's consent, or the question to show to them.

    Args:
        question: it must depend on the arguments alone, because the protocol may ask it twice.
        rehearse: raises the error that the call would end with after a yes, so that the person is not asked about
            something that cannot be done.

    Raises:
        ConsentNeeded: the client cannot show the question, and the call has no valid token.
    """
    session = session_of(ctx)
    if session.settings.consent == "never":
        return Go()
    await rehearse()
    if can_ask(ctx):
        return Elicit(question, Go)
    if session.settings.consent == "always":
        raise ConsentNeeded(
            f"{question} This server asks before that, and this client cannot show a question. Nothing was done.",
            next_step="Tell the person to use a client with elicitation, or to start the server with --consent auto.",
        )
    tool, arguments = str(call_params(ctx)["name"]), given_arguments(ctx)
    token = str(arguments.pop("confirm", ""))
    if token and session.confirmations.redeem(token, tool, arguments, ctx.request_context):
        return Go()
    stale = "The confirmation token was used, has expired, or is for another call. " if token else ""
    fresh = session.confirmations.issue(tool, arguments)
    raise ConsentNeeded(
        f"{stale}{question} Nothing was done.",
        next_step=f"Ask the person. If they agree, call {tool} with the same arguments and confirm={fresh!r}.",
    )


async def before_upload(ctx: Ctx, name: str, rehearse: Callable[[], Awaitable[None]]) -> Go | Elicit[Go]:
    """Ask before code is uploaded that will run on this machine, or that replaces other code."""
    session = session_of(ctx)
    if session.settings.consent == "never":
        return Go()
    client = await session.client()
    if client.gateway.runs_code_here:
        where = "Its code will run on this machine, with your rights, when it is run."
        question = f"Upload the function {name!r}? {where} If there is one of that name, it is replaced."
        return await consent(ctx, question, rehearse)
    if any(function.name == name for function in await client.functions.list()):
        return await consent(ctx, f"Replace the function {name!r}?", rehearse)
    return Go()


async def before_run(ctx: Ctx, function: str, arguments: dict[str, Any]) -> Go | Elicit[Go]:
    """Ask before a run while the quota is low.

    ``suppress_low_usage_warning`` changes nothing here: the assistant sets it, not the person.
    """
    session = session_of(ctx)
    if session.settings.consent == "never":
        return Go()
    client = await session.client()
    check, _ = await client.quota()
    if check.code != "quota_low":
        return Go()

    async def rehearse() -> None:
        (await client.check(function, arguments)).raise_for_refusal()

    return await consent(ctx, f"The quota is low. Run {function!r} anyway?", rehearse)


async def before_delete(ctx: Ctx, function: str, name: str, scope: Literal["user", "provider"]) -> Go | Elicit[Go]:
    """Ask before a file is deleted."""
    files = (await session_of(ctx).client()).files

    async def rehearse() -> None:
        # Hidden files can be deleted, but are not listed.
        if not name.startswith(".") and name not in await files.list(function, scope=scope):
            raise NotFound(f"there is no file {name!r}", status=404, next_step="Choose a name from list_files.")

    return await consent(ctx, f"Delete the file {name!r} of {function!r} for good?", rehearse)


def can_ask(ctx: Ctx) -> bool:
    """Return whether the client shows forms. An empty elicitation capability means that it does."""
    capabilities = ctx.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def agreed(answer: Consent) -> bool:
    """Return whether the answer is a yes."""
    return isinstance(answer, AcceptedElicitation) and answer.data.go_ahead
