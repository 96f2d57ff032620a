"""Which local folders tools may use, and what they may write there unasked, after a question, and never."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import qiskit_functions_mcp
from qiskit_functions_core.errors import InputError
from qiskit_functions_mcp.folders import RESULTS, is_too_broad, write_target
from qiskit_functions_mcp.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.mark.parametrize("name", ["counts.csv", "a/b.json", f"{RESULTS}/c.npy", "d.tar.gz", "E.PNG", "über.txt"])
def test_a_new_data_file_is_written_into_the_folder_for_results_without_a_question(folder: Path, name: str) -> None:
    target = write_target(name, [folder])
    assert target.path == folder / RESULTS / name.removeprefix(f"{RESULTS}/")
    assert not target.needs_consent
    assert write_target(str(target.path), [folder]) == target


@pytest.mark.parametrize(
    "name",
    [
        *("conftest.py", "zz.pth", "sitecustomize.py", ".envrc", ".bashrc", "Makefile", "GNUmakefile", "Justfile"),
        *("package.json", "Package.JSON", "tsconfig.json", "pyproject.toml", "setup.cfg", "requirements.txt"),
        *("notebook.ipynb", "run.sh", "a.SO", "model.pkl", "CLAUDE.md", "page.html", "unknown.xyz", "Dockerfile"),
        *("CMakeLists.txt", "settings.json", "mcp.json", "compose.yaml", "a.csv.py", "noending"),
        *("conanfile.txt", "CMakePresets.json", "docker-compose.json", "main.tf.json", "kernel.json", "cdk.json"),
        *("llms.txt", "AGENTS.txt", "copilot-instructions.txt", "hooks.json", "requirements/dev.txt", "a.desktop"),
        *("a.command", "a.reg", "a.lnk", "a.scpt", "a.plist", "a.service", "a.url", "autorun.inf", "a.xlsm"),
    ],
)
def test_what_could_be_code_or_configuration_needs_consent_wherever_it_is(folder: Path, name: str) -> None:
    for path in (name, str(folder / name)):
        assert "can be run as code" in write_target(path, [folder]).needs_consent


def test_the_folder_for_results_is_in_the_first_folder_that_is_allowed(folder: Path) -> None:
    second = folder.parent / "second"
    second.mkdir()
    assert write_target("a.csv", [folder, second]).path == folder / RESULTS / "a.csv"
    assert write_target(f"{RESULTS}/a.csv", [folder, second]).path == folder / RESULTS / "a.csv"
    elsewhere = write_target(str(second / "a.csv"), [folder, second])
    assert f"outside the folder for results, {folder / RESULTS}." in elsewhere.needs_consent


def test_a_data_file_elsewhere_needs_consent(folder: Path) -> None:
    for path in (folder / "counts.csv", folder / "data" / "counts.csv"):
        assert "outside the folder for results" in write_target(str(path), [folder]).needs_consent


@pytest.mark.parametrize(
    "path",
    [
        *(
            ".git/hooks/post-checkout",
            ".GIT/config",
            ".git",
            ".claude/settings.json",
            ".vscode/tasks.json",
            ".venv/a.csv",
        ),
        *("hooks/a.csv", "HOOKS/a.csv", "a/venv/b.csv", "lib/site-packages/a.csv", "node_modules/a/b.json"),
        *("env/lib/a.csv", "conda/lib/a.csv", ".ssh/a.txt", "\uff0egit/a.csv", "__pycache__/a.dat"),
    ],
)
def test_dot_folders_environments_and_hooks_are_never_written(folder: Path, path: str) -> None:
    (folder / "env").mkdir()
    (folder / "env" / "pyvenv.cfg").touch()
    (folder / "conda" / "conda-meta").mkdir(parents=True)
    for named in (str(folder / path), f"{RESULTS}/../{path}"):
        with pytest.raises(InputError, match=r"never written|outside the allowed folders"):
            write_target(named, [folder])


@pytest.mark.parametrize(
    "name",
    [
        "a.py.",
        "a.py ",
        "a.csv::$DATA",
        "b:a.csv",
        "GIT~1/config",
        "con.csv",
        "NUL",
        "a\u200bb.csv",
        "a\nb.csv",
        "a\\b.csv",
    ],
)
def test_a_name_that_some_file_system_reads_as_another_is_refused(folder: Path, name: str) -> None:
    for path in (name, f"{folder}/{name}"):
        with pytest.raises(InputError):
            write_target(path, [folder])


@pytest.mark.parametrize("name", ["../a.csv", "a/../../b.csv", f"{RESULTS}/../conftest.py", "../../a.csv", "~/a.csv"])
def test_a_path_that_leads_out_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="outside the allowed folders"):
        write_target(name, [folder])


def test_links_are_followed_before_a_path_is_judged(folder: Path) -> None:
    (folder / ".git" / "hooks").mkdir(parents=True)
    (folder / "harmless").symlink_to(folder / ".git")
    with pytest.raises(InputError, match="starts with a dot"):
        write_target(str(folder / "harmless" / "a.csv"), [folder])
    (folder / "src").mkdir()
    (folder / RESULTS).symlink_to(folder / "src")
    assert write_target("a.csv", [folder]).needs_consent
    (folder / RESULTS).unlink()
    (folder / RESULTS).symlink_to(folder.parent)
    with pytest.raises(InputError, match="outside the allowed folders"):
        write_target("a.csv", [folder])


def test_the_server_itself_is_never_written(folder: Path) -> None:
    package = Path(qiskit_functions_mcp.__file__).parent
    for path in (package / "new.py", package / "tools" / "a.csv", Path(sys.prefix) / "a.csv"):
        with pytest.raises(InputError, match="never written"):
            write_target(str(path), [Path(path.anchor)])
    (folder / "link").symlink_to(package)
    with pytest.raises(InputError, match="belongs to this server"):
        write_target(str(folder / "link" / "new.py"), [folder, package])
    (folder / "home").mkdir()
    with pytest.raises(InputError, match="belongs to this server"):
        write_target(str(folder / "home" / "a.csv"), [folder], folder / "home")


def test_a_file_that_exists_is_never_written_over(folder: Path) -> None:
    (folder / RESULTS).mkdir()
    (folder / RESULTS / "a.csv").touch()
    (folder / RESULTS / "b.csv").symlink_to(folder / "nowhere.csv")
    for name in ("a.csv", "."):
        with pytest.raises(InputError, match="already exists"):
            write_target(name, [folder])


def test_a_server_that_was_not_started_in_a_project_allows_no_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    for broad in (folder, folder.parent, Path(folder.anchor)):
        assert is_too_broad(broad)
        monkeypatch.chdir(broad)
        assert Settings().folders == []
    (folder / "work").mkdir()
    monkeypatch.chdir(folder / "work")
    assert Settings().folders == [folder / "work"]
    assert Settings(allow_dirs=[folder]).folders == [folder]
    with pytest.raises(InputError, match="no local folder is allowed"):
        write_target("a.csv", [])
