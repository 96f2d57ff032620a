"""Which rows of a value a summary shows."""

from __future__ import annotations

from dataclasses import dataclass

# Rows of counts, arrays, expectation values and terms.
ROWS = 20


@dataclass(frozen=True)
class Page:
    """A window on the rows of a value; ``limit`` None is the usual number for its kind."""

    offset: int = 0
    limit: int | None = None

    def end(self, usual: int = ROWS) -> int:
        return self.offset + (usual if self.limit is None else self.limit)

    def rest(self, total: int, shown: int) -> dict[str, int | None]:
        """The fields of a summary that say what comes before and after the rows shown."""
        after = max(total - self.offset - shown, 0)
        return {
            "offset": self.offset or None,
            "omitted": after or None,
            "next_offset": self.offset + shown if after else None,
        }


# The usual beginning of a value.
FIRST = Page()
