"""Settings in TOML, changed without a change to anything else in them."""

from __future__ import annotations

import pytest

from qiskit_functions_core.errors import InputError
from qiskit_functions_mcp.commands.install.toml import read, remove_member, set_member

PATH = ["mcp_servers", "qiskit-functions"]
ENTRY = {"command": "/bin/python", "args": ["-m", "it"], "required": True}
TABLE = '[mcp_servers.qiskit-functions]\ncommand = "/bin/python"\nargs = ["-m", "it"]\nrequired = true\n'


@pytest.mark.parametrize(
    "text",
    [
        "",
        'model = "x" # the best\n',
        '[mcp_servers.other] # mine\ncommand = "a"\n\n# about the screen\n[tui]\nx=1\n',
        '[mcp_servers]\nother = {command="x"}\n',
        'mcp_servers.other.command = "x"\n',
        "[a]\n[mcp_servers.one]\nx = 1\n[b]\n[mcp_servers.two]\nx = 2\n",
    ],
)
def test_a_new_table_is_appended_and_removed_again(text: str) -> None:
    changed = set_member(text, PATH, ENTRY)
    assert changed == (f"{text}\n{TABLE}" if text else TABLE)
    assert read(changed)["mcp_servers"]["qiskit-functions"] == ENTRY
    assert set_member(changed, PATH, ENTRY) == changed
    assert remove_member(changed, PATH) == text


def test_line_ends_stay() -> None:
    assert set_member("a = 1\r\n", PATH, ENTRY) == "a = 1\r\n\r\n" + TABLE.replace("\n", "\r\n")


def test_a_table_in_one_line_grows_where_it_is() -> None:
    text = 'mcp_servers = { other = {command = "x"} } # all of them\n'
    changed = set_member(text, PATH, ENTRY)
    assert read(changed)["mcp_servers"] == {"other": {"command": "x"}, "qiskit-functions": ENTRY}
    assert "# all of them" in changed


def test_a_value_is_replaced_where_it_is_and_its_comment_stays() -> None:
    text = '[mcp_servers.qiskit-functions] # mine\ncommand="old" # which one\nenv = {A="b"}\n\n[tui]\n'
    changed = set_member(text, [*PATH, "command"], "new")
    assert changed == text.replace('"old"', '"new"')
    assert remove_member(changed, PATH) == "[tui]\n"


def test_what_is_not_there_is_not_removed() -> None:
    assert remove_member("a = 1\n", PATH) == "a = 1\n"
    assert remove_member("[mcp_servers]\n", PATH) == "[mcp_servers]\n"


def test_what_is_not_a_table_is_refused() -> None:
    with pytest.raises(InputError, match="mcp_servers is not a table"):
        set_member("mcp_servers = 1\n", PATH, ENTRY)
