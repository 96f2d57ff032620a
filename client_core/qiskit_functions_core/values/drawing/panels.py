"""What one set of axes of a picture shows: a histogram, points with errors, lines, or a heatmap.

Nothing here imports matplotlib: a panel is decided on, with its caption, before anything is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ..families.inputs import Inputs
    from .themes import Colors

Rows = Sequence[tuple[str, float]]

# Longer outcomes are read from left to right, beside horizontal bars.
_SHORT_LABEL = 8
_LONGEST_LABEL = 34
# Points with a marker and a bar of error each; more become a line and a band.
_POINTS = 60
# Names below an axis that can be read.
_COLUMN_LABELS = 20
# Lines that can be told apart.
MAX_LINES = 6
# More are drawn as every n-th, since a picture has about so many columns.
_COLUMNS = 2_000
_HEIGHT = 4.0


@dataclass(frozen=True)
class Place:
    """Where the drawn values are.

    Attributes:
        pointer: their JSON pointer, for the caption.
        name: what a person would call the place, for the title; empty if that adds nothing.
        inputs: the names and values of what the axes of a sweep belong to, where they are known.
    """

    pointer: str
    name: str = ""
    inputs: Inputs | None = None

    def title(self, what: str) -> str:
        return f"{what}: {shortened(self.name)}" if self.name else what

    def title_of_values(self, what: str) -> str:
        """Return the name itself, which says more than "values"; only ASCII letters become capitals, as θ is not Θ."""
        name = shortened(self.name)
        return name[0].upper() + name[1:] if name[:1].isascii() and name else name or what

    def caption(self, what: str) -> str:
        pointer = self.pointer if len(self.pointer) <= _LONGEST_LABEL else "…" + self.pointer[-_LONGEST_LABEL:]
        return f"{what} at {pointer}" if pointer else what


@dataclass(frozen=True)
class WholeFigure:
    """A figure that is more than a set of axes; ``draw`` makes it, with its caption."""

    draw: Callable[[Colors], tuple[Figure, str]]


@dataclass(frozen=True)
class Panel:
    """One set of axes.

    Attributes:
        title: above the axes, in one or two lines.
        caption: the same in a sentence, with what is left out.
        draw: draws into axes, in the colors of a theme.
        height: in inches.
    """

    title: str
    caption: str
    draw: Callable[[Axes, Colors], None]
    height: float = _HEIGHT


def histogram(rows: Rows, distinct: int, share: str, place: Place, unit: str) -> Panel:
    """Draw the most frequent outcomes.

    Args:
        rows: outcomes and their counts or weights, the most frequent first.
        distinct: how many different outcomes there are.
        share: what part of the whole the rows are, in words.
        unit: ``shots``, or what else the bars measure.
    """
    part = f"the {len(rows)} most frequent of {distinct:,} outcomes, {share}" if len(rows) < distinct else share
    what = "Counts" if unit == "shots" else "Distribution"
    vertical = max((len(label) for label, _ in rows), default=0) <= _SHORT_LABEL
    height = _HEIGHT if vertical else 1.2 + 0.25 * len(rows)

    def draw(ax: Axes, colors: Colors) -> None:
        (_columns if vertical else _bars)(ax, colors, rows, unit)

    title = what if place.name.lower() == what.lower() else place.title(what)
    return Panel(f"{title}\n{part}", f"{place.caption(what)}: {part}.", draw, max(height, 2.0))


def _columns(ax: Axes, colors: Colors, rows: Rows, unit: str) -> None:
    rows = sorted(rows)
    bars = ax.bar(range(len(rows)), [count for _, count in rows], color=colors.main, width=0.7, zorder=2)
    labels = [label for label, _ in rows]
    steep = sum(map(len, labels)) > 60  # letters of 10 points that fit side by side
    ax.set_xticks(range(len(rows)), labels, rotation=60 if steep else 0, fontfamily="monospace")
    ax.bar_label(bars, [_short(count) for _, count in rows], color=colors.text, fontsize=8, padding=2)
    ax.set_xlim(-1, len(rows))
    ax.margins(y=0.12)
    _grid(ax, colors)
    if unit == "shots":
        _whole_numbers(ax, "y")
    ax.set_xlabel("outcome")
    ax.set_ylabel(unit)


def _bars(ax: Axes, colors: Colors, rows: Rows, unit: str) -> None:
    bars = ax.barh(range(len(rows)), [count for _, count in rows], color=colors.main, height=0.7, zorder=2)
    ax.set_yticks(range(len(rows)), [shortened(label) for label, _ in rows], fontfamily="monospace")
    ax.bar_label(bars, [_short(count) for _, count in rows], color=colors.text, fontsize=8, padding=3)
    ax.invert_yaxis()
    ax.margins(x=0.12)
    _grid(ax, colors, "x")
    if unit == "shots":
        _whole_numbers(ax, "x")
    ax.set_xlabel(unit)


def points_with_errors(
    values: NDArray[Any], errors: NDArray[Any], place: Place, names: Sequence[str], axis: str
) -> Panel:
    """Draw single expectation values side by side, with their standard errors; all of shape (n,)."""

    def draw(ax: Axes, colors: Colors) -> None:
        x = range(len(values))
        ax.errorbar(x, values, yerr=errors, fmt="o", color=colors.main, ecolor=colors.main, capsize=4, markersize=6)
        _grid(ax, colors)
        if len(values) <= _COLUMN_LABELS:
            steep = sum(map(len, names)) > 60  # as in _columns
            ax.set_xticks(list(x), [shortened(name) for name in names], rotation=60 if steep else 0)
        else:
            _whole_numbers(ax, "x")
        ax.set_xlim(-0.5, len(values) - 0.5)
        ax.set_xlabel(axis)
        ax.set_ylabel("expectation value")

    title = "Expectation values" if len(values) > 1 else "Expectation value"
    caption = f"{place.caption('Expectation values')}: {len(values)}, with standard errors."
    return Panel(place.title(title), caption, draw)


@dataclass(frozen=True)
class Sweep:
    """The horizontal axis of lines.

    Attributes:
        name: of the parameter, or of the index if its values are not known.
        points: where the lines have their values, as many as each line has.
    """

    name: str
    points: NDArray[Any]

    def draw_on(self, ax: Axes) -> None:
        ax.set_xlabel(shortened(self.name))
        if self.points.dtype.kind == "i":
            _whole_numbers(ax, "x")

    def ends(self) -> tuple[float, float] | None:
        """Return where the first cell of a heatmap begins and the last one ends; None if the points are uneven."""
        first, last = float(self.points[0]), float(self.points[-1])
        half = (last - first) / max(len(self.points) - 1, 1) / 2
        even = [first + 2 * half * at for at in range(len(self.points))]
        is_even = half > 0 and all(abs(a - b) < half / 10 for a, b in zip(self.points, even, strict=True))
        return (first - half, last + half) if is_even else None


@dataclass(frozen=True)
class Names:
    """An axis of a heatmap with a name for each row or column, if they are known.

    Attributes:
        name: of the axis.
        names: of its rows or columns; empty if they are not known.
    """

    name: str
    names: Sequence[str] = ()


Axis = Sweep | Names


def lines_with_errors(lines: Sequence[tuple[str, NDArray[Any], NDArray[Any]]], sweep: Sweep, place: Place) -> Panel:
    """Draw expectation values and standard errors along a sweep, a line for each observable; its name may be empty."""
    points = len(sweep.points)
    step = _step(points)

    def draw(ax: Axes, colors: Colors) -> None:
        x = sweep.points[::step]
        for (label, values, errors), color in zip(lines, colors.series, strict=False):
            y, e = values[::step], errors[::step]
            if len(y) <= _POINTS:
                ax.errorbar(x, y, yerr=e, fmt="o-", color=color, capsize=3, markersize=4, linewidth=1.2, label=label)
            else:
                ax.plot(x, y, color=color, label=label)
                ax.fill_between(x, y - e, y + e, color=color, alpha=0.3, linewidth=0)
        if len(lines) > 1:
            _legend(ax, colors)
        _grid(ax, colors)
        sweep.draw_on(ax)
        ax.set_ylabel("expectation value")

    by = f" by {sweep.name}" if sweep.points.dtype.kind == "f" else ""
    many = f"{len(lines)} observables, " if len(lines) > 1 else ""
    caption = f"{place.caption('Expectation values')}{by}: {many}{points}, with standard errors{_every(step)}."
    what = f"Expectation value of {shortened(lines[0][0])}" if len(lines) == 1 and lines[0][0] else "Expectation values"
    return Panel(place.title(f"{what}{by}"), caption, draw)


def probabilities(lines: Sequence[tuple[str, NDArray[np.float64]]], distinct: int, sweep: Sweep, place: Place) -> Panel:
    """Draw how likely some outcomes, of so many distinct ones, are along a sweep."""
    points = len(sweep.points)
    step = _step(points)

    def draw(ax: Axes, colors: Colors) -> None:
        x = sweep.points[::step]
        for (label, values), color in zip(lines, colors.series, strict=False):
            marker = "o" if len(x) <= _POINTS else ""
            ax.plot(x, values[::step], color=color, marker=marker, markersize=4, label=shortened(label))
        _legend(ax, colors)
        _grid(ax, colors)
        ax.set_ylim(bottom=0)
        sweep.draw_on(ax)
        ax.set_ylabel("probability")

    by = f" by {sweep.name}" if sweep.points.dtype.kind == "f" else ""
    part = f"the {len(lines)} most frequent of {distinct:,} outcomes at {points:,} parameter points"
    caption = f"{place.caption('Probabilities')}{by}: {part}{_every(step)}."
    return Panel(place.title(f"Probabilities of outcomes{by}"), caption, draw)


def _legend(ax: Axes, colors: Colors) -> None:
    legend = ax.legend(frameon=False, labelcolor=colors.text, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    for text in legend.get_texts():
        text.set_fontfamily("monospace")
        text.set_parse_math(False)


def curve(numbers: Sequence[float] | NDArray[Any], place: Place, name: str, sweep: Sweep | None = None) -> Panel:
    """Draw numbers, called by ``name`` in the plural, along a sweep, or by their index."""
    step = _step(len(numbers))
    is_history = "history" in place.name
    sweep = None if is_history else sweep
    y = shortened(place.name.replace("history", "").strip()) if is_history else shortened(place.name)

    def draw(ax: Axes, colors: Colors) -> None:
        x = sweep.points[::step] if sweep else range(0, len(numbers), step)
        ax.plot(x, numbers[::step], color=colors.main, marker="o" if len(x) <= _POINTS else "", markersize=4)
        _grid(ax, colors)
        if sweep:
            sweep.draw_on(ax)
        else:
            _whole_numbers(ax, "x")
            ax.set_xlabel("iteration" if is_history else "index")
        ax.set_ylabel(y or name.removesuffix("s"))

    what, by = name.capitalize(), f" by {shortened(sweep.name)}" if sweep else ""
    caption = f"{place.caption(what)}{by}: {len(numbers):,}{_every(step)}."
    return Panel(f"{place.title_of_values(what)}{by}", caption, draw)


def heatmap(values: NDArray[Any], place: Place, name: str, note: str, axes: Sequence[Axis] = ()) -> Panel:
    """Draw an array of two axes as it is; one of more with the last axis across and the others down.

    ``axes`` are what both are along, if that is known.
    """
    shape = " by ".join(f"{length:,}" for length in values.shape)
    rows = values.reshape(-1, values.shape[-1])
    down, across = _step(rows.shape[0]), _step(rows.shape[1])

    def draw(ax: Axes, colors: Colors) -> None:
        ends = [axis.ends() if isinstance(axis, Sweep) else None for axis in axes] or [None, None]
        (top, bottom), (left, right) = (at or (-0.5, length - 0.5) for at, length in zip(ends, rows.shape, strict=True))
        shown = rows[::down, ::across]
        image = ax.imshow(
            shown, aspect="auto", cmap="viridis", extent=(left, right, bottom, top), interpolation="nearest"
        )
        bar = ax.figure.colorbar(image, ax=ax)
        bar.ax.tick_params(colors=colors.text, labelcolor=colors.text)
        bar.outline.set_edgecolor(colors.faint)
        bar.set_label(name.removesuffix("s"), color=colors.text)
        first = "row (axis 0)" if values.ndim == 2 else f"axes 0 to {values.ndim - 2}"
        labels = [axis.name for axis in axes] or [first, f"column (axis {values.ndim - 1})"]
        ax.set_ylabel(shortened(labels[0]))
        ax.set_xlabel(shortened(labels[1]))
        for side, axis, end in zip(("y", "x"), axes or (None, None), ends, strict=True):
            if isinstance(axis, Names) and 0 < len(axis.names) <= _COLUMN_LABELS:
                set_ticks = ax.set_yticks if side == "y" else ax.set_xticks
                set_ticks(range(len(axis.names)), [shortened(one) for one in axis.names])
            elif end is None:
                _whole_numbers(ax, "y" if side == "y" else "x")

    what = f"{name[0].upper()}{name[1:]}"
    title = place.title_of_values(what) if what == "Values" else place.title(what)
    return Panel(title, f"{place.caption(what)}: {shape}{note}{_every(max(down, across))}.", draw)


def _grid(ax: Axes, colors: Colors, axis: Any = "y") -> None:
    ax.grid(axis=axis, color=colors.faint, linestyle="--", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)


def _whole_numbers(ax: Axes, axis: Literal["x", "y", "both"]) -> None:
    ax.locator_params(axis=axis, integer=True, nbins=10, steps=[1, 2, 5, 10])


def shortened(label: str) -> str:
    """Return a label without its middle if it is too long to draw."""
    half = _LONGEST_LABEL // 2 - 1
    return label if len(label) <= _LONGEST_LABEL else f"{label[:half]}…{label[-half:]}"


def _short(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:.3g}"


def _step(length: int) -> int:
    return max(-(-length // _COLUMNS), 1)


def _every(step: int) -> str:
    return f"; every {step}th is drawn" if step > 1 else ""
