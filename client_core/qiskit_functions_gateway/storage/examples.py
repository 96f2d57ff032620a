"""The functions that a new gateway has, of the provider ``examples``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from qiskit_functions_core.local_files import atomic_write
from qiskit_functions_core.serverless.artifact import Artifact

from .data_folder import DataFolder
from .database import Database

PROVIDER = "examples"

_SHIPPED = Path(__file__).parent / "examples"
_CHECKOUT = Path(__file__).parents[3] / "examples" / "functions"


def seed(data_folder: DataFolder, database: Database) -> None:
    """Store the examples, and update those that have changed with a new version."""
    folder = _SHIPPED if _SHIPPED.is_dir() else _CHECKOUT
    for manifest in sorted(folder.glob("*/function.json")):
        _put(data_folder, database, manifest.parent, json.loads(manifest.read_text(encoding="utf-8")))


def _put(data_folder: DataFolder, database: Database, directory: Path, function: dict[str, Any]) -> None:
    archive = Artifact.from_directory(directory, function["entrypoint"]).content
    name = f"{hashlib.sha256(archive).hexdigest()}.tar"
    changes = {
        "artifact": name,
        "entrypoint": function["entrypoint"],
        "description": function["description"],
        "version": function["version"],
        "arguments_schema": json.dumps(function["arguments_schema"]),
    }
    stored = database.program(function["title"], PROVIDER)
    if stored and all(getattr(stored, column) == value for column, value in changes.items()):
        return
    with atomic_write(data_folder.artifacts / name) as file:  # a job may be reading the same artifact
        file.write(archive)
    database.put_program(function["title"], PROVIDER, dict(changes))
