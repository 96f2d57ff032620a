"""A confirmation token is good for one call with the arguments that it was issued for, and for a short time."""

from __future__ import annotations

import gc
import time
import weakref
from typing import Any

import pytest

from qiskit_functions_mcp.confirmations import LIFETIME_SECONDS, Confirmations

TOOL, ARGUMENTS = "delete_file", {"function": "f", "name": "data.csv"}


class Call:
    """Stands for a request."""


def test_a_token_is_redeemed_by_one_call_which_may_ask_twice() -> None:
    confirmations, call = Confirmations(), Call()
    token = confirmations.issue(TOOL, ARGUMENTS)
    assert confirmations.redeem(token, TOOL, ARGUMENTS, call)
    assert confirmations.redeem(token, TOOL, ARGUMENTS, call)
    assert not confirmations.redeem(token, TOOL, ARGUMENTS, Call())


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("upload_file", ARGUMENTS), (TOOL, {**ARGUMENTS, "name": "other.csv"}), (TOOL, {"function": "f"}), (TOOL, {})],
)
def test_a_token_is_refused_for_another_call_and_stays_good_for_its_own(tool: str, arguments: dict[str, Any]) -> None:
    confirmations = Confirmations()
    token = confirmations.issue(TOOL, ARGUMENTS)
    assert not confirmations.redeem(token, tool, arguments, Call())
    assert confirmations.redeem(token, TOOL, ARGUMENTS, Call())


def test_a_token_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    confirmations = Confirmations()
    token, issued = confirmations.issue(TOOL, ARGUMENTS), time.time()
    monkeypatch.setattr(time, "time", lambda: issued + LIFETIME_SECONDS + 1)
    assert not confirmations.redeem(token, TOOL, ARGUMENTS, Call())


def test_a_token_of_another_server_is_refused() -> None:
    assert not Confirmations().redeem(Confirmations().issue(TOOL, ARGUMENTS), TOOL, ARGUMENTS, Call())


def test_no_two_tokens_are_the_same() -> None:
    confirmations = Confirmations()
    assert len({confirmations.issue(TOOL, ARGUMENTS) for _ in range(100)}) == 100


def test_a_token_stays_used_after_its_call_has_ended_but_the_call_is_not_kept() -> None:
    confirmations, call = Confirmations(), Call()
    ended = weakref.ref(call)
    token = confirmations.issue(TOOL, ARGUMENTS)
    assert confirmations.redeem(token, TOOL, ARGUMENTS, call)
    del call
    gc.collect()
    assert ended() is None, "its arguments are not remembered"
    assert not confirmations.redeem(token, TOOL, ARGUMENTS, Call())
