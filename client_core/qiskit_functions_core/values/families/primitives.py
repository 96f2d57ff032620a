"""What Qiskit's primitives take and return: bit arrays, pubs, results, observables and parameter values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import EstimatorResult, SamplerResult
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.result import Result

from ..drawing import panels
from ..drawing.panels import Axis, Names, Panel, Place, Sweep
from ..summary_models import Counts, Outcome, ValueSummary
from . import short_json
from .arrays import number_of_rows, rows, rows_of
from .containers import ContainerSupport
from .inputs import Inputs
from .row_window import ROWS, RowWindow
from .type_support import Parts, TypeSupport, UntoldParts, mapping, text, write_csv
from .unpacking import Unpacker

# What an estimator's pub shows by itself; further fields become parts of their own.
_EXPECTATION = ("evs", "stds")
# Registers that a sampler's pub shows by itself; a function that measures into hundreds has parts for the others.
_REGISTERS = 20
_NO_REGISTER = (
    "The pub has no classical register, so there are no counts. Measure into one, for example with measure_all()."
)
# Observables of which the smallest and largest values are told.
_COLUMNS = 20
# Pubs that a result is followed into.
_PUBS = 100


class BitArrays(TypeSupport[BitArray]):
    cls = BitArray
    names = ("BitArray",)

    def read(self, value: Any, unpacker: Unpacker) -> BitArray:
        array, num_bits = mapping(value, "array", "num_bits")
        if type(num_bits) is not int or num_bits < 0:
            raise ValueError(f"num_bits is {num_bits!r}")
        return BitArray(array, num_bits)

    def describe(self, value: BitArray, pointer: str, window: RowWindow) -> ValueSummary:
        counts = _count(value, window)
        rest = window.rest(counts.distinct, len(counts.top))
        return ValueSummary(pointer=pointer, kind="counts", type="BitArray", counts=counts, **rest)

    def parts(self, value: BitArray) -> Parts | None:
        return rows_of(value)

    def axes(self, value: BitArray) -> tuple[int, ...]:
        return tuple(value.shape)

    def drawing(self, value: BitArray, place: Place) -> Panel:
        outcomes, counts = _distinct(value)
        order = (-counts).argsort(kind="stable")
        if math.prod(value.shape) <= 1:
            total = int(counts.sum())
            rows = [(_bitstring(outcomes[at], value.num_bits), int(counts[at])) for at in order[:ROWS]]
            shown = sum(count for _, count in rows)
            share = f"{100 * shown / total:.3g} % of " if shown < total else ""
            return panels.histogram(rows, len(counts), f"{share}{total:,} shots", place, "shots")
        # Along a sweep, how likely the most frequent outcomes are; along a sweep of two axes, the most frequent one.
        likely = [
            (_bitstring(row, value.num_bits), _probabilities(value, row)) for row in outcomes[order[: panels.MAX_LINES]]
        ]
        if value.ndim > 1:
            label, values = likely[0]
            axes = _grid_axes(place.inputs or Inputs(), values.shape)
            return panels.heatmap(values, place, f"probability of outcome {panels.shortened(label)}", "", axes)
        inputs = place.inputs or Inputs()
        axis, _ = inputs.axes(value.shape)
        return panels.probabilities(likely, len(outcomes), _sweep(inputs, axis, value.shape[0]), place)

    def save(self, value: BitArray, ending: str, file: IO[bytes], inputs: Inputs | None) -> str | None:
        if ending != ".csv":
            return None
        write_csv(_counts_table({"": value}, inputs), file)
        return "The counts"


def _distinct(bits: BitArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the outcomes as rows of bytes in ascending order, and how often each was measured."""
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


def _bitstring(row: NDArray[np.uint8], num_bits: int) -> str:
    return format(int.from_bytes(row.tobytes(), "big"), "b").zfill(num_bits) if num_bits else ""


