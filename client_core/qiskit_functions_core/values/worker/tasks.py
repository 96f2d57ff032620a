"""What a worker's child does for its parent. Arguments and answers are JSON; what is large lies in files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import NOT_A_GATEWAY, GatewayFault
from ...job_texts import LogQuery, StoredText
from ...job_texts import read_log as part_of_log
from ..result_query import ResultQuery
from .handover import write_private

_MOST_EVENTS = 1_000
_EVENTS_CHARACTERS = 500_000
_TEXT_CHARACTERS = 20_000
"""Of the newest events, so many, and so many characters of each text in them. A reply shows a fraction of that."""


def encode_arguments(source: str, target: str, folders: list[str]) -> int:
    """Encode the JSON in the file ``source`` into the file ``target``.

    Returns the most qubits that one of the circuits in it uses; 0 without a circuit.
    """
    from ..encoding import encode_arguments as encode

    most = 0

    def note(value: Any) -> None:
        nonlocal most
        circuits = sys.modules.get("qiskit.circuit")
        if circuits and isinstance(value, circuits.QuantumCircuit):
            from ..families.circuits import active_qubits

            most = max(most, active_qubits(value))

    arguments = json.loads(Path(source).read_bytes())
    encoded = encode(arguments, allowed_folders=[Path(folder) for folder in folders], note=note)
    write_private(Path(target), encoded.encode("utf-8", "replace"))
    return most


def read_result(
    stored: dict[str, Any], query: dict[str, Any], picture: str | None, save_to: str | None, arguments: str | None
) -> dict[str, Any] | None:
    """Summarise a result; draw it into the new file ``picture``, and save it to the new file ``save_to``, if given.

    ``arguments`` is a file with what the job was given, empty without any. If it is None, what would need names from
    there is not read, and the answer is None.
    """
    from ..results import Result

    asked = ResultQuery(**query)
    given = Path(arguments).read_text("utf-8") if arguments else ""
    result = Result(StoredText.from_json(stored).read(), pointer=asked.pointer, arguments=given)
    if arguments is None and result.lacks_names:
        return None
    summary = result.summary(offset=asked.offset, limit=asked.limit, budget=asked.budget)
    drawn = None
    if picture and asked.draw:
        made = result.picture(theme=asked.draw, form=asked.form)
        write_private(Path(picture), made.data)
        drawn = {"mime_type": made.mime_type, "caption": made.caption}
    saved = result.save(Path(save_to)) if save_to else None
    return {"summary": summary.model_dump(mode="json"), "picture": drawn, "saved": saved}


def read_log(stored: dict[str, Any], query: dict[str, Any], target: str) -> dict[str, Any]:
    """Write the part of a log, or of another stored text, that the query asks for into the file ``target``."""
    part = part_of_log(StoredText.from_json(stored).read(), LogQuery(**query))
    write_private(Path(target), part.text.encode("utf-8", "replace"))
    return {"left_out": part.left_out, "characters_left_out": part.characters_left_out}


def newest_events(stored: dict[str, Any]) -> list[Any]:
    """Return the first events of a listing, which begins with the newest, and of each text in them the beginning."""
    listing = StoredText.from_json(stored).load()
    if not isinstance(listing, list):
        raise GatewayFault(
            "the answer is not a list of JobEvents", status=200, from_gateway=False, next_step=NOT_A_GATEWAY
        )
    events, left = [], _EVENTS_CHARACTERS
    for event in listing[:_MOST_EVENTS]:
        short = _shortened(event)
        left -= len(json.dumps(short))
        if left < 0:
            break
        events.append(short)
    return events


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _TEXT_CHARACTERS:
        return f"{value[:_TEXT_CHARACTERS]}… ({len(value) - _TEXT_CHARACTERS} more characters)"
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return value


TASKS: dict[str, Callable[..., Any]] = {
    task.__name__: task for task in (encode_arguments, read_result, read_log, newest_events)
}
