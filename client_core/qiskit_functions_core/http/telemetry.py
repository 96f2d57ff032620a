"""OpenTelemetry spans around the gateway's calls, with the official client's names.

A span carries the call's name, its HTTP status or error code, and nothing of its content.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import QiskitFunctionsError

_NOUNS = {"programs": "function", "jobs": "job", "files": "files"}


def span_name(path: str) -> str | None:
    """Return the name of a call, such as ``job.result`` for ``jobs/{id}/result/``; None for another API's path."""
    first, *rest = path.strip("/").split("/")
    noun = _NOUNS.get(first)
    if noun is None:
        return None
    if noun == "job" and rest and rest[0] != "provider":
        rest = rest[1:] or ["get"]
    elif noun == "function":
        rest = rest[:1]
        noun = "job" if rest == ["run"] else noun
    if rest in ([], ["provider"]):
        rest = [*rest, "list"]
    return f"{noun}.{'_'.join(rest).replace('-', '_')}"


@contextmanager
def span(path: str) -> Iterator[None]:
    """Record a span for a call of the gateway, if the process has set up OpenTelemetry.

    A process that has done so has imported it; importing it here would only slow down the others.
    """
    trace: Any = sys.modules.get("opentelemetry.trace")
    name = span_name(path)
    if trace is None or name is None:
        yield
        return
    tracer = trace.get_tracer("qiskit_functions_core")
    # An exception's text can quote arguments, so only its code is recorded.
    with tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as current:
        try:
            yield
        except QiskitFunctionsError as error:
            current.set_status(trace.StatusCode.ERROR, error.code)
            raise
