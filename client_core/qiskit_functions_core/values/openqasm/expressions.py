"""Values of OpenQASM 3 and what its operators, casts and functions make of them.

A value is known when the text is read (a number, a parameter, `Bits`, `Duration`, a tuple of qubits, a list for an
array) or when the circuit runs: a bit or a register of bits, or an expression of them. Functions here raise
`ValueError` with a sentence for the person; who calls them knows the place.
"""

from __future__ import annotations

import cmath
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

from qiskit.circuit import ClassicalRegister, Clbit, ParameterExpression
from qiskit.circuit.classical import expr, types

# Whole numbers of OpenQASM have at most some machine's width; this keeps 2 ** (2 ** 40) from filling the memory.
_MAX_BITS = 256


@dataclass(frozen=True)
class Bits:
    """A bit register whose content stands in the text; bit 0 is the rightmost of a literal, the least significant."""

    value: int
    width: int


@dataclass(frozen=True)
class Duration:
    value: float
    unit: str


@dataclass(frozen=True)
class Type:
    """A classical type: `kind` is int, uint, float, angle, bool, bit, duration or array; `width` in bits, if given."""

    kind: str
    width: int | None = None

    def __str__(self) -> str:
        return self.kind if self.width is None else f"{self.kind}[{self.width}]"


def is_run_time(value: Any) -> bool:
    """Return whether a value is known only when the circuit runs."""
    return isinstance(value, (Clbit, ClassicalRegister, expr.Expr)) or (
        isinstance(value, tuple) and bool(value) and isinstance(value[0], Clbit)
    )


