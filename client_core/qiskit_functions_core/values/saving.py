"""Results as files: the format is the file's ending, what goes into it is the part at the pointer."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import InputError
from ..local_files import replacing
from . import describe_circuits, describe_data, navigate, plain
from .panics import panics_as_errors
from .plot_circuits import is_circuit

if TYPE_CHECKING:
    from qiskit.primitives import BitArray, PubResult

    from .results import Result

Row = Iterable[Any]


def save(result: Result, path: Path) -> str:
    """Write a part of a result to a new file, whole or not at all, and say what was written.

    Raises:
        InputError: the ending is none of these, the part does not go into such a file, or it cannot be written.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise InputError(f"{path.name!r} does not end in {', '.join(_WRITERS)}.", next_step="Choose one of these.")
    if path.exists():
        raise InputError(f"{path.name} exists; it is not overwritten.", next_step="Choose another file name.")
    with replacing(path) as file:
        what = write(result, file)
        size = file.tell()
    return f"{what} at {result.pointer or '/'}: {size:,} bytes in {path}"


def _json(result: Result, file: IO[bytes]) -> str:
    """The whole as it came, a part as Qiskit's own encoder writes it."""
    if not result.pointer:
        file.write(result.text.encode("utf-8", "replace"))
        return "The encoded result"
    from .encoding import encode_object

    try:
        file.write(json.dumps(result.part, default=encode_object).encode())
    except (TypeError, ValueError) as error:
        raise _unfit(result, "JSON", f"Save the whole result instead, without a path ({error}).") from error
    return "The encoded part"


def _csv(result: Result, file: IO[bytes]) -> str:
    found = _table(result.part)
    if found is None:
        raise _unfit(
            result, "CSV", "Give a path to counts, a distribution, expectation values or an array of up to 2 axes."
        )
    what, rows = found
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    csv.writer(text).writerows(rows)
    text.detach()
    return what


def _table(value: Any) -> tuple[str, Iterable[Row]] | None:
    """What the rows are, and the rows, with their heading."""
    kinds = set(navigate.class_names(value))
    if plain.is_distribution(value):
        return "The distribution", [("outcome", "weight"), *value.items()]
    if "BitArray" in kinds:
        return "The counts", _counts({"": value})
    if "PubResult" in kinds:
        return _pub(value)
    if "ndarray" in kinds and value.dtype.kind in "biufc" and value.ndim in (1, 2):
        return "The array", (row.tolist() for row in value.reshape(len(value), -1))
    return None


def _pub(pub: PubResult) -> tuple[str, Iterable[Row]] | None:
    kind = describe_data.kind_of_pub(pub)
    if kind == "estimator_pub":
        return "The expectation values", _expectation_values(pub)
    if kind == "sampler_pub":
        bits = {name: field for name, field in pub.data.items() if type(field).__name__ == "BitArray"}
        return "The counts of every register", _counts(bits)
    return None


def _counts(registers: dict[str, BitArray]) -> Iterator[Row]:
    """One row for each register, point of the sweep, and outcome, the most frequent first."""
    import numpy as np

    named = registers.keys() != {""}
    axes = max(bits.ndim for bits in registers.values())
    yield (*(["register"] if named else []), *(f"axis {axis}" for axis in range(axes)), "outcome", "count")
    for name, bits in registers.items():
        for point in np.ndindex(bits.shape):
            outcomes, counts = describe_data.distinct(bits[point] if bits.ndim else bits)
            for at in (-counts).argsort(kind="stable"):
                label = describe_data.bitstring(outcomes[at], bits.num_bits)
                yield (*([name] if named else []), *point, label, int(counts[at]))


def _expectation_values(pub: PubResult) -> Iterator[Row]:
    import numpy as np

    values, errors = describe_data.expectation_values(pub)
    yield (*(f"axis {axis}" for axis in range(values.ndim)), "expectation value", "standard error")
    for point in np.ndindex(values.shape):
        yield (*point, values[point].item(), "" if errors is None else errors[point].item())


def _npy(result: Result, file: IO[bytes]) -> str:
    import numpy as np

    value = result.part
    if set(navigate.class_names(value)) & {"Operator", "Statevector", "DensityMatrix", "Choi", "SuperOp", "Chi", "PTM"}:
        value = value.data
    if not isinstance(value, np.ndarray) or value.dtype.hasobject:
        raise _unfit(result, ".npy", "Give a path to an array, for example /pub_results/0/data/evs; counts go to .csv.")
    np.save(file, value, allow_pickle=False)
    return f"The array of shape {list(value.shape)}, {value.dtype},"


def _qasm(result: Result, file: IO[bytes]) -> str:
    from qiskit import qasm3

    if not is_circuit(result.part):
        raise _unfit(result, "OpenQASM", "Give a path to one circuit; several go to .qpy.")
    if not describe_circuits.has_all_definitions(result.part):
        raise _unfit(result, "OpenQASM", "It has gates without a definition; save it as .qpy.")
    try:
        with panics_as_errors():
            text = qasm3.dumps(result.part)
    except Exception as error:  # the exporter refuses some instructions, and fails on others in its own ways
        raise _unfit(result, "OpenQASM", f"Save it as .qpy ({error}).") from error
    file.write(text.encode("utf-8", "replace"))
    return "The circuit as OpenQASM 3"


def _qpy(result: Result, file: IO[bytes]) -> str:
    from qiskit import qpy

    circuits = result.part if isinstance(result.part, list) else [result.part]
    if not circuits or not all(map(is_circuit, circuits)):
        raise _unfit(result, "QPY", "Give a path to a circuit, or to a list of circuits.")
    qpy.dump(circuits, file)
    return "The circuit as QPY" if len(circuits) == 1 else f"{len(circuits)} circuits as QPY"


def _svg(result: Result, file: IO[bytes]) -> str:
    return _picture(result.picture(form="svg"), file)


def _png(result: Result, file: IO[bytes]) -> str:
    return _picture(result.picture(), file)


def _picture(picture: Any, file: IO[bytes]) -> str:
    file.write(picture.data)
    return "A picture"


def _unfit(result: Result, kind: str, next_step: str) -> InputError:
    return InputError(f"What is at {result.pointer or '/'} does not go into {kind}.", next_step=next_step)


_WRITERS: dict[str, Callable[[Result, IO[bytes]], str]] = {
    ".json": _json,
    ".csv": _csv,
    ".npy": _npy,
    ".qasm": _qasm,
    ".qpy": _qpy,
    ".svg": _svg,
    ".png": _png,
}
