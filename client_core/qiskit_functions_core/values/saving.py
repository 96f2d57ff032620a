"""Parts of results as files, in the format that the file's ending names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import InputError
from ..local_files import replacing
from .families.registry import REGISTRY
from .pictures import draw
from .result_query import Form

if TYPE_CHECKING:
    from .families.inputs import Inputs

# What each format takes, for those that do not take every value.
_ADVICE = {
    ".csv": "Give a path to counts, a distribution, expectation values or an array of up to 2 axes.",
    ".npy": "Give a path to an array, for example /pub_results/0/data/evs; counts go to .csv.",
    ".qasm": "Give a path to one circuit; several go to .qpy.",
    ".qpy": "Give a path to a circuit, or to a list of circuits.",
}
_PICTURES: dict[str, Form] = {".svg": "svg", ".png": "png"}
_ENDINGS = (".json", *_ADVICE, *_PICTURES)


def save(text: str, part: Any, pointer: str, path: Path, inputs: Inputs | None = None) -> str:
    """Write a part of a result to a new file, whole or not at all, and say what was written.

    Args:
        text: the whole result as the gateway keeps it.
        part: the decoded part to write.
        pointer: where the part is; empty for the whole.
        path: the file.
        inputs: the names and values of what the axes of a sweep belong to, where they are known.

    Raises:
        InputError: the ending is none of these, the part does not go into such a file, or it cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in _ENDINGS:
        raise InputError(f"{path.name!r} does not end in {', '.join(_ENDINGS)}.", next_step="Choose one of these.")
    if path.exists():
        raise InputError(f"{path.name} exists; it is not overwritten.", next_step="Choose another file name.")
    with replacing(path) as file:
        if ending == ".json":
            written = _write_json(text, part, pointer, file)
        elif ending in _PICTURES:
            file.write(draw(part, pointer, form=_PICTURES[ending], inputs=inputs).data)
            written = "A picture"
        else:
            written = _write(part, pointer, ending, file, inputs)
        size = file.tell()
    return f"{written} at {pointer or '/'}: {size:,} bytes in {path}"


def _write_json(text: str, part: Any, pointer: str, file: IO[bytes]) -> str:
    """Write the whole as it came, a part as Qiskit's own encoder writes it."""
    if not pointer:
        file.write(text.encode("utf-8", "replace"))
        return "The encoded result"
    # Imports Qiskit, which a file of the whole does not need.
    from .object_encoding import encode_object

    try:
        file.write(json.dumps(part, default=encode_object).encode())
    except (InputError, TypeError, ValueError) as error:
        raise InputError(
            f"What is at {pointer} does not go into JSON: {error}",
            next_step="Save the whole result instead, without a path.",
        ) from error
    return "The encoded part"


def _write(part: Any, pointer: str, ending: str, file: IO[bytes], inputs: Inputs | None) -> str:
    support = REGISTRY.support_for(part)
    if ending == ".qpy" and isinstance(part, list):
        # QPY alone holds several values, all of one type.
        supports = {REGISTRY.support_for(value) for value in part}
        support = supports.pop() if len(supports) == 1 else None
    written = support.save(part, ending, file, inputs) if support else None
    if written is None:
        raise InputError(f"What is at {pointer or '/'} does not go into {ending}.", next_step=_ADVICE[ending])
    return written
