"""What one panel of a picture shows: counts, expectation values, a sweep, or numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import describe_data, navigate, plain
from .page import ROWS

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from numpy.typing import NDArray
    from qiskit.primitives import BitArray, PrimitiveResult, PubResult

    from .plots import Colors

Rows = Sequence[tuple[str, float]]

# Longer outcomes are read from left to right, beside horizontal bars.
_SHORT_LABEL = 8
_LONGEST_LABEL = 34
# Points with a marker and a bar of error each; more become a line and a band.
_POINTS = 60
# Lines that can be told apart.
_LINES = 6
# More are drawn as every n-th, since a picture has about so many columns.
_COLUMNS = 2_000
_HEIGHT = 4.0


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


def panel(value: Any, pointer: str) -> Panel | None:
    """How to draw a value by itself; None for what is not drawn, or only part by part."""
    if plain.is_distribution(value):
        return _distribution(value, pointer)
    if isinstance(value, list) and len(value) > 1 and all(type(item) in (int, float) for item in value):
        import numpy as np

        return _array(np.array(value, float), pointer)
    for name in navigate.class_names(value):
        if name in _PANELS:
            return _PANELS[name](value, pointer)
    return None


def _primitive_result(result: PrimitiveResult[Any], pointer: str) -> Panel | None:
    """Single expectation values of several pubs belong side by side."""
    import numpy as np

    pubs = list(result)
    if len(pubs) < 2 or not all(_is_single_value(pub) for pub in pubs):  # noqa: PLR2004 - one pub is drawn as such
        return None
    values, errors = zip(*(_values_and_errors(pub) for pub in pubs), strict=True)
    return _expectation_values(np.ravel(values), np.ravel(errors), pointer, "pub")


def _is_single_value(pub: Any) -> bool:
    return _is_expectation(pub) and _values_and_errors(pub)[0].size == 1


def _is_expectation(pub: Any) -> bool:
    return "PubResult" in navigate.class_names(pub) and describe_data.kind_of_pub(pub) == "estimator_pub"


def _values_and_errors(pub: PubResult) -> tuple[NDArray[Any], NDArray[Any]]:
    import numpy as np

    values, errors = describe_data.expectation_values(pub)
    return values, np.zeros(values.shape) if errors is None else errors


def _pub_result(pub: PubResult, pointer: str) -> Panel | None:
    import numpy as np

    if not _is_expectation(pub):
        return None
    values, errors = _values_and_errors(pub)
    if values.dtype.kind not in "iuf" or not values.size or errors.shape != values.shape:
        return None
    if values.ndim > 1:
        return _heatmap(values, pointer, "expectation values", f", standard errors up to {np.nanmax(errors):.3g}")
    return _expectation_values(values.reshape(-1), errors.reshape(-1), pointer, "parameter point")


def _expectation_values(values: NDArray[np.float64], errors: NDArray[np.float64], pointer: str, axis: str) -> Panel:
    step = _step(len(values))

    def draw(ax: Axes, colors: Colors) -> None:
        x, y, e = range(0, len(values), step), values[::step], errors[::step]
        if len(y) <= _POINTS:
            ax.errorbar(x, y, yerr=e, fmt="o", color=colors.main, ecolor=colors.series[1], capsize=4, markersize=6)
        else:
            ax.plot(x, y, color=colors.main)
            ax.fill_between(x, y - e, y + e, color=colors.main, alpha=0.3, linewidth=0)
        _grid(ax, colors)
        _whole_numbers(ax.xaxis)
        if len(y) <= _LINES:
            ax.set_xticks(list(x))
            ax.set_xlim(-0.5, len(y) - 0.5)
        ax.set_xlabel(axis)
        ax.set_ylabel("expectation value")

    title = f"Expectation values{_of(pointer)}"
    return Panel(title, f"{title}: {len(values)}, with standard errors{_every(step)}.", draw)


def _bit_array(bits: BitArray, pointer: str) -> Panel:
    outcomes, counts = describe_data.distinct(bits)
    order = (-counts).argsort(kind="stable")
    if math.prod(bits.shape) > 1:
        return _sweep_of_counts(bits, outcomes[order], pointer)
    total = int(counts.sum())
    rows = [(describe_data.bitstring(outcomes[at], bits.num_bits), int(counts[at])) for at in order[:ROWS]]
    share = f"{_percent(sum(count for _, count in rows), total)}{total:,} shots"
    return _histogram(rows, len(counts), share, pointer, "shots")


def _distribution(weights: dict[Any, float], pointer: str) -> Panel:
    ordered = sorted(weights.items(), key=lambda row: -abs(row[1]))[:ROWS]
    rows = [(str(outcome), weight) for outcome, weight in ordered]
    share = f"weights {sum(weight for _, weight in rows):.4g} of {sum(weights.values()):.4g} in all"
    return _histogram(rows, len(weights), share, pointer, "weight")


def _histogram(rows: Rows, distinct: int, share: str, pointer: str, unit: str) -> Panel:
    part = f"the {len(rows)} most frequent of {distinct:,} outcomes, {share}" if len(rows) < distinct else share
    title = f"{'Counts' if unit == 'shots' else 'Distribution'}{_of(pointer)}"
    vertical = max((len(label) for label, _ in rows), default=0) <= _SHORT_LABEL
    height = _HEIGHT if vertical else 1.2 + 0.25 * len(rows)

    def draw(ax: Axes, colors: Colors) -> None:
        (_columns if vertical else _bars)(ax, colors, rows, unit)

    return Panel(f"{title}\n{part}", f"{title}: {part}.", draw, max(height, 2.0))


def _columns(ax: Axes, colors: Colors, rows: Rows, unit: str) -> None:
    rows = sorted(rows)
    bars = ax.bar(range(len(rows)), [count for _, count in rows], color=colors.main, width=0.7, zorder=2)
    labels = [label for label, _ in rows]
    steep = sum(map(len, labels)) > 60  # noqa: PLR2004 - letters of 10 points that fit side by side
    ax.set_xticks(range(len(rows)), labels, rotation=60 if steep else 0, fontfamily="monospace")
    ax.bar_label(bars, [_short(count) for _, count in rows], color=colors.text, fontsize=8, padding=2)
    ax.set_xlim(-1, len(rows))
    ax.margins(y=0.12)
    _grid(ax, colors)
    _count_axis(ax.yaxis, unit)
    ax.set_xlabel("outcome")
    ax.set_ylabel(unit)


def _bars(ax: Axes, colors: Colors, rows: Rows, unit: str) -> None:
    bars = ax.barh(range(len(rows)), [count for _, count in rows], color=colors.main, height=0.7, zorder=2)
    ax.set_yticks(range(len(rows)), [_middle_cut(label) for label, _ in rows], fontfamily="monospace")
    ax.bar_label(bars, [_short(count) for _, count in rows], color=colors.text, fontsize=8, padding=3)
    ax.invert_yaxis()
    ax.margins(x=0.12)
    _grid(ax, colors, "x")
    _count_axis(ax.xaxis, unit)
    ax.set_xlabel(unit)


def _count_axis(axis: Axis, unit: str) -> None:
    if unit == "shots":
        _whole_numbers(axis)


def _sweep_of_counts(bits: BitArray, outcomes: NDArray[np.uint8], pointer: str) -> Panel:
    """How likely the most frequent outcomes are along a sweep; for a sweep of two axes, the most frequent."""
    import numpy as np

    likely = [(describe_data.bitstring(row, bits.num_bits), _probabilities(bits, row)) for row in outcomes[:_LINES]]
    if bits.ndim > 1:
        label, values = likely[0]
        return _heatmap(values, pointer, f"probability of outcome {_middle_cut(label)}", "")
    step = _step(bits.shape[0])

    def draw(ax: Axes, colors: Colors) -> None:
        x = np.arange(0, bits.shape[0], step)
        for (label, values), color in zip(likely, colors.series, strict=False):
            marker = "o" if len(x) <= _POINTS else ""
            ax.plot(x, values[::step], color=color, marker=marker, markersize=4, label=_middle_cut(label))
        _legend(ax, colors)
        _grid(ax, colors)
        _whole_numbers(ax.xaxis)
        ax.set_ylim(bottom=0)
        ax.set_xlabel("parameter point")
        ax.set_ylabel("probability")

    title = f"Probabilities{_of(pointer)}"
    part = f"the {len(likely)} most frequent of {len(outcomes):,} outcomes at {bits.shape[0]:,} parameter points"
    return Panel(title, f"{title}: {part}{_every(step)}.", draw)


def _probabilities(bits: BitArray, outcome: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How often an outcome was measured at each point, one point at a time: a sweep may fill the memory once."""
    import numpy as np

    points = bits.array.reshape(-1, bits.num_shots, bits.array.shape[-1])
    mask = np.full(points.shape[-1], 0xFF, np.uint8)
    mask[:1] = 0xFF >> (-bits.num_bits % 8)
    share = [float(((point & mask) == outcome).all(axis=1).mean()) if len(point) else 0.0 for point in points]
    return np.array(share).reshape(bits.shape)


