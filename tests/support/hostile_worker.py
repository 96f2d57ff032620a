"""A worker's child in which some values do the worst: run as a module in place of the real one."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qiskit_functions_core.values.worker import process, tasks


def spin() -> None:
    while True:
        pass


def sleep() -> None:
    time.sleep(600)


def allocate() -> None:
    held = []
    while True:
        held.append(b"x" * 2**20)


def read_nothing() -> None:
    ctypes.string_at(0)


def panic() -> None:
    class PanicException(BaseException):
        """As Rust's panics come through PyO3."""

    raise PanicException("called `Option::unwrap()` on a `None` value")


def write_garbage() -> None:
    os.write(_answers(), b"\x00garbage\n")


def write_much() -> None:
    os.write(_answers(), b"[" * 2**20)
    sleep()


def write_to_standard_output() -> None:
    print("not an answer", flush=True)
    print("x" * 2**20, file=sys.stderr, flush=True)


def tell_variables() -> str:
    return json.dumps(dict(os.environ))


def _answers() -> int:
    """The descriptor that the answers go to: the only pipe beside the three standard streams."""
    return next(fd for fd in range(3, 64) if Path(f"/proc/self/fd/{fd}").is_fifo())


WORST: dict[str, Callable[[], Any]] = {
    each.__name__: each
    for each in (
        spin,
        sleep,
        allocate,
        read_nothing,
        panic,
        write_garbage,
        write_much,
        write_to_standard_output,
        tell_variables,
    )
}


def read_result(stored: dict[str, Any], **others: Any) -> dict[str, Any] | None:
    told = WORST[stored["text"]]() if stored["text"] in WORST else None
    return tasks.read_result(stored | {"text": told or stored["text"]}, **others)


if __name__ == "__main__":
    tasks.TASKS["read_result"] = read_result
    process.main(json.loads(sys.argv[1]))
