"""Panics of Qiskit's Rust code as ordinary errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """A panic over data from outside says no more than that the data is broken, but is no ``Exception``.

    Raises:
        ValueError: in place of the panic.
    """
    try:
        yield
    except BaseException as error:
        # PyO3 makes its class in private.
        if type(error).__name__ == "PanicException":
            raise ValueError(f"Qiskit cannot read it: {error}") from error
        raise
