"""What a server has done before the first tool is called."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from support.over_stdio import IDLE, Assistant
from support.programs import WITHOUT_CAPABILITIES

HEAVY = ["httpx", "matplotlib", "numpy", "qiskit", "qiskit_ibm_runtime", "qiskit_serverless", "scipy"]

SERVE_THEN_TELL = """
import sys
from qiskit_functions_mcp.commands.cli import main
main(["--channel", "local"])
print(sorted({name.partition(".")[0] for name, module in sys.modules.items() if module}), file=sys.stderr)
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


READS_ENVIRONMENTS = """
import pathlib
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        if b"qiskit_functions_mcp" in (process / "cmdline").read_bytes():
            print("found one:", "a-token" in (process / "environ").read_text())
    except PermissionError:
        print("refused")
    except OSError:
        pass
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
async def test_a_function_cannot_read_the_accounts_of_a_server(tmp_path: Path) -> None:
    server = [sys.executable, "-m", "qiskit_functions_mcp", "--channel", "local", "--home", str(tmp_path / "home")]
    command, *args = [*WITHOUT_CAPABILITIES, *server, "--consent", "never"]
    environ = {IDLE: os.environ[IDLE], "QISKIT_IBM_TOKEN": "a-token"}
    async with Client(stdio_client(StdioServerParameters(command=command, args=args, env=environ))) as client:
        model = Assistant(client)
        await model.ask("upload_function", title="reads", source=READS_ENVIRONMENTS)
        log = await model.log((await model.run("reads"))["job_id"])
    assert "refused" in log
    assert "True" not in log
