"""What a failed function's last traceback says: its last line, the function's own frames, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BEGINNING = "Traceback (most recent call last)"

_CHAINS = ("was the direct cause of the following exception", "another exception occurred:")
"""What Python prints between the tracebacks of a chain of exceptions."""

_FRAME = re.compile(r'\s*File "(?P<path>[^"]*)", line (?P<line>\d+)(?:, in (?P<name>.*))?$')

_LIBRARY = re.compile(r"(site|dist)-packages|[/\\]lib(64)?[/\\]python3|[/\\]Python3\d*[/\\]Lib[/\\]|^<")

_MOST_FRAMES = 8
_MOST_CAUSES = 3

_PACKAGES = {
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "yaml": "PyYAML",
    "bs4": "beautifulsoup4",
    "dateutil": "python-dateutil",
    "qiskit_aer": "qiskit-aer",
    "qiskit_nature": "qiskit-nature",
    "qiskit_algorithms": "qiskit-algorithms",
    "qiskit_addon_sqd": "qiskit-addon-sqd",
    "qiskit_addon_cutting": "qiskit-addon-cutting",
    "rustworkx": "rustworkx",
}
"""Packages that are called otherwise than their modules, among those that functions import most."""


@dataclass(frozen=True)
class Diagnosis:
    """What a text about a failure says.

    Attributes:
        message: the exception, or the last line of a text without a traceback.
        frames: the function's own lines that led there, the innermost last; frames of libraries are left out.
        causes: the exceptions before it in the chain, the first cause last.
        advice: what to do about it; empty for a failure that is not known here.
    """

    message: str
    frames: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    advice: str = ""


def diagnose(text: str, *, is_on_this_machine: bool) -> Diagnosis:
    """Return what the end of a log, or of a function's own report, says about a failure.

    Args:
        is_on_this_machine: whether the function ran here, on simulated backends and without an account.
    """
    blocks = _chain(text)
    if not blocks:
        lines = text.strip().splitlines()
        message = lines[-1].strip() if lines else ""
        return Diagnosis(message, advice=_advice(text, is_on_this_machine))
    *earlier, (frames, message) = blocks
    return Diagnosis(
        message,
        tuple(frames),
        tuple(cause for _, cause in reversed(earlier))[:_MOST_CAUSES],
        _advice("\n".join((message, *frames)), is_on_this_machine),
    )


def _chain(text: str) -> list[tuple[list[str], str]]:
    """Return the frames and the exception of each traceback of the last chain, the last exception last."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if _BEGINNING in line]
    chain: list[tuple[list[str], str]] = []
    end = len(lines)
    for start in reversed(starts):
        chain.insert(0, _block(lines[start + 1 : end]))
        before = next((line for line in reversed(lines[:start]) if line.strip()), "")
        if not any(mark in before for mark in _CHAINS):
            break
        end = start
    return chain


def _block(lines: list[str]) -> tuple[list[str], str]:
    """Return the own frames of one traceback, and its exception, which may have several lines."""
    frames: list[tuple[str, str]] = []
    for number, line in enumerate(lines):
        found = _FRAME.match(line)
        if found:
            place = f"{found['path']}, line {found['line']}" + (f", in {found['name']}" if found["name"] else "")
            frames.append((found["path"], place))
        elif line.strip() and not line[0].isspace():
            rest = lines[number:]
            break
        elif line.strip(" ~^") and frames and ": " not in frames[-1][1]:
            frames[-1] = frames[-1][0], f"{frames[-1][1]}: {line.strip()}"
    else:
        rest = lines[-1:]
    own = [place for path, place in frames if not _LIBRARY.search(path)] or [place for _, place in frames[-2:]]
    stop = next((number for number, line in enumerate(rest) if any(mark in line for mark in _CHAINS)), len(rest))
    message = "\n".join(rest[:stop]).strip()
    return own[-_MOST_FRAMES:], message


def _advice(text: str, is_on_this_machine: bool) -> str:
    """Return what to do about the failure; empty if it is not one that is known here."""
    for pattern, advice in _KNOWN:
        if found := re.search(pattern, text):
            return advice.format(*found.groups(), package=_package(found))
    if is_on_this_machine:
        for pattern, advice in _KNOWN_ON_THIS_MACHINE:
            if re.search(pattern, text):
                return advice
    return ""


def _package(found: re.Match[str]) -> str:
    module = (found.groups() or ("",))[0] or ""
    return _PACKAGES.get(module.partition(".")[0], module.partition(".")[0])


_KNOWN = (
    (
        r"ModuleNotFoundError: No module named '([\w.]+)'",
        "Name {package} in dependencies, with an exact version, and upload the function again.",
    ),
    (
        r"ImportError: cannot import name '(\w+)' from '([\w.]+)'",
        "The installed version of {1} has no {0}: import what it has, or name another version in dependencies.",
    ),
    (
        r"(?:FileNotFoundError|PermissionError).*'/data/([^']*)'",
        'There is no /data here: use the folder that DATA_PATH names, os.path.join(os.environ["DATA_PATH"], "{0}"). '
        "upload_file puts files there, and list_files shows them.",
    ),
    (
        r"FileNotFoundError.*'([^'/\\]+)'",
        "A function's data files are in the folder that DATA_PATH names: "
        'os.path.join(os.environ["DATA_PATH"], "{0}"). upload_file puts files there, and list_files shows them.',
    ),
    (
        r"TypeError: .*got an unexpected keyword argument '(\w+)'",
        "If {0} is one of the run's arguments, leave it out or correct its name: get_function shows what it takes.",
    ),
    (
        r"TypeError: .*missing \d+ required (?:positional|keyword-only) arguments?: (.+)",
        "If these are arguments of the run, give them in arguments: {0}.",
    ),
    (
        r"(?s)KeyError: '(\w+)'.*arg\w*\[",
        "Give {0} in the run's arguments, or let the function use a default: arguments.get(...).",
    ),
    (
        r"QiskitBackendNotFoundError|No backend matches",
        "Choose a backend_name from list_backends.",
    ),
)
"""What is seen, and what helps, wherever the function ran."""

_TOO_MANY_QUBITS = (
    "That is too many qubits to simulate here: a simulation of n qubits needs 2^n times 16 bytes of memory. Use "
    "fewer qubits, or a real backend."
)
_SERVICE = (
    "There is no account on this machine: use qiskit_serverless.get_runtime_service() in place of "
    "QiskitRuntimeService(). It gives the simulated backends here, and the account's backends on IBM Quantum."
)

_KNOWN_ON_THIS_MACHINE = (
    # Aer runs no shot of a circuit that is too large, so the sampler's arrays of them are empty.
    (r"could not broadcast input array from shape \(0,", _TOO_MANY_QUBITS),
    (r"(?i)insufficient memory|circuit too wide|number of qubits .* is greater than|^MemoryError", _TOO_MANY_QUBITS),
    (r"QiskitRuntimeService\(|InvalidAccountError|AccountNotFoundError|Unable to find account", _SERVICE),
    (
        r"ConstrainedReschedule|is not scheduled",
        "A circuit with delays has to be scheduled for a simulated backend: "
        'generate_preset_pass_manager(..., backend=backend, scheduling_method="alap"), or leave the delays out.',
    ),
)
"""What is seen where functions run without an account, on simulated backends."""
