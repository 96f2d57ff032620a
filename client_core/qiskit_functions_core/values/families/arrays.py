"""NumPy's arrays and scalars, and SciPy's sparse matrices.

The formats are those of ``qiskit_ibm_runtime.json``: base64 over zlib over ``.npy``, and base64 over ``.npz`` for
sparse matrices.
"""

from __future__ import annotations

import binascii
import io
import math
import zipfile
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from scipy import sparse

from ..drawing import panels
from ..drawing.panels import Panel, Place
from ..summary_models import ValueSummary
from . import short_json
from .containers import describe_number
from .row_window import RowWindow
from .type_support import Parts, TypeSupport, sweep_of, text, write_csv
from .unpacking import CHUNK, Chunks, Unpacker, inflating

if TYPE_CHECKING:
    from .inputs import Inputs

# NumPy refuses longer headers as well, because they go through a Python parser.
_MAX_NPY_HEADER = 10_000
_PLAIN_DTYPES = frozenset("biufcSUMm")
_STORED_OR_DEFLATED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Elements of a row that a summary shows.
_ROW = 40
# Elements looked at at a time, so that a large array is not copied whole.
_PIECE = 2**20
# Estimator results hold arrays of the names of extrapolators, whose single elements are encoded as bare names:
# ExtrapolatorType in qiskit_ibm_runtime.options.zne_options.
EXTRAPOLATORS = frozenset(
    ("linear", "exponential", "double_exponential", "fallback", *(f"polynomial_degree_{n}" for n in range(1, 8)))
)

# Hashing a payload of megabytes to look it up would take a millisecond.
_MAX_EXTRAPOLATOR = max(map(len, EXTRAPOLATORS))


def read_npy(chunks: Chunks, unpacker: Unpacker) -> NDArray[Any]:
    """Return the array of a ``.npy`` file, whose bytes are counted; never an object array, never unpickled.

    Raises:
        ValueError: the file is broken, not a plain array, or larger than what is left.
    """
    shape, fortran, dtype = _npy_header(chunks, unpacker)
    array: NDArray[Any] = np.empty(math.prod(shape), dtype=dtype)
    target, filled = array.view("u1") if array.nbytes else array[:0], 0
    for piece in chunks:
        if filled + len(piece) > len(target):
            raise ValueError("more data than the array's header says")
        target[filled : filled + len(piece)] = np.frombuffer(piece, "u1")
        filled += len(piece)
    if filled != len(target):
        raise ValueError(f"the array's header says {len(target):,} bytes, {filled:,} are there")
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _npy_header(chunks: Chunks, unpacker: Unpacker) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Take the header of a ``.npy`` file: shape, whether in Fortran's order, dtype. The data's bytes are counted."""
    header = io.BytesIO(chunks.peek(_MAX_NPY_HEADER + 16))
    version = npy.read_magic(header)
    if version == (1, 0):
        shape, fortran, dtype = npy.read_array_header_1_0(header, max_header_size=_MAX_NPY_HEADER)
    elif version == (2, 0):
        shape, fortran, dtype = npy.read_array_header_2_0(header, max_header_size=_MAX_NPY_HEADER)
    else:
        raise ValueError("a .npy version that plain arrays do not need")
    if dtype.kind not in _PLAIN_DTYPES:
        raise ValueError(f"an array of dtype {dtype}: only plain numbers, text and dates are read")
    if any(length < 0 for length in shape):
        raise ValueError("an array with a negative length")
    if (count := math.prod(shape)) > unpacker.limits.max_array_elements:
        raise ValueError(f"an array that claims {count:,} elements")
    unpacker.spend(count * dtype.itemsize)
    chunks.skip(header.tell())
    return shape, fortran, dtype


def file_chunks(file: IO[bytes]) -> Chunks:
    """Return the rest of an open file in pieces."""
    return Chunks(iter(lambda: file.read(CHUNK), b""))


class _Rows(Sequence[Any]):
    """An array, or what is indexed like one, by its first axis, one row at a time."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __len__(self) -> int:
        return int(self._array.shape[0])

    def __getitem__(self, index: Any) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._array[index]


def rows_of(array: Any) -> Parts | None:
    """Return the rows of an array or of a bit array along its first axis; None without axes."""
    return _Rows(array) if array.shape else None


class Arrays(TypeSupport[NDArray[Any]]):
    cls = np.ndarray
    names = ("ndarray",)

    def read(self, value: Any, unpacker: Unpacker) -> Any:
        if isinstance(value, list):
            return np.array(value, dtype=object) if self._holds_text(value) else np.array(value)
        if isinstance(value, int | float):
            return np.array(value)
        if len(text(value)) <= _MAX_EXTRAPOLATOR and value in EXTRAPOLATORS:
            return value
        return read_npy(Chunks(inflating(value)), unpacker)

    def _holds_text(self, value: Any) -> bool:
        """Return whether NumPy would make all elements as wide as the widest text, which no bound foresees."""
        if isinstance(value, list):
            return any(self._holds_text(item) for item in value)
        return not isinstance(value, int | float | complex)

    def describe(self, value: NDArray[Any], pointer: str, window: RowWindow) -> ValueSummary:
        return describe_array(value, pointer, window)

    def parts(self, value: NDArray[Any]) -> Parts | None:
        return rows_of(value)

    def drawing(self, value: NDArray[Any], place: Place) -> Panel | None:
        # A point is not a curve, and neither are whole numbers, which count or number things.
        if value.dtype.kind not in ("fc" if value.ndim == 1 else "biufc") or value.size < 2 or not value.ndim:
            return None
        name = "absolute values" if value.dtype.kind == "c" else "values"
        numbers = np.abs(value) if value.dtype.kind == "c" else value.astype(float)
        if value.ndim > 1:
            return panels.heatmap(numbers, place, name, "")
        return panels.curve(numbers, place, name, sweep_of(place, len(value)))

    def save(self, value: NDArray[Any], ending: str, file: IO[bytes], inputs: Inputs | None) -> str | None:
        if ending == ".csv" and value.dtype.kind in "biufc" and value.ndim in (1, 2):
            write_csv((row.tolist() for row in value.reshape(len(value), -1)), file)
            return "The array"
        return save_npy(value, file) if ending == ".npy" else None


