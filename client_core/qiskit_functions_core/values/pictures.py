"""Pictures of values."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from . import json_pointer
from .drawing.panels import Panel, Place, WholeFigure
from .drawing.themes import COLORS
from .families.registry import REGISTRY, inputs_beside
from .result_query import Form, Theme
from .summary_models import Picture

if TYPE_CHECKING:
    from .families.inputs import Inputs

# Parts of a pointer that a person would not say.
_CONTAINERS = ("", "result", "pub_results", "data")
_MIME: dict[Form, str] = {"png": "image/png", "svg": "image/svg+xml"}
_PANELS = 4
_MORE = " There is more to draw: ask for a path to it."
# Values looked at in search of something to draw.
_LOOKED_AT = 1_000
# Matplotlib is not thread-safe, even if figures are apart.
_lock = Lock()


def draw(
    value: Any, pointer: str = "", *, theme: Theme = "light", form: Form = "png", inputs: Inputs | None = None
) -> Picture:
    """Draw a decoded value that stands at ``pointer``: 800 pixels wide at most, or an SVG of that size.

    Raises:
        InputError: nothing in the value can be drawn.
    """
    # Half a second and 40 MiB, which most results need not.
    from .drawing.figures import panels_figure, render

    colors = COLORS[theme]
    found = list(islice(drawings(value, pointer, inputs), _PANELS + 1))
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


def drawings(value: Any, pointer: str, inputs: Inputs | None) -> Iterator[tuple[str, Panel | WholeFigure]]:
    """Yield the parts that can be drawn, with their pointers, in the order in which the summary tells them."""
    stack = [(Place(pointer, _name(pointer), inputs), value)]
    for _ in range(_LOOKED_AT):
        if not stack:
            return
        place, part = stack.pop()
        if (support := REGISTRY.support_for(part)) is None:
            continue
        if drawing := support.drawing(part, place):
            yield place.pointer, drawing
        elif (held := support.parts(part)) is not None:
            own = inputs_beside(part, is_plain=True) if isinstance(part, dict) else None
            if own and len(own.keys) == len(held):  # there is nothing beside them
                own = None
            beside = own.completed_by(place.inputs) if own else place.inputs
            items = held.items() if isinstance(held, Mapping) else ((str(i), held[i]) for i in range(len(held)))
            children = []
            for token, item in islice(items, _LOOKED_AT):
                if own and token in own.keys:
                    continue  # the axes of what is beside it
                at = json_pointer.join(place.pointer, token)
                # Of a single pub there is no need to say which.
                word = _word(place.pointer, token) if len(held) > 1 or token != "0" else ""  # noqa: S105 - an index
                name = ", ".join(part for part in (word, place.name.partition(", ")[0]) if part)
                is_pub = place.pointer.endswith("/pub_results") and not isinstance(held, Mapping)
                of_part = beside.of_pub(int(token), len(held)) if beside and is_pub else beside
                children.append((Place(at, name, of_part), item))
            stack += reversed(children)


def _name(pointer: str) -> str:
    """Return what a person would call a part: `meas, pub 2` for `/result/pub_results/2/data/meas`."""
    at, words = "", []
    for token in json_pointer.parse(pointer):
        if word := _word(at, token):
            words.append(word)
        at = json_pointer.join(at, token)
    return ", ".join(words[:-3:-1])


def _word(pointer: str, token: str) -> str:
    """Return what a person would call a part of what is at a pointer; empty if that goes without saying."""
    if pointer.endswith("/pub_results"):
        return f"pub {token}"
    return "" if token in _CONTAINERS else token.replace("_", " ")
