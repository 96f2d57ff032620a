"""The fields of a body or a query, read by the rules and in the words of the real gateway.

It is built on Django REST framework, whose field types these are: CharField, IntegerField, BooleanField, DateTimeField.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from .routing import ApiError

MAX_BODY_BYTES = 2_621_440
"""Django's ``DATA_UPLOAD_MAX_MEMORY_SIZE``; files do not count."""

_DRAINED_BYTES = 32 * 1024 * 1024
"""How much of a body that is too large is still read, so that its sender comes to hear why it is refused."""

_MAX_INTEGER = 2**63 - 1
"""What SQLite can count; no listing is longer."""

_TRUE, _FALSE = {"t", "y", "yes", "true", "on", "1"}, {"f", "n", "no", "false", "off", "0"}


class Fields:
    """Named values from outside.

    Args:
        form: whether an empty text says that a field was left out, as it does in forms and queries.
    """

    def __init__(self, values: Mapping[str, Any], *, form: bool) -> None:
        self.values = values
        self._form = form

    def text(self, name: str, *, longest: int | None = None) -> str:
        """A field that must be there and must not be blank."""
        if name not in self.values:
            raise ApiError(400, "This field is required.")
        return _text(_not_null(self.values[name]), longest=longest)

    def optional(self, name: str, *, null: bool = False, blank: bool = False) -> str | None:
        """A field that may be left out.

        Args:
            null: whether a null says so too.
            blank: whether it may be empty.
        """
        value = self.values.get(name)
        if name not in self.values or (value is None and null) or (value == "" and self._form and not blank):
            return None
        return _text(_not_null(value), blank=blank)

    def integer(self, name: str, default: int) -> int:
        """Zero or more."""
        value = self.values.get(name)
        if value is None or value == "":
            return default
        number = integer(value)
        if number < 0:
            raise ApiError(400, "Ensure this value is greater than or equal to 0.")
        return min(number, _MAX_INTEGER)

    def boolean(self, name: str, default: bool) -> bool:
        value = self.values.get(name)
        return default if value is None or value == "" else boolean(value)

    def moment(self, name: str) -> str:
        """A time as the database writes it, so that the two compare as texts; empty when left out."""
        text = self.optional(name)
        return _moment(text) if text else ""


def query(request: Request) -> Fields:
    return Fields(request.query_params, form=True)


async def body(request: Request) -> Fields:
    """The fields of a JSON object or a form; none when there is no body.

    Raises:
        ApiError: neither of them, malformed, or larger than ``MAX_BODY_BYTES``.
    """
    content_type = media_type(request)
    content = b"".join([chunk async for chunk in chunks(request, MAX_BODY_BYTES)])
    if not content:
        return Fields({}, form=False)
    if content_type == "application/json":
        return Fields(_json_object(content), form=False)
    if content_type == "application/x-www-form-urlencoded":
        return Fields(_form(content), form=True)
    raise unsupported(content_type)


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def unsupported(content_type: str) -> ApiError:
    return ApiError(415, f'Unsupported media type "{content_type}" in request: send application/json or a form.')


async def chunks(request: Request, most: int) -> AsyncIterator[bytes]:
    """The body's bytes, as long as there are no more than ``most``.

    Raises:
        ApiError: 413, there are.
    """
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= most:
            yield chunk
        elif size > most + _DRAINED_BYTES:
            break
    if size > most:
        raise ApiError(413, f"The body is larger than {most} bytes.")


def integer(value: Any) -> int:
    """A JSON number without a fraction, or its text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ApiError(400, "A valid integer is required.")
    try:
        return int(re.sub(r"\.0*$", "", str(value)))
    except ValueError:
        raise ApiError(400, "A valid integer is required.") from None


def boolean(value: Any) -> bool:
    word = str(value).lower()
    if word not in _TRUE | _FALSE:
        raise ApiError(400, "Must be a valid boolean.")
    return word in _TRUE


def clean_name(text: str) -> str:
    """The gateway drops all other characters of titles and providers without a word."""
    return re.sub(r"[^A-Za-z0-9_/-]", "", text)


def _not_null(value: Any) -> Any:
    if value is None:
        raise ApiError(400, "This field may not be null.")
    return value


def _text(value: Any, *, blank: bool = False, longest: int | None = None) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ApiError(400, "Not a valid string.")
    text = str(value)
    if not blank and not text.strip():
        raise ApiError(400, "This field may not be blank.")
    if longest and len(text) > longest:
        raise ApiError(400, f"Ensure this field has no more than {longest} characters.")
    if "\0" in text:
        raise ApiError(400, "Null characters are not allowed.")
    if surrogate := re.search("[\ud800-\udfff]", text):
        raise ApiError(400, f"Surrogate characters are not allowed: U+{ord(surrogate[0]):X}.")
    return text


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"The body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise ApiError(400, f"Invalid data. Expected a dictionary, but got {kind}.")
    return value


def _finite(text: str) -> float:
    """Infinities and NaN are no JSON, and could not be answered with later."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of JSON")
    return number


def _form(content: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(content.decode(), keep_blank_values=True, errors="strict"))
    except ValueError as error:
        raise ApiError(400, f"The form is malformed: {error}") from None


def _moment(text: str) -> str:
    try:
        # A plus sign that was not encoded arrives as a blank.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        raise ApiError(
            400,
            "Datetime has wrong format. Use one of these formats instead: "
            "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].",
        ) from None
