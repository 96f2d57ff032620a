"""A function's process, forked by a warm parent before it is known what it will run.

Forked so early, it has nothing of its supervisor: no request, lock, thread, socket or database. It waits for its order,
then makes itself what ``python -- ENTRYPOINT`` would have started, but for the modules that are imported already.
"""

from __future__ import annotations

import atexit
import builtins
import ctypes
import gc
import importlib.machinery
import io
import json
import logging
import os
import pkgutil
import random
import re
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, NoReturn, Self

from .prctl import prefer_as_victim, show_to_others
from .shown_process import show_command, show_variables

_READ_AT_THE_START = re.compile(
    r"PYTHON|LD_|LC_|LANG|TZ$|GLIBC_|MALLOC_|MIMALLOC_|OPENSSL_|OMP_|GOMP_|KMP_|OPENBLAS_|GOTO_|MKL_|BLIS_|NPY_|RAYON_"
)
"""How variables begin that the interpreter and compiled libraries read when they start, which nothing can watch."""


@dataclass(frozen=True)
class Preloaded:
    """What a warm parent has imported, and how.

    Attributes:
        variables: the environment in which it was.
        names_read: the variables that Python code looked for meanwhile, whether they were there or not.
        imported: the names of the modules.
        ours: those that functions do not import, but supervisors; a function imports its own. They are kept, since to
            delete them takes longer than most jobs.
        our_loggers: the names of their loggers.
    """

    variables: Mapping[str, str]
    names_read: frozenset[str]
    imported: frozenset[str]
    ours: Mapping[str, ModuleType]
    our_loggers: frozenset[str]

    def suits(self, script: Path, variables: Mapping[str, str]) -> bool:
        """Return whether a script, run with these variables, would have got the same from its imports.

        Not if a variable that was read then has another value now, or if a module beside the script has the name of one
        that is imported. And not if the script is not Python's source in UTF-8, which Python reads from a file in other
        ways than from memory.
        """
        for name in self.variables.keys() | variables.keys():
            if (name in self.names_read or _READ_AT_THE_START.match(name)) and (
                self.variables.get(name) != variables.get(name)
            ):
                return False
        if any(path.name.partition(".")[0] in self.imported for path in script.parent.iterdir()):
            return False
        try:
            is_text = "\0" not in script.read_text(encoding="utf-8")
        except ValueError:
            is_text = False
        return is_text and pkgutil.get_importer(str(script)) is None


