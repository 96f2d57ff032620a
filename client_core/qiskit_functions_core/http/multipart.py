"""A form with one file (RFC 7578), made while it is sent, so that no file is ever whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from secrets import token_hex


@dataclass(frozen=True)
class FileForm:
    """The body of a request: ``headers`` go with it.

    Attributes:
        parts: of the file alone.
    """

    headers: dict[str, str]
    before: bytes
    parts: AsyncIterator[bytes]
    after: bytes

    @classmethod
    def of(cls, field: str, name: str, size: int, parts: AsyncIterator[bytes]) -> FileForm:
        """For a file of ``size`` bytes."""
        boundary = token_hex(16)
        disposition = f'Content-Disposition: form-data; name="{field}"; filename="{_quoted(name)}"'
        head = f"--{boundary}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n"
        before, after = head.encode(errors="replace"), f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(before) + size + len(after)),
        }
        return cls(headers, before, parts, after)

    async def body(self) -> AsyncIterator[bytes]:
        yield self.before
        async for part in self.parts:
            yield part
        yield self.after


def _quoted(name: str) -> str:
    """As browsers write quotes and line ends in names (WHATWG HTML, 4.10.21.8)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