def kind_of(value: Any) -> str:
    """Name a value's kind in a message."""
    if is_run_time(value):
        return "a measured value"
    names: dict[type, str] = {bool: "a truth value", int: "a whole number", float: "a number", list: "an array"}
    names |= {Bits: "a bit string", Duration: "a duration", tuple: "a register", ParameterExpression: "an input"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a qubit")


def binary(symbol: str, left: Any, right: Any, *, whole: bool) -> Any:  # noqa: PLR0911 - one a kind of operands
    """Return `left symbol right`.

    Args:
        whole: the result is a whole number by its place (an index, a size, an int), so a division may round.
    """
    if is_run_time(left) or is_run_time(right):
        return _run_time_binary(symbol, left, right)
    if isinstance(left, Duration) or isinstance(right, Duration):
        return _duration(symbol, left, right)
    if symbol in _BITWISE and isinstance(left, Bits):
        number = right.value if isinstance(right, Bits) else right
        return Bits(_BITWISE[symbol](left.value, _int(number)) % 2**left.width, left.width)
    left, right = plain(left), plain(right)
    if symbol in ("&&", "||"):
        return bool(left) and bool(right) if symbol == "&&" else bool(left) or bool(right)
    if symbol in _BITWISE:
        if symbol == "<<" and abs(_int(right)) > _MAX_BITS:
            raise ValueError(f"a shift by {right} bits")
        both_truths = isinstance(left, bool) and isinstance(right, bool)
        return _bounded(_BITWISE[symbol](left if both_truths else _int(left), right if both_truths else _int(right)))
    if symbol in _COMPARISONS:
        if isinstance(left, ParameterExpression) or isinstance(right, ParameterExpression):
            raise ValueError("an input has no value yet, so nothing can be decided by it")
        return _COMPARISONS[symbol](left, right)
    if symbol == "/":
        return _quotient(left, right, whole=whole)
    if symbol == "**" and isinstance(left, int) and isinstance(right, int) and left.bit_length() * right > _MAX_BITS:
        raise ValueError(f"{left} ** {right} is too large")
    try:
        return _bounded(_ARITHMETIC[symbol](left, right))
    except ZeroDivisionError:
        raise ValueError("division by 0") from None


def unary(symbol: str, value: Any) -> Any:
    if is_run_time(value):
        if symbol == "-":
            raise ValueError("a measured value cannot be negated")
        lifted = lift(value)
        return expr.logic_not(lifted) if symbol == "!" or lifted.type == types.Bool() else expr.bit_not(lifted)
    if symbol == "~":
        if isinstance(value, Bits):
            return Bits(~value.value % 2**value.width, value.width)
        return not value if isinstance(value, bool) else ~_int(value)
    if symbol == "!":
        return not plain(value)
    return Duration(-value.value, value.unit) if isinstance(value, Duration) else -plain(value)


def call(name: str, arguments: list[Any]) -> Any:
    """Return what one of OpenQASM's built-in functions gives."""
    if any(isinstance(argument, ParameterExpression) for argument in arguments):
        if name not in _OF_INPUTS or len(arguments) != 1:
            raise ValueError(f"{name}() of an input cannot be kept in a circuit")
        return getattr(arguments[0], _OF_INPUTS[name])()
    if name in ("rotl", "rotr", "popcount"):
        bits, *distance = arguments
        if not isinstance(bits, Bits):
            raise ValueError(f"{name}() needs bits of a known width, not {kind_of(bits)}")
        if name == "popcount":
            return bits.value.bit_count()
        shift = (distance[0] if name == "rotl" else -distance[0]) % bits.width
        return Bits((bits.value << shift | bits.value >> (bits.width - shift)) % 2**bits.width, bits.width)
    if name == "pow":
        return binary("**", *arguments, whole=False)
    try:
        return _bounded(_FUNCTIONS[name](*map(plain, arguments)))
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ValueError(f"{name}({', '.join(map(str, arguments))}): {error}") from None


def is_function(name: str) -> bool:
    return name in _FUNCTIONS or name in ("pow", "rotl", "rotr", "popcount")


def cast(value: Any, to: Type) -> Any:
    """Return the value as another type; a whole number that is too wide wraps, as in C."""
    if is_run_time(value):
        return _run_time_cast(value, to)
    if to.kind == "duration" and isinstance(value, Duration):
        return value
    if to.kind == "bit" and to.width is not None:
        if isinstance(value, Bits) and value.width != to.width:
            raise ValueError(f"{value.width} bits do not fit into {to}")
        return Bits((value.value if isinstance(value, Bits) else _int(value)) % 2**to.width, to.width)
    number = plain(value)
    if to.kind in ("float", "angle"):
        return number if isinstance(number, ParameterExpression) else float(number)
    if isinstance(number, ParameterExpression):
        raise ValueError(f"an input has no value yet, so it is not {to}")
    if to.kind in ("bool", "bit"):
        return bool(number)
    whole = int(number)
    if to.width is not None:
        whole %= 2**to.width
        if to.kind == "int" and whole >= 2 ** (to.width - 1):
            whole -= 2**to.width
    return whole


def index(value: Any, at: Any) -> Any:
    """Return one or several items of a register, an array, a bit string or the bits of a whole number."""
    if isinstance(value, (Bits, int)) and not isinstance(value, bool):
        width = value.width if isinstance(value, Bits) else value.bit_length() + _MAX_BITS
        number = plain(value)
        if isinstance(at, (range, tuple)):
            chosen = [number >> _inside(each, width) & 1 for each in at]
            return Bits(sum(bit << place for place, bit in enumerate(chosen)), len(chosen))
        return bool(number >> _inside(_int(at), width) & 1)
    if not isinstance(value, (tuple, list, ClassicalRegister)):
        raise ValueError(f"{kind_of(value)} has no indices")
    if isinstance(at, (range, tuple)):
        chosen = [value[_inside(each, len(value))] for each in at]
        return chosen if isinstance(value, list) else tuple(chosen)
    return value[_inside(_int(at), len(value))]


def _inside(at: int, length: int) -> int:
    if not -length <= at < length:
        raise ValueError(f"index {at} is outside: there are {length}, counted from 0")
    return at % length


def lift(value: Any, of: types.Type | None = None) -> expr.Expr:
    """Return a value as an expression that Qiskit evaluates when the circuit runs; a known one takes the type `of`."""
    if isinstance(value, tuple):
        raise ValueError("some bits of a register cannot be used as a number; use the whole register, or bit by bit")
    return expr.lift(bool(plain(value)) if of == types.Bool() else plain(value), of)


def plain(value: Any) -> Any:
    """Return a known value as a number or a parameter."""
    if isinstance(value, Bits):
        return value.value
    if isinstance(value, (bool, int, float, ParameterExpression)) or is_run_time(value):
        return value
    raise ValueError(f"{kind_of(value)} is not a number")


def _int(value: Any) -> int:
    number = plain(value)
    if not isinstance(number, int):
        raise ValueError(f"{number} is not a whole number")
    return int(number)


def _bounded(number: Any) -> Any:
    if isinstance(number, int) and number.bit_length() > _MAX_BITS:
        raise ValueError("the number is too large")
    if isinstance(number, complex) or (isinstance(number, float) and not cmath.isfinite(number)):
        raise ValueError("the result is not a real number")
    return number


def _quotient(left: Any, right: Any, *, whole: bool) -> Any:
    if not isinstance(right, ParameterExpression) and not right:
        raise ValueError("division by 0")
    if not (isinstance(left, int) and isinstance(right, int)):
        return left / right
    towards_zero = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    if left % right == 0 or whole:
        return towards_zero
    # Most people who write rx(1/2*pi) do not mean rx(0).
    raise ValueError(
        f"{left}/{right} is {towards_zero} in OpenQASM 3, which divides whole numbers without a remainder; "
        f"write {left}.0/{right} for {left / right:.6g}, or {towards_zero}"
    )


def _duration(symbol: str, left: Any, right: Any) -> Any:
    if isinstance(left, Duration) and isinstance(right, Duration) and symbol in (*_COMPARISONS, "+", "-", "/"):
        if left.unit != right.unit:
            raise ValueError(f"durations in {left.unit} and in {right.unit} do not combine; write both in one unit")
        result = (_COMPARISONS | _ARITHMETIC | {"/": operator.truediv})[symbol](left.value, right.value)
        return Duration(result, left.unit) if symbol in "+-" else result
    if isinstance(left, Duration) and symbol == "/":
        return Duration(left.value / plain(right), left.unit)
    if symbol == "*":
        duration, factor = (left, right) if isinstance(left, Duration) else (right, left)
        return Duration(duration.value * plain(factor), duration.unit)
    raise ValueError(f"a duration has no {symbol!r} with {kind_of(right if isinstance(left, Duration) else left)}")


def _run_time_binary(symbol: str, left: Any, right: Any) -> Any:
    if symbol in ("==", "!="):
        if not is_run_time(left):
            left, right = right, left
        equal = _equal_tuple(left, right) if isinstance(left, tuple) else _equal(left, right)
        return equal if symbol == "==" else expr.logic_not(equal)
    if symbol in ("&&", "||"):
        return _LOGIC[symbol](truth(left), truth(right))
    if symbol in _ORDER or symbol in _BIT_EXPRESSIONS or symbol in ("<<", ">>"):
        functions = {**_ORDER, **_BIT_EXPRESSIONS, "<<": expr.shift_left, ">>": expr.shift_right}
        try:
            of = lift(left if is_run_time(left) else right).type
            return functions[symbol](*(lift(value, None if is_run_time(value) else of) for value in (left, right)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"measured values have no such {symbol!r}: {error}") from None
    raise ValueError(f"measured values have no {symbol!r} in a Qiskit circuit")


def _equal(left: Any, right: Any) -> expr.Expr:
    """Compare a bit or a register; `c[0] == 1` is `c[0]`, and `c[0] == 0` is `!c[0]`."""
    measured = lift(left)
    if is_run_time(right):
        return expr.equal(measured, lift(right))
    number = int(plain(right))
    width = 1 if measured.type == types.Bool() else measured.type.width
    if number < 0 and -number <= 2 ** (width - 1):
        number += 2**width  # as int[n] reads the same bits
    if not 0 <= number < 2**width:
        raise ValueError(f"{width} bit{'s' * (width > 1)} never equal{'s' * (width == 1)} {number}")
    if number >= 2**63:
        raise ValueError(f"a condition's value has at most 63 bits, so it goes up to {2**63 - 1}, and this is {number}")
    if measured.type == types.Bool():
        return measured if number else expr.logic_not(measured)
    return expr.equal(measured, number)


def _equal_tuple(bits: tuple[Clbit, ...], right: Any) -> expr.Expr:
    if is_run_time(right):
        raise ValueError("some bits of a register compare with a number only")
    number = int(plain(right)) % 2 ** len(bits)
    return reduce(expr.logic_and, [_equal(bit, number >> place & 1) for place, bit in enumerate(bits)])


def truth(value: Any) -> expr.Expr:
    """Return a run-time value as a condition: a register is true unless it is 0."""
    if isinstance(value, tuple):
        return reduce(expr.logic_or, [expr.lift(bit) for bit in value])
    lifted = expr.lift(bool(plain(value))) if not is_run_time(value) else lift(value)
    return lifted if lifted.type == types.Bool() else expr.not_equal(lifted, 0)


def _run_time_cast(value: Any, to: Type) -> Any:
    if to.kind == "bool":
        return truth(value)
    width = 1
    if isinstance(value, (ClassicalRegister, tuple)):
        width = len(value)
    elif isinstance(value, expr.Expr) and value.type != types.Bool():
        width = value.type.width
    # The bits stay as they are, so a wider or equal type changes nothing that a comparison sees.
    if to.kind in ("int", "uint", "bit") and (to.width or (width if to.kind != "bit" else 1)) >= width:
        return value
    raise ValueError(f"a measured value of {width} bits cannot become {to}")


_BITWISE: dict[str, Callable[[Any, Any], Any]] = {
    **{"&": operator.and_, "|": operator.or_, "^": operator.xor},
    **{"<<": operator.lshift, ">>": operator.rshift},
}
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    **{"==": operator.eq, "!=": operator.ne, "<": operator.lt},
    **{"<=": operator.le, ">": operator.gt, ">=": operator.ge},
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    **{"+": operator.add, "-": operator.sub, "*": operator.mul, "%": operator.mod, "**": operator.pow},
}
_LOGIC = {"&&": expr.logic_and, "||": expr.logic_or}
_ORDER = {"<": expr.less, "<=": expr.less_equal, ">": expr.greater, ">=": expr.greater_equal}
_BIT_EXPRESSIONS = {"&": expr.bit_and, "|": expr.bit_or, "^": expr.bit_xor}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{"arccos": math.acos, "arcsin": math.asin, "arctan": math.atan, "cos": math.cos, "sin": math.sin},
    **{"tan": math.tan, "exp": math.exp, "log": math.log, "sqrt": math.sqrt},
    **{"ceiling": math.ceil, "floor": math.floor, "mod": operator.mod, "abs": abs},
}
# How ParameterExpression names them.
_OF_INPUTS = {
    **{"sin": "sin", "cos": "cos", "tan": "tan", "exp": "exp", "log": "log", "abs": "abs"},
    **{"arcsin": "arcsin", "arccos": "arccos", "arctan": "arctan"},
}
