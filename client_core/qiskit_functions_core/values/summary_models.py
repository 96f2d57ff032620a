"""What a summary and a picture of a result look like to an assistant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal[
    "primitive_result",
    "sampler_pub",
    "estimator_pub",
    "pub",
    "counts",
    "distribution",
    "array",
    "sparse_matrix",
    "circuit",
    "instruction",
    "parameter",
    "operator",
    "number",
    "boolean",
    "null",
    "text",
    "datetime",
    "object",
    "list",
    "other",
    "opaque",
]


class Outcome(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    bits: str
    count: int
    probability: float


class Counts(BaseModel):
    """Outcomes of one classical register, most frequent first."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    shots: Annotated[int, Field(description="Shots, at each parameter point when there are several.")]
    num_bits: int
    shape: Annotated[list[int] | None, Field(description="Shape of a sweep; counts are then over all of it.")] = None
    distinct: Annotated[int, Field(description="How many different outcomes there are.")]
    top: list[Outcome]
    other_outcomes: Annotated[int | None, Field(description="Outcomes that `top` leaves out.")] = None
    other_count: Annotated[int | None, Field(description="How often those were measured.")] = None


class ValueSummary(BaseModel):
    """One value. Numbers that JSON lacks are "nan", "inf", "-inf", and {"$complex": [re, im]}."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    pointer: Annotated[str, Field(description="JSON pointer to ask for more of this value.")]
    kind: Kind
    type: Annotated[str | None, Field(description="Python or Qiskit type.")] = None
    value: Annotated[Any, Field(description="The value itself when it is short, else its beginning.")] = None
    size: Annotated[int | None, Field(description="Items, keys, characters or stored elements in all.")] = None
    shape: list[int] | None = None
    dtype: str | None = None
    min: float | str | None = None
    max: float | str | None = None
    mean: Any = None
    values: Annotated[
        list[Any] | None, Field(description="Rows along the first axis; of a sweep, one for each parameter set.")
    ] = None
    stds: Annotated[list[Any] | None, Field(description="Standard errors of `values`.")] = None
    row_axis: Annotated[int | None, Field(description="Axis of `shape` that the rows are along, if not the first.")] = (
        None
    )
    row_labels: Annotated[list[dict[str, Any]] | None, Field(description="Parameter values of each row.")] = None
    columns: Annotated[list[str] | None, Field(description="The observable of each column.")] = None
    omitted_columns: Annotated[int | None, Field(description="Left out of each row.")] = None
    extremes: Annotated[
        list[dict[str, Any]] | None,
        Field(description="min, max and their indices; of each column, if there are several."),
    ] = None
    registers: Annotated[dict[str, Counts] | None, Field(description="A sampler pub's counts by register.")] = None
    counts: Counts | None = None
    num_qubits: int | None = None
    num_clbits: int | None = None
    depth: int | None = None
    two_qubit_depth: int | None = None
    operations: dict[str, int] | None = None
    parameters: list[str] | None = None
    openqasm: str | None = None
    terms: Annotated[list[list[Any]] | None, Field(description="[label, number], largest magnitude first.")] = None
    metadata: dict[str, Any] | None = None
    reason: Annotated[str | None, Field(description="Why a value was not read, or is not there.")] = None
    offset: Annotated[int | None, Field(description="Where what is shown begins, when not at 0.")] = None
    omitted: Annotated[int | None, Field(description="How many rows come after these.")] = None
    next_offset: Annotated[int | None, Field(description="The offset to go on with at this pointer.")] = None


class Summary(BaseModel):
    """A result, as a flat list: the value that was asked for, then what it holds, each with its pointer."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    kind: Kind
    pointer: str = ""
    parts: list[ValueSummary]
    omitted_parts: Annotated[int | None, Field(description="Parts left out to stay short.")] = None
    omitted_pointers: Annotated[list[str] | None, Field(description="Where the first of them are.")] = None
    truncated: Annotated[bool | None, Field(description="That something was left out.")] = None
    note: str | None = None
    bit_order: str | None = None
    picture: Annotated[str | None, Field(description="What the picture beside this shows.")] = None
    saved: Annotated[str | None, Field(description="What was written, to which file, and its bytes.")] = None


@dataclass(frozen=True)
class Picture:
    """A drawn value.

    Attributes:
        data: the file's bytes.
        mime_type: ``image/png`` or ``image/svg+xml``.
        caption: what it shows and what it leaves out, for those who cannot see it.
    """

    data: bytes
    mime_type: str
    caption: str
