"""Pictures of results: what can be drawn of a value, and the figure around it.

Counts, expectation values and arrays are drawn by matplotlib, circuits by Qiskit. No figure of pyplot is made, and none
of its settings changed: a notebook or a server that draws for itself does not notice. That rules out Qiskit's
``plot_histogram``, which sets its title and grid on pyplot's current figure.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from . import json_pointer as pointers
from . import navigate, plain
from .panics import panics_as_errors
from .summary_models import Form, Picture, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .plot_panels import Panel

# 8 inches of 100 dots: what chats show without shrinking it, with 10-point letters that stay legible.
_WIDTH, _DPI = 8.0, 100
_PANELS = 4
_MORE = " There is more to draw: ask for a path to it."
# Values looked at in search of something to draw.
_LOOKED_AT = 1_000
# Matplotlib is not thread-safe, even where figures are apart.
_lock = Lock()


@dataclass(frozen=True)
class Colors:
    """Of one theme: IBM's data colors, against the background that chats have."""

    background: str
    text: str
    faint: str
    series: tuple[str, ...]
    circuit: str

    @property
    def main(self) -> str:
        return self.series[0]


COLORS: dict[Theme, Colors] = {
    "light": Colors(
        "#ffffff", "#161616", "#c6c6c6", ("#0f62fe", "#b28600", "#9f1853", "#198038", "#6929c4", "#005d5d"), "iqp"
    ),
    "dark": Colors(
        "#161616", "#f4f4f4", "#525252", ("#78a9ff", "#f1c21b", "#ff7eb6", "#42be65", "#be95ff", "#3ddbd9"), "iqp-dark"
    ),
}
_MIME: dict[Form, str] = {"png": "image/png", "svg": "image/svg+xml"}


def draw(value: Any, pointer: str = "", *, theme: Theme = "light", form: Form = "png") -> Picture:
    """A picture of a decoded value that stands at ``pointer``: 800 pixels wide at most, or an SVG of that size.

    Raises:
        InputError: the extra ``plots`` is not installed, or nothing in the value can be drawn.
    """
    _require_plots()
    with _lock, warnings.catch_warnings():
        # Names from strangers may hold letters that the font lacks; matplotlib draws boxes for them.
        warnings.simplefilter("ignore")
        return _draw(value, pointer, COLORS[theme], form)


def _require_plots() -> None:
    # Qiskit's circuit drawer needs the second.
    missing = [name for name in ("matplotlib", "pylatexenc") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"Pictures need {' and '.join(missing)}, not installed here.",
            next_step='Ask the person to install the extra: pip install "qiskit-functions-mcp[plots]". '
            "The summary tells the same without a picture.",
        )


def _draw(value: Any, pointer: str, colors: Colors, form: Form) -> Picture:
    from . import plot_circuits, plot_panels

    found = list(islice(_drawable(value, pointer), _PANELS + 1))
    if not found:
        raise InputError(
            f"Nothing can be drawn at {pointer or '/'}.",
            next_step="Give a path to counts, expectation values, an array of numbers or a circuit; "
            "the summary names them.",
        )
    more = _MORE if len(found) > _PANELS else ""
    at, first = found[0]
    try:
        with panics_as_errors():
            if plot_circuits.is_circuit(first):
                more = _MORE if len(found) > 1 else ""
                figure, caption = plot_circuits.figure(first, at, colors)
            else:
                panels = [panel for at, part in found[:_PANELS] if (panel := plot_panels.panel(part, at))]
                figure, caption = _figure(panels, colors), " ".join(panel.caption for panel in panels)
            data = _render(figure, form)
    except Exception as error:  # drawers fail in their own ways on values from strangers
        raise InputError(
            f"{at or '/'} cannot be drawn: {error}"[:300], next_step="Read its summary instead."
        ) from error
    return Picture(data, _MIME[form], caption + more)


def _drawable(value: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    """The parts that can be drawn, in the order in which the summary tells them."""
    from . import plot_circuits, plot_panels

    stack = [(pointer, value)]
    for _ in range(_LOOKED_AT):
        if not stack:
            return
        at, part = stack.pop()
        if plot_circuits.is_circuit(part) or plot_panels.panel(part, at):
            yield at, part
        else:
            stack += reversed(_children(part, at))


def _children(value: Any, pointer: str) -> list[tuple[str, Any]]:
    held = navigate.parts(value)
    if held is None or plain.is_distribution(value):
        return []
    items = held.items() if isinstance(held, Mapping) else ((str(index), held[index]) for index in range(len(held)))
    return [(pointers.join(pointer, name), part) for name, part in islice(items, _LOOKED_AT)]


def _figure(panels: list[Panel], colors: Colors) -> Figure:
    from matplotlib.figure import Figure

    heights = [panel.height for panel in panels]
    figure = Figure((_WIDTH, sum(heights)), _DPI, facecolor=colors.background, layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, ax in zip(panels, axes, strict=True):
        ax.set_facecolor(colors.background)
        panel.draw(ax, colors)
        dress(ax, colors)
        title = ax.set_title(panel.title, color=colors.text, fontsize=11, loc="left")
        title.set_parse_math(False)
    return figure


def dress(ax: Any, colors: Colors) -> None:
    """Axes in the colors of a theme, and no text read as mathematics: names come from outside."""
    ax.tick_params(colors=colors.text, labelcolor=colors.text)
    for spine in ax.spines.values():
        spine.set_color(colors.faint)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for text in (ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()):
        text.set_color(colors.text)
        text.set_parse_math(False)


def _render(figure: Figure, form: Form) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    file = io.BytesIO()
    # Without its date, the same value gives the same file.
    undated = {"Date": None} if form == "svg" else {}
    figure.savefig(file, format=form, facecolor=figure.get_facecolor(), metadata=undated)
    return file.getvalue()
