"""A result as an assistant reads it: every pub and every register, in a bounded number of characters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from . import json_pointer
from .families.containers import Opaque, Opaques
from .families.registry import REGISTRY
from .families.row_window import BEGINNING, RowWindow
from .summary_models import Counts, Summary, ValueSummary

# More than fit any budget; what comes after them is counted, up to a point.
_MAX_PARTS = 200
_MAX_COUNTED = 10_000
_CHARACTERS_A_ROW = 50
_POINTERS_SHOWN = 10
_LONGEST_POINTER = 200
_NOTE = "Shortened: ask for a pointer, with offset and limit, to see what was left out."


def summarize(value: Any, pointer: str, window: RowWindow, budget: int) -> Summary:
    """Summarise a decoded value that stands at ``pointer``.

    ``budget`` bounds the summary's JSON in characters (2,000 at least).
    """
    walk = _walk(value, pointer, window)
    parts = [describe(part, at, its_window) for at, part, its_window in islice(walk, _MAX_PARTS)]
    left = [at for at, _, _ in islice(walk, _MAX_COUNTED)]
    return _fit(parts, left, max(budget, 2_000))


def _walk(value: Any, pointer: str, window: RowWindow = BEGINNING) -> Iterator[tuple[str, Any, RowWindow]]:
    """Yield a value, then all that it holds and its own summary does not tell."""
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
        yield from _walk(part, at)


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


def _fit(parts: list[ValueSummary], left: list[str], budget: int) -> Summary:
    """Fewer rows in each part first, then fewer parts, then the bare facts of the first."""
    rows = max(map(_rows, parts))
    summary = _summary(parts, left)
    while _length(summary) > budget and rows > 1:
        rows //= 2
        parts = [_shorten(part, rows) for part in parts]
        summary = _summary(parts, left)
    while _length(summary) > budget and len(parts) > 1:
        keep = max(len(parts) * 3 // 4, 1)
        left = [*(part.pointer for part in parts[keep:]), *left]
        parts = parts[:keep]
        summary = _summary(parts, left)
    while _length(summary) > budget and len(parts[0].registers or ()) > 1:
        parts[0], dropped = _fewer_registers(parts[0])
        left = [*dropped, *left]
        summary = _summary(parts, left)
    return summary if _length(summary) <= budget else _bare(parts[0], len(left))


def _summary(parts: list[ValueSummary], left: list[str]) -> Summary:
    first = parts[0]
    cut = bool(left) or any(part.omitted or _cut(part) for part in parts)
    return Summary(
        kind=first.kind,
        pointer=first.pointer,
        parts=parts,
        omitted_parts=len(left) or None,
        omitted_pointers=[at for at in left[:_POINTERS_SHOWN] if len(json.dumps(at)) <= _LONGEST_POINTER] or None,
        note=_NOTE if cut else None,
        truncated=cut or None,
    )


def _fewer_registers(pub: ValueSummary) -> tuple[ValueSummary, list[str]]:
    """The first half of a pub's registers, and the pointers of the others."""
    registers = pub.registers or {}
    kept = dict(islice(registers.items(), len(registers) // 2))
    at = json_pointer.join(pub.pointer, "data")
    dropped = [json_pointer.join(at, name) for name in registers if name not in kept]
    return pub.model_copy(update={"registers": kept}), dropped


def _cut(part: ValueSummary) -> bool:
    return any(counts.other_outcomes for counts in (part.registers or {}).values())


def _bare(part: ValueSummary, others: int) -> Summary:
    pointer = part.pointer if len(json.dumps(part.pointer)) <= _LONGEST_POINTER else ""
    facts = ValueSummary(pointer=pointer, kind=part.kind, type=part.type, size=part.size)
    note = f"{_NOTE} Its keys or labels are too long to show."
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
    if part.stds:
        update["stds"] = part.stds[:rows]
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
