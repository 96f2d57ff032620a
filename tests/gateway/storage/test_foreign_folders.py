"""A data folder that another user could have prepared is refused."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qiskit_functions_core import Account, FunctionsClient
from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_core.local_files import refuse_foreign_folder
from qiskit_functions_gateway.server import GatewayServer
from qiskit_functions_gateway.storage.data_folder import DataFolder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders of users are private there")

ANOTHER = 65534

is_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give files away")


def planted_link(name: str) -> Callable[[Path], None]:
    def plant(home: Path) -> None:
        (home.parent / "elsewhere").touch()
        (home / name).symlink_to(home.parent / "elsewhere")

    return plant


def of_another(name: str) -> Callable[[Path], None]:
    def plant(home: Path) -> None:
        (home / name).write_text("planted")
        os.chown(home / name, ANOTHER, ANOTHER)

    return plant


def linked(*, link_of: int, folder_of: int) -> Callable[[Path], None]:
    def plant(home: Path) -> None:
        home.rename(home.with_name("disk"))
        home.symlink_to(home.with_name("disk"))
        os.chown(home, folder_of, folder_of)
        os.chown(home, link_of, link_of, follow_symlinks=False)

    return plant


def open_token(home: Path) -> None:
    (home / "token").write_text("planted")
    (home / "token").chmod(0o666)


REFUSED = {
    "writable by all": (lambda home: home.chmod(0o777), "other users can write in it"),
    "writable by a group": (lambda home: home.chmod(0o770), "other users can write in it"),
    "a token that is a link": (planted_link("token"), "token in it is a link"),
    "a database that is a link": (planted_link("gateway.db"), "gateway.db in it is a link"),
    "artifacts that are a link": (planted_link("artifacts"), "artifacts in it is a link"),
    "a token that all can write": (open_token, "other users can write token in it"),
}

GIVEN_AWAY = {
    "another's": (lambda home: os.chown(home, ANOTHER, ANOTHER), "it belongs to another user"),
    "another's link": (linked(link_of=ANOTHER, folder_of=0), "it belongs to another user"),
    "another's behind a link": (linked(link_of=0, folder_of=ANOTHER), "it belongs to another user"),
    "another's token": (of_another("token"), "token in it belongs to another user"),
    "another's database": (of_another("gateway.db"), "gateway.db in it belongs to another user"),
    "another's gateway.json": (of_another("gateway.json"), "gateway.json in it belongs to another user"),
}


@pytest.mark.parametrize("how", [*REFUSED, *(pytest.param(name, marks=is_root) for name in GIVEN_AWAY)])
async def test_it_is_refused_by_the_gateway_and_by_clients(tmp_path: Path, how: str) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    plant, reason = (REFUSED | GIVEN_AWAY)[how]
    plant(home)
    before = sorted(path.name for path in home.iterdir())
    expected = f"the data folder {home} cannot be used: {reason}"
    with pytest.raises(EmbeddedGatewayError, match=expected), GatewayServer(home):
        pass
    with pytest.raises(EmbeddedGatewayError, match=expected):
        async with FunctionsClient(Account.local(), home=home):
            pass
    assert sorted(path.name for path in home.iterdir()) == before


def test_a_folder_behind_a_link_of_the_users_own_is_used(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o700)
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    for _ in range(2):  # empty, and with its files
        DataFolder(tmp_path / "home").prepare()
    assert (tmp_path / "disk" / "gateway.db").exists()


def test_the_folders_and_files_of_any_other_user_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with pytest.raises(EmbeddedGatewayError, match="it belongs to another user"):
        refuse_foreign_folder(tmp_path)


@is_root
def test_a_user_has_a_folder_of_their_own_and_root_is_another_user_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, home = 1000, tmp_path / "home"
    monkeypatch.setattr(os, "getuid", lambda: user)
    home.mkdir()
    (home / "gateway.db").touch()
    for path in (home, home / "gateway.db"):
        os.chown(path, user, user)
    refuse_foreign_folder(home)
    (home / "token").touch()
    with pytest.raises(EmbeddedGatewayError, match="token in it belongs to another user"):
        refuse_foreign_folder(home)
    (home / "token").unlink()
    linked(link_of=user, folder_of=user)(home)
    refuse_foreign_folder(home)
    for link_of, folder_of in ((user, 0), (0, user)):
        os.chown(home, link_of, link_of, follow_symlinks=False)
        os.chown(home, folder_of, folder_of)
        with pytest.raises(EmbeddedGatewayError, match="used: it belongs to another user"):
            refuse_foreign_folder(home)


def test_a_folder_that_is_not_there_is_not_refused_and_one_that_cannot_be_says_why(tmp_path: Path) -> None:
    refuse_foreign_folder(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedGatewayError, match=r"cannot be used: Not a directory$"):
        refuse_foreign_folder(tmp_path / "file" / "home")
