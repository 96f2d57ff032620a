"""Binary payloads of encoded values, bounded while they are unpacked.

The format is that of ``qiskit_ibm_runtime.json``: base64 over zlib.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Iterator
from itertools import chain

from ..limits import Limits

CHUNK = 2**20
# A multiple of 4, which is where base64 may be cut. Most payloads are shorter, and are not copied.
_BASE64_CHUNK = 4 * CHUNK


class Unpacker:
    """Unpacks the payloads of one text and counts the bytes that they take together."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._left = limits.max_memory

    def spend(self, size: int) -> None:
        """Count bytes that a value of the text takes.

        Raises:
            ValueError: the values of the text together are above ``Limits.max_memory``.
        """
        if size > self._left:
            raise ValueError(f"needs {size:,} bytes, {self._left:,} are left of the bound")
        self._left -= size

    def inflate(self, payload: str) -> bytes:
        """Return the unpacked payload, whose bytes are counted.

        Raises:
            ValueError: the payload is not base64 of zlib, or unpacks to more bytes than are left.
        """
        pieces, size = [], 0
        for piece in inflating(payload):
            size += len(piece)
            if size > self._left:
                raise ValueError(f"unpacks to more than the {self._left:,} bytes that are left of the bound")
            pieces.append(piece)
        self.spend(size)
        return b"".join(pieces)


def inflating(payload: str) -> Iterator[bytes]:
    """Yield the unpacked payload in pieces of at most ``CHUNK`` bytes, so that a reader can stop early."""
    inflater = zlib.decompressobj()
    for start in range(0, len(payload), _BASE64_CHUNK):
        piece = binascii.a2b_base64(payload[start : start + _BASE64_CHUNK])
        while piece and not inflater.eof:
            yield inflater.decompress(piece, CHUNK)
            piece = inflater.unconsumed_tail
    # What a full buffer held back: little if the stream is whole, nothing if it is broken.
    while not inflater.eof:
        if not (rest := inflater.decompress(b"", CHUNK)):
            raise ValueError("the compressed data breaks off")
        yield rest


class Chunks:
    """Bytes that arrive in pieces and are looked at before they are taken."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._held = b""

    def peek(self, size: int) -> bytes:
        """Return the next ``size`` bytes, or fewer at the end, without taking them."""
        for chunk in self._source:
            self._held += chunk
            if len(self._held) >= size:
                break
        return self._held[:size]

    def skip(self, size: int) -> None:
        """Drop ``size`` bytes that were looked at."""
        self._held = self._held[size:]

    def __iter__(self) -> Iterator[bytes]:
        return chain((self._held,), self._source)
