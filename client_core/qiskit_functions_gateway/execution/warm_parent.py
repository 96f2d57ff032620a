"""``python -m qiskit_functions_gateway.execution.warm_parent FOLDER LIFELINE MEMINFO ROOM``: fork jobs warm.

To import what functions import takes seconds; a fork of this process, which has imported it, takes milliseconds. At
each connection to its socket it forks a supervisor, which forks the function's process before it reads what it is to
do. So neither this process nor a function ever holds a request, and a function holds nothing of the gateway's or of
other jobs. It must have one thread: a fork could wait for a lock that another thread held.

It ends with the gateway that started it, when the jobs that it has forked have ended; also when the installed packages
change, or memory runs out. Jobs go on then.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import json
import logging
import os
import select
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket
from typing import Any

from ..storage.data_folder import DataFolder
from ..storage.locks import take
from .blank_process import BlankProcess, Preloaded
from .limits import Limits
from .prctl import hide_from_functions
from .shown_process import ROOM_VARIABLE, can_show, show_command
from .warm_start import SUPERVISOR, MeetingPlace, has_memory

_FOR_FUNCTIONS = (
    *("numpy", "qiskit", "qiskit.transpiler", "qiskit_serverless", "qiskit_ibm_runtime.fake_provider", "qiskit_aer"),
)
_FOR_SUPERVISORS = (
    *(SUPERVISOR, "qiskit_functions_gateway.api.app", "qiskit_functions_gateway.execution.processes", "uvicorn"),
)

_LOOK_SECONDS = 1.0
"""Between two looks whether to end."""


def main(folder: DataFolder, lifeline: int, meminfo: Path) -> None:
    """Fork jobs until it is time to end.

    Args:
        lifeline: a descriptor that is readable when the gateway that has started this process has ended.
        meminfo: the file to read how much memory is available from.
    """
    shows = can_show()  # asked while this process may read its own environment in /proc; there is no secret in it
    hide_from_functions()
    place = MeetingPlace.of(folder)
    log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
    lock = os.open(place.lock, os.O_RDWR | os.O_CREAT, 0o600)
    if not shows or not take(lock):
        return
    del os.environ[ROOM_VARIABLE]
    show_command([*sys.orig_argv[:3], str(folder.path)])
    sys.path.pop(0)  # the working folder, which python -m has put there
    # Imports take seconds, many on a busy machine, and look at no lifeline: meanwhile Linux watches it, and ends this
    # process with SIGIO.
    flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:
        return
    preloaded = _preload()
    fcntl.fcntl(lifeline, fcntl.F_SETFL, flags)
    connection = _serve(place, lifeline, meminfo) if len([*Path("/proc/self/task").iterdir()]) == 1 else None
    if connection is None:
        place.socket.unlink(missing_ok=True)
        return
    os.close(lock)
    os.close(lifeline)
    process = BlankProcess.fork(preloaded)
    if isinstance(process, BlankProcess):
        _supervise(connection, process)
    else:
        process.run()


def _preload() -> Preloaded:
    """Import what functions and supervisors import, and return how it was done."""
    # It computes for seconds, so the gateway and the server, which answer somebody, get a processor at once. Nice would
    # do as well, but could not be taken back for jobs.
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    gc.disable()
    variables, names_read = dict(os.environ), set[str]()
    modules, loggers = set(sys.modules), set(logging.root.manager.loggerDict)
    environ: Any = os.environ
    encode = environ.encodekey

    def encode_and_note(name: str) -> bytes:
        names_read.add(name)
        return bytes(encode(name))

    environ.encodekey = encode_and_note
    _import(_FOR_FUNCTIONS)
    environ.encodekey = encode
    ours = {name for name in modules if _top(name) in ("qiskit_functions_core", "qiskit_functions_gateway")}
    our_loggers = {name for name in loggers if _top(name) == "qiskit_functions_gateway"}
    modules, loggers = set(sys.modules), set(logging.root.manager.loggerDict)
    _import(_FOR_SUPERVISORS)
    ours |= {name for name in sys.modules.keys() - modules if _top(name) not in sys.stdlib_module_names}
    our_loggers |= logging.root.manager.loggerDict.keys() - loggers
    imported = frozenset({*sys.modules, *map(_top, sys.modules)} - ours)
    kept = {name: sys.modules[name] for name in ours}
    preloaded = Preloaded(variables, frozenset(names_read), imported, kept, frozenset(our_loggers))
    # OpenBLAS ends its threads before a fork, and starts them again when it needs them.
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    gc.enable()
    # What imports have created is never collected; without this, each fork would copy it to look.
    gc.collect()
    gc.freeze()
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return preloaded


def _top(name: str) -> str:
    return name.partition(".")[0]


def _import(names: tuple[str, ...]) -> None:
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # whatever a broken package raises: functions that import it will say so
            traceback.print_exc()


def _serve(place: MeetingPlace, lifeline: int, meminfo: Path) -> int | None:
    """Fork a process at each connection, and return the connection in it; return None when it is time to end."""
    packages, children, is_wanted = installed_packages(sys.path), 0, True
    with _listening(place) as listener:
        while is_wanted or children:
            watched: list[Any] = [listener, lifeline] if is_wanted else [listener]
            ready, _, _ = select.select(watched, [], [], _LOOK_SECONDS)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    children -= 1
            is_wanted = is_wanted and lifeline not in ready
            if installed_packages(sys.path) != packages or not has_memory(meminfo):
                return None
            if listener in ready:
                connection = listener.accept()[0]
                with suppress(OSError), connection:  # no process or no memory is left
                    if os.fork() == 0:
                        return connection.detach()
                    children += 1
    return None


@contextmanager
def _listening(place: MeetingPlace) -> Iterator[socket]:
    place.socket.unlink(missing_ok=True)  # of one that was killed
    with socket(AF_UNIX, SOCK_STREAM) as listener:
        with place.address() as address:
            listener.bind(address)
        place.socket.chmod(0o600)
        listener.listen()
        yield listener


def installed_packages(path: Iterable[str]) -> frozenset[tuple[str, int]]:
    """Return what tells the sets of installed packages in some folders apart: the folders of their metadata."""
    found = set()
    for folder in path:
        with suppress(OSError), os.scandir(folder) as entries:
            found |= {(entry.name, entry.inode()) for entry in entries if entry.name.endswith(("-info", ".pth"))}
    return frozenset(found)


def _supervise(connection: int, process: BlankProcess) -> None:
    """Look after the job of a request, up to the end of this process."""
    with socket(fileno=connection) as asked, asked.makefile("rb") as content:
        request = json.loads(content.read() or "null")
        os.dup2(asked.fileno(), 1)
    if request is None:
        os._exit(0)  # who asked has gone
    os.setsid()
    os.environ.clear()
    os.environ.update(request["variables"])
    folder, job_id, limits = DataFolder(Path(request["folder"])), request["job"], request["limits"]
    show_command([sys.executable, "-m", SUPERVISOR, str(folder.path), job_id, limits])
    log = os.open(folder.job(job_id).supervisor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(log, 2)
    os.close(log)
    code = 1
    try:
        importlib.import_module(SUPERVISOR).main(folder, job_id, Limits.from_argument(limits), process)
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)  # there is nothing to be cleaned up, and it would take a tenth of a second


if __name__ == "__main__":
    main(DataFolder(Path(sys.argv[1])), int(sys.argv[2]), Path(sys.argv[3]))
