"""The rules that are checked before a job is submitted: pure decisions over facts that others fetched.

The rules are those of the official client (``IBMServerlessClient.run`` of qiskit-serverless 0.37: usage,
then backend) and three more: the arguments against the function's schema and size limit, a backend that
is not operational, and "could not ask", which is never reported as "no access".
The numbers of the rules are those of the design: 1 to 5 are quota, 6 and 7 backends, 8 questions without an answer.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from .errors import AccountError, ArgumentsInvalid, PreflightRefused
from .models import ArgumentsSchema, Backend, Usage
from .serverless.gateway_traits import INSTANCES_URL
from .suggestions import did_you_mean

MAX_ARGUMENTS_BYTES = 2_500_000 - 10_000
"""Size of the arguments inside a request's body. Django's default for the body is 2.5 MB; the rest is for what is
around them."""

_AMPLITUDE_BYTES = 16
_SURELY_SIMULATED = 24
"""Qubits whose amplitudes take 256 MiB, which every machine has."""

T = TypeVar("T")


@dataclass(frozen=True)
class Known(Generic[T]):
    """The fact was fetched."""

    value: T


@dataclass(frozen=True)
class Unknown:
    """The fact could not be fetched, or not in time.

    Attributes:
        reason: why, for a message.
        for_the_person: what only a person can do about it, such as correct the credentials; empty if waiting may help.
    """

    reason: str
    for_the_person: str = ""


@dataclass(frozen=True)
class Inapplicable:
    """This account has no platform, so there is no such fact.

    Attributes:
        reason: why, for a message.
    """

    reason: str


Fact = Known[T] | Unknown | Inapplicable


@dataclass(frozen=True)
class Thresholds:
    """Seconds of quota; the defaults are the official client's.

    Attributes:
        zero_epsilon: with this much or less left, nothing can run (``USAGE_ZERO_EPSILON_SECONDS``).
        low: with this much or less left, a run warns (``USAGE_LOW_THRESHOLD_SECONDS``).
    """

    zero_epsilon: float = 1.0
    low: float = 600.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Thresholds:
        """Return the thresholds that the official client's variables set.

        Raises:
            AccountError: a variable is not a number of seconds.
        """
        env = os.environ if environ is None else environ
        return cls(
            zero_epsilon=_seconds(env, "USAGE_ZERO_EPSILON_SECONDS", cls.zero_epsilon),
            low=_seconds(env, "USAGE_LOW_THRESHOLD_SECONDS", cls.low),
        )


def _seconds(env: Mapping[str, str], variable: str, default: float) -> float:
    try:
        seconds = float(env.get(variable, default))
    except ValueError:
        seconds = math.nan
    # A threshold that is not a number would let every quota pass.
    if not 0 <= seconds < math.inf:
        raise AccountError(f"{variable} is not a number of seconds", next_step="Correct or remove it.")
    return seconds


CheckName = Literal["installation", "arguments", "usage", "backend", "simulation"]
CheckCode = Literal[
    "ok",
    "arguments_invalid",
    "usage_unknown",
    "quota_low",
    "quota_exhausted",
    "backend_not_operational",
    "backend_not_accessible",
    "no_backends",
    "backends_unknown",
    "local_packages_missing",
    "not_checked",
    "too_large_to_simulate",
]


@dataclass(frozen=True)
class Check:
    """The outcome of one rule.

    Attributes:
        code: a stable name for programs to decide by.
        next_step: what to do about a refusal.
        person: whether only a person can do that.
    """

    name: CheckName
    outcome: Literal["ok", "warning", "refused"]
    code: CheckCode
    message: str
    next_step: str = ""
    person: bool = False


@dataclass(frozen=True)
class Verdict:
    """All checks, in their order; the first refusal decides."""

    checks: list[Check]

    @property
    def refusal(self) -> Check | None:
        """The first check that refuses the run; None if none does."""
        return next((check for check in self.checks if check.outcome == "refused"), None)

    @property
    def allowed(self) -> bool:
        """Whether no check refuses the run."""
        return self.refusal is None

    @property
    def warnings(self) -> list[str]:
        """The messages of the checks that warn."""
        return [check.message for check in self.checks if check.outcome == "warning"]

    @property
    def next_step(self) -> str:
        """What to do about the refusal; empty when the run is allowed."""
        return self.refusal.next_step if self.refusal else ""

    def raise_for_refusal(self) -> None:
        """Do nothing if the run is allowed.

        Raises:
            ArgumentsInvalid: the first refusal is about the arguments.
            PreflightRefused: it is about quota or backends.
        """
        if self.refusal is None:
            return
        message = f"{self.refusal.message} Nothing was submitted."
        if self.refusal.name == "arguments":
            raise ArgumentsInvalid(message, next_step=self.next_step)
        raise PreflightRefused(self.refusal.code, message, next_step=self.next_step, person=self.refusal.person)


def check_arguments(schema: ArgumentsSchema | None, encoded: str) -> Check:
    """Check the arguments against the gateway's size limit, then against the function's schema.

    Args:
        schema: None for a function without one.
        encoded: the arguments as they will be sent, a JSON text.
    """
    # They are sent as a string inside JSON, where each of their quotes takes two bytes.
    size = len(json.dumps(encoded, ensure_ascii=False).encode())
    if size > MAX_ARGUMENTS_BYTES:
        return _too_large(f"take {size} bytes of the request; the gateway takes {MAX_ARGUMENTS_BYTES}")
    if schema is None:
        return Check("arguments", "ok", "ok", "the function has no schema.")
    # Its jsonschema-rs takes 5 MiB, which a server without such a function saves.
    from .serverless.arguments_schema import MAX_ARGUMENTS_CHARACTERS, violation

    if len(encoded) > MAX_ARGUMENTS_CHARACTERS:
        most = f"for a function with a schema the gateway takes {MAX_ARGUMENTS_CHARACTERS}"
        return _too_large(f"have {len(encoded)} characters; {most}")
    found = violation(schema, json.loads(encoded))
    if found:
        place = "".join(f"/{step}" for step in found.path)
        about = f" The function's schema says: {found.description}" if found.description else ""
        message = f"arguments{f' at {place}' if place else ''}: {found.plain or found.message}.{about}"
        next_step = "Read the function's arguments_schema with get_function and correct the arguments."
        return Check("arguments", "refused", "arguments_invalid", message, next_step)
    return Check("arguments", "ok", "ok", "the arguments match the schema.")


def _too_large(what: str) -> Check:
    next_step = "Send less: put large data into a file with upload_file, for the function to read."
    return Check("arguments", "refused", "arguments_invalid", f"the encoded arguments {what}.", next_step)


def check_usage(
    usage: Fact[Usage],
    thresholds: Thresholds,
    *,
    instance: str,
    limit_is_set_at: str = INSTANCES_URL,
    suppress_low_usage_warning: bool = False,
) -> Check:
    """Apply rules 1 to 5: quota.

    Args:
        instance: what messages call it.
        limit_is_set_at: where a person can raise the limit.
    """
    if not isinstance(usage, Known):
        code: CheckCode = "usage_unknown" if isinstance(usage, Unknown) else "not_checked"
        return Check("usage", "warning", code, f"could not retrieve usage of {instance}: {usage.reason}.")
    remaining = usage.value.remaining
    if remaining is None:
        if not usage.value.limit_reached:
            return Check("usage", "ok", "ok", f"{instance} has no usage limit.")
        remaining = 0.0
    seconds = f"{remaining:g} s"
    if remaining <= thresholds.zero_epsilon:
        return Check(
            "usage",
            "refused",
            "quota_exhausted",
            f"{instance} has {seconds} of quota left, and a run needs more than {thresholds.zero_epsilon:g} s, so the "
            f"job would never start. The limit is set at {limit_is_set_at}.",
            f"Ask the person to raise the limit or to choose another instance: {limit_is_set_at}",
            person=True,
        )
    if remaining <= thresholds.low and not suppress_low_usage_warning:
        return Check(
            "usage",
            "warning",
            "quota_low",
            f"{instance} has only {seconds} of quota left (warning below {thresholds.low:g} s).",
        )
    return Check("usage", "ok", "ok", f"{instance} has {seconds} of quota left.")


def check_named_backend(
    name: object, backend: Fact[Backend | None], *, instance: str, others: Sequence[str] = ()
) -> Check:
    """Apply rules 6 and 8: the backend that the arguments name.

    Args:
        name: ``arguments["backend_name"]``, of any type.
        backend: None inside ``Known`` if the instance has no such backend.
        instance: what messages call it.
        others: the names of the backends that it has, where they are known.
    """
    if not isinstance(name, str):
        return _no_access(f"backend_name must be a string, not {name!r}.")
    if not isinstance(backend, Known):
        return _without_answer(backend, f"backend {name!r}")
    if backend.value is None:
        return _no_access(f"{instance} has no access to backend {name!r}.", did_you_mean(name, others))
    if not backend.value.operational:
        reason = backend.value.status_message or "no reason given"
        return Check(
            "backend",
            "warning",
            "backend_not_operational",
            f"backend {name!r} is not operational ({reason}); the job may wait until it is.",
        )
    return Check("backend", "ok", "ok", f"backend {name!r} has {backend.value.num_qubits} qubits.")


def check_any_backend(count: Fact[int], *, instance: str) -> Check:
    """Apply rules 7 and 8: no backend is named, so the instance must have one.

    Args:
        count: how many backends the instance has.
        instance: what messages call it.
    """
    if not isinstance(count, Known):
        return _without_answer(count, "the backends")
    if count.value == 0:
        next_step = f"Ask the person to give the instance access to a backend: {INSTANCES_URL}"
        return Check("backend", "refused", "no_backends", f"{instance} has no backend.", next_step, person=True)
    return Check("backend", "ok", "ok", f"no backend is named; {instance} has {count.value}.")


def check_simulation(active_qubits: int, backend_name: object, memory: int | None = None) -> list[Check]:
    """Warn if the largest circuit cannot be simulated on this machine with the noise of a fake backend.

    Aer holds the 2^n amplitudes of such a circuit at 16 bytes each (``MAX_QUBITS_STATEVECTOR`` in
    qiskit_aer.backends.backend_utils). Without noise it knows cheaper ways for some circuits, so nothing is said about
    ``aer_simulator``.

    Args:
        active_qubits: how many qubits the largest circuit of the arguments uses.
        backend_name: the backend in the arguments; without one, the function chooses a fake one.
        memory: of this machine, in bytes; None to look it up.
    """
    is_fake = backend_name in (None, "") or (isinstance(backend_name, str) and backend_name.startswith("fake_"))
    if not is_fake or active_qubits < _SURELY_SIMULATED:
        return []
    if memory is None:
        import psutil  # needed for few runs

        memory = psutil.virtual_memory().total
    most = int(math.log2(memory / _AMPLITUDE_BYTES))
    if active_qubits <= most:
        return []
    needed, there = _bytes_in_words(2**active_qubits * _AMPLITUDE_BYTES), _bytes_in_words(memory)
    message = (
        f"a circuit uses {active_qubits} qubits, whose simulation with noise takes {needed} of memory "
        f"(2^{active_qubits} amplitudes of {_AMPLITUDE_BYTES} bytes). This machine has {there}, enough for {most} "
        "qubits, so the job will most probably fail, unless the function cuts or shrinks the circuit."
    )
    return [Check("simulation", "warning", "too_large_to_simulate", message)]


def _bytes_in_words(count: int) -> str:
    units = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    power = min(int(math.log2(count)) // 10, len(units) - 1)
    return f"{count / 1024**power:,.0f} {units[power]}"


def _no_access(message: str, guess: str = "") -> Check:
    next_step = f"{guess}Choose a name from list_backends."
    return Check("backend", "refused", "backend_not_accessible", message, next_step)


def _without_answer(fact: Unknown | Inapplicable, asked: str) -> Check:
    if isinstance(fact, Inapplicable):
        return Check("backend", "warning", "not_checked", f"could not check {asked}: {fact.reason}.")
    next_step = fact.for_the_person or "Try again in a moment; it may succeed then."
    message = f"could not look up {asked}: {fact.reason}."
    return Check("backend", "refused", "backends_unknown", message, next_step, person=bool(fact.for_the_person))
