"""What a gateway is told, by flags and by variables."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from qiskit_functions_core.environment import WARM_JOBS
from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_gateway.settings import (
    PROVIDERS,
    USAGE_LIMIT,
    add_arguments,
    folder_settings,
    is_warm,
    limits_of,
    providers_of,
    refusal,
)
from qiskit_functions_gateway.storage.data_folder import DataFolder

LONG_TOKEN = "0123456789abcdef0123456789abcdef"

SECONDS, MEMORY_MB, LOG_MB = (f"QISKIT_FUNCTIONS_JOB_{name}" for name in ("SECONDS", "MEMORY_MB", "LOG_MB"))


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "home")
    folder.prepare()
    return folder


def refusal_of(*flags: str) -> str:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return refusal(parser.parse_args(flags))


def test_without_any_setting_nothing_is_limited_but_the_log(folder: DataFolder) -> None:
    settings = folder_settings(folder, {})
    limits = limits_of(settings)
    assert (settings[USAGE_LIMIT], limits.seconds, limits.memory_mb, limits.log_mb) == (None, None, None, 50)
    assert not (folder.path / "settings.json").exists()


def test_what_was_asked_for_once_holds_until_something_else_is(folder: DataFolder) -> None:
    folder_settings(folder, {USAGE_LIMIT: "0", SECONDS: "90", MEMORY_MB: "512", LOG_MB: "0.5"})
    limits = limits_of(folder_settings(folder, {}))
    assert (limits.seconds, limits.memory_mb, limits.log_bytes) == (90, 512, 524_288)
    settings = folder_settings(folder, {SECONDS: "60"})
    assert (settings[SECONDS], settings[MEMORY_MB], settings[USAGE_LIMIT]) == (60, 512, 0)
    (folder.path / "settings.json").unlink()
    assert limits_of(folder_settings(folder, {})).seconds is None


def test_a_limit_that_was_removed_in_the_file_is_none(folder: DataFolder) -> None:
    (folder.path / "settings.json").write_text(json.dumps({SECONDS: None, MEMORY_MB: 1}))
    assert limits_of(folder_settings(folder, {})).seconds is None


@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "inf"])
def test_what_is_not_a_limit_is_refused_by_name(folder: DataFolder, value: str) -> None:
    with pytest.raises(EmbeddedGatewayError, match=f"{SECONDS} is '{value}', which is not a positive number"):
        folder_settings(folder, {SECONDS: value})
    (folder.path / "settings.json").write_text(json.dumps({SECONDS: value}))
    with pytest.raises(EmbeddedGatewayError, match=SECONDS):
        folder_settings(folder, {})


def test_providers_are_kept_as_limits_are(folder: DataFolder) -> None:
    assert providers_of(folder_settings(folder, {})) == frozenset()
    assert providers_of(folder_settings(folder, {PROVIDERS: " acme, my-lab ,,acme"})) == {"acme", "my-lab"}
    assert providers_of(folder_settings(folder, {SECONDS: "1"})) == {"acme", "my-lab"}
    assert providers_of(folder_settings(folder, {PROVIDERS: "other"})) == {"other"}


@pytest.mark.parametrize("name", ["a b", "a/b", "é", "x" * 256, ".."])
def test_what_is_not_a_providers_name_is_refused(folder: DataFolder, name: str) -> None:
    with pytest.raises(EmbeddedGatewayError, match="which is not a provider's name"):
        folder_settings(folder, {PROVIDERS: f"acme,{name}"})


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_settings_file_that_cannot_be_read_is_named(folder: DataFolder, text: str) -> None:
    (folder.path / "settings.json").write_text(text)
    with pytest.raises(EmbeddedGatewayError, match=r"settings\.json cannot be used"):
        folder_settings(folder, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_on_this_machine_alone_any_token_or_none_will_do(host: str) -> None:
    assert not refusal_of("--host", host)
    assert not refusal_of("--host", host, "--token", "short")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_elsewhere_a_token_must_be_long(host: str) -> None:
    assert refusal_of("--host", host)
    assert refusal_of("--host", host, "--token", LONG_TOKEN[:-1])
    assert not refusal_of("--host", host, "--token", LONG_TOKEN)


@pytest.mark.parametrize("token", ["two words", "with\nnewline", "naïve"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    assert "printable ASCII" in refusal_of("--token", token)


def test_a_cluster_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--ray-address" in refusal_of("--runner", "ray")
    assert "--ray-address" in refusal_of("--runner", "ray", "--ray-address", "head:8265")
    assert "--runner" in refusal_of("--runner", "slurm")
    monkeypatch.setenv("QISKIT_FUNCTIONS_RAY_ADDRESS", "http://head:8265")
    assert not refusal_of("--runner", "ray")


def test_jobs_start_warm_unless_that_is_turned_off(folder: DataFolder) -> None:
    assert is_warm(folder_settings(folder, {}))
    assert not is_warm(folder_settings(folder, {WARM_JOBS: "0"}))
    assert not is_warm(folder_settings(folder, {}))
    assert is_warm(folder_settings(folder, {WARM_JOBS: "1"}))
    with pytest.raises(EmbeddedGatewayError, match="neither 0 nor 1"):
        folder_settings(folder, {WARM_JOBS: "yes"})
