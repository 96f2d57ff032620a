"""Figures and their files, by matplotlib.

No figure of pyplot is made, and none of its settings changed: a notebook or a server that draws for itself does not
notice. That rules out Qiskit's ``plot_histogram``, which sets its title and grid on pyplot's current figure.
"""

from __future__ import annotations

import io
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .panels import Panel
from .themes import Colors

# 8 inches of 100 dots: what chats show without shrinking it, with 10-point letters that stay legible.
_WIDTH, _DPI = 8.0, 100


def panels_figure(panels: list[Panel], colors: Colors) -> Figure:
    """Return a figure of panels below each other."""
    heights = [panel.height for panel in panels]
    figure = Figure((_WIDTH, sum(heights)), _DPI, facecolor=colors.background, layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, ax in zip(panels, axes, strict=True):
        ax.set_facecolor(colors.background)
        panel.draw(ax, colors)
        _color(ax, colors)
        title = ax.set_title(panel.title, color=colors.text, fontsize=11, loc="left")
        title.set_parse_math(False)
    return figure


def _color(ax: Any, colors: Colors) -> None:
    """Give axes the colors of a theme, and let no text be read as mathematics: names come from outside."""
    ax.tick_params(colors=colors.text, labelcolor=colors.text)
    for spine in ax.spines.values():
        spine.set_color(colors.faint)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for text in (ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()):
        text.set_color(colors.text)
        text.set_parse_math(False)


def render(figure: Figure, form: str) -> bytes:
    """Return the figure as a file, ``png`` or ``svg``; the same figure gives the same bytes."""
    FigureCanvasAgg(figure)
    file = io.BytesIO()
    undated = {"Date": None} if form == "svg" else {}
    figure.savefig(file, format=form, facecolor=figure.get_facecolor(), metadata=undated)
    return file.getvalue()
