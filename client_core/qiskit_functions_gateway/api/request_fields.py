"""The fields of a body or a query, checked by the rules and with the messages of the real gateway.

These are Django REST framework's: CharField, IntegerField, BooleanField, DateTimeField.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from .routing import ApiError

MAX_BODY_BYTES = 2_621_440
"""Django's ``DATA_UPLOAD_MAX_MEMORY_SIZE``; files do not count."""

_DRAINED_BYTES = 32 * 1024 * 1024
"""How much of a body that is too large is read, so that its sender gets an answer instead of a broken connection."""

_MAX_FIELDS = 1_000
"""Of a form, as Django has it; the time that a million takes is that of all other requests."""

MAX_NAME = 255
"""The longest name of anything, in characters: the length of the real gateway's columns."""

_SHOWN_CHARACTERS = 100
"""How much of a wrong value an error shows."""

_MAX_INTEGER = 2**63 - 1
"""SQLite's largest integer."""

_TRUE, _FALSE = {"t", "y", "yes", "true", "on", "1"}, {"f", "n", "no", "false", "off", "0"}


class Fields:
    """The fields that a caller sent.

    Args:
        form: whether an empty text means that a field was left out, as it does in forms and queries.
    """

    def __init__(self, values: Mapping[str, Any], *, form: bool) -> None:
        self.values = values
        self._form = form

    def text(self, name: str, *, longest: int | None = None) -> str:
        """Return a field that is required and must not be blank, without the white space around it."""
        if name not in self.values:
            raise ApiError(400, "This field is required.")
        return _text(_not_null(self.values[name]), longest=longest)

    def optional(self, name: str, *, null: bool = False, blank: bool = False, longest: int | None = None) -> str | None:
        """Return a field without the white space around it, or None if it was left out.

        Args:
            null: whether null means the same.
            blank: whether the field may be empty.
            longest: how many characters it may have.
        """
        value = self.values.get(name)
        if name not in self.values or (value is None and null) or (value == "" and self._form and not blank):
            return None
        return _text(_not_null(value), blank=blank, longest=longest)

    def choice(self, name: str, choices: Collection[str]) -> str:
        """Return a field that is one of ``choices`` to the letter; empty when left out."""
        value = self.values.get(name, "")
        if value != "" and value not in choices:
            raise ApiError(400, f'"{str(value)[:_SHOWN_CHARACTERS]}" is not a valid choice.')
        return str(value)

    def integer(self, name: str, default: int) -> int:
        """Return a field that is 0 or greater, at most SQLite's largest integer."""
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
        """Return a time as the database writes it, so that the two compare as texts; empty when left out."""
        text = str(self.values.get(name, ""))
        return _moment(text) if text else ""


def query(request: Request) -> Fields:
    return Fields(request.query_params, form=True)


async def body(request: Request) -> Fields:
    """Return the fields of a JSON object or a form, which are none if there is no body.

    Raises:
        ApiError: the body is of another type, malformed, or larger than ``MAX_BODY_BYTES``.
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
    """Yield the body in chunks.

    Raises:
        ApiError: 413, it is larger than ``most`` bytes.
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
    """Return the value of a JSON number without a fraction, or of its text."""
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


def is_nested_deeper(value: Any, levels: int) -> bool:
    """Return whether a JSON value has containers in containers to more than this depth."""
    level = [value]
    for _ in range(levels):
        level = [
            child
            for container in level
            if isinstance(container, dict | list)
            for child in (container.values() if isinstance(container, dict) else container)
        ]
    return any(isinstance(value, dict | list) for value in level)


def clean_name(text: str) -> str:
    """Return a title or a provider without other characters, which the real gateway drops silently too."""
    return re.sub(r"[^A-Za-z0-9_/-]", "", text)


def _not_null(value: Any) -> Any:
    if value is None:
        raise ApiError(400, "This field may not be null.")
    return value


def _text(value: Any, *, blank: bool = False, longest: int | None = None) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ApiError(400, "Not a valid string.")
    text = str(value).strip()
    if not blank and not text:
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
    """Refuse infinities and NaN, which are not JSON, so that an answer could not contain them."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a JSON number")
    return number


def _form(content: bytes) -> dict[str, str]:
    try:
        fields = parse_qsl(content.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
        return dict(fields)
    except ValueError as error:
        raise ApiError(400, f"The form is malformed: {error}") from None


def _moment(text: str) -> str:
    try:
        # A plus sign that was not URL-encoded arrives as a blank.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        raise ApiError(
            400,
            "Datetime has wrong format. Use one of these formats instead: "
            "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].",
        ) from None
