"""Forms, with a file or without: encoded while they are sent, so that a file is never whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from secrets import token_hex
from urllib.parse import urlencode

PART_BYTES = 1024 * 1024
"""How much of a file is sent at a time, so that little of it is in memory."""


@dataclass(frozen=True)
class FormFile:
    """The file of a form.

    Attributes:
        field: the form's name for it.
        name: the file's own name.
        size: bytes.
        parts: its content.
    """

    field: str
    name: str
    size: int
    parts: AsyncIterable[bytes]
    content_type: str = "application/octet-stream"


@dataclass(frozen=True)
class EncodedForm:
    """The body of a request; ``headers`` belong to it."""

    headers: Mapping[str, str]
    body: AsyncIterable[bytes]


def encode_form(fields: Mapping[str, str], file: FormFile | None) -> EncodedForm:
    """Return a form as browsers send it: ``multipart/form-data`` (RFC 7578) with a file, URL-encoded without one."""
    if file is None:
        content = urlencode(fields, errors="replace").encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(content))}
        return EncodedForm(headers, bytes_in_parts(content))
    boundary = token_hex(16)
    disposition = f"--{boundary}\r\nContent-Disposition: form-data; name="
    before = "".join(f'{disposition}"{_escaped(name)}"\r\n\r\n{value}\r\n' for name, value in fields.items())
    before += f'{disposition}"{_escaped(file.field)}"; filename="{_escaped(file.name)}"\r\n'
    start = f"{before}Content-Type: {file.content_type}\r\n\r\n".encode(errors="replace")
    end = f"\r\n--{boundary}--\r\n".encode()

    async def body() -> AsyncIterator[bytes]:
        yield start
        async for part in file.parts:
            yield part
        yield end

    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(start) + file.size + len(end)),
    }
    return EncodedForm(headers, body())


async def bytes_in_parts(content: bytes) -> AsyncIterator[bytes]:
    """Give the content, a megabyte at a time."""
    for start in range(0, len(content), PART_BYTES):
        yield content[start : start + PART_BYTES]


def _escaped(name: str) -> str:
    """Quotes and line ends in names as browsers write them (WHATWG HTML, 4.10.21.8)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
