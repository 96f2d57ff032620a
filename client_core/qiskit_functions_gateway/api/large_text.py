"""Answers in JSON with a text that may be larger than memory: it is sent as it is read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from starlette.responses import Response, StreamingResponse

from .routing import Json, blocking

_BATCH_CHARACTERS = 256 * 1024


async def json_with_text(fields: dict[str, Any], name: str, pieces: Iterator[str]) -> Response:
    """Return an object with these fields, and the pieces as one text.

    Args:
        fields: the other fields.
        name: the key of the text.
        pieces: without lone surrogates; they are asked for in a thread.
    """
    first = await blocking(_batch, pieces)
    if len(first) < _BATCH_CHARACTERS:  # there is no more of it
        return Json({**fields, name: first})
    return StreamingResponse(_parts(fields, name, first, pieces), media_type="application/json")


async def _parts(fields: dict[str, Any], name: str, first: str, pieces: Iterator[str]) -> AsyncIterator[bytes]:
    beginning = json.dumps({**fields, name: ""})
    yield beginning.removesuffix('"}').encode() + await blocking(_inside_quotes, first)
    while batch := await blocking(_batch, pieces):
        yield await blocking(_inside_quotes, batch)
    yield b'"}'


def _batch(pieces: Iterator[str]) -> str:
    parts, size = [], 0
    for piece in pieces:
        parts.append(piece)
        size += len(piece)
        if size >= _BATCH_CHARACTERS:
            break
    return "".join(parts)


def _inside_quotes(text: str) -> bytes:
    # As UTF-8: of a binary log, most is replacement characters, whose escapes are twice as long.
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()
