"""Settings in JSON with comments, changed without a change to anything else in them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qiskit_functions_core.errors import InputError
from qiskit_functions_mcp.commands.install.jsonc import read, remove_member, set_member

PATH = ["servers", "ours"]
ENTRY = {"command": "/bin/python", "args": ["-m", "it"]}

COMMENTED = """\
// My settings.
{
    "theme": "dark", // at night
    "servers": {
        /* the one I need */
        "other": {"command": "x", "args": []}, // keep
        // "old": {"command": "y"},
    },
    "last": [1, 2,], // trailing commas are fine here
}
"""


def test_an_entry_is_added_in_the_style_of_the_file() -> None:
    assert set_member(COMMENTED, PATH, ENTRY) == COMMENTED.replace(
        "// keep\n",
        """// keep
        "ours": {
            "command": "/bin/python",
            "args": [
                "-m",
                "it"
            ]
        },
""",
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "servers": {\n    "ours": 1\n  }\n}\n'),
        ("// nothing yet", '// nothing yet\n{\n  "servers": {\n    "ours": 1\n  }\n}\n'),
        ("{}", '{\n  "servers": {\n    "ours": 1\n  }\n}'),
        ("{\n}\n", '{\n  "servers": {\n    "ours": 1\n  }\n}\n'),
        ('{"servers":{"a":1}}', '{"servers":{"a":1, "ours": 1}}'),
        ('{"servers":{}}', '{"servers":{"ours": 1}}'),
        ('{\n\t"servers": {}\n}', '{\n\t"servers": {\n\t\t"ours": 1\n\t}\n}'),
        ('{\r\n  "a": 1\r\n}\r\n', '{\r\n  "a": 1,\r\n  "servers": {\r\n    "ours": 1\r\n  }\r\n}\r\n'),
        ('\ufeff{\n  "servers": {"ours": 0}\n}', '\ufeff{\n  "servers": {"ours": 1}\n}'),
        (
            '{\n  "servers": {\n    "a": 1 // one\n  }\n}',
            '{\n  "servers": {\n    "a": 1, // one\n    "ours": 1\n  }\n}',
        ),
        ('{\n  "servers": { // none\n  }\n}', '{\n  "servers": { // none\n    "ours": 1\n  }\n}'),
        ('{"servers": {"ours": 0}, "servers": {"ours": 0}}', '{"servers": {"ours": 0}, "servers": {"ours": 1}}'),
    ],
)
def test_a_member_is_set(before: str, after: str) -> None:
    assert set_member(before, PATH, 1) == after
    assert set_member(after, PATH, 1) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"servers": {"a": 1, "ours": 1}}', '{"servers": {"a": 1}}'),
        ('{"servers": {"ours": 1, "a": 1}}', '{"servers": {"a": 1}}'),
        ('{"servers": {"ours": 1, "ours": 2}}', '{"servers": {}}'),
        ('{"servers": {"a": 1 /* x */, /* y */ "ours": 1 /* z */}}', '{"servers": {"a": 1 /* x */ /* y */ /* z */}}'),
        (
            '{\n  "servers": {\n    "ours": 1, // ours\n    "a": 1\n  }\n}',
            '{\n  "servers": { // ours\n    "a": 1\n  }\n}',
        ),
        ('{"servers": {\n  "a": 1, // a\n  "ours": 1 }}', '{"servers": {\n  "a": 1 // a\n }}'),
        ('{"servers": 1}', None),
        ('{"servers": {"a": 1}}', '{"servers": {"a": 1}}'),
        ("", ""),
    ],
)
def test_a_member_is_removed_and_comments_stay(before: str, after: str | None) -> None:
    if after is None:
        with pytest.raises(InputError, match="line 1, column 13: servers is not an object"):
            remove_member(before, PATH)
    else:
        assert remove_member(before, PATH) == after


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n  "a": 1,\n  b: 2\n}', "line 3, column 3: unexpected 'b'"),
        ('{"a": 1', "line 1, column 8: unexpected end of the file"),
        ('{"a": 1 "b": 2}', "line 1, column 9: unexpected '\"'"),
        ('{"a" 1}', "line 1, column 6: unexpected '1'"),
        ("{'a': 1}", 'line 1, column 2: unexpected "\'"'),
        ('{"a": "\n"}', "line 1, column 8: Invalid control character at"),
        ('{"a": [1 2]}', "line 1, column 10: unexpected '2'"),
        ("{} {}", "line 1, column 4: unexpected '{'"),
        ("{} /* x", "line 1, column 4: the comment has no end"),
        ("[1]", "line 1, column 1: the file's content is not an object"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_what_is_not_valid_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        set_member(text, PATH, 1)


KEYS = st.sampled_from(["servers", "theme", "a", "ä", 'q"'])
COMMENT = st.sampled_from(["", "", " ", "\n", "// c\n", "/* b */", "/*\n*/", "\r\n", "\t"])


def documents(value: Any) -> st.SearchStrategy[str]:
    """Texts of a value, with white space and comments wherever they may be."""
    if not isinstance(value, dict):
        return st.just(json.dumps(value, ensure_ascii=False))

    @st.composite
    def text(draw: st.DrawFn) -> str:
        parts = ["{"]
        for place, (key, item) in enumerate(value.items()):
            parts += [draw(COMMENT), json.dumps(key), draw(COMMENT), ":", draw(COMMENT), draw(documents(item))]
            parts += [draw(COMMENT), "," if place + 1 < len(value) or draw(st.booleans()) else ""]
        return "".join([*parts, draw(COMMENT), "}"])

    return text()


VALUES = st.dictionaries(
    KEYS.filter(lambda key: key != "servers"),
    st.integers() | st.dictionaries(KEYS, st.integers(), max_size=2),
    max_size=3,
)
SETTINGS = st.tuples(VALUES, st.dictionaries(KEYS, st.integers(), max_size=3), st.booleans()).map(
    lambda parts: {**parts[0], "servers": parts[1]} if parts[2] else parts[0]
)
CASES = SETTINGS.flatmap(
    lambda value: st.tuples(st.just(value), st.tuples(COMMENT, documents(value), COMMENT).map("".join))
)


def comments(text: str) -> list[str]:
    return re.findall(r"// c|/\* b \*/|/\*\r?\n\*/", text)


@given(CASES)
@example(({"servers": {"a": 0, "b": 0}}, '{"servers":{"a":0,\n"b":0// c\n,/* b */}}'))
def test_a_change_loses_no_comment_and_nothing_else(case: tuple[dict[str, Any], str]) -> None:
    value, text = case
    assert read(text) == value
    changed = set_member(text, PATH, ENTRY)
    assert read(changed) == {**value, "servers": {**value.get("servers", {}), "ours": ENTRY}}
    assert comments(changed) == comments(text)
    removed = remove_member(changed, PATH)
    assert read(removed) == {**value, "servers": value.get("servers", {})}
    assert comments(removed) == comments(text)
    if value.get("servers"):
        assert "".join(removed.split()) == "".join(text.split())