def describe_array(array: NDArray[Any], pointer: str, window: RowWindow) -> ValueSummary:
    """Summarise an array by its shape, range, mean, and the elements of the window."""
    shown, omitted = rows(array, window)
    return ValueSummary(
        pointer=pointer,
        kind="array",
        type=type(array).__name__,
        shape=list(array.shape),
        dtype=str(array.dtype),
        values=shown,
        omitted_columns=omitted,
        **_statistics(array),
        **window.rest(number_of_rows(array), len(shown)),
    )


def number_of_rows(array: NDArray[Any]) -> int:
    """Return the length of the first axis; 1 for a single value."""
    return len(array) if array.ndim else 1


def rows(array: NDArray[Any], window: RowWindow) -> tuple[list[Any], int | None]:
    """Return the rows of the window for showing, and how many elements of each are left out because it is too long."""
    if not array.ndim:
        return ([short_json.rounded(array.item())] if window.offset == 0 else []), None
    picked = array[window.offset : window.end()]
    lengths = list(picked.shape[1:])
    while math.prod(lengths) > _ROW:
        longest = lengths.index(max(lengths))
        lengths[longest] = max(lengths[longest] // 2, _ROW * lengths[longest] // math.prod(lengths), 1)
    cut = picked[(slice(None), *map(slice, lengths))]
    return _nested(cut.tolist()), math.prod(array.shape[1:]) - math.prod(lengths) or None


def _nested(value: Any) -> Any:
    return [_nested(item) for item in value] if isinstance(value, list) else short_json.rounded(value)


def _statistics(array: NDArray[Any]) -> dict[str, Any]:
    """Return range and mean of the finite numbers; nothing for what has no order or no mean."""
    if array.dtype.kind not in "biufc" or not array.size:
        return {}
    flat, pieces = array.reshape(-1, order="A"), []
    for start in range(0, flat.size, _PIECE):
        piece = flat[start : start + _PIECE]
        if piece.dtype.kind in "fc" and not (finite := np.isfinite(piece)).all():
            piece = piece[finite]
        if piece.size:
            pieces.append(piece)
    if not pieces:
        return {}
    count = sum(piece.size for piece in pieces)
    # A row of partial sums instead of one copy of the array in float64.
    sums = [piece.sum(dtype=np.result_type(piece.dtype, np.float64)).item() / count for piece in pieces]
    mean = {"mean": short_json.rounded(sum(sums))}
    if array.dtype.kind == "c":
        return mean
    least, most = min(piece.min().item() for piece in pieces), max(piece.max().item() for piece in pieces)
    return {"min": short_json.rounded(least), "max": short_json.rounded(most), **mean}


def save_npy(array: NDArray[Any], file: IO[bytes]) -> str | None:
    """Write an array as ``.npy``, if it does not hold Python objects."""
    if array.dtype.hasobject:
        return None
    np.save(file, array, allow_pickle=False)
    return f"The array of shape {list(array.shape)}, {array.dtype},"


class Scalars(TypeSupport[np.generic]):
    cls = np.generic

    def encode(self, value: np.generic) -> Any:
        # The official encoder knows only some of them.
        return value.item()

    def describe(self, value: np.generic, pointer: str, window: RowWindow) -> ValueSummary:
        item, name = value.item(), type(value).__name__
        if isinstance(item, bool):
            return ValueSummary(pointer=pointer, kind="boolean", type=name, value=item)
        if isinstance(item, int | float | complex):
            return describe_number(item, pointer).model_copy(update={"type": name})
        return ValueSummary(pointer=pointer, kind="text", type=name, value=short_json.rounded(item))


class SparseMatrices(TypeSupport[Any]):
    """Matrices, or arrays, of one of SciPy's two bases of them."""

    def __init__(self, cls: type, *names: str) -> None:
        self.cls, self.names = cls, names

    def read(self, value: Any, unpacker: Unpacker) -> Any:
        data = binascii.a2b_base64(text(value))
        unpacker.spend(len(data))
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                if entry.compress_type not in _STORED_OR_DEFLATED:
                    raise ValueError("the archive is compressed in a way that NumPy does not write")
                with archive.open(entry) as file:
                    # zipfile stops at the size that the entry declares, so the header's claim bounds what is read.
                    _npy_header(file_chunks(file), unpacker)
        matrix = sparse.load_npz(io.BytesIO(data))
        if hasattr(matrix, "check_format"):
            # SciPy's C code follows indices that are out of range.
            matrix.check_format(full_check=True)
        return matrix

    def describe(self, value: Any, pointer: str, window: RowWindow) -> ValueSummary:
        return ValueSummary(
            pointer=pointer,
            kind="sparse_matrix",
            type=type(value).__name__,
            shape=list(value.shape),
            dtype=str(value.dtype),
            size=int(value.nnz),
            **_statistics(value.data),
        )


TYPES: tuple[TypeSupport[Any], ...] = (
    Arrays(),
    Scalars(),
    SparseMatrices(sparse.spmatrix, "spmatrix"),
    SparseMatrices(sparse.sparray),
)