class BlankProcess:
    """A process that waits for its order; with the members of ``Popen`` that ``supervise`` needs.

    Attributes:
        pid: its process identifier.
        stdout: what it writes to its standard output and error.
        inherited_bytes: how much of its resident memory it has from the warm parent.
    """

    def __init__(self, pid: int, orders: int, output: int, preloaded: Preloaded) -> None:
        self.pid = pid
        self.stdout: BinaryIO = os.fdopen(output, "rb", buffering=0)
        self._orders: BinaryIO = os.fdopen(orders, "wb", buffering=0)
        self._preloaded = preloaded
        pages = Path("/proc/self/statm").read_text().split()[1]  # of the supervisor, which is as it was forked
        self.inherited_bytes = int(pages) * os.sysconf("SC_PAGE_SIZE")

    @classmethod
    def fork(cls, preloaded: Preloaded) -> Self | Order:
        """Return the process; in the process itself its order, once there is one."""
        (orders_in, orders_out), (output_in, output_out) = os.pipe(), os.pipe()
        supervisor = os.getpid()
        if pid := os.fork():
            os.close(orders_in)
            os.close(output_out)
            return cls(pid, orders_out, output_in, preloaded)
        for descriptor in (1, 2):
            os.dup2(output_out, descriptor)
        os.dup2(orders_in, 3)
        for opened in [*Path("/proc/self/fd").iterdir()]:
            if int(opened.name) not in (0, 1, 2, 3):
                with suppress(OSError):  # that of the listing itself
                    os.close(int(opened.name))
        with os.fdopen(3, "rb") as orders:
            content = orders.read()
        if not content:
            os._exit(0)
        return Order(**json.loads(content), supervisor=supervisor, preloaded=preloaded)

    def suits(self, script: Path, variables: Mapping[str, str]) -> bool:
        """Return whether the process can become this one; see `Preloaded.suits`."""
        return self._preloaded.suits(script, variables)

    def become(self, entrypoint: str, folder: Path, variables: Mapping[str, str], marks: Mapping[str, str]) -> bool:
        """Let the process run a script in a folder; return False if it was killed before, and so has run nothing.

        Args:
            marks: those of the variables that show first what it belongs to.
        """
        order = {"entrypoint": entrypoint, "folder": str(folder), "variables": variables, "marks": marks}
        content = json.dumps(order).encode()
        try:
            with self._orders as pipe:
                while content:
                    content = content[pipe.write(content) :]
        except BrokenPipeError:
            return False
        return True

    def dismiss(self) -> None:
        """Let the process end, and reap it."""
        self._orders.close()
        self.stdout.close()
        self.wait()

    def wait(self) -> int:
        """Wait for the end of the process and return its exit code, as ``Popen.wait`` does."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@dataclass(frozen=True)
class Order:
    """What a blank process becomes."""

    entrypoint: str
    folder: str
    variables: dict[str, str]
    marks: dict[str, str]
    supervisor: int
    preloaded: Preloaded

    def run(self) -> NoReturn:
        """Run the script as ``python -- ENTRYPOINT`` does, and end the process."""
        show_to_others()
        prefer_as_victim(os.getpid())
        os.environ.clear()
        os.environ.update(self.variables)
        show_variables(self.variables, first=self.marks)
        # From here on it is found by its marks. If its supervisor has died before, the job may be taken back already.
        if os.getppid() != self.supervisor:
            os._exit(0)
        show_command([sys.executable, "--", self.entrypoint])
        os.setsid()
        os.chdir(self.folder)
        _look_new(self.preloaded)
        # As Python does it: the folder without links, the file's name with them.
        sys.argv[:], sys.orig_argv[:] = [self.entrypoint], [sys.executable, "--", self.entrypoint]
        here = str(Path(self.entrypoint).resolve().parent)
        sys.path.insert(0, here)
        path = f"{Path.cwd()}/{self.entrypoint}"
        main = ModuleType("__main__")
        vars(main).update({"__annotations__": {}} if sys.version_info < (3, 14) else {})
        vars(main).update({"__cached__": None} if sys.version_info < (3, 15) else {})
        vars(main).update(
            __builtins__=builtins,
            __file__=path,
            __loader__=importlib.machinery.SourceFileLoader("__main__", path),
        )
        # multiprocessing has a second name for it.
        sys.modules.update({name: main for name in ("__main__", "__mp_main__") if name in sys.modules})
        del main
        try:
            exec(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True), vars(sys.modules["__main__"]))  # noqa: S102
            code: object = 0
            is_interrupted = False
        except SystemExit as exit_:
            code, is_interrupted = exit_.code, False
        except BaseException as error:
            trace = error.__traceback__ and error.__traceback__.tb_next  # without the frame of this function
            sys.excepthook(type(error), error.with_traceback(trace), trace)
            code, is_interrupted = 1, isinstance(error, KeyboardInterrupt)
            del trace
        self._end(here, code, is_interrupted=is_interrupted)

    def _end(self, here: str, code: object, *, is_interrupted: bool) -> NoReturn:
        """End this process as the interpreter does, but leave what it has from the warm parent as it is.

        The interpreter would take all modules apart, which for these takes longer than most jobs.

        Args:
            here: the folder of the function's own modules.
            code: what ``SystemExit`` was raised with.
            is_interrupted: whether to end by SIGINT, as Python does after a KeyboardInterrupt.
        """
        if not isinstance(code, int | None):
            print(code, file=sys.stderr)  # noqa: T201 - as the interpreter does
            code = 1
        shut_down: Any = threading
        shut_down._shutdown()
        atexit._run_exitfuncs()
        # What the function's own modules hold is deleted, so that files are written and closed; what others hold for it
        # is written.
        own = ["__main__", "__mp_main__"]
        for name in reversed(sys.modules):
            if name in self.preloaded.imported:
                break  # to look at all takes longer than some jobs
            if str(getattr(sys.modules[name], "__file__", "")).startswith(here):
                own.append(name)
        for name in own:
            sys.modules.pop(name, None)
        gc.collect()
        for each in gc.get_objects():
            if isinstance(each, io.BufferedWriter | io.BufferedRandom | io.TextIOWrapper) and not each.closed:
                with suppress(OSError, ValueError):
                    each.flush()
        libc = ctypes.PyDLL(None)
        if is_interrupted:
            libc.fflush(None)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        libc.exit(code or 0)  # with what compiled libraries have to do at the end
        raise AssertionError("unreachable")


def _look_new(preloaded: Preloaded) -> None:
    """Undo what a fork has in common with its parent and a new interpreter has not."""
    for name in preloaded.ours:
        sys.modules.pop(name, None)
    for name in preloaded.our_loggers:
        logging.root.manager.loggerDict.pop(name, None)
    logging._startTime = time.time_ns() if sys.version_info >= (3, 13) else time.time()  # type: ignore[attr-defined]
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if processes := sys.modules.get("multiprocessing.process"):
        loaded: Any = processes
        loaded.current_process().authkey = os.urandom(32)
        loaded.ORIGINAL_DIR = str(Path.cwd())
