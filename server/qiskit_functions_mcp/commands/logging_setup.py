"""Logging to stderr; stdout belongs to the protocol."""

from __future__ import annotations

import json
import logging
import sys
from typing import Literal

_OWN_LOGGERS = ("qiskit_functions_mcp", "qiskit_functions_core")

_CALL_FIELDS = ("tool", "outcome", "milliseconds", "job_id")
"""The fields of a line about a call. Its arguments are never logged: they are the person's own."""


def configure_logging(level: str, form: Literal["text", "json"]) -> None:
    """Log our own lines from ``level`` on, and those of other libraries from WARNING on.

    Raises:
        ValueError: there is no such level.
    """
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if form == "json" else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in _OWN_LOGGERS:
        logging.getLogger(name).setLevel(level.upper())


class JsonFormatter(logging.Formatter):
    """Formats each record as one line of JSON, for log collectors."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a JSON object."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{field: getattr(record, field) for field in _CALL_FIELDS if hasattr(record, field)},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)
