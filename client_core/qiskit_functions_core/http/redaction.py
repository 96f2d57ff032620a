"""What must not be printed: tokens, the account inside a CRN, and what signs or opens an address."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

_CRN_ACCOUNT = re.compile(r"(?<=:a/)[^:/\s'\"]+")
_ADDRESS = re.compile(r"https?://[^\s'\"<>]+")

_SECRET_WORDS = ("signature", "token", "secret", "passw", "pwd", "credential", "apikey", "accesskey", "authoriz", "jwt")
"""Parts of names of parameters whose values are secrets, without dashes and underscores: those of presigned addresses
(S3, Google Cloud and Azure storage), of OAuth, and what services call their keys."""

_SECRET_NAMES = frozenset({"sig", "key", "auth", "code", "sas", "session", "sessionid", "sid"})

_OPAQUE = re.compile(r"[A-Za-z0-9+/=_.~-]{32,}")
"""A value without words in it: under whatever name, it may be a key."""


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text with ``***`` in place of each secret, of the account in a CRN (``a/<account>``), of the name and
    password in a web address, and of the whole query of one that is signed or has a key in it.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _ADDRESS.sub(_redacted_address, _CRN_ACCOUNT.sub("***", text))


def _redacted_address(match: re.Match[str]) -> str:
    scheme, separator, rest = match[0].partition("://")
    end = next((at for at, character in enumerate(rest) if character in "/?#"), len(rest))
    login, at_sign, host = rest[:end].rpartition("@")
    start = f"{scheme}{separator}{'***@' if login or at_sign else ''}{host}"
    mark = next((at for at in range(end, len(rest)) if rest[at] in "?#"), len(rest))
    has_secret = any(_is_secret(*field.partition("=")[::2]) for field in re.split("[?&;#]", rest[mark:]))
    return f"{start}{rest[end:mark]}{rest[mark : mark + 1]}***" if has_secret else f"{start}{rest[end:]}"


def _is_secret(name: str, value: str) -> bool:
    plain = re.sub("[^a-z0-9]", "", name.lower())
    is_named = plain in _SECRET_NAMES or any(word in plain for word in _SECRET_WORDS)
    content = value or name
    is_opaque = bool(_OPAQUE.fullmatch(content)) and any(character.isdigit() for character in content)
    return (is_named and bool(value)) or is_opaque


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