def _count(bits: BitArray, window: RowWindow) -> Counts:
    """Count without a Python object for each shot: outcomes are compared as packed bytes."""
    outcomes, counts = _distinct(bits)
    total = int(counts.sum())
    top = [
        Outcome(
            bits=_bitstring(outcomes[at], bits.num_bits),
            count=int(counts[at]),
            probability=short_json.rounded(int(counts[at]) / total),
        )
        for at in (-counts).argsort(kind="stable")[window.offset : window.end()]
    ]
    return Counts(
        shots=bits.num_shots,
        num_bits=bits.num_bits,
        shape=list(bits.shape) or None,
        distinct=len(counts),
        top=top,
        other_outcomes=len(counts) - len(top) or None,
        other_count=total - sum(outcome.count for outcome in top) or None,
    )


def _probabilities(bits: BitArray, outcome: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return how often an outcome was measured at each point, one point at a time: a sweep may fill the memory once."""
    points = bits.array.reshape(-1, bits.num_shots, bits.array.shape[-1])
    mask = np.full(points.shape[-1], 0xFF, np.uint8)
    mask[:1] = 0xFF >> (-bits.num_bits % 8)
    share = [float(((point & mask) == outcome).all(axis=1).mean()) if len(point) else 0.0 for point in points]
    return np.array(share).reshape(bits.shape)


def _counts_table(registers: Mapping[str, BitArray], inputs: Inputs | None) -> Iterator[tuple[Any, ...]]:
    """Yield a heading, then a row for each register, point of a sweep, and outcome, the most frequent first."""
    named = registers.keys() != {""}
    shapes = {bits.shape for bits in registers.values()}
    axes = [f"axis {axis}" for axis in range(max(map(len, shapes)))]
    along = _inputs_along(replace(inputs, observables=()), *shapes) if inputs and len(shapes) == 1 else []
    yield (*(["register"] if named else []), *axes, *(name for name, _, _ in along), "outcome", "count")
    for name, bits in registers.items():
        for point in np.ndindex(bits.shape):
            where = (*([name] if named else []), *point, *(column[point[axis]] for _, axis, column in along))
            outcomes, counts = _distinct(bits[point] if bits.ndim else bits)
            for at in (-counts).argsort(kind="stable"):
                yield (*where, _bitstring(outcomes[at], bits.num_bits), int(counts[at]))


class DataBins(ContainerSupport[DataBin]):
    cls = DataBin
    names = ("DataBin",)

    def read(self, value: Any, unpacker: Unpacker) -> DataBin:
        _, shape, fields = mapping(value, "field_names", "shape", "fields")
        return DataBin(shape=None if shape is None else tuple(shape), **fields)

    def parts(self, value: DataBin) -> Parts:
        return dict(value.items())


class PubResults(TypeSupport[Any]):
    """One of the classes of pub results, by whose name they are encoded."""

    def __init__(self, cls: type[PubResult]) -> None:
        self.cls, self.names = cls, (cls.__name__,)

    def read(self, value: Any, unpacker: Unpacker) -> PubResult:
        data, metadata = mapping(value, "data", "metadata")
        if not isinstance(data, DataBin) or not isinstance(metadata, dict):
            raise ValueError("its data must be a DataBin and its metadata an object")
        return self.cls(data, metadata)

    def describe(self, value: PubResult, pointer: str, window: RowWindow) -> ValueSummary:
        common: dict[str, Any] = {
            "pointer": pointer,
            "type": type(value).__name__,
            "metadata": short_json.short(value.metadata),
        }
        if _is_estimator_pub(value):
            return self._table(value, window, common)
        common["shape"] = list(value.data.shape or ()) or None
        if registers := _registers(value):
            shown_registers = islice(registers.items(), _REGISTERS)
            counts = {short_json.text(name): _count(bits, window) for name, bits in shown_registers}
            return ValueSummary(kind="sampler_pub", **common, registers=counts)
        reason = None if len(value.data) else _NO_REGISTER
        return ValueSummary(kind="pub", **common, size=len(value.data), reason=reason)

    def _table(self, pub: PubResult, window: RowWindow, common: dict[str, Any]) -> ValueSummary:
        """Summarise expectation values as rows by parameter set and columns by observable, where these are known."""
        values, errors = _expectation_values(pub)
        inputs = window.inputs or Inputs()
        sets, observables = inputs.axes(values.shape)
        is_turned = sets == 1 or (sets is None and observables == 0 and values.ndim > 1)
        table = values.T if is_turned else values
        shown, omitted = rows(table, window)
        labels: dict[str, Any] = {}
        indices = range(window.offset, window.offset + len(shown))
        if sets is not None:
            labels["row_labels"] = inputs.row_labels(indices, with_observables=observables == 0 and values.ndim == 1)
        elif observables == 0 and values.ndim == 1:
            labels["row_labels"] = [{"observable": inputs.observables[index]} for index in indices]
        if observables is not None and values.ndim > 1:
            labels["columns"] = list(inputs.observables[: len(shown[0])] if shown else inputs.observables)
        return ValueSummary(
            kind="estimator_pub",
            **common,
            shape=list(values.shape),
            values=shown,
            stds=None if errors is None else rows(errors.T if is_turned else errors, window)[0],
            row_axis=1 if is_turned else None,
            **labels,
            omitted_columns=omitted,
            extremes=_extremes(values, 0 if is_turned else -1, inputs.observables if observables is not None else ()),
            **window.rest(number_of_rows(table), len(shown)),
        )

    def parts(self, value: PubResult) -> Parts:
        return {"data": value.data, "metadata": value.metadata}

    def axes(self, value: PubResult) -> tuple[int, ...]:
        return _expectation_values(value)[0].shape if _is_estimator_pub(value) else tuple(value.data.shape or ())

    def untold(self, value: PubResult, window: RowWindow) -> UntoldParts:
        told = _EXPECTATION if _is_estimator_pub(value) else tuple(islice(_registers(value), _REGISTERS))
        fields: UntoldParts = [(("data", name), field) for name, field in value.data.items() if name not in told]
        return [*fields, *_long_metadata(value.metadata)]

    def drawing(self, value: PubResult, place: Place) -> Panel | None:
        if not _is_estimator_pub(value):
            return None
        values, errors = _values_and_errors(value)
        if values.dtype.kind not in "iuf" or not values.size or errors.shape != values.shape:
            return None
        inputs = place.inputs or Inputs()
        sets, observables = inputs.axes(values.shape)
        if values.ndim > 1:
            return _lines_or_heatmap(values, errors, place)
        is_sweep = sets is not None or (observables is None and values.size > panels.MAX_LINES)
        if is_sweep:
            sweep = _sweep(inputs, sets, len(values))
            label = inputs.observables[0] if len(inputs.observables) == 1 else ""
            return panels.lines_with_errors([(label, values, errors)], sweep, place)
        names = inputs.observables if observables is not None else [str(index) for index in range(values.size)]
        axis = "observable" if observables is not None else "index"
        return panels.points_with_errors(values.reshape(-1), errors.reshape(-1), place, names or ["0"], axis)

    def save(self, value: PubResult, ending: str, file: IO[bytes], inputs: Inputs | None) -> str | None:
        if ending != ".csv":
            return None
        if _is_estimator_pub(value):
            values, errors = _expectation_values(value)
            along = _inputs_along(inputs or Inputs(), values.shape)
            axes = [f"axis {axis}" for axis in range(values.ndim)]
            heading = (*axes, *(name for name, _, _ in along), "expectation value", "standard error")
            rows = (
                (
                    *point,
                    *(column[point[axis]] for _, axis, column in along),
                    values[point].item(),
                    "" if errors is None else errors[point].item(),
                )
                for point in np.ndindex(values.shape)
            )
            write_csv(chain([heading], rows), file)
            return "The expectation values"
        if registers := _registers(value):
            write_csv(_counts_table(registers, inputs), file)
            return "The counts of every register"
        return None


def _inputs_along(inputs: Inputs, shape: tuple[int, ...]) -> list[tuple[str, int, Sequence[Any]]]:
    """Return each parameter, and the observables, with the axis along which they change and what they are there."""
    if inputs.is_grid(shape):
        return [(name, axis, points.tolist()) for axis, (name, points) in enumerate(inputs.grid)]
    sets, observables = inputs.axes(shape)
    along: list[tuple[str, int, Sequence[Any]]] = []
    if sets is not None:
        along += [(name, sets, column.tolist()) for name, column in inputs.parameters.items()]
    if observables is not None:
        along.append(("observable", observables, inputs.observables))
    return along


def _sweep(inputs: Inputs, axis: int | None, points: int) -> Sweep:
    """Return the axis of a sweep: the parameter that changes, if its values are known and it is the only one."""
    if axis is not None and len(inputs.changing) == 1:
        return Sweep(*next(iter(inputs.changing.items())))
    return Sweep("parameter set", np.arange(points))


def _lines_or_heatmap(values: NDArray[Any], errors: NDArray[Any], place: Place) -> Panel:
    """Draw a line for each observable if these are few beside the parameter sets; else the matrix as it is."""
    inputs = place.inputs or Inputs()
    sets, observables = inputs.axes(values.shape)
    if sets is None and observables is not None:
        sets = 1 - observables
    elif sets is None and values.ndim == 2 and not inputs.is_grid(values.shape):
        # Few observables beside many parameter sets, in either order; more even shapes may be a grid of two parameters.
        few, many = sorted(values.shape)
        sets = values.shape.index(many) if few <= panels.MAX_LINES and many >= 2 * few else None
    if sets is not None and values.shape[1 - sets] <= panels.MAX_LINES:
        columns, column_errors = (values.T, errors.T) if sets == 0 else (values, errors)
        names = inputs.observables if observables is not None else [f"observable {at}" for at in range(len(columns))]
        sweep = _sweep(inputs, sets, columns.shape[1])
        return panels.lines_with_errors(list(zip(names, columns, column_errors, strict=True)), sweep, place)
    axes = _grid_axes(inputs, values.shape)
    if sets is not None:
        names = inputs.observables if observables is not None else ()
        axes = [_sweep(inputs, sets, values.shape[sets]), Names("observable", names)]
        axes = axes if sets == 0 else axes[::-1]
    note = f", standard errors up to {np.nanmax(errors):.3g}"
    return panels.heatmap(values, place, "expectation values", note, axes)


def _grid_axes(inputs: Inputs, shape: tuple[int, ...]) -> list[Axis]:
    return [Sweep(name, points) for name, points in inputs.grid] if inputs.is_grid(shape) else []


def _is_estimator_pub(pub: PubResult) -> bool:
    # A single value is an array without axes, or has become a number on its way.
    fields = dict(pub.data.items())
    numbers = np.ndarray | float | int
    return isinstance(fields.get("evs"), numbers) and isinstance(fields.get("stds", 0.0), numbers)


def _registers(pub: PubResult) -> dict[str, BitArray]:
    return {name: field for name, field in pub.data.items() if isinstance(field, BitArray)}


def _expectation_values(pub: PubResult) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return the values of an estimator's pub and their standard errors, as arrays of the pub's shape."""
    fields = dict(pub.data.items())
    errors = fields.get("stds")
    return np.asarray(fields["evs"]), None if errors is None else np.asarray(errors)


def _values_and_errors(pub: PubResult) -> tuple[NDArray[Any], NDArray[Any]]:
    values, errors = _expectation_values(pub)
    return values, np.zeros(values.shape) if errors is None else errors


def _extremes(values: NDArray[Any], axis: int, names: tuple[str, ...]) -> list[dict[str, Any]] | None:
    """Return the smallest and the largest value of each column, which are along an axis if there are several axes."""
    if values.dtype.kind not in "iuf" or values.size < 2:  # of one value there is nothing to tell
        return None
    has_columns = values.ndim > 1 and values.shape[axis] <= _COLUMNS
    told: list[dict[str, Any]] = []
    for column in range(values.shape[axis] if has_columns else 1):
        picked = values.take(column, axis) if has_columns else values
        if not np.isfinite(picked).any():
            continue
        fields: dict[str, Any] = {"column": names[column] if names else column} if has_columns else {}
        # What is not finite is neither smallest nor largest.
        finite = np.ma.masked_invalid(picked)
        for name, flat in (("min", finite.argmin()), ("max", finite.argmax())):
            at = [int(index) for index in np.unravel_index(flat, picked.shape)]
            fields[name] = short_json.rounded(picked[tuple(at)].item())
            if has_columns:
                at.insert(axis if axis >= 0 else values.ndim - 1, column)
            fields[f"{name}_at"] = at
        told.append(fields)
    return told or None


def _long_metadata(metadata: Any) -> UntoldParts:
    return [] if short_json.fits(metadata) else [(("metadata",), metadata)]


class PrimitiveResults(TypeSupport[PrimitiveResult[Any]]):
    cls = PrimitiveResult
    names = ("PrimitiveResult",)

    def read(self, value: Any, unpacker: Unpacker) -> PrimitiveResult[Any]:
        pubs, metadata = mapping(value, "pub_results", "metadata")
        if not isinstance(pubs, list):
            raise ValueError("its pub_results must be a list")
        return PrimitiveResult(pubs, metadata)

    def describe(self, value: PrimitiveResult[Any], pointer: str, window: RowWindow) -> ValueSummary:
        # The limit is for the rows of each pub.
        shown = len(range(len(value))[window.offset : window.offset + _PUBS])
        return ValueSummary(
            pointer=pointer,
            kind="primitive_result",
            size=len(value),
            metadata=short_json.short(value.metadata),
            **window.rest(len(value), shown),
        )

    def parts(self, value: PrimitiveResult[Any]) -> Parts:
        return {"pub_results": list(value), "metadata": value.metadata}

    def untold(self, value: PrimitiveResult[Any], window: RowWindow) -> UntoldParts:
        shown = range(len(value))[window.offset : window.offset + _PUBS]
        pubs: UntoldParts = [(("pub_results", index), value[index]) for index in shown]
        return [*pubs, *_long_metadata(value.metadata)]

    def drawing(self, value: PrimitiveResult[Any], place: Place) -> Panel | None:
        """Draw single expectation values of several pubs side by side."""
        pubs = list(value)
        if len(pubs) < 2 or not all(isinstance(pub, PubResult) and _is_estimator_pub(pub) for pub in pubs):
            return None
        values, errors = zip(*map(_values_and_errors, pubs), strict=True)
        if any(one.size != 1 for one in values):
            return None
        names = [str(index) for index in range(len(pubs))]
        return panels.points_with_errors(np.ravel(values), np.ravel(errors), place, names, "pub")


class FirstVersionResults(ContainerSupport[Any]):
    """One of the classes of results of the first version of the primitives.

    They are encoded as ``QiskitObjectsEncoder`` of qiskit-serverless does, which may not be installed.
    """

    def __init__(self, cls: type, field: str) -> None:
        self.cls, self.names, self._field = cls, (cls.__name__,), field

    def read(self, value: Any, unpacker: Unpacker) -> Any:
        values, metadata = mapping(value, self._field, "metadata")
        return self.cls(**{self._field: values, "metadata": metadata})

    def encode(self, value: Any) -> Any:
        return {"__type__": self.names[0], "__value__": self.parts(value)}

    def parts(self, value: Any) -> Parts:
        return {self._field: getattr(value, self._field), "metadata": value.metadata}


class BackendResults(ContainerSupport[Result]):
    """Results of ``backend.run()``."""

    cls = Result
    names = ("Result",)

    def read(self, value: Any, unpacker: Unpacker) -> Result:
        return Result.from_dict(value)

    def parts(self, value: Result) -> Parts:
        parts: Parts = value.to_dict()
        return parts


class ObservablesArrays(ContainerSupport[ObservablesArray]):
    cls = ObservablesArray
    names = ("ObservablesArray",)

    def read(self, value: Any, unpacker: Unpacker) -> ObservablesArray:
        return ObservablesArray(value)

    def parts(self, value: ObservablesArray) -> Parts | None:
        return value.tolist() if value.shape else None


class BindingsArrays(ContainerSupport[BindingsArray]):
    cls = BindingsArray
    names = ("BindingsArray",)

    def read(self, value: Any, unpacker: Unpacker) -> BindingsArray:
        data, shape = mapping(value, "data", "shape")
        named = {tuple(text(name) for name in json.loads(names)): values for names, values in data.items()}
        return BindingsArray(named, shape=tuple(shape))

    def parts(self, value: BindingsArray) -> Parts:
        return {", ".join(names): array for names, array in value.data.items()}


TYPES: tuple[TypeSupport[Any], ...] = (
    *(BitArrays(), DataBins(), PubResults(PubResult), PubResults(SamplerPubResult), PrimitiveResults()),
    *(FirstVersionResults(SamplerResult, "quasi_dists"), FirstVersionResults(EstimatorResult, "values")),
    *(BackendResults(), ObservablesArrays(), BindingsArrays()),
)
