"""Binary payloads of encoded values: bounded before and while they are unpacked.

The formats are those of ``qiskit_ibm_runtime.json``: base64 over zlib over ``.npy`` or QPY, and base64 over ``.npz``
for sparse matrices. Every function raises ``ValueError`` with a reason to show when a bound is hit.
"""

from __future__ import annotations

import binascii
import io
import math
import zipfile
import zlib
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO

from .limits import QPY_GROWTH, Limits
from .panics import panics_as_errors
from .qpy_check import Claims, check_qpy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from qiskit import QuantumCircuit

# A multiple of 4, which is where base64 may be cut.
_CHUNK = 2**20
# NumPy refuses longer headers as well, because they go through a Python parser.
_MAX_NPY_HEADER = 10_000
_PLAIN_DTYPES = frozenset("biufcSUMm")
# QPY before version 13 carries symbolic expressions as pickles or as text for a parser: code can hide there
# (CVE-2025-2000). Qiskit 1.3 and later write 13 and above.
_MIN_QPY_VERSION = 13
_STORED_OR_DEFLATED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Payloads:
    """Unpacks the payloads of one text and counts what they take together."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._left = limits.max_memory
        self.claims = Claims(limits)

    def array(self, payload: str) -> NDArray[Any]:
        """An array from base64 of zlib of ``.npy``; never an object array, never unpickled."""
        return self._read_npy(_Chunks(_inflate(payload)))

    def circuits(self, payload: str) -> list[QuantumCircuit]:
        """The circuits of base64 of zlib of QPY."""
        if len(payload) > 2 * self.limits.max_qpy:
            raise ValueError(f"more than {2 * self.limits.max_qpy:,} characters for circuits")
        inflater = zlib.decompressobj()
        most = self._left // QPY_GROWTH
        data = inflater.decompress(binascii.a2b_base64(payload), most + 1)
        if len(data) > most:
            raise ValueError(f"the circuits unpack to more than {most:,} bytes of QPY")
        if not inflater.eof:
            raise ValueError("the compressed data breaks off")
        self.spend(QPY_GROWTH * len(data))
        return self.qpy(data)

    def qpy(self, data: bytes) -> list[QuantumCircuit]:
        """Circuits from QPY of version 13 or later, its headers checked against what is really there."""
        from qiskit import qpy

        if data[:6] != b"QISKIT" or len(data) < 7:  # noqa: PLR2004 - the preface and one byte of version
            raise ValueError("not QPY")
        if not _MIN_QPY_VERSION <= data[6] <= qpy.QPY_VERSION:
            raise ValueError(f"QPY version {data[6]}; {_MIN_QPY_VERSION} to {qpy.QPY_VERSION} can be read here")
        check_qpy(data, self.claims)
        with panics_as_errors():
            circuits: list[QuantumCircuit] = qpy.load(io.BytesIO(data))
        return circuits

    def sparse_matrix(self, payload: str) -> Any:
        """A SciPy sparse matrix from base64 of ``.npz``, its indices checked."""
        from scipy.sparse import load_npz

        data = binascii.a2b_base64(payload)
        self.spend(len(data))
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                self._check_npz_entry(archive, entry)
        matrix = load_npz(io.BytesIO(data))
        if hasattr(matrix, "check_format"):
            # Indices out of range would be followed blindly by SciPy's C code.
            matrix.check_format(full_check=True)
        return matrix

    def npy_file(self, file: BinaryIO) -> NDArray[Any]:
        """An array from an open ``.npy`` file."""
        return self._read_npy(_Chunks(iter(lambda: file.read(_CHUNK), b"")))

    def _check_npz_entry(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        if entry.compress_type not in _STORED_OR_DEFLATED:
            raise ValueError("the archive is compressed in a way that NumPy does not write")
        with archive.open(entry) as file:
            # zipfile stops at the size that the entry declares, so the header's claim bounds what is read.
            self._check_npy_header(_Chunks(iter(lambda: file.read(_CHUNK), b"")))

    def _read_npy(self, chunks: _Chunks) -> NDArray[Any]:
        import numpy as np

        shape, fortran, dtype = self._check_npy_header(chunks)
        array = np.empty(math.prod(shape), dtype=dtype)
        chunks.read_into(array)
        return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)

    def _check_npy_header(self, chunks: _Chunks) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        import numpy as np

        header = io.BytesIO(chunks.peek(_MAX_NPY_HEADER + 16))
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(np.lib.format.read_magic(header))
        if read is None:
            raise ValueError("a .npy version that plain arrays do not need")
        shape, fortran, dtype = read(header, max_header_size=_MAX_NPY_HEADER)
        if dtype.kind not in _PLAIN_DTYPES:
            raise ValueError(f"an array of dtype {dtype}: only plain numbers, text and dates are read")
        self._check_elements(shape, dtype.itemsize)
        chunks.skip(header.tell())
        return shape, fortran, dtype

    def _check_elements(self, shape: tuple[int, ...], itemsize: int) -> None:
        if any(length < 0 for length in shape):
            raise ValueError("an array with a negative length")
        count = math.prod(shape)
        if count > self.limits.max_array_elements:
            raise ValueError(f"an array that claims {count:,} elements")
        self.spend(count * itemsize)

    def spend(self, size: int) -> None:
        """Count bytes that the values of the text take."""
        if size > self._left:
            raise ValueError(f"needs {size:,} bytes, {self._left:,} are left of the bound")
        self._left -= size


class _Chunks:
    """Bytes that arrive in pieces, looked at before they are taken."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._held = b""

    def peek(self, size: int) -> bytes:
        for chunk in self._source:
            self._held += chunk
            if len(self._held) >= size:
                break
        return self._held[:size]

    def skip(self, size: int) -> None:
        self._held = self._held[size:]

    def read_into(self, array: NDArray[Any]) -> None:
        """Fill the array; exactly its bytes must be left."""
        import numpy as np

        target = array.view("u1") if array.nbytes else array[:0]
        filled = 0
        for piece in chain((self._held,), self._source):
            if filled + len(piece) > len(target):
                raise ValueError("more data than the array's header says")
            target[filled : filled + len(piece)] = np.frombuffer(piece, "u1")
            filled += len(piece)
        if filled != len(target):
            raise ValueError(f"the array's header says {len(target):,} bytes, {filled:,} are there")


def _inflate(payload: str) -> Iterator[bytes]:
    """Decode and decompress piece by piece, so that whoever reads can stop and nothing is held twice."""
    inflater = zlib.decompressobj()
    for start in range(0, len(payload), _CHUNK):
        piece = binascii.a2b_base64(payload[start : start + _CHUNK])
        while piece and not inflater.eof:
            yield inflater.decompress(piece, _CHUNK)
            piece = inflater.unconsumed_tail
    # What a full buffer held back; a stream that is whole has little left, a broken one nothing.
    while not inflater.eof:
        if not (rest := inflater.decompress(b"", _CHUNK)):
            raise ValueError("the compressed data breaks off")
        yield rest


def load_qpy(data: bytes, limits: Limits) -> list[QuantumCircuit]:
    """Circuits from QPY of version 13 or later, its headers checked against what is really there."""
    return Payloads(limits).qpy(data)
