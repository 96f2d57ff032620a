"""What a failure's text says: its last line, the function's own lines, and what to do."""

from __future__ import annotations

import pytest

from qiskit_functions_core.job_texts import error_lines
from qiskit_functions_core.serverless.job_failures import Diagnosis, diagnose

LIBRARY = '  File "/venv/lib/python3.12/site-packages/qiskit/primitives/backend_sampler_v2.py", line 253, in _run'
BROADCAST = f"""\
INFO:root:starting
Traceback (most recent call last):
  File "main.py", line 12, in <module>
    main()
    ^^^^^^
  File "helpers/run.py", line 3, in main
    sampler.run([circuit]).result()
{LIBRARY}
    arrays[item.creg_name][index] = ary
    ~~~~~~~~~~~~~~~~~~~~~~^^^^^^^
ValueError: could not broadcast input array from shape (0,5) into shape (1024,5)
"""
CHAINED = """\
Traceback (most recent call last):
  File "main.py", line 5, in f
    g("{")
json.decoder.JSONDecodeError: Expecting property name

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "main.py", line 7, in f
    raise RuntimeError("could not parse") from error
RuntimeError: could not parse
what the settings
were
"""


def test_the_exception_comes_first_and_then_the_functions_own_lines() -> None:
    found = diagnose(BROADCAST, is_on_this_machine=True)
    assert found.message == "ValueError: could not broadcast input array from shape (0,5) into shape (1024,5)"
    assert found.frames == (
        "main.py, line 12, in <module>: main()",
        "helpers/run.py, line 3, in main: sampler.run([circuit]).result()",
    )
    assert "too many qubits" in found.advice


def test_the_causes_of_a_chain_and_a_message_of_several_lines_are_kept() -> None:
    assert diagnose(CHAINED, is_on_this_machine=True) == Diagnosis(
        "RuntimeError: could not parse\nwhat the settings\nwere",
        ('main.py, line 7, in f: raise RuntimeError("could not parse") from error',),
        ("json.decoder.JSONDecodeError: Expecting property name",),
    )


def test_an_earlier_traceback_that_led_to_nothing_is_no_cause() -> None:
    log = f"{BROADCAST}INFO:root:trying again\n{CHAINED}"
    assert error_lines(log) == CHAINED.rstrip()
    assert diagnose(log, is_on_this_machine=True).causes == ("json.decoder.JSONDecodeError: Expecting property name",)


def test_frames_of_libraries_stay_when_there_are_no_others() -> None:
    text = f"Traceback (most recent call last):\n{LIBRARY}\n    x()\nValueError: no"
    assert diagnose(text, is_on_this_machine=True).frames[0].endswith("in _run: x()")


@pytest.mark.parametrize("text", ["", "Traceback (most recent call last):", "Traceback (most recent call last):\n  x"])
def test_a_text_that_is_cut_off_is_no_trouble(text: str) -> None:
    assert diagnose(text, is_on_this_machine=True).advice == ""


def test_a_text_without_a_traceback_ends_with_its_message() -> None:
    assert diagnose("one\ntwo\n", is_on_this_machine=True) == Diagnosis("two")


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("ModuleNotFoundError: No module named 'mergedeep'", "Name mergedeep in dependencies"),
        ("ModuleNotFoundError: No module named 'sklearn.svm'", "Name scikit-learn in dependencies"),
        (
            "ImportError: cannot import name 'Sampler' from 'qiskit.primitives' (x.py)",
            "has no Sampler",
        ),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/data/in.csv'", 'environ["DATA_PATH"], "in.csv")'),
        ("PermissionError: [Errno 13] Permission denied: '/data/out/x.npy'", '"DATA_PATH"], "out/x.npy")'),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'in.csv'", "DATA_PATH"),
        ("TypeError: run() got an unexpected keyword argument 'shotz'", "shotz"),
        ("TypeError: run() missing 1 required positional argument: 'circuit'", "'circuit'"),
    ],
)
def test_common_failures_come_with_advice_wherever_they_happened(message: str, advice: str) -> None:
    for is_on_this_machine in (True, False):
        assert advice in diagnose(message, is_on_this_machine=is_on_this_machine).advice


def test_an_argument_that_is_missing_is_named() -> None:
    text = (
        'Traceback (most recent call last):\n  File "main.py", line 2, in <module>\n    n = arguments["n"]\n'
        "        ~~~~~~~~~^^^^^\nKeyError: 'n'"
    )
    assert "Give n in the run's arguments" in diagnose(text, is_on_this_machine=False).advice


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        (
            "qiskit_ibm_runtime.accounts.exceptions.InvalidAccountError: \"Invalid `channel` value. … got 'local'.\"",
            "get_runtime_service()",
        ),
        ("AccountNotFoundError: 'Unable to find account.'", "get_runtime_service()"),
        ("QiskitError: 'ERROR: Insufficient memory to run circuit circuit-1 using the statevector'", "2^n"),
        (
            "TranspilerError: 'The input circuit c is not scheduled. Call one of scheduling passes before running the "
            "ConstrainedReschedule pass.'",
            'scheduling_method="alap"',
        ),
    ],
)
def test_what_is_peculiar_to_simulated_backends_is_advised_on_this_machine_only(message: str, advice: str) -> None:
    assert advice in diagnose(message, is_on_this_machine=True).advice
    assert diagnose(message, is_on_this_machine=False).advice == ""
