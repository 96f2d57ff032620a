"""The child of a worker: ``python -m qiskit_functions_core.values.worker.process SETTINGS``.

Reads one JSON object a line from standard input, ``{"task": …, "arguments": {…}}``, does the task, and answers with one
line: ``{"answer": …}``, ``{"error": …}`` for an error that its caller made, or ``{"breach": …}`` for one that nothing
foresaw. It ends when its input does, and when it is idle.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib.util
import json
import os
import sys
import threading
from contextlib import suppress
from types import ModuleType
from typing import Any

from ...errors import QiskitFunctionsError

_CIRCUIT = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit q;\nh q;\n'


def main(settings: dict[str, Any]) -> None:
    """Do tasks until the input ends or no task comes for a while."""
    # The answers keep standard output for themselves: what others print goes to standard error.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    faulthandler.enable()
    if hasattr(os, "nice"):
        os.nice(5)  # on a busy machine the server, which answers others, comes first
    _skip_the_service()
    _limit_memory(settings["memory"])
    if settings["in_advance"]:
        _load()
    while True:
        # A thread, because there is no waiting for a pipe with a deadline on Windows. The parent notices that the
        # process ended without an answer, and starts another.
        idle = threading.Timer(settings["idle_seconds"], os._exit, [0])
        idle.daemon = True
        idle.start()
        line = sys.stdin.buffer.readline()
        idle.cancel()
        if not line:
            return
        _limit_cpu(settings["cpu_seconds"])
        answer = _answer(json.loads(line))
        answers.write(json.dumps(answer).encode() + b"\n")


def _load() -> None:
    """Load what the first value in arguments and the first result need, before they come."""
    from .. import results  # noqa: F401
    from ..encoding import encode_arguments
    from ..families import primitives  # noqa: F401 - of the results of samplers and estimators
    from . import tasks  # noqa: F401

    with suppress(Exception):  # a task that needs what is broken says so
        encode_arguments({"circuit": {"$circuit": _CIRCUIT}}, allowed_folders=[])
    gc.collect()
    gc.freeze()  # what was loaded stays; without this, a task would be held up by looking through it


def _answer(message: dict[str, Any]) -> dict[str, Any]:
    from . import tasks  # after the limits

    try:
        return {"answer": tasks.TASKS[message["task"]](**message["arguments"])}
    except QiskitFunctionsError as error:
        fields = {name: value for name, value in vars(error).items() if isinstance(value, str | int | None)}
        return {"error": {"code": error.code, "fields": fields}}
    except MemoryError:
        return {"breach": "memory", "message": "took more memory than there is for one value"}
    except BaseException as error:  # a panic of Rust code is not an Exception
        lines = str(error).strip().splitlines() or [""]
        return {"breach": "crash", "message": f"failed with {type(error).__name__}: {lines[0][:300]}"}


def _limit_memory(limit: int | None) -> None:
    if limit is None:
        return
    import resource  # not on Windows

    # Of data, not of address space: allocators reserve gigabytes of addresses that they never fill.
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_cpu(seconds: float | None) -> None:
    """For the next task, on top of what the process has used; the kernel ends the process then."""
    if seconds is None:
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 1, resource.RLIM_INFINITY))


def _skip_the_service() -> None:
    """Let ``qiskit_ibm_runtime`` be a package whose modules load one by one.

    Its ``__init__`` imports the client of IBM's service, which takes 3 s and 100 MiB and is not wanted here: the
    encoder is in ``qiskit_ibm_runtime.json``, and needs little beside it.
    """
    spec = importlib.util.find_spec("qiskit_ibm_runtime")
    if spec is None or spec.submodule_search_locations is None:
        return
    package = ModuleType("qiskit_ibm_runtime")
    package.__spec__, package.__path__ = spec, list(spec.submodule_search_locations)

    def attribute(name: str) -> Any:
        if name in ("RuntimeEncoder", "RuntimeDecoder"):
            return getattr(importlib.import_module("qiskit_ibm_runtime.json"), name)
        if name == "QiskitRuntimeService":
            return type(name, (), {})  # the class of none of the values here
        raise AttributeError(f"the worker process does not load {name}")

    vars(package)["__getattr__"] = attribute
    sys.modules["qiskit_ibm_runtime"] = package


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
