"""The files that tell registries and hosts about the server."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from qiskit_functions_mcp.settings import Settings

ROOT = Path(__file__).parents[3]

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

BUNDLE = "server/mcpb/manifest.json"

PLUGINS = {
    ".claude-plugin/plugin.json": "${CLAUDE_PLUGIN_ROOT}",
    ".cursor-plugin/plugin.json": "${CURSOR_PLUGIN_ROOT}",
    "server/plugins/gemini/gemini-extension.json": "${extensionPath}/../../..",
}
"""The manifest of each plugin, and the repository's folder as that host names it."""


def manifest(path: str) -> dict[str, Any]:
    return dict(json.loads((ROOT / path).read_text()))


@pytest.mark.parametrize("path", ["server/registry/server.json", BUNDLE, *PLUGINS])
def test_every_manifest_is_of_this_version(path: str) -> None:
    assert manifest(path)["version"] == PROJECT["version"]


def test_the_registrys_file_fits_its_schema() -> None:
    schema = json.loads((Path(__file__).with_name("server.schema.json")).read_text())
    described = manifest("server/registry/server.json")
    assert described["$schema"] == schema["$id"]
    jsonschema_rs.validate(schema, described)
    (package,) = described["packages"]
    assert (package["identifier"], package["version"]) == (PROJECT["name"], PROJECT["version"])
    secret = {variable["name"] for variable in package["environmentVariables"] if variable.get("isSecret")}
    assert secret == {"QISKIT_FUNCTIONS_TOKEN", "QISKIT_FUNCTIONS_INSTANCE"}


@pytest.mark.parametrize("path", PLUGINS)
def test_a_plugin_starts_the_repository_that_it_is_in(path: str) -> None:
    servers = manifest(path)["mcpServers"]
    if isinstance(servers, str):
        servers = manifest(servers)["mcpServers"]
    assert servers == {
        "qiskit-functions": {
            "command": "uv",
            "args": ["run", "--project", PLUGINS[path], "--no-dev", "--extra", "local", "qiskit-functions-mcp"],
        }
    }


def test_a_setting_of_the_bundle_that_is_left_empty_allows_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    settings = manifest(BUNDLE)["user_config"]
    assert [name for name, setting in settings.items() if setting.get("sensitive")] == ["token", "instance"]
    assert settings["folder"]["default"] == ""
    assert Settings.model_validate({"allow_dirs": [""]}).folders == []
    assert Settings.model_validate({"allow_dirs": ["."]}).folders == [Path()]


def test_the_container_copies_what_there_is() -> None:
    lines = [line.split() for line in (ROOT / "server" / "Containerfile").read_text().splitlines()]
    copied = [
        source for word, *sources in (line for line in lines if line) if word == "COPY" for source in sources[:-1]
    ]
    assert copied
    assert [source for source in copied if not (ROOT / source).exists()] == []
