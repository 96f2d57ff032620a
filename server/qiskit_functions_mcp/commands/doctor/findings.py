"""What a check found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

import anyio

from qiskit_functions_core.errors import QiskitFunctionsError

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        level: ``error`` if something that this installation needs does not work; ``warning`` if a person should know.
        next_step: what to do; empty if there is nothing to do.
    """

    level: Level
    message: str
    next_step: str = ""


Check = Callable[[], Awaitable[list[Finding]]]


async def outcome(check: Check, what: str, *, within: float, worst: Level = "error") -> list[Finding]:
    """Run a check and return what it found; that it failed or took too long is a finding too.

    Args:
        what: what is checked, as the message of a failure calls it.
        within: seconds.
        worst: the level of a failure, and of the worst finding.
    """
    with anyio.move_on_after(within):
        try:
            found = await check()
        except QiskitFunctionsError as error:
            found = [Finding("error", error.message, error.next_step)]
        except Exception as error:  # the other checks are reported even then
            found = [Finding("error", f"{what} could not be checked: {type(error).__name__}: {error}")]
        return [replace(finding, level=worst) if finding.level == "error" else finding for finding in found]
    return [Finding(worst, f"{what} took longer than {within:g} s, and was not waited for", "Try again later.")]
