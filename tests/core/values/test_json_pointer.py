from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qiskit_functions_core.errors import InputError
from qiskit_functions_core.values import json_pointer as pointer


@settings(deadline=None)
@given(st.lists(st.text(), min_size=1))
def test_joined_tokens_are_parsed_back(tokens: list[str]) -> None:
    joined = ""
    for token in tokens:
        joined = pointer.join(joined, token)
    assert joined == "/" or pointer.parse(joined) == tokens


def test_the_empty_pointer_and_a_slash_are_the_whole_value() -> None:
    assert pointer.parse("") == pointer.parse("/") == []


def test_a_pointer_without_a_slash_is_rejected() -> None:
    with pytest.raises(InputError, match="does not start with '/'"):
        pointer.parse("counts/0")


def test_keys_with_slashes_and_tildes_are_reached() -> None:
    assert pointer.resolve({"a/b": [{"~": 7}]}, "/a~1b/0/~0") == 7


@pytest.mark.parametrize(
    ("path", "there"),
    [("/c", "/a, /b"), ("/a/5", "indices 0 to 1"), ("/a/-1", "indices 0 to 1"), ("/b/x", "Ask for /b")],
)
def test_a_missing_part_is_told_with_what_is_there(path: str, there: str) -> None:
    with pytest.raises(InputError) as caught:
        pointer.resolve({"a": [1, 2], "b": 3}, path)
    assert there in caught.value.next_step
