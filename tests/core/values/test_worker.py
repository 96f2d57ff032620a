"""The worker process: what a value may take, what becomes of a value that takes more, and that all others go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import psutil
import pytest

from qiskit_functions_core.errors import GatewayFault, InputError, LiteralError, ValuesBusy, ValueTooCostly
from qiskit_functions_core.job_texts import LogQuery, StoredText
from qiskit_functions_core.values import decode, encode_arguments
from qiskit_functions_core.values.result_query import ResultQuery
from qiskit_functions_core.values.worker.child import WorkerLimits
from qiskit_functions_core.values.worker.worker import Worker
from support.hostile import HOSTILE, costly
from support.programs import command_of
from support.serving import eventually

LIMITS = WorkerLimits(cpu_seconds=2, memory=600 * 2**20, seconds=30, answer_bytes=100_000)
BELL = {"$circuit": "OPENQASM 3.0; include 'stdgates.inc'; qubit[2] q; h q[0]; cx q[0], q[1];"}


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with opened(LIMITS) as made:
        yield made


@pytest.fixture
async def hostile(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Worker]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    async with opened(LIMITS, program="support.hostile_worker") as made:
        yield made


@asynccontextmanager
async def opened(limits: WorkerLimits, **options: Any) -> AsyncIterator[Worker]:
    worker = Worker(limits, **options)
    try:
        yield worker
    finally:
        await worker.aclose()
        assert not children()


def children() -> list[psutil.Process]:
    return [process for process in psutil.Process().children() if "worker" in command_of(process)]


def result(text: str) -> StoredText:
    return StoredText("result", text)


async def reads(worker: Worker, text: str = "[1, 2]") -> str:
    return (await worker.read_result(result(text))).summary.kind


async def test_literals_are_encoded_as_in_the_callers_process(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "bell.qasm").write_text(BELL["$circuit"])
    arguments = {"circuits": [BELL, {"$file": "bell.qasm"}], "shots": 10, "o": {"$observable": {"ZZ": 1}}}
    encoded = (await worker.encode_arguments(arguments, allowed_folders=[tmp_path])).text
    assert decode(encoded) == decode(encode_arguments(arguments, allowed_folders=[tmp_path]))


async def test_plain_json_and_qiskit_objects_need_no_child(worker: Worker) -> None:
    assert (
        await worker.encode_arguments({"a": [1, "x", None, {"b": True}]})
    ).text == '{"a": [1, "x", null, {"b": true}]}'
    assert '"ndarray"' in (await worker.encode_arguments({"a": np.zeros(2), "c": BELL})).text
    assert not children()


async def test_a_literal_that_cannot_be_read_is_named_with_its_place(worker: Worker) -> None:
    with pytest.raises(LiteralError) as raised:
        await worker.encode_arguments({"a": [{"$circuit": "qubit;"}]})
    assert raised.value.pointer == "/a/0/$circuit"
    assert raised.value.message.startswith("at /a/0/$circuit: ")
    assert raised.value.next_step
    (child,) = children()
    await worker.encode_arguments({"a": BELL})
    assert children() == [child], "an error of the caller's costs no child"


async def test_arguments_that_hold_themselves_are_refused(worker: Worker) -> None:
    arguments: dict[str, Any] = {}
    arguments["self"] = arguments
    with pytest.raises(LiteralError, match="nested deeper"):
        await worker.encode_arguments(arguments)


async def test_a_result_is_summarised_drawn_and_saved_in_one_step(worker: Worker, tmp_path: Path) -> None:
    target = tmp_path / "new" / "array.csv"
    encoded = (await worker.encode_arguments({"a": {"$array": [1.0, 2.0]}})).text
    read = await worker.read_result(result(encoded), ResultQuery("/a", draw="dark"), save_to=target)
    assert read.summary.parts[0].values == [1.0, 2.0]
    assert read.picture
    assert read.picture.data.startswith(b"\x89PNG")
    assert read.saved
    assert str(target) in read.saved
    assert target.read_text().split() == ["1.0", "2.0"]
    assert list(target.parent.iterdir()) == [target]
    with pytest.raises(InputError, match="exists"):
        await worker.read_result(result(encoded), ResultQuery("/a"), save_to=target)


@pytest.mark.parametrize("is_bare", [True, False])
async def test_a_large_result_is_read_from_a_file(worker: Worker, tmp_path: Path, is_bare: bool) -> None:
    text, file = json.dumps(list(range(20_000))), tmp_path / "body"
    file.write_text(text if is_bare else json.dumps({"result": text}))
    read = await worker.read_result(StoredText("result", file=file, is_bare=is_bare))
    assert read.summary.parts[0].size == 20_000


@pytest.mark.parametrize("body", ["<html>", '{"other": 1}', "[1]", '{"result": 1}', "[" * 100_000])
async def test_a_body_that_is_not_the_gateways_is_its_fault(worker: Worker, tmp_path: Path, body: str) -> None:
    (tmp_path / "body").write_text(body)
    with pytest.raises(GatewayFault):
        await worker.read_result(StoredText("result", file=tmp_path / "body"))


async def test_a_large_log_is_filtered_and_cut(worker: Worker, tmp_path: Path) -> None:
    log = "".join(f"line {number}\n" for number in range(50_000))
    (tmp_path / "log").write_text(json.dumps({"logs": log}))
    stored = StoredText("logs", file=tmp_path / "log")
    part = await worker.read_log(stored, LogQuery(include="7$", tail=2))
    assert (part.text, part.left_out, part.characters_left_out) == ("line 49987\nline 49997", 4_998, 0)
    part = await worker.read_log(stored, LogQuery(characters=5))
    assert (part.text, part.characters_left_out) == (log[-5:], len(log) - 5)
    assert (await worker.read_log(stored, LogQuery())).text == log


@pytest.mark.parametrize(
    ("what", "reason", "told"),
    [
        ("spin", "cpu", "more than 2 s of the processor"),
        ("allocate", "memory", "memory"),
        ("read_nothing", "crash", "SIGSEGV"),
        ("panic", "crash", "PanicException: called `Option::unwrap()`"),
        ("write_garbage", "crash", "not one"),
        ("write_much", "size", "100,000 bytes"),
    ],
)
async def test_a_value_that_takes_too_much_ends_in_a_clear_error_and_others_go_on(
    hostile: Worker, what: str, reason: str, told: str
) -> None:
    with pytest.raises(ValueTooCostly) as raised:
        await reads(hostile, what)
    assert raised.value.reason == reason
    assert told in raised.value.message
    assert (raised.value.code, raised.value.submitted) == ("value_too_costly", "no")
    assert raised.value.next_step
    assert await reads(hostile) == "list"


@pytest.mark.parametrize(("what", "reason"), [("spin", "cpu"), ("allocate", "memory")])
async def test_where_the_kernel_sets_no_limits_the_parent_watches(
    monkeypatch: pytest.MonkeyPatch, what: str, reason: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    async with opened(LIMITS, watches=True, program="support.hostile_worker") as worker:
        with pytest.raises(ValueTooCostly) as raised:
            await reads(worker, what)
        assert raised.value.reason == reason
        assert await reads(worker) == "list"


async def test_a_value_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    async with opened(replace(LIMITS, seconds=3), program="support.hostile_worker") as worker:
        with pytest.raises(ValueTooCostly, match="longer than 3 s") as raised:
            await reads(worker, "sleep")
        assert raised.value.reason == "time"


async def test_what_is_printed_is_not_taken_for_an_answer(hostile: Worker) -> None:
    assert await reads(hostile, "write_to_standard_output") == "text"


async def test_a_child_that_is_killed_during_a_task_is_replaced(hostile: Worker) -> None:
    async def kill() -> None:
        async def started() -> list[psutil.Process]:
            return [child for child in children() if sum(child.cpu_times()[:2]) > 0.5]

        for child in await eventually(started):
            child.kill()

    async with anyio.create_task_group() as group:
        group.start_soon(kill)
        with pytest.raises(ValueTooCostly, match="SIGKILL"):
            await reads(hostile, "spin")
    assert await reads(hostile) == "list"


async def test_a_task_behind_values_that_take_long_is_refused_in_time_and_can_be_asked_for_again(
    hostile: Worker,
) -> None:
    hostile.limits = replace(LIMITS, turn_seconds=4)
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(reads, hostile, "sleep")

        async def both_are_held_up() -> bool:
            return len(children()) == 2

        await eventually(both_are_held_up)
        with pytest.raises(ValuesBusy, match="was not begun: for 4 s") as raised:
            await reads(hostile)
        group.cancel_scope.cancel()
    assert (raised.value.code, raised.value.submitted) == ("busy", "no")
    assert raised.value.next_step == "Call again in a moment."
    assert await reads(hostile) == "list"


async def test_others_go_on_while_one_value_takes_long(hostile: Worker) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(reads, hostile, "sleep")
        await eventually(_has_child)
        assert [await reads(hostile) for _ in range(3)] == ["list"] * 3
        assert len(children()) == 2
        group.cancel_scope.cancel()


async def _has_child() -> bool:
    return bool(children())


async def test_a_caller_that_is_cancelled_leaves_no_busy_child(hostile: Worker) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(reads, hostile, "sleep")
        await eventually(_has_child)
        group.cancel_scope.cancel()
    assert not children()
    assert await reads(hostile) == "list"


async def test_many_callers_share_one_child_and_are_served_in_order(worker: Worker) -> None:
    await reads(worker)
    served: list[int] = []

    async def read(number: int) -> None:
        await reads(worker)
        served.append(number)

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(read, number)
    assert served == sorted(served)
    assert len(children()) == 1


async def test_a_child_that_left_because_it_was_idle_is_replaced_without_an_error() -> None:
    async with opened(replace(LIMITS, idle_seconds=0.01)) as worker:
        for _ in range(3):
            assert await reads(worker) == "list"

            async def has_left() -> bool:
                return not children()

            await eventually(has_left)


async def test_a_child_that_was_started_in_advance_has_loaded_what_its_first_task_needs(worker: Worker) -> None:
    await worker.start()
    (child,) = children()

    async def has_loaded() -> bool:
        return any("qiskit" in mapped.path for mapped in child.memory_maps())

    await eventually(has_loaded)
    assert (await worker.encode_arguments({"circuit": BELL})).active_qubits == 2
    assert children() == [child]


async def test_a_child_that_cannot_be_started_in_advance_is_an_error_for_no_one(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/nowhere/python")
        await worker.start()
    assert await reads(worker) == "list"


async def test_the_cpu_of_earlier_tasks_does_not_count(hostile: Worker) -> None:
    spent = [await _cpu(hostile) for _ in range(3)]
    assert spent == sorted(spent)


async def _cpu(worker: Worker) -> float:
    text = json.dumps([str(number) for number in range(300_000)])
    assert (await worker.read_result(result(text))).summary.kind == "list"
    (child,) = children()
    return sum(child.cpu_times()[:2])


async def test_the_child_gets_no_credentials(hostile: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QISKIT_IBM_TOKEN", "QISKIT_FUNCTIONS_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    read = await hostile.read_result(result("tell_variables"))
    assert read.summary.kind == "object"
    assert "secret" not in read.summary.model_dump_json()
    assert "RAYON_NUM_THREADS" in read.summary.model_dump_json()


async def test_the_encoder_is_loaded_without_the_client_of_the_service(worker: Worker) -> None:
    assert '"ndarray"' in (await worker.encode_arguments({"a": {"$array": [1]}})).text
    (child,) = children()
    assert child.memory_info().rss < 150 * 2**20


@pytest.mark.parametrize("kind", ["hostile", "costly"])
async def test_values_from_strangers_end_in_a_summary_or_in_a_clear_error(kind: str) -> None:
    texts = HOSTILE if kind == "hostile" else dict(costly())
    async with opened(replace(LIMITS, cpu_seconds=4, memory=2 * 2**30)) as worker:
        for name, text in texts.items():
            try:
                await reads(worker, text)
            except ValueTooCostly as error:
                assert error.reason in ("cpu", "memory", "time", "crash"), name
        assert await reads(worker) == "list"


async def test_literals_from_strangers_end_in_a_clear_error() -> None:
    nested = "gate g0 a { x a; x a; }" + "".join(
        f"gate g{n} a {{ {' '.join([f'g{n - 1} a;'] * 10)} }}" for n in range(1, 12)
    )
    bombs = [
        {"$circuit": "OPENQASM 3.0; qubit[4294967295] q;"},
        {"$circuit": "OPENQASM 3.0; " + "if (true) {" * 5_000 + "}" * 5_000},
        {"$circuit": f"OPENQASM 3.0; include 'stdgates.inc'; {nested} qubit q; g11 q;"},
        {"$circuit": "OPENQASM 3.0; qubit q; for int i in [0:4000000000] { reset q; }"},
        {"__type__": "ndarray", "__value__": json.loads(HOSTILE["a bomb"])["__value__"]},
    ]
    async with opened(LIMITS) as worker:
        for bomb in bombs:
            try:
                await worker.encode_arguments({"a": bomb})
            except (LiteralError, ValueTooCostly) as error:
                assert error.submitted == "no"
        assert await worker.encode_arguments({"a": BELL})


async def test_no_file_is_left_behind_after_an_error_or_a_crash(
    hostile: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for what in ("read_nothing", "[1]"):
        with pytest.raises((ValueTooCostly, InputError)):
            await hostile.read_result(result(what), ResultQuery("/0", draw="light"), save_to=tmp_path / "file.json")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - not in a thread, for a moment


async def test_the_folders_of_a_dead_process_are_swept(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, new = tmp_path / "qiskit-functions-values-old", tmp_path / "qiskit-functions-values-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    await reads(worker)
    assert os.listdir(tmp_path) == [new.name]  # noqa: PTH208 - as above


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_the_child_ends_with_its_parent() -> None:
    code = """
import anyio, os, psutil, signal
from qiskit_functions_core.job_texts import StoredText
from qiskit_functions_core.values import decode, encode_arguments
from qiskit_functions_core.values.worker.worker import Worker

async def main():
    await Worker().read_result(StoredText("result", "[1]"))
    print(psutil.Process().children()[0].pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

anyio.run(main)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(done.stdout)).wait(30)


async def test_the_qubits_that_a_circuit_uses_are_counted_while_it_is_encoded(worker: Worker) -> None:
    text = "OPENQASM 3.0; include 'stdgates.inc'; qubit[9] q; h q[0]; cx q[0], q[4]; barrier q;"
    arguments = {"circuits": [{"$circuit": text}, BELL]}
    assert (await worker.encode_arguments(arguments)).active_qubits == 2
    assert (await worker.encode_arguments({"shots": 1})).active_qubits == 0
