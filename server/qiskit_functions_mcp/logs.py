"""What goes to stderr; stdout belongs to the protocol."""

from __future__ import annotations

import json
import logging
import sys
from typing import Literal

_OURS = ("qiskit_functions_mcp", "qiskit_functions_core")
_FIELDS = ("tool", "outcome", "milliseconds", "job_id")
"""What a line about a call carries beside its text; never arguments, which are the person's own."""


def configure_logging(level: str, form: Literal["text", "json"]) -> None:
    """Our own lines from ``level`` on, everybody else's from WARNING on.

    Raises:
        ValueError: there is no such level.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(level.upper())


class JsonLines(logging.Formatter):
    """One JSON object a line, for those who collect logs."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{field: getattr(record, field) for field in _FIELDS if hasattr(record, field)},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)