def _array(array: NDArray[Any], pointer: str) -> Panel | None:
    import numpy as np

    if array.dtype.kind not in "biufc" or array.size < 2 or not array.ndim:  # noqa: PLR2004 - a point is no curve
        return None
    name = "absolute values" if array.dtype.kind == "c" else "values"
    numbers = np.abs(array) if array.dtype.kind == "c" else array.astype(float)
    if array.ndim > 1:
        return _heatmap(numbers, pointer, name, "")
    step = _step(len(numbers))

    def draw(ax: Axes, colors: Colors) -> None:
        x = range(0, len(numbers), step)
        ax.plot(x, numbers[::step], color=colors.main, marker="o" if len(x) <= _POINTS else "", markersize=4)
        _grid(ax, colors)
        _whole_numbers(ax.xaxis)
        ax.set_xlabel("index")
        ax.set_ylabel(name.removesuffix("s"))

    title = f"{name.capitalize()}{_of(pointer)}"
    return Panel(title, f"{title}: {len(numbers):,}{_every(step)}.", draw)


def _heatmap(values: NDArray[Any], pointer: str, name: str, note: str) -> Panel:
    """Two axes as they are; what has more is laid out with the last axis across."""
    shape = " by ".join(f"{length:,}" for length in values.shape)
    rows = values.reshape(-1, values.shape[-1])
    down, across = _step(rows.shape[0]), _step(rows.shape[1])

    def draw(ax: Axes, colors: Colors) -> None:
        extent = (-0.5, rows.shape[1] - 0.5, rows.shape[0] - 0.5, -0.5)
        image = ax.imshow(rows[::down, ::across], aspect="auto", cmap="viridis", extent=extent, interpolation="nearest")
        bar = ax.figure.colorbar(image, ax=ax)
        bar.ax.tick_params(colors=colors.text, labelcolor=colors.text)
        bar.outline.set_edgecolor(colors.faint)
        _whole_numbers(ax.xaxis)
        _whole_numbers(ax.yaxis)
        ax.set_xlabel(f"axis {values.ndim - 1}")
        ax.set_ylabel("axis 0" if values.ndim == 2 else f"axes 0 to {values.ndim - 2}")  # noqa: PLR2004

    title = f"{name[0].upper()}{name[1:]}{_of(pointer)}"
    return Panel(title, f"{title}: {shape}{note}{_every(max(down, across))}.", draw)


