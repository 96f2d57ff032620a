"""``qiskit-functions-mcp prune`` as people start it."""

from __future__ import annotations

import argparse
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from qiskit_functions_mcp.commands.prune import duration, shown, size
from support.still_gateway import still_gateway


def prune(home: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qiskit_functions_mcp", "prune", "--home", str(home), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_shows_what_there_is_and_removes_only_what_it_is_asked_for(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with still_gateway(home) as gateway:
        gateway.put_function("counts")
        done, queued = (gateway.put_job("counts", "", status).id for status in ("SUCCEEDED", "QUEUED"))
        shows = prune(home)
        assert shows.returncode == 0
        assert f"{home} has " in shows.stdout
        assert "        2  jobs, with their logs and results" in shows.stdout
        assert shows.stdout.endswith(
            "Nothing was removed. To remove what is old, say how old or how large: --older-than 30d, --max-size 2GB.\n"
        )
        assert (
            prune(home, "--older-than", "30d").stdout.splitlines()[-1].startswith("Removed: nothing. The folder has ")
        )
        dry = prune(home, "--older-than", "0h", "--dry-run")
        assert dry.stdout.splitlines()[-1].startswith("Would be removed: 1 jobs, ")
        assert gateway.send("GET", f"jobs/{done}/").status == 200
        removed = prune(home, "--older-than", "0h")
        assert removed.returncode == 0
        assert removed.stdout.splitlines()[-1].startswith("Removed: 1 jobs, ")
        assert gateway.send("GET", f"jobs/{done}/").status == 404
        assert gateway.send("GET", f"jobs/{queued}/").status == 200
        small = prune(home, "--max-size", "1kb")
        assert small.stdout.splitlines()[-1].startswith("That is more than 1.0 KiB: ")
        gateway.stop_all()


def test_a_folder_that_is_not_there_is_named_and_not_made(tmp_path: Path) -> None:
    done = prune(tmp_path / "home", "--older-than", "30d")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: there is no data folder at {tmp_path / 'home'}\n")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("flags", [("--older-than", "30"), ("--older-than", "-1d"), ("--max-size", "much")])
def test_what_is_not_understood_is_said(tmp_path: Path, flags: tuple[str, str]) -> None:
    done = prune(tmp_path / "home", *flags)
    assert done.returncode == 2
    assert flags[0] in done.stderr


def test_times_and_sizes() -> None:
    assert [duration(text) for text in ("12h", "30d", " 2W ")] == [
        timedelta(hours=12),
        timedelta(days=30),
        timedelta(days=14),
    ]
    assert [size(text) for text in ("0", "1kb", "1.5 MiB", "2G")] == [0, 1024, 1536 * 1024, 2 * 1024**3]
    for text in ("", "d", "1y", "1" * 7 + "d", "٣d"):
        with pytest.raises(argparse.ArgumentTypeError):
            duration(text)
    assert [shown(number) for number in (0, 1023, 1024, 1536 * 1024, 5 * 1024**5)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 MiB",
        "5120.0 TiB",
    ]
