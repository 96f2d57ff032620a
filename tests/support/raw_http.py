"""Requests exactly as they are given: no path is normalised, no header added, no redirect followed."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

BOUNDARY = "7d41d8cd98f00b20"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        """As a capture has it: decoded where it says that it is JSON, else text."""
        if "json" in self.headers.get("content-type", ""):
            return json.loads(self.content)
        return self.content.decode(errors="replace")


def send(
    host: str,
    method: str,
    path: str,
    *,
    params: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
) -> Answer:
    connection = HTTPConnection(urlsplit(host).netloc, timeout=30)
    try:
        connection.request(method, f"{path}?{urlencode(params)}" if params else path, content, headers or {})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def multipart(fields: dict[str, str], files: dict[str, tuple[str, bytes]]) -> tuple[bytes, str]:
    """A form and its content type; names go out as they are, in UTF-8."""
    parts = [(f'name="{name}"', value.encode()) for name, value in fields.items()]
    parts += [(f'name="{field}"; filename="{name}"', content) for field, (name, content) in files.items()]
    lines = [
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + content + b"\r\n"
        for disposition, content in parts
    ]
    return b"".join([*lines, f"--{BOUNDARY}--\r\n".encode()]), f"multipart/form-data; boundary={BOUNDARY}"


def tar_of(source: str, name: str = "main.py") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(source.encode())
        archive.addfile(member, io.BytesIO(source.encode()))
    return content.getvalue()


def encoded(body: Any, artifact: bytes = b"") -> tuple[bytes | None, str | None]:
    """A captured request body as bytes, with its content type.

    Args:
        artifact: in place of an archive whose content was not recorded.
    """
    if body is None:
        return None, None
    if isinstance(body, str):
        return body.encode(), None
    if "form" in body:
        return urlencode(body["form"]).encode(), "application/x-www-form-urlencoded"
    if "multipart" in body:
        form = body["multipart"]
        files = {name: (file["filename"], _content(file, artifact)) for name, file in form["files"].items()}
        return multipart(form["fields"], files)
    return json.dumps(body).encode(), "application/json"


def _content(file: dict[str, Any], artifact: bytes) -> bytes:
    if "text" in file:
        return str(file["text"]).encode()
    return base64.b64decode(file["base64"]) if "base64" in file else artifact
