"""Summaries of measured and computed data: pubs, counts, expectation values, arrays."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from . import plain
from .page import Page
from .summary_models import Counts, Outcome, ValueSummary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from qiskit.primitives import BitArray, PubResult

# What an estimator's pub shows by itself; further fields become parts of their own.
_EXPECTATION = ("evs", "stds")
# A single value is an array without axes, or has become a number on its way.
_NUMBERS = ("ndarray", "float", "int", "float64")
# Registers that a sampler's pub shows by itself; a function that measures into hundreds has parts for the others.
_REGISTERS = 20
# Elements looked at at a time, so that a large array is not copied whole.
_PIECE = 2**20


def kind_of_pub(pub: PubResult) -> str:
    kinds = {name: type(field).__name__ for name, field in pub.data.items()}
    if kinds.get("evs") in _NUMBERS and kinds.get("stds", "float") in _NUMBERS:
        return "estimator_pub"
    return "sampler_pub" if "BitArray" in kinds.values() else "pub"


def told_in_pub(pub: PubResult) -> Collection[str]:
    """The fields that the summary of the pub tells."""
    return _EXPECTATION if kind_of_pub(pub) == "estimator_pub" else _registers(pub)


def _registers(pub: PubResult) -> dict[str, BitArray]:
    """The registers that the summary of a pub shows by itself."""
    bits = ((name, field) for name, field in pub.data.items() if type(field).__name__ == "BitArray")
    return dict(islice(bits, _REGISTERS))


def pub_result(pub: PubResult, pointer: str, page: Page) -> ValueSummary:
    kind = kind_of_pub(pub)
    common = {"pointer": pointer, "type": type(pub).__name__, "metadata": plain.short(pub.metadata)}
    if kind == "estimator_pub":
        return ValueSummary(kind="estimator_pub", **common, **_expectation_values(pub, page))
    shape = list(pub.data.shape or ()) or None
    if kind == "pub":
        return ValueSummary(kind="pub", **common, shape=shape, size=len(pub.data))
    registers = {plain.text(name): _count(bits, page) for name, bits in _registers(pub).items()}
    return ValueSummary(kind="sampler_pub", **common, shape=shape, registers=registers)


def expectation_values(pub: PubResult) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """The values of an estimator's pub and their standard errors, as arrays of the pub's shape."""
    import numpy as np

    fields = dict(pub.data.items())
    errors = fields.get("stds")
    return np.asarray(fields["evs"]), None if errors is None else np.asarray(errors)


def _expectation_values(pub: PubResult, page: Page) -> dict[str, Any]:
    values, errors = expectation_values(pub)
    shown = _elements(values, page)
    return {
        "shape": list(values.shape),
        "values": shown,
        "stds": None if errors is None else _elements(errors, page),
        **page.rest(int(values.size), len(shown)),
    }


def _count(bits: BitArray, page: Page) -> Counts:
    """Counts without a Python object for each shot: outcomes are compared as packed bytes."""
    outcomes, counts = distinct(bits)
    total = int(counts.sum())
    order = (-counts).argsort(kind="stable")[page.offset : page.end()]
    top = [
        Outcome(bits=bitstring(outcomes[at], bits.num_bits), count=int(counts[at]), probability=counts[at] / total)
        for at in order
    ]
    return Counts(
        shots=bits.num_shots,
        num_bits=bits.num_bits,
        shape=list(bits.shape) or None,
        distinct=len(counts),
        top=[outcome.model_copy(update={"probability": plain.rounded(outcome.probability)}) for outcome in top],
        other_outcomes=len(counts) - len(top) or None,
        other_count=total - sum(outcome.count for outcome in top) or None,
    )


def distinct(bits: BitArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Outcomes as rows of bytes in ascending order, and how often each was measured."""
    import numpy as np

    *leading, width = bits.array.shape
    rows = bits.array.reshape(math.prod(leading), width)
    if not rows.size:
        return np.zeros((min(len(rows), 1), 0), np.uint8), np.array([len(rows)][: len(rows)], np.int64)
    rows = rows.copy()
    # BitArray ignores the bits above num_bits, whatever they are.
    rows[:, 0] &= 0xFF >> (-bits.num_bits % 8)
    whole = rows.view(np.dtype((np.void, rows.shape[1]))).ravel()
    outcomes, counts = np.unique(whole, return_counts=True)
    return outcomes.view(np.uint8).reshape(len(outcomes), -1), counts


def bitstring(row: NDArray[np.uint8], num_bits: int) -> str:
    return format(int.from_bytes(row.tobytes(), "big"), "b").zfill(num_bits) if num_bits else ""


def bit_array(bits: BitArray, pointer: str, page: Page) -> ValueSummary:
    counts = _count(bits, page)
    rest = page.rest(counts.distinct, len(counts.top))
    return ValueSummary(pointer=pointer, kind="counts", type="BitArray", counts=counts, **rest)


def _elements(array: NDArray[Any], page: Page) -> list[Any]:
    return [plain.rounded(item) for item in array.flat[page.offset : page.end()].tolist()]


def array(array: NDArray[Any], pointer: str, page: Page) -> ValueSummary:
    shown = _elements(array, page)
    return ValueSummary(
        pointer=pointer,
        kind="array",
        type=type(array).__name__,
        shape=list(array.shape),
        dtype=str(array.dtype),
        values=shown,
        **_statistics(array),
        **page.rest(array.size, len(shown)),
    )


def _statistics(array: NDArray[Any]) -> dict[str, Any]:
    """Range and mean of the finite numbers; nothing for what has no order or no mean."""
    import numpy as np

    if array.dtype.kind not in "biufc" or not array.size:
        return {}
    pieces = [piece for piece in map(_finite, _pieces(array)) if piece.size]
    count = sum(piece.size for piece in pieces)
    if not count:
        return {}
    # A row of partial sums instead of one copy of the array in float64.
    sums = [piece.sum(dtype=np.result_type(piece.dtype, np.float64)).item() / count for piece in pieces]
    mean = {"mean": plain.rounded(sum(sums))}
    if array.dtype.kind == "c":
        return mean
    least, most = min(piece.min().item() for piece in pieces), max(piece.max().item() for piece in pieces)
    return {"min": plain.rounded(least), "max": plain.rounded(most), **mean}


def _pieces(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    flat = array.reshape(-1, order="A")
    return (flat[start : start + _PIECE] for start in range(0, flat.size, _PIECE))


def _finite(piece: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    if piece.dtype.kind in "biu":
        return piece
    finite = np.isfinite(piece)
    return piece if finite.all() else piece[finite]


def matrix(value: Any, pointer: str, page: Page) -> ValueSummary:
    """Operators, states and channels, by their data."""
    import numpy as np

    summary = array(np.asarray(value.data), pointer, page)
    return summary.model_copy(update={"type": type(value).__name__})


def sparse_matrix(matrix: Any, pointer: str, _: Page) -> ValueSummary:
    return ValueSummary(
        pointer=pointer,
        kind="sparse_matrix",
        type=type(matrix).__name__,
        shape=list(matrix.shape),
        dtype=str(matrix.dtype),
        size=int(matrix.nnz),
        **_statistics(matrix.data),
    )
