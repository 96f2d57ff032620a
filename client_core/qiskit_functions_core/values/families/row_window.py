"""The window on a value's rows that a summary shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

# Rows of counts, arrays, expectation values and terms.
ROWS = 20


if TYPE_CHECKING:
    from .inputs import Inputs


@dataclass(frozen=True)
class RowWindow:
    """Which rows to show: from ``offset``, ``limit`` of them, or as many as is usual for the kind if it is None.

    Attributes:
        inputs: the names and values of what the rows and columns of a sweep belong to, where they are known.
    """

    offset: int = 0
    limit: int | None = None
    inputs: Inputs | None = field(default=None, compare=False)

    def end(self, usual: int = ROWS) -> int:
        """Return the index after the last row to show."""
        return self.offset + (usual if self.limit is None else self.limit)

    def below(self) -> RowWindow:
        """Return the window on the rows of a part, given that on its container: as many, from the beginning."""
        return RowWindow(limit=self.limit, inputs=self.inputs)

    def rest(self, total: int, shown: int) -> dict[str, int | None]:
        """Return the fields of a summary that say what comes before and after the rows shown."""
        after = max(total - self.offset - shown, 0)
        return {
            "offset": self.offset or None,
            "omitted": after or None,
            "next_offset": self.offset + shown if after else None,
        }


BEGINNING = RowWindow()
