"""Pictures of values."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from itertools import islice
from threading import Lock
from typing import Any

from ..errors import InputError
from . import json_pointer
from .drawing.panels import Panel, WholeFigure
from .drawing.themes import COLORS
from .families.registry import REGISTRY
from .summary_models import Form, Picture, Theme

_MIME: dict[Form, str] = {"png": "image/png", "svg": "image/svg+xml"}
_PANELS = 4
_MORE = " There is more to draw: ask for a path to it."
# Values looked at in search of something to draw.
_LOOKED_AT = 1_000
# Matplotlib is not thread-safe, even if figures are apart.
_lock = Lock()


def draw(value: Any, pointer: str = "", *, theme: Theme = "light", form: Form = "png") -> Picture:
    """Draw a decoded value that stands at ``pointer``: 800 pixels wide at most, or an SVG of that size.

    Raises:
        InputError: nothing in the value can be drawn.
    """
    # Half a second and 40 MiB, which most results need not.
    from .drawing.figures import panels_figure, render

    colors = COLORS[theme]
    found = list(islice(_drawings(value, pointer), _PANELS + 1))
    if not found:
        raise InputError(
            f"Nothing can be drawn at {pointer or '/'}.",
            next_step="Give a path to counts, expectation values, an array of numbers or a circuit; "
            "the summary names them.",
        )
    first_pointer, first = found[0]
    try:
        with _lock, warnings.catch_warnings():
            # Names in the data may hold letters that the font lacks; matplotlib draws boxes for them.
            warnings.simplefilter("ignore")
            if isinstance(first, WholeFigure):
                drawn = 1
                figure, caption = first.draw(colors)
            else:
                panels = [drawing for _, drawing in found[:_PANELS] if isinstance(drawing, Panel)]
                drawn, caption = len(panels), " ".join(panel.caption for panel in panels)
                figure = panels_figure(panels, colors)
            data = render(figure, form)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # drawers fail in their own ways; a Rust panic is not an Exception
        raise InputError(
            f"{first_pointer or '/'} cannot be drawn: {error}"[:300], next_step="Read its summary instead."
        ) from error
    return Picture(data, _MIME[form], caption + (_MORE if len(found) > drawn else ""))


def _drawings(value: Any, pointer: str) -> Iterator[tuple[str, Panel | WholeFigure]]:
    """Yield the parts that can be drawn, with their pointers, in the order in which the summary tells them."""
    stack = [(pointer, value)]
    for _ in range(_LOOKED_AT):
        if not stack:
            return
        at, part = stack.pop()
        if (support := REGISTRY.support_for(part)) is None:
            continue
        if drawing := support.drawing(part, at):
            yield at, drawing
        elif (held := support.parts(part)) is not None:
            items = held.items() if isinstance(held, Mapping) else ((str(i), held[i]) for i in range(len(held)))
            children = [(json_pointer.join(at, name), item) for name, item in islice(items, _LOOKED_AT)]
            stack += reversed(children)
