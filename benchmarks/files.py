"""A large file up and down, beside the official client, over loopback to the embedded gateway.

    uv run benchmarks/files.py [--megabytes 1000] [--rounds 4]

Prints medians and their ratios. The bounds: at most 40 MiB more memory than at rest, and at least the official
client's throughput both ways. Each client is a process of its own; they take turns, also in who begins.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psutil

FUNCTION = "examples/vqe"
MAX_MIB = 40
SAMPLE_SECONDS = 0.005


class Peak:
    """The most memory that this process has had meanwhile, in MiB above what it had at first."""

    def __enter__(self) -> Peak:
        self._process = psutil.Process()
        self._rest = self._most = self._process.memory_info().rss
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self._most = max(self._most, self._process.memory_info().rss)

    @property
    def mib(self) -> float:
        return (self._most - self._rest) / 2**20


def measured(upload: Callable[[Path], Any], download: Callable[[Path], Any], source: Path) -> dict[str, float]:
    """Seconds and MiB, after a small file has gone both ways."""
    small, back = source.with_name("small.bin"), source.with_name(f"back-{os.getpid()}.bin")
    small.write_bytes(b"data\n" * 1000)
    upload(small), download(small)
    with Peak() as peak:
        times = [time.perf_counter()]
        upload(source)
        times.append(time.perf_counter())
        download(source)
        times.append(time.perf_counter())
    same = back.stat().st_size == source.stat().st_size
    back.unlink()
    assert same, "it came back otherwise"
    return {"up": times[1] - times[0], "down": times[2] - times[1], "mib": peak.mib}


def ours(host: str, token: str, source: Path) -> None:
    from pydantic import SecretStr

    from qiskit_functions_core import Account, Channel, FunctionsClient

    async def main() -> dict[str, float]:
        account = Account(channel=Channel.LOCAL, host=host, token=SecretStr(token))
        async with FunctionsClient(account) as client:
            back = source.with_name(f"back-{os.getpid()}.bin")

            def upload(path: Path) -> None:
                anyio.from_thread.run(client.files.upload, FUNCTION, path)

            def download(path: Path) -> None:
                anyio.from_thread.run(client.files.download, FUNCTION, path.name, back)

            return await anyio.to_thread.run_sync(measured, upload, download, source)

    print(json.dumps(anyio.run(main)))


def official(host: str, token: str, source: Path) -> None:
    from qiskit_serverless import ServerlessClient

    client = ServerlessClient(host=host, token=token, channel="local")
    function, back = client.function(FUNCTION), f"back-{os.getpid()}.bin"
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        result = measured(
            lambda path: client.file_upload(str(path), function),
            lambda path: client.file_download(path.name, function, back, str(path.parent)),
            source,
        )
    print(json.dumps(result))


def serve(home: str) -> None:
    from qiskit_functions_gateway.server import GatewayServer

    with GatewayServer(Path(home)) as gateway:
        print(json.dumps([gateway.host, gateway.token]), flush=True)
        sys.stdin.read()


@contextmanager
def gateway(home: Path) -> Iterator[list[str]]:
    with subprocess.Popen(
        [sys.executable, __file__, "serve", str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def touch_memory(megabytes: int) -> None:
    """Have the host back as much of this machine's free memory.

    On a virtual machine, the first write to a page can cost more than its way through a socket. Without this, the
    client that holds a whole upload in memory pays for its download's page cache before the clock runs.
    """
    code = "import sys; b'x' * (int(sys.argv[1]) * 10**6)"
    subprocess.run([sys.executable, "-c", code, str(megabytes)], check=True)


def in_a_process(client: str, address: list[str], source: Path) -> dict[str, float]:
    command = [sys.executable, __file__, client, *address, str(source)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(answer.stdout))


def compare(megabytes: int, rounds: int) -> int:
    with tempfile.TemporaryDirectory() as folder, gateway(Path(folder) / "home") as address:
        source = Path(folder) / "large.bin"
        with source.open("wb") as file:
            for _ in range(megabytes):
                file.write(b"data\n" + os.urandom(10**6 - 5))
        pairs = []
        for number in range(rounds):
            order = ("ours", "official") if number % 2 else ("official", "ours")
            times = {}
            for client in order:
                touch_memory(3 * megabytes)
                times[client] = in_a_process(client, address, source)
            pairs.append((times["ours"], times["official"]))
    memory = max(own["mib"] for own, _ in pairs)
    print(f"memory above rest: {memory:.0f} MiB, official {max(other['mib'] for _, other in pairs):.0f} MiB")
    ratios = {}
    for way in ("up", "down"):
        rates = [megabytes / statistics.median(pair[side][way] for pair in pairs) for side in (0, 1)]
        ratios[way] = statistics.median(other[way] / own[way] for own, other in pairs)
        print(f"{way}: {rates[0]:.0f} MB/s, official {rates[1]:.0f} MB/s, ratio {ratios[way]:.2f}")
    return 0 if memory <= MAX_MIB and min(ratios.values()) >= 1 else 1


def main() -> int:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it, each start would compile what it imports
    roles: dict[str, Callable[..., None]] = {"ours": ours, "official": official, "serve": serve}
    if sys.argv[1:2] and sys.argv[1] in roles:
        role, *arguments = sys.argv[1:]
        roles[role](*arguments[:2], *map(Path, arguments[2:]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=4)
    chosen = parser.parse_args()
    return compare(chosen.megabytes, chosen.rounds)


if __name__ == "__main__":
    sys.exit(main())
