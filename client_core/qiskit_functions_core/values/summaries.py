"""A result as an assistant reads it: every pub and every register, in a bounded number of characters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from . import json_pointer
from .families.containers import Opaque, Opaques
from .families.registry import REGISTRY, inputs_beside
from .families.row_window import BEGINNING, RowWindow
from .summary_models import Counts, Summary, ValueSummary

# More than fit any budget; what comes after them is counted, up to a point.
_MAX_PARTS = 200
_MAX_COUNTED = 10_000
_CHARACTERS_A_ROW = 50
_POINTERS_SHOWN = 10
_LONGEST_POINTER = 200
_BIT_ORDER = "Outcomes are sorted by count. Bit 0 of a register is the rightmost."


def summarize(value: Any, pointer: str, window: RowWindow, budget: int) -> Summary:
    """Summarise a decoded value that stands at ``pointer``.

    ``budget`` bounds the summary's JSON in characters (2,000 at least).
    """
    walk = walk_parts(value, pointer, window)
    parts = [describe(part, at, its_window) for at, part, its_window in islice(walk, _MAX_PARTS)]
    left = [at for at, _, _ in islice(walk, _MAX_COUNTED)]
    return _fit(parts, left, max(budget, 2_000), window)


def walk_parts(value: Any, pointer: str, window: RowWindow = BEGINNING) -> Iterator[tuple[str, Any, RowWindow]]:
    """Yield a value, then all that it holds and its own summary does not tell, each with its window."""
    if isinstance(value, dict) and (inputs := inputs_beside(value)):
        window = replace(window, inputs=inputs.completed_by(window.inputs))
    yield pointer, value, window
    support = REGISTRY.support_for(value)
    try:
        untold = support.untold(value, window) if support else []
    except Exception:  # a broken value, whose summary says so
        untold = []
    for tokens, part in untold:
        at = pointer
        for token in tokens:
            at = json_pointer.join(at, token)
        below = REGISTRY.support_for(part)
        inside = BEGINNING if below and below.rows_are_characters else window.below()
        if len(tokens) == 2 and tokens[0] == "pub_results" and inside.inputs:
            inside = replace(inside, inputs=inside.inputs.of_pub(int(tokens[1]), len(value)))
        yield from walk_parts(part, at, inside)


def describe(value: Any, pointer: str, window: RowWindow) -> ValueSummary:
    """Summarise a value by itself, without what it holds beyond that."""
    support = REGISTRY.support_for(value)
    if support is None:
        return ValueSummary(pointer=pointer, kind="other", type=type(value).__name__)
    try:
        return support.describe(value, pointer, window)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a broken value can fail in any method, even by a panic of Qiskit's Rust code
        reason = f"it cannot be summarised: {error}"[:300]
        return Opaques().describe(Opaque(support.cls.__name__, 0, reason), pointer, window)


def _fit(parts: list[ValueSummary], left: list[str], budget: int, window: RowWindow) -> Summary:
    """Fewer rows in each part first, then fewer parts, then the bare facts of the first."""
    rows = max(map(_rows, parts))
    summary = _summary(parts, left, window)
    while _length(summary) > budget and rows > 1:
        rows //= 2
        parts = [_shorten(part, rows) for part in parts]
        summary = _summary(parts, left, window)
    while _length(summary) > budget and len(parts) > 1:
        keep = max(len(parts) * 3 // 4, 1)
        left = [*(part.pointer for part in parts[keep:]), *left]
        parts = parts[:keep]
        summary = _summary(parts, left, window)
    while _length(summary) > budget and len(parts[0].registers or ()) > 1:
        parts[0], dropped = _fewer_registers(parts[0])
        left = [*dropped, *left]
        summary = _summary(parts, left, window)
    return summary if _length(summary) <= budget else _bare(parts[0], len(left))


def _summary(parts: list[ValueSummary], left: list[str], window: RowWindow) -> Summary:
    first = parts[0]
    note = _note(parts, left, window)
    bits = [counts.num_bits for part in parts for counts in _counts(part)]
    return Summary(
        kind=first.kind,
        pointer=first.pointer,
        parts=parts,
        omitted_parts=len(left) or None,
        omitted_pointers=[at for at in left[:_POINTERS_SHOWN] if len(json.dumps(at)) <= _LONGEST_POINTER] or None,
        note=note,
        truncated=True if note else None,
        bit_order=_BIT_ORDER if max(bits, default=0) > 1 else None,
    )


def _note(parts: list[ValueSummary], left: list[str], window: RowWindow) -> str | None:
    """Return how to ask for what is missing; None if everything that was asked for is there."""
    missing = []
    for part in parts:
        shown, omitted, pointer = _missing(part)
        # What comes after as many rows as were asked for is not missing; next_offset leads to it.
        if omitted and (window.limit is None or shown < window.limit):
            missing.append((pointer, part.next_offset if part.next_offset is not None else shown))
        elif part.omitted_columns:
            missing.append((json_pointer.join(pointer, part.offset or 0), 0))
    if left:
        where = "one of omitted_pointers" if len(json.dumps(left[0])) > _LONGEST_POINTER else repr(left[0])
        return f"Shortened: {len(left):,} parts are left out. Give the argument path, such as {where}, to see one."
    if not missing:
        return None
    pointer, offset = missing[0]
    if len(json.dumps(pointer)) > _LONGEST_POINTER:
        return "Shortened. Give the argument path to see more of one part."
    path = f"path={pointer!r}, " if pointer else ""
    more = f" The same goes for {len(missing) - 1} other parts." if len(missing) > 1 else ""
    return f"Shortened. To see more, give {path}offset={offset} and limit.{more}"


def _missing(part: ValueSummary) -> tuple[int, int, str]:
    """Return how many rows of a part are shown and how many are left out, and the pointer to go on with."""
    for name, counts in (part.registers or {}).items():
        if counts.other_outcomes:
            return len(counts.top), counts.other_outcomes, json_pointer.join(f"{part.pointer}/data", name)
    rows = next((rows for rows in (part.values, part.terms, part.value) if rows is not None), ())
    shown = len(part.counts.top) if part.counts else len(rows) if isinstance(rows, list | dict) else 0
    return shown, part.omitted or 0, part.pointer


def _fewer_registers(pub: ValueSummary) -> tuple[ValueSummary, list[str]]:
    """The first half of a pub's registers, and the pointers of the others."""
    registers = pub.registers or {}
    kept = dict(islice(registers.items(), len(registers) // 2))
    at = json_pointer.join(pub.pointer, "data")
    dropped = [json_pointer.join(at, name) for name in registers if name not in kept]
    return pub.model_copy(update={"registers": kept}), dropped


def _bare(part: ValueSummary, others: int) -> Summary:
    pointer = part.pointer if len(json.dumps(part.pointer)) <= _LONGEST_POINTER else ""
    facts = ValueSummary(pointer=pointer, kind=part.kind, type=part.type, size=part.size)
    note = "Shortened: its keys or labels are too long to show. Give the argument path to see a part."
    return Summary(
        kind=part.kind, pointer=pointer, parts=[facts], omitted_parts=others or None, note=note, truncated=True
    )


def _length(summary: Summary) -> int:
    """The longest way to write the JSON, so that no way is over the budget."""
    return len(json.dumps(summary.model_dump(exclude_none=True)))


def _rows(part: ValueSummary) -> int:
    tops = [counts.top for counts in _counts(part)]
    lists: list[Any] = [part.values, part.terms, part.value if isinstance(part.value, list | dict) else None, *tops]
    texts = [text for text in (part.openqasm, part.value) if isinstance(text, str)]
    return max([len(rows or ()) for rows in lists] + [len(text) // _CHARACTERS_A_ROW for text in texts])


def _counts(part: ValueSummary) -> list[Counts]:
    return [*(part.registers or {}).values(), *([part.counts] if part.counts else [])]


def _shorten(part: ValueSummary, rows: int) -> ValueSummary:
    """At most ``rows`` rows of everything, with what was cut added to what is left out."""
    update: dict[str, Any] = {}
    cut = kept = 0
    for name, size in (("values", rows), ("terms", rows), ("value", rows), ("openqasm", rows * _CHARACTERS_A_ROW)):
        whole = getattr(part, name)
        most = rows * _CHARACTERS_A_ROW if isinstance(whole, str) else size
        if isinstance(whole, list | dict | str) and len(whole) > most:
            update[name] = _first(whole, most)
            cut, kept = len(whole) - most, most
    for name in ("stds", "row_labels"):
        if whole := getattr(part, name):
            update[name] = whole[:rows]
    if part.registers:
        update["registers"] = {name: _fewer(counts, rows) for name, counts in part.registers.items()}
    if part.counts and len(part.counts.top) > rows:
        update["counts"] = _fewer(part.counts, rows)
        cut, kept = len(part.counts.top) - rows, rows
    if cut:
        update |= {"omitted": (part.omitted or 0) + cut, "next_offset": (part.offset or 0) + kept}
    return part.model_copy(update=update)


def _first(whole: Any, most: int) -> Any:
    return dict(islice(whole.items(), most)) if isinstance(whole, dict) else whole[:most]


def _fewer(counts: Counts, rows: int) -> Counts:
    cut = counts.top[rows:]
    return counts.model_copy(
        update={
            "top": counts.top[:rows],
            "other_outcomes": ((counts.other_outcomes or 0) + len(cut)) or None,
            "other_count": ((counts.other_count or 0) + sum(outcome.count for outcome in cut)) or None,
        }
    )
