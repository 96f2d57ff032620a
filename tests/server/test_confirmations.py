"""A confirmation token stands for one call and its content, is good once, and for a short time."""

from __future__ import annotations

import time

import pytest

from qiskit_functions_mcp.confirmations import Confirmations

TOOL, ARGUMENTS, ABOUT = "delete_file", {"function": "f", "name": "data.csv"}, "delete data.csv 4"


def test_a_token_gives_back_its_call_and_is_good_once() -> None:
    confirmations = Confirmations()
    token = confirmations.issue(TOOL, ARGUMENTS, ABOUT)
    for look in (confirmations.find, confirmations.take):
        call = look(token)
        assert call
        assert (call.tool, call.arguments, call.about) == (TOOL, ARGUMENTS, ABOUT)
    assert confirmations.find(token) is None
    assert confirmations.take(token) is None


def test_a_token_expires_whatever_the_clock_on_the_wall_says(monkeypatch: pytest.MonkeyPatch) -> None:
    confirmations = Confirmations()
    token, issued = confirmations.issue(TOOL, ARGUMENTS, ABOUT), time.monotonic()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert confirmations.find(token)
    monkeypatch.setattr(time, "monotonic", lambda: issued + 299)
    assert confirmations.find(token)
    monkeypatch.setattr(time, "monotonic", lambda: issued + 301)
    assert confirmations.find(token) is None


def test_a_token_of_another_server_is_refused() -> None:
    assert Confirmations().find(Confirmations().issue(TOOL, ARGUMENTS, ABOUT)) is None


def test_no_two_tokens_are_the_same() -> None:
    confirmations = Confirmations()
    assert len({confirmations.issue(TOOL, ARGUMENTS, ABOUT) for _ in range(100)}) == 100


def test_a_token_cannot_be_guessed() -> None:
    assert len(Confirmations().issue(TOOL, ARGUMENTS, ABOUT)) * 4 >= 64, "bits, as hexadecimal digits"


@pytest.mark.parametrize(
    ("calls", "characters", "kept"),
    [
        (100, 1, 100),
        (103, 1, 100),
        (2, 25 * 1024**2, 2),  # the largest arguments that a gateway takes, twice
        (3, 25 * 1024**2, 2),
        (2, 64 * 1024**2, 0),
    ],
)
def test_the_oldest_calls_are_forgotten_when_there_are_too_many_or_too_long_ones(
    calls: int, characters: int, kept: int
) -> None:
    confirmations = Confirmations()
    source = {"source": "#" * characters}
    tokens = [confirmations.issue("upload_function", source, ABOUT) for _ in range(calls)]
    assert [token for token in tokens if confirmations.find(token)] == tokens[calls - kept :]
