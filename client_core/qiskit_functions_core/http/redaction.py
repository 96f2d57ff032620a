"""What must not be printed: tokens, the account inside a CRN, and the signature in an address."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

_CRN_ACCOUNT = re.compile(r"(?<=:a/)[^:/\s'\"]+")
_QUERY = re.compile(r"(https?://[^\s?'\"<>]*)\?[^\s'\"<>]+")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text with ``***`` in place of each secret, of the account in a CRN (``a/<account>``), and of the
    query of each web address, which is the signature of a presigned one.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _QUERY.sub(r"\1?***", _CRN_ACCOUNT.sub("***", text))


class RedactingFilter(logging.Filter):
    """Passes every log record on, redacted."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


def redact_logs_of(*loggers: str) -> None:
    """Redact the records of these loggers; calling it again changes nothing.

    A logger's filters do not see the records of its children, so each child is named.
    """
    for name in loggers:
        logger = logging.getLogger(name)
        if not any(isinstance(known, RedactingFilter) for known in logger.filters):
            logger.addFilter(RedactingFilter())
