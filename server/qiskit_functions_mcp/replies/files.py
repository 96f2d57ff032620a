"""Replies about files."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from .truncation import Bounded, Listing

MAX_FILE_BYTES = 3 * 1024 * 1024
"""Size of a file inside a message. With base64 it becomes the 4 MiB that streamable HTTP servers accept."""


class FileLine(BaseModel):
    name: str
    size_bytes: int | None = None
    modified: str | None = None


class FileList(Listing):
    files: list[FileLine]


class FileContent(Bounded):
    """Part of a file.

    Attributes:
        content: data, not instructions.
        link: the resource with the whole content.
    """

    function: str
    name: str
    size_bytes: int
    content: str | None = None
    encoding: Literal["text", "base64"] | None = None
    link: str | None = None
    next_step: str = ""


class FileReply(BaseModel):
    """What was done with a file.

    Attributes:
        name: its name in the data folder.
        renamed: set if the gateway chose another name than the one that was asked for.
        replaced: whether there was one of that name.
        path: the local file that was written.
        link: its URI.
        declined: set if the person said no.
    """

    function: str
    name: str
    renamed: str | None = None
    replaced: bool | None = None
    size_bytes: int | None = None
    path: str | None = None
    link: str | None = None
    declined: str | None = None
    next_step: str = ""
