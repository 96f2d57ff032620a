"""What nobody may print: tokens, the account inside a CRN, and the signed part of an address."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

_CRN_ACCOUNT = re.compile(r"(?<=:a/)[^:/\s'\"]+")
_QUERY = re.compile(r"(https?://[^\s?'\"<>]*)\?[^\s'\"<>]+")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without these secrets, without the account in a CRN (its segment ``a/<account>``), and
    without the query of any web address, which is the signature of a presigned one.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _QUERY.sub(r"\1?***", _CRN_ACCOUNT.sub("***", text))


class RedactingFilter(logging.Filter):
    """Keeps a log line, without what nobody may print."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


def redact_logs_of(*loggers: str) -> None:
    """A logger's filters don't see its children's lines, so each is named; doing it again changes nothing."""
    for name in loggers:
        logger = logging.getLogger(name)
        if not any(isinstance(known, RedactingFilter) for known in logger.filters):
            logger.addFilter(RedactingFilter())
