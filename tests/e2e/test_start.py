"""What a server has done before the first tool is called."""

from __future__ import annotations

import sys
from pathlib import Path

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

HEAVY = ["httpx", "matplotlib", "numpy", "qiskit", "qiskit_ibm_runtime", "qiskit_serverless", "scipy"]

SERVE_THEN_TELL = """
import sys
from qiskit_functions_mcp.commands.cli import main
main(["--channel", "local"])
print(sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


async def test_a_started_server_has_imported_nothing_heavy_and_made_no_data_folder(tmp_path: Path) -> None:
    log, home = tmp_path / "stderr.txt", tmp_path / "home"
    server = StdioServerParameters(
        command=sys.executable, args=["-c", SERVE_THEN_TELL], env={"QISKIT_FUNCTIONS_HOME": str(home)}
    )
    with log.open("w") as errlog:
        async with Client(stdio_client(server, errlog=errlog)) as client:
            assert (await client.list_tools()).tools
    imported = log.read_text()
    assert "'qiskit_functions_mcp'" in imported, "the server told what it had imported"
    assert [name for name in HEAVY if f"'{name}'" in imported] == []
    assert not home.exists()
