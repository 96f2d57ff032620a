"""``$complex``, ``$array`` and ``$parameter_values``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .context import LiteralContext, kind_of
from .parameters import NamedValues

Options = dict[str, Any]


def number(value: Any, context: LiteralContext) -> complex:
    """Return a coefficient: a number, or a ``$complex``."""
    if isinstance(value, dict) and list(value) == ["$complex"]:
        return complex_number(value["$complex"], {}, context)
    if isinstance(value, bool) or not isinstance(value, int | float):
        context.fail(f'a coefficient is a number or {{"$complex": [re, im]}}, not {kind_of(value)}.')
    return complex(value)


def complex_number(value: Any, _: Options, context: LiteralContext) -> complex:
    """Return the number of ``[real part, imaginary part]``."""
    pair = value if isinstance(value, list) else []
    if len(pair) != 2 or not all(type(part) in (int, float) for part in pair):  # real, imaginary
        context.fail("a complex number is [real part, imaginary part].")
    return complex(*pair)


_MULTIPLE_OF_PI = re.compile(r"([+-]?)(\d{1,15}\.?\d{0,15})?\*?(?:pi|π)(?:/0*([1-9]\d{0,15}))?")

_DTYPES = (
    *("bool", "int", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float", "float32", "float64", "complex", "complex64", "complex128"),
)


def array(value: Any, options: Options, context: LiteralContext) -> NDArray[Any]:
    """Return the array of nested lists of numbers, with the option ``dtype``."""
    dtype = options.get("dtype")
    if dtype is not None and dtype not in _DTYPES:
        context.fail(f"{dtype!r} is not a dtype for $array; these are: {', '.join(_DTYPES)}.")
    numbers = _elements(value, context)
    _check_size(math.prod(_shape(numbers, context)), context)
    made = np.array(numbers)
    if made.size and (made.dtype == object or _rank(made.dtype) > _rank(np.dtype(dtype or made.dtype))):
        context.fail(f"the numbers do not fit dtype {dtype or 'int64'}.")
    try:
        return made if dtype is None else np.array(numbers, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        context.fail(f"the numbers do not fit dtype {dtype}: {error}.")


def _rank(dtype: np.dtype[Any]) -> int:
    """Return how general the numbers of a dtype are: truth values, whole, real, complex."""
    return ("b", "ui", "f", "c").index(dtype.kind if dtype.kind not in "ui" else "ui")


def _elements(value: Any, context: LiteralContext, depth: int = 0) -> Any:
    """Return the nested lists with their ``$complex`` read, and nothing in them but numbers."""
    if isinstance(value, list):
        if depth > 32:  # NumPy 1 stops there, and no function needs more
            context.fail("an array has at most 32 dimensions.")
        return [
            item if isinstance(item, int | float) else _elements(item, context.child(index), depth + 1)
            for index, item in enumerate(value)
        ]
    return value if isinstance(value, int | float) else number(value, context)


def _shape(value: Any, context: LiteralContext) -> tuple[int, ...]:
    """Return the shape of nested lists, whose rows must be equally long."""
    if not isinstance(value, list):
        return ()
    shapes = [_shape(item, context.child(index)) if isinstance(item, list) else () for index, item in enumerate(value)]
    for index, shape in enumerate(shapes):
        if shape != shapes[0]:
            first, this = list(shapes[0]), list(shape)
            context.child(index).fail(f"an array needs rows of equal length: shape {this} after {first}.")
    return (len(value), *(shapes[0] if shapes else ()))


def parameter_values(value: Any, options: Options, context: LiteralContext) -> Any:
    """Return the values of a mapping from parameter names, an array of floats for lists.

    The values of a name are a number, a list, ``{"linspace": [first, last, points]}`` or ``{"arange": [first, end,
    step]}`` as in NumPy. In the list of a vector each element may be such a range. A number may be a text such as
    ``"pi/2"``.
    """
    if isinstance(value, list):
        return _sweep(value, context)
    if not isinstance(value, dict):
        context.fail(f"parameter values are an object or a list, not {kind_of(value)}.")
    bindings = {name: _sweep(item, context.child(name)) for name, item in value.items()}
    return NamedValues(bindings, options.get("shape"), context)


def _sweep(value: Any, context: LiteralContext) -> NDArray[Any]:
    """Return the values of one parameter or vector as an array of floats, with the elements of a vector last."""
    if isinstance(value, dict):
        return _range(value, context)
    if not isinstance(value, list) or not any(isinstance(item, dict) for item in value):
        return array(_with_pi(value), {"dtype": "float64"}, context)
    columns = [_sweep(item, context.child(index)) for index, item in enumerate(value)]
    if len({column.size for column in columns if column.ndim} | {1}) > 2:  # 1, and one length
        lengths = ", ".join(str(column.size) for column in columns)
        context.fail(
            f"the elements of a vector have {lengths} values.", "Give each element a number, or as many values."
        )
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


def _with_pi(value: Any) -> Any:
    """Return nested lists with the number for each text such as "pi/2" or "-3*pi/4", which JSON has no number for."""
    if isinstance(value, list):
        return [_with_pi(item) if isinstance(item, list | str) else item for item in value]
    if not isinstance(value, str) or not (found := _MULTIPLE_OF_PI.fullmatch(value.replace(" ", ""))):
        return value
    return float(f"{found[1]}{found[2] or 1}") * math.pi / float(found[3] or 1)


def _linspace(first: Any, last: Any, points: Any, context: LiteralContext) -> NDArray[Any]:
    start, end = (array(_with_pi(value), {"dtype": "float64"}, context) for value in (first, last))
    if type(points) is not int or points < 1 or start.shape != end.shape:
        context.fail(
            "linspace is [first, last, points], with two numbers, or two lists for a vector, and points above 0."
        )
    _check_size(points * start.size, context)
    return np.linspace(start, end, points)


def _arange(first: Any, end: Any, step: Any, context: LiteralContext) -> NDArray[Any]:
    first, end, step = _with_pi([first, end, step])
    if any(type(part) not in (int, float) or not math.isfinite(part) for part in (first, end, step)) or not step:
        context.fail("arange is [first, end, step], three numbers of which the step is not 0.")
    _check_size((end - first) / step, context)
    return np.arange(first, end, step, dtype="float64")


_RANGES: dict[str, Callable[[Any, Any, Any, LiteralContext], NDArray[Any]]] = {"linspace": _linspace, "arange": _arange}


def _range(value: dict[str, Any], context: LiteralContext) -> NDArray[Any]:
    (name, parts), *others = value.items()
    if others or name not in _RANGES or not isinstance(parts, list) or len(parts) != 3:
        context.fail('a range is {"linspace": [first, last, points]} or {"arange": [first, end, step]}.')
    first, last, third = parts
    made = _RANGES[name](first, last, third, context.child(name))
    if not made.size:
        context.fail(f"{name} {parts} has no values.")
    return made


def _check_size(size: float, context: LiteralContext) -> None:
    if size > context.limits.max_literal_elements:
        context.fail(
            f"{size:,.0f} elements; a literal has at most {context.limits.max_literal_elements:,}.",
            'Save the array as .npy and write {"$file": "array.npy"}.',
        )
