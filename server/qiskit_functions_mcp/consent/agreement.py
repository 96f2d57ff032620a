"""Asking the person before something is overwritten, deleted, run as code on this machine, or paid for.

A client that can show a question is asked to show it (elicitation, in both protocol eras). Otherwise the call is
refused with a token that stands for this call and its content, and the assistant is told to ask the person and to call
again with that token. The setting ``consent`` can replace this: ``never`` asks nothing, and ``always`` refuses where
the client cannot show a question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import anyio.to_thread
from pydantic import Field

from qiskit_functions_core.errors import QiskitFunctionsError

from ..folders import WriteTarget, write_target
from ..session import Ctx, call_of, session_of
from .asking import ask_person, can_ask, local_folders

Confirm = Annotated[
    str,
    Field(
        description="If the person agreed: the token of the refusal. It repeats that call; leave out long arguments",
        max_length=200,
    ),
]
"""The argument of a tool that passes a token on."""

DECLINED = "The person declined, or the client did so without showing the question. Nothing was done."

AFTER_A_NO = (
    "Do not try again unless the person wants it. If they saw no question: they can use a client that shows questions "
    "(elicitation), or start the server with --consent never, which asks nothing."
)
"""The next step of a reply that says ``DECLINED``."""

STALE = "The confirmation token was used, has expired, or is for another call. Nothing was done."


class ConsentNeeded(QiskitFunctionsError):
    """The client cannot show the question, so the assistant has to ask it."""

    code = "consent_needed"
    person = True


async def person_agrees(ctx: Ctx, question: str, confirm: str, about: str) -> bool:
    """Return whether the person agrees to what this call is about to do.

    Call it when all that can fail before is done, so that no question is asked in vain.

    Args:
        confirm: the token that the call was given.
        about: what is agreed to, with a digest of its content (not its path): consent holds for nothing else.

    Raises:
        ConsentNeeded: the client cannot show the question, and the call has no valid token.
        Asked: the client has to be asked.
    """
    session = session_of(ctx)
    if session.settings.consent == "never":
        return True
    if confirm:
        call = session.confirmations.take(confirm)
        if call is None:
            raise stale(call_of(ctx)[0])
        if call.about == about:
            return True
        raise _needed(ctx, f"What the person agreed to has changed since. {question}", call.tool, call.arguments, about)
    if can_ask(ctx):
        action = await ask_person(ctx, question, about)
        # A client that has answered before shows its questions, so a cancelled one was put aside by the person. From
        # one that never has, it may mean that nothing was shown: Codex and headless hosts cancel by themselves.
        session.has_answered = session.has_answered or action != "cancel"
        if session.has_answered:
            return action == "accept"
    if session.settings.consent == "always":
        raise ConsentNeeded(
            f"{question} This server asks before that, and this client shows no question. Nothing was done.",
            next_step="Tell the person to use a client that shows questions (elicitation), or to start the server "
            "with --consent auto, which asks through the assistant, or --consent never.",
        )
    raise _needed(ctx, question, *call_of(ctx), about)


def _needed(ctx: Ctx, question: str, tool: str, arguments: Mapping[str, Any], about: str) -> ConsentNeeded:
    token = session_of(ctx).confirmations.issue(tool, arguments, about)
    return ConsentNeeded(
        f"{question} Nothing was done.",
        next_step=f"Ask the person. If they agree, call {tool} with confirm={token!r}; it stands for these arguments, "
        "so send no long ones again. --consent never (a flag of this server) asks nothing.",
    )


def stale(tool: str) -> ConsentNeeded:
    """Return the error for a token that is no longer, or never was, good for this call."""
    return ConsentNeeded(STALE, next_step=f"Call {tool} again with all arguments and without confirm.")


async def new_local_file(ctx: Ctx, path: str) -> WriteTarget:
    """Return where a tool writes the new local file that an assistant calls ``path``; see ``write_target``.

    Raises:
        InputError: it may not be written, or exists.
        Asked: the client has to be asked for its roots.
    """
    folders = await local_folders(ctx)
    return await anyio.to_thread.run_sync(write_target, path, folders, session_of(ctx).settings.home)