def _grid(ax: Axes, colors: Colors, axis: Any = "y") -> None:
    ax.grid(axis=axis, color=colors.faint, linestyle="--", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)


def _legend(ax: Axes, colors: Colors) -> None:
    legend = ax.legend(frameon=False, labelcolor=colors.text, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    for text in legend.get_texts():
        text.set_fontfamily("monospace")


def _whole_numbers(axis: Axis) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, nbins=10, steps=[1, 2, 5, 10]))


def _of(pointer: str) -> str:
    return f" at {pointer if len(pointer) <= _LONGEST_LABEL else '…' + pointer[-_LONGEST_LABEL:]}" if pointer else ""


def _middle_cut(label: str) -> str:
    half = _LONGEST_LABEL // 2 - 1
    return label if len(label) <= _LONGEST_LABEL else f"{label[:half]}…{label[-half:]}"


def _short(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:.3g}"


def _percent(part: int, total: int) -> str:
    return f"{100 * part / total:.3g} % of " if part < total else ""


def _step(length: int) -> int:
    return max(-(-length // _COLUMNS), 1)


def _every(step: int) -> str:
    return f"; every {step}th is drawn" if step > 1 else ""


_PANELS: dict[str, Callable[[Any, str], Panel | None]] = {
    "PrimitiveResult": _primitive_result,
    "PubResult": _pub_result,
    "BitArray": _bit_array,
    "ndarray": _array,
}
