"""A program between an MCP host and a server over stdio, which notes each message in a file.

Usage: ``python wire_tap.py FILE COMMAND…``
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any, Literal


def messages(file: Path, sender: Literal["host", "server"]) -> list[dict[str, Any]]:
    """Return what one side has sent, in its order."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [line["message"] for line in lines if line["from"] == sender]


def main(file: str, *command: str) -> int:
    writing = threading.Lock()
    with (
        Path(file).open("a") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server,
    ):
        assert server.stdin and server.stdout

        def relay(sender: str, source: IO[bytes], target: IO[bytes]) -> None:
            for line in source:
                with writing:
                    log.write(json.dumps({"from": sender, "message": json.loads(line)}) + "\n")
                    log.flush()
                target.write(line)
                target.flush()
            target.close()

        # A daemon, since the host may leave its end open after the server has ended.
        threading.Thread(target=relay, args=("host", sys.stdin.buffer, server.stdin), daemon=True).start()
        relay("server", server.stdout, sys.stdout.buffer)
        return server.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
