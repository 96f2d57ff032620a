"""``qiskit-functions-mcp backup``: copy this machine's data folder to one file."""

from __future__ import annotations

from pathlib import Path

from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_core.serverless.local_gateway import default_data_folder

from .errors import failed


def main(file: Path, home: str | None) -> int:
    """Write a backup to ``file`` and return the exit code. A gateway and jobs may run at the same time."""
    from qiskit_functions_gateway.storage.backup import backup
    from qiskit_functions_gateway.storage.data_folder import DataFolder

    try:
        backup(DataFolder(Path(home) if home else default_data_folder()), file)
    except EmbeddedGatewayError as error:
        return failed(error)
    print(f"{file} ({file.stat().st_size / 1024**2:.1f} MiB)")
    return 0
