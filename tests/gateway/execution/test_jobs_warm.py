"""Jobs that start warm: they see what a new interpreter would show them, and hold nothing of others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from socket import AF_UNIX, socket
from typing import Any
from uuid import uuid4

import psutil
import pytest

from qiskit_functions_core.serverless.local_gateway import find_gateway
from qiskit_functions_gateway.execution.limits import Limits
from qiskit_functions_gateway.execution.warm_parent import installed_packages
from qiskit_functions_gateway.execution.warm_start import MeetingPlace, WarmParent, has_memory
from qiskit_functions_gateway.server import GatewayServer
from qiskit_functions_gateway.storage.data_folder import DataFolder
from support.gateways import (
    SAVE,
    WAIT,
    Gate,
    User,
    archive,
    assert_in_order,
    function_of,
    kill,
    speaking,
    supervisor_of,
)
from support.over_stdio import assistant
from support.programs import end, is_alive
from support.serving import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only on Linux jobs start warm")

SEES_ALL = (Path(__file__).parent / "functions" / "sees_all.py").read_bytes()

IS_WARM = "import sys\nprint('warm' if 'qiskit_serverless' in sys.modules else 'cold', flush=True)\n"


def warm_parents(home: Path) -> list[psutil.Process]:
    program = "qiskit_functions_gateway.execution.warm_parent"
    found = [process for process in psutil.process_iter(["cmdline"]) if program in (process.info["cmdline"] or ())]
    return [process for process in found if str(home) in process.info["cmdline"]]


async def listens(home: Path) -> None:
    async def look() -> bool:
        return MeetingPlace.of(DataFolder(home)).socket.exists()

    await eventually(look)


@asynccontextmanager
async def warm_user_of(home: Path, limits: Limits | None = None) -> AsyncIterator[User]:
    """A user of a gateway whose warm parent is ready."""
    with GatewayServer(home, limits=limits or Limits(max_jobs=2), is_warm=True) as gateway:
        await listens(home)
        async with speaking(gateway.host, gateway.token) as user:
            yield user


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, GatewayServer]]:
    """One whose jobs start cold, and one whose jobs start warm, on data folders of their own."""
    folder = tmp_path_factory.mktemp("gateways")
    limits = Limits(max_jobs=2)
    with (
        GatewayServer(folder / "cold", limits=limits) as cold,
        GatewayServer(folder / "warm", limits=limits, is_warm=True) as warm,
    ):
        yield {"cold": cold, "warm": warm}


@asynccontextmanager
async def speaking_to(gateways: dict[str, GatewayServer], name: str) -> AsyncIterator[User]:
    if name == "warm":
        await listens(gateways[name]._data_folder.path)
    async with speaking(gateways[name].host, gateways[name].token) as user:
        yield user


@pytest.fixture
async def warm(gateways: dict[str, GatewayServer]) -> AsyncIterator[User]:
    async with speaking_to(gateways, "warm") as user:
        yield user


async def run(user: User, source: str, **fields: Any) -> str:
    """Run a function to its end, and return its log."""
    title = f"tries-{uuid4()}"
    await user.upload(title, source, **fields)
    job = await user.run(title)
    await user.ended(job)
    return await user.log(job)


async def both(gateways: dict[str, GatewayServer], files: dict[str, bytes], **fields: Any) -> tuple[Any, Any]:
    """Run a function cold and warm; return of each the status, log, codes of errors and result, without its place."""
    told = []
    for name in ("cold", "warm"):
        async with speaking_to(gateways, name) as user:
            await user.upload_archive("sees", archive(files), **fields)
            job = await user.run("sees")
            status = await user.ended(job)
            text = json.dumps([status, await user.log(job), await user.errors(job), await user.result(job)])
            folder = gateways[name]._data_folder.path
            told.append(json.loads(text.replace(job, "JOB").replace(f"{folder}/", f"{folder.parent}/")))
    return told[0], told[1]


async def test_a_job_sees_in_every_attribute_what_a_new_interpreter_would_show_it(
    gateways: dict[str, GatewayServer],
) -> None:
    (cold_status, cold_log, _, cold), (status, log, _, seen) = await both(
        gateways, {"main.py": SEES_ALL, "own.py": b"WHO = 'mine'\n"}, env_vars={"MINE": "ü"}
    )
    assert (status, log) == (cold_status, cold_log) == ("SUCCEEDED", "")
    for told in (cold, seen):
        for name in ("ENV_JOB_GATEWAY_HOST", "ENV_JOB_GATEWAY_TOKEN"):
            shown = f"{name}={told['variables'].pop(name)}"
            told["variables shown"].remove(shown)
    # OpenBLAS starts its threads when it needs them, not when it is loaded.
    assert cold["status"].pop("Threads") != seen["status"].pop("Threads") == "1"
    assert seen == cold


ENDS = {
    "an end": "print('out'); import sys; print('err', file=sys.stderr)",
    "an error": "def deep():\n    try:\n        1 / 0\n    except ZeroDivisionError as error:\n"
    "        raise ValueError('deep') from error\n\ndeep()\n",
    "an error in its syntax": "print('before')\nif:\n",
    "bytes that are no text": "# \xff\nprint('é')\n",
    "exit codes": "raise SystemExit(3)",
    "an exit with a text": "import sys; sys.exit('a reason')",
    "an exit without one": "import sys; sys.exit()",
    "an exit at once": "import os; print('x'); os._exit(7)",
    "an interrupt": "raise KeyboardInterrupt",
    "a signal": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "a crash": "import ctypes; ctypes.string_at(0)",
    "a hook": "import sys\nsys.excepthook = lambda kind, error, trace: print(kind, error, trace.tb_lineno)\n1/0",
    "what is left to do": "import atexit\natexit.register(print, 'exit')\nclass Last:\n    def __del__(self):\n"
    "        print('deleted')\nlast = Last()\nkept = open(__file__ + '.txt', 'w')\nkept.write('unflushed')\n"
    "import os, threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\n"
    "atexit.register(lambda: print('size', os.path.getsize(kept.name)))\nprint('main')",
    "a file that is never closed": "import os, subprocess, sys\nkept = open(os.environ['DATA_PATH'] + '/kept', 'w')\n"
    "kept.write('unflushed')\nsys.exit()",
    "a file that a library holds": "import json, os\njson.kept = open(os.environ['DATA_PATH'] + '/kept', 'w')\n"
    "json.kept.write('unflushed')",
    "what C has not written": "import ctypes, os\nlibc = ctypes.CDLL(None)\nlibc.printf(b'from C\\n')",
    "exit codes beyond a byte": "raise SystemExit(259)",
    "an exit with a false text": "raise SystemExit('')",
    "an exit below zero": "raise SystemExit(-2)",
    "an exit in an exit": "import atexit, sys\nclass Ends:\n    def __repr__(self): return 'ends'\n"
    "    def __call__(self): sys.exit(5)\natexit.register(Ends())\nsys.exit(0)",
    "an error in a thread's end": "import threading, sys\nthreading._register_atexit(lambda: print('end of threads'))",
    "a class of its own, pickled": "import pickle\nclass Own: pass\n"
    "if __name__ == '__main__':\n    print(type(pickle.loads(pickle.dumps(Own()))) is Own)",
    "its own source": "import inspect\ndef f(): return 1\nprint(inspect.getsource(f))",
    "processes forked": "import multiprocessing\ndef f(x): return x + 1\nif __name__ == '__main__':\n"
    "    with multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(f, range(4)))",
    "processes spawned": "import multiprocessing\nimport own\nclass Own: pass\ndef f(x): return x[0] + own.ONE, Own\n"
    "if __name__ == '__main__':\n    with multiprocessing.get_context('spawn').Pool(2) as pool:\n"
    "        print([found[1] is Own for found in pool.map(f, [(1, Own)])])",
    "a program": "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'import sys; print(sys.path[0], "
    "sys.argv)'], capture_output=True, text=True))",
    "modules of supervisors": "import psutil, sqlite3, starlette, uvicorn, qiskit_functions_gateway.supervisor as s\n"
    "print(sqlite3.connect(':memory:').execute('select 1').fetchall(), psutil.Process().name(), s.__name__)",
    "asynchronous work": "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 1\n"
    "print(asyncio.run(f()))",
    "logging": "import logging\nlogging.basicConfig()\nlogging.warning('warned')\nlogging.info('not said')",
    "warnings": "import warnings\nwarnings.warn('careful')\nwarnings.warn('old', DeprecationWarning)",
    "a broken pipe": "import os, sys\nos.close(1)\nprint('into nothing')",
    "a traceback of a thread": "import threading\nthread = threading.Thread(target=lambda: 1 / 0, name='mine')\n"
    "thread.start(); thread.join()",
}


@pytest.mark.parametrize("what", ENDS)
async def test_a_job_ends_and_says_what_it_would_in_a_new_interpreter(
    gateways: dict[str, GatewayServer], what: str
) -> None:
    source = ENDS[what].encode("latin-1" if "bytes" in what else "utf-8")
    cold, warm = await both(gateways, {"main.py": source, "own.py": b"ONE = 1\n"})
    assert warm == cold
    if source.startswith(b"import") and b"/kept'" in source:
        kept = [gateways[name]._data_folder.path / "data" / "user" / "kept" for name in ("cold", "warm")]
        assert [path.read_text() for path in kept] == ["unflushed"] * 2


async def test_an_entry_point_in_a_folder_finds_what_is_beside_it(gateways: dict[str, GatewayServer]) -> None:
    source = b"import own, sys\nprint(own.__file__, __file__, sys.argv, sys.path[0])\n"
    files = {"./src/main.py": source, "src/own.py": b"", "own.py": b"1/0"}
    cold, warm = await both(gateways, files, entrypoint="./src/main.py")
    assert warm == cold
    assert warm[0] == "SUCCEEDED"


async def test_random_numbers_differ_from_job_to_job(warm: User) -> None:
    source = (
        IS_WARM + "import random, numpy, secrets, uuid, multiprocessing, tempfile\n"
        "numbers = [random.random(), numpy.random.random(), numpy.random.default_rng().random(), secrets.token_hex(),\n"
        "           uuid.uuid4(), multiprocessing.current_process().authkey.hex(), tempfile.mktemp()]\n"
        "for number in numbers: print(number)\n"
    )
    first, second = [(await run(warm, source)).split() for _ in range(2)]
    assert first.pop(0) == second.pop(0) == "warm"
    assert len(first) == 7
    assert not set(first) & set(second)


COLD: dict[str, dict[str, Any]] = {
    "a variable of NumPy's libraries": {"env_vars": {"OMP_NUM_THREADS": "1"}},
    "a variable of Rust's": {"env_vars": {"RAYON_NUM_THREADS": "1"}},
    "a variable of the interpreter": {"env_vars": {"PYTHONHASHSEED": "1"}},
    "a variable that is read at an import": {"env_vars": {"USAGE_LOW_THRESHOLD_SECONDS": "5"}},
    "another home": {"env_vars": {"HOME": "/nowhere"}},
    "a script in another encoding": {"files": {"main.py": ("# coding: latin-1\n# é\n" + IS_WARM).encode("latin-1")}},
    "a module named as an imported one": {"files": {"six.py": b""}},
    "a package named as an imported one": {"files": {"qiskit_aer/__init__.py": b""}},
    "a module named as one of Python's": {"files": {"random.py": b""}},
    "an environment of its own": {"dependencies": ["packaging"]},
}


@pytest.mark.parametrize("what", COLD)
async def test_a_job_starts_cold_because_of(warm: User, what: str) -> None:
    fields = dict(COLD[what])
    files = {"main.py": IS_WARM.encode(), **fields.pop("files", {})}
    await warm.upload_archive("cold", archive(files), **fields)
    job = await warm.run("cold")
    assert await warm.ended(job) == "SUCCEEDED"
    assert (await warm.log(job)).endswith("cold\n")


async def test_a_module_of_the_functions_own_comes_before_an_imported_one(warm: User) -> None:
    files = {"main.py": b"import six\nprint(six.WHO)\n", "six.py": b"WHO = 'mine'\n"}
    await warm.upload_archive("shadows", archive(files))
    job = await warm.run("shadows")
    await warm.ended(job)
    assert await warm.log(job) == "mine\n"


async def test_other_variables_of_a_function_do_not_matter(warm: User) -> None:
    assert await run(warm, IS_WARM, env_vars={"ANY": "1", "QISKIT_PARALLEL": "FALSE"}) == "warm\n"


READS_PROCESSES = """
import ctypes, os, pathlib, re
for capability in (19, 21, 38): ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
print(sorted(os.listdir("/proc/self/fd")))
parents = [os.getppid()]
parents.append(int(pathlib.Path(f"/proc/{parents[0]}/stat").read_text().rpartition(")")[2].split()[1]))
print([pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\\0")[2].rpartition(".")[2] for pid in parents])
memory = open("/proc/self/mem", "rb", 0)
for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
    span, rights, *_ = line.split()
    if rights.startswith("rw") and "[v" not in line:
        start, end = (int(text, 16) for text in span.split("-"))
        memory.seek(start)
        while start < end and (piece := memory.read(min(end - start, 2**24))):
            print("found" * bool(re.search(b"sword[f]ish", piece)), end="")
            start += len(piece)
"""


async def test_a_function_holds_nothing_of_the_gateway_and_of_other_jobs(
    gateways: dict[str, GatewayServer], warm: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The variable goes to supervisors, for installers.
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:swordfish@example.com")
    assert await run(warm, IS_WARM, env_vars={"OTHER": "swordfish"}) == "warm\n"
    log = await run(warm, READS_PROCESSES)
    assert log == "['0', '1', '2', '3']\n['supervisor', 'warm_parent']\n"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give up what lets it read everything")
async def test_no_function_can_read_the_memory_of_the_warm_parent(warm: User) -> None:
    source = """
import os, pathlib
stat = pathlib.Path(f"/proc/{os.getppid()}/stat").read_text()
for pid in (os.getppid(), int(stat.rpartition(")")[2].split()[1])):
    for name in ("environ", "mem"):
        print(os.stat(f"/proc/{pid}/{name}").st_uid, os.stat(f"/proc/self/{name}").st_uid)
"""
    assert "Error" not in await run(warm, source)


MARKED_FAMILY = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("daemon", flush=True)
        time.sleep(600)
    os._exit(0)
os.wait()
print("parent", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_forks_that_left_the_tree_are_found_and_ended(home: Path, how: str) -> None:
    async with warm_user_of(home) as user:
        await user.upload("family", IS_WARM + MARKED_FAMILY)
        job = await user.run("family")
        for member in ("warm", "parent", "daemon"):
            await user.says(job, member)
        members = supervisor_of(home, job).children(recursive=True)
        assert len(members) == 2
        if how == "kill":
            kill(supervisor_of(home, job))
        else:
            await user.stop(job)
        assert await user.ended(job) == ("FAILED" if how == "kill" else "STOPPED")
        # A process that has given its memory back has no marks any more, and is there for a moment still.
        await eventually(_async(lambda: not any(is_alive(member.pid) for member in members)))


async def test_jobs_go_on_without_their_warm_parent_and_later_ones_start_cold(home: Path, gate: Gate) -> None:
    async with warm_user_of(home) as user:
        await user.upload("waits", IS_WARM + WAIT + SAVE, env_vars=gate.variables)
        job = await user.run("waits")
        await user.says(job, "warm")
        (parent,) = warm_parents(home)
        kill(parent)
        gate.open()
        assert await user.ended(job) == "SUCCEEDED"
        assert await user.result(job) == {"saved": True}
        later = await user.run("waits")
        assert (await user.ended(later), await user.log(later)) == ("SUCCEEDED", "cold\n")


async def test_a_job_whose_process_is_killed_before_its_function_starts_in_it_starts_cold(
    gateways: dict[str, GatewayServer],
) -> None:
    takes_long_to_unpack = {"main.py": IS_WARM.encode(), **{f"{number}.txt": b"" for number in range(9000)}}
    async with speaking_to(gateways, "warm") as user:
        await user.upload_archive("large", archive(takes_long_to_unpack))
        job = await user.run("large")

        async def waiting_process() -> psutil.Process | None:
            with suppress(ValueError, psutil.Error):
                return function_of(gateways["warm"]._data_folder.path, job)
            return None

        process = await eventually(waiting_process)
        assert process
        kill(process)
        assert (await user.ended(job), await user.log(job)) == ("SUCCEEDED", "cold\n")


async def test_a_warm_parent_that_does_not_answer_is_done_without(home: Path) -> None:
    async with warm_user_of(home) as user:
        (parent,) = warm_parents(home)
        parent.suspend()
        job = await run_one(user)
        parent.resume()
        assert await user.log(job) == "cold\n"
        assert await user.log(await run_one(user)) == "warm\n"


async def run_one(user: User) -> str:
    await user.upload("one", IS_WARM)
    job = await user.run("one")
    assert await user.ended(job) == "SUCCEEDED"
    return job


async def test_jobs_outlive_gateway_and_warm_parent_and_the_next_gateway_has_another(home: Path, gate: Gate) -> None:
    async with warm_user_of(home, Limits(max_jobs=1)) as user:
        await user.upload("waits", IS_WARM + WAIT + SAVE, env_vars=gate.variables)
        jobs = [await user.run("waits") for _ in range(2)]
        await user.says(jobs[0], "warm")
        (parent,) = warm_parents(home)
    assert parent.is_running()  # for the job that waits in the queue
    gate.open()
    await assert_in_order(home)

    async def gone() -> bool:
        return not is_alive(parent.pid)

    await eventually(gone)
    assert not MeetingPlace.of(DataFolder(home)).socket.exists()
    async with warm_user_of(home) as user:
        assert [await user.log(job) for job in jobs] == ["warm\n"] * 2
        assert await user.log(await run_one(user)) == "warm\n"


async def test_limits_hold_and_what_is_shared_with_the_warm_parent_does_not_count(home: Path) -> None:
    async with warm_user_of(home, Limits(max_jobs=1, memory_mb=100, seconds=2)) as user:
        small = "import time\nheld = bytes(10 * 2**20)\ntime.sleep(0.7)\n"
        assert await run(user, IS_WARM + small) == "warm\n"
        assert "used more memory than 100 MiB" in await run(user, "held = b'x' * (150 * 2**20)\n" + MARKED_FAMILY)
        shares = "import os, time\nheld = b'x' * (60 * 2**20)\nos.fork()\ntime.sleep(60)\n"
        assert "used more memory than 100 MiB" in await run(user, shares)
        assert "ran longer than its limit" in await run(user, "import time; time.sleep(60)")


async def test_a_warm_parent_is_started_again_when_it_has_died_but_not_at_once_if_it_does_so_often(
    tmp_path: Path,
) -> None:
    folder, clock = DataFolder(tmp_path / "home"), Clock()
    folder.prepare()
    warm_parent = WarmParent(folder, clock)
    with closing_parents(folder.path, warm_parent):
        warm_parent.tend(0)
        await listens(folder.path)
        (first,) = warm_parents(folder.path)
        first.kill()
        await eventually(_async(lambda: not is_alive(first.pid)))
        warm_parent.tend(0)
        assert not warm_parents(folder.path)
        clock.seconds += 31
        warm_parent.tend(0)
        (second,) = warm_parents(folder.path)
        second.kill()
        await eventually(_async(lambda: not is_alive(second.pid)))
        clock.seconds += 31
        warm_parent.tend(0)
        assert not warm_parents(folder.path)
        clock.seconds += 30
        warm_parent.tend(0)
        (third,) = warm_parents(folder.path)
        clock.seconds += 10
        warm_parent.tend(601)
        await eventually(_async(lambda: not is_alive(third.pid)))


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def _async(look: Callable[[], bool]) -> Callable[[], Any]:
    async def asked() -> bool:
        return look()

    return asked


@contextmanager
def closing_parents(home: Path, warm_parent: WarmParent) -> Iterator[None]:
    try:
        yield
    finally:
        warm_parent.let_go()
        for left in warm_parents(home):
            left.kill()


async def test_only_the_user_reaches_it_also_in_a_folder_with_a_long_path(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30) / "home"
    home.parent.mkdir()
    async with warm_user_of(home) as user:
        place = MeetingPlace.of(DataFolder(home)).socket
        assert place.stat().st_mode & 0o777 == 0o600
        with closing(socket(AF_UNIX)) as asks, MeetingPlace.of(DataFolder(home)).address() as address:
            asks.connect(address)  # and asks for nothing
        assert await user.log(await run_one(user)) == "warm\n"
    await assert_in_order(home)


async def test_the_first_call_of_a_tool_starts_it_unless_it_is_turned_off(tmp_path: Path) -> None:
    for setting, expected in (("1", 1), ("0", 0)):
        home = tmp_path / setting
        async with assistant(home, QISKIT_FUNCTIONS_WARM_JOBS=setting) as user:
            assert not home.exists() or not warm_parents(home)
            await user.ask("list_functions")

            async def are_there(home: Path = home, expected: int = expected) -> bool:
                return len(warm_parents(home)) == expected

            await eventually(are_there)
            assert find_gateway(home)


def test_packages_that_are_installed_or_removed_are_noticed(tmp_path: Path) -> None:
    before = installed_packages([str(tmp_path)])
    (tmp_path / "new-1.0.dist-info").mkdir()
    with_new = installed_packages([str(tmp_path)])
    (tmp_path / "__pycache__").mkdir()
    assert before != with_new == installed_packages([str(tmp_path), "/nowhere"])
    (tmp_path / "new-1.0.dist-info").rename(tmp_path / "new-1.1.dist-info")
    assert installed_packages([str(tmp_path)]) not in (before, with_new)


@contextmanager
def program_of(home: Path, python: Path) -> Iterator[str]:
    """A gateway that runs in another environment; gives its address."""
    command = [str(python), "-m", "qiskit_functions_gateway", "--home", str(home), "--port", "0"]
    variables = {**os.environ, "QISKIT_FUNCTIONS_WARM_JOBS": "1"}
    with subprocess.Popen([*command, "--idle-seconds", "600"], env=variables, stdout=subprocess.PIPE) as program:
        try:
            assert program.stdout
            yield json.loads(program.stdout.readline())["host"]
        finally:
            program.terminate()


def environment_in(folder: Path) -> tuple[Path, Path]:
    """Make an environment with all that this test runs with; return its interpreter, and where more is installed."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/*/site-packages")
    (packages / "all.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return folder / "bin" / "python", packages


async def test_it_ends_when_packages_are_installed_and_its_jobs_go_on(home: Path, gate: Gate, tmp_path: Path) -> None:
    python, packages = environment_in(tmp_path / "environment")
    with program_of(home, python) as host:
        await eventually(_async(lambda: any(home.glob("warm-*.socket"))))
        (parent,) = warm_parents(home)
        async with speaking(host, (home / "token").read_text()) as user:
            await user.upload("waits", IS_WARM + WAIT + SAVE, env_vars=gate.variables)
            job = await user.run("waits")
            await user.says(job, "warm")
            (packages / "new-1.0.dist-info").mkdir()
            await eventually(_async(lambda: not is_alive(parent.pid)))
            gate.open()
            assert await user.ended(job) == "SUCCEEDED"
            assert await user.result(job) == {"saved": True}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_it_ends_with_its_gateway_while_it_still_imports(home: Path, tmp_path: Path, number: int) -> None:
    python, packages = environment_in(tmp_path / "environment")
    begun = tmp_path / "begun"
    source = f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(600)\n"
    (packages / "qiskit_serverless.py").write_text(source)
    with program_of(home, python):
        await eventually(_async(begun.exists))
        (parent,) = warm_parents(home)
        gateway = find_gateway(home)
        assert gateway
        end(gateway, number)
        await eventually(_async(lambda: not is_alive(parent.pid)))


async def test_it_ends_and_none_is_started_while_too_little_memory_is_available(tmp_path: Path) -> None:
    folder, clock, meminfo = DataFolder(tmp_path / "home"), Clock(), tmp_path / "meminfo"
    folder.prepare()
    warm_parent = WarmParent(folder, clock, meminfo)

    def available(kibibytes: int) -> None:
        meminfo.write_text(f"MemTotal:       24684028 kB\nMemAvailable: {kibibytes:10} kB\n")

    with closing_parents(folder.path, warm_parent):
        available(512 * 1024 - 1)
        warm_parent.tend(0)
        assert not warm_parents(folder.path)
        available(512 * 1024)
        warm_parent.tend(0)
        await listens(folder.path)
        (parent,) = warm_parents(folder.path)
        available(512 * 1024 - 1)
        await eventually(_async(lambda: not is_alive(parent.pid)))
        assert not MeetingPlace.of(folder).socket.exists()
        clock.seconds += 1000
        warm_parent.tend(0)
        assert not warm_parents(folder.path)
        available(512 * 1024)
        warm_parent.tend(0)
        assert warm_parents(folder.path)


def test_a_machine_that_does_not_say_how_much_memory_is_available_has_enough(tmp_path: Path) -> None:
    assert has_memory(tmp_path / "none")
    for content in ("", "MemTotal: 1 kB\n", "MemAvailable: much\n", "MemAvailable:\n"):
        (tmp_path / "meminfo").write_text(content)
        assert has_memory(tmp_path / "meminfo"), content
