"""What names and expressions of an OpenQASM 3 text stand for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from openqasm3 import ast
from qiskit.circuit import ParameterExpression, QuantumCircuit, Qubit
from qiskit.exceptions import QiskitError

from ...suggestions import did_you_mean
from ..limits import Limits
from . import expressions
from .errors import BY_QPY, OR_BY_QPY, OpenQASMError, position
from .expressions import Bits, Duration, Type
from .parsing import Source

_CONSTANTS = {"pi": math.pi, "π": math.pi, "tau": math.tau, "τ": math.tau, "euler": math.e, "ℇ": math.e}
_TYPES: dict[type, str] = {
    **{ast.IntType: "int", ast.UintType: "uint", ast.FloatType: "float", ast.AngleType: "angle"},
    **{ast.BoolType: "bool", ast.BitType: "bit", ast.DurationType: "duration"},
}
_PHYSICAL_QUBIT = re.compile(r"\$(\d+)")


@dataclass
class Variable:
    value: Any
    type: Type | None = None
    is_const: bool = True
    # How many run-time branches and loops were open where it was declared.
    depth: int = 0
    # If it holds measured bits as they were: what `Evaluation.moment` was then.
    moment: tuple[int, int] | None = None


@dataclass
class Scope:
    names: dict[str, Variable] = field(default_factory=dict)
    # Also the names of outer scopes that were used in this one, and cannot be declared any more.
    used: set[str] = field(default_factory=set)


class Undecided:
    """The variable of a loop that stays a loop in the circuit."""


class Evaluation:
    """The names of one text, and what its expressions stand for; subroutines are run by who reads statements."""

    def __init__(self, source: Source, limits: Limits) -> None:
        self.source = source
        self.limits = limits
        self.circuit = QuantumCircuit()
        self.scopes = [Scope()]
        self.gates: dict[str, ast.QuantumGateDefinition] = {}
        self.subroutines: dict[str, ast.SubroutineDefinition] = {}
        self.externs: set[str] = set()
        self.physical: list[Qubit] = []
        self.depth = 0  # of run-time branches and loops
        # Of each loop around a statement: the depth in which it is unrolled, or None if it stays a loop.
        self.loops: list[int | None] = []
        self.writes = 0  # to measured bits

    def moment(self) -> tuple[int, int]:
        """Return what differs between two statements if measured bits may have changed in between."""
        return self.writes, self.loops.count(None)

    def measured_into(self, node: Any, name: str, to: Type | None) -> OpenQASMError:
        return self.refusal(
            node,
            f"{to} {name!r} would depend on a measurement; a circuit keeps measured values in bits",
            "Use the bits themselves, as in if (c == 3) or if (c[0]), and compute with the counts afterwards.",
        )

    def call(self, node: ast.QASMNode, name: str, arguments: Sequence[Any], target: Any = None) -> Any:
        """Run a subroutine's statements where it is called, and return its value; `target` takes a measured one."""
        raise NotImplementedError

    def measured(self, node: ast.QuantumMeasurement, target: Any) -> Any:
        """Measure into `target`, by default into new bits, and return the bits."""
        raise NotImplementedError

    @contextmanager
    def scope(self) -> Iterator[Scope]:
        self.scopes.append(Scope())
        try:
            yield self.scopes[-1]
        finally:
            self.scopes.pop()

    def declare(self, node: ast.QASMNode, name: str, variable: Variable) -> None:
        names = self.scopes[-1].names
        if name in names or name in self.gates or (name in self.scopes[-1].used and len(self.scopes) > 1):
            raise self.refusal(node, f"{name!r} is declared or used before in the same block", "Give it another name.")
        variable.depth = self.depth
        names[name] = variable

    def variable(self, node: ast.QASMNode, name: str, *, is_read: bool = True) -> Variable:
        for scope in reversed(self.scopes):
            scope.used.add(name)
            if name in scope.names:
                found = scope.names[name]
                if isinstance(found.value, Undecided):
                    raise self.refusal(
                        node, f"{name!r} is not a constant, since break or continue depends on a measurement"
                    )
                if is_read and found.moment not in (None, self.moment()):
                    raise self.measured_into(node, name, found.type)
                return found
        if name in _CONSTANTS:
            return Variable(_CONSTANTS[name])
        if found_physical := _PHYSICAL_QUBIT.fullmatch(name):
            return Variable(self.physical_qubit(node, int(found_physical[1])))
        known = [name for scope in self.scopes for name in scope.names]
        raise self.refusal(
            node,
            f"{name!r} is not declared",
            f"{did_you_mean(name, known)}Declare it before it is used: as a qubit or a bit, or, if it is a parameter "
            f"of the circuit, as input float {name};.",
        )

    def physical_qubit(self, node: ast.QASMNode, number: int) -> Qubit:
        if self.circuit.num_qubits > len(self.physical):
            raise self.refusal(
                node, f"${number} beside declared qubits", "Use declared qubits or physical ones, not both."
            )
        if number >= self.limits.max_qubits:
            raise self.refusal(node, f"${number}: qubits go up to {self.limits.max_qubits:,}", "Use a smaller number.")
        while len(self.physical) <= number:
            self.physical.append(Qubit())
            self.circuit.add_bits([self.physical[-1]])
        return self.physical[number]

    def refusal(self, node: ast.QASMNode | None, message: str, next_step: str = BY_QPY) -> OpenQASMError:
        """Return the error that names the place of `node`."""
        where = ""
        if node is not None and node.span is not None:
            name = node.name if isinstance(node, ast.Identifier) else ""
            where = f" {position(*self.source.position(node.span.start_line, node.span.start_column, name))}"
        return OpenQASMError(f"OpenQASM 3{where}: {message}.", next_step)

    @contextmanager
    def place(self, node: ast.QASMNode) -> Iterator[None]:
        """Name the place of what a value or Qiskit refuses."""
        try:
            yield
        except OpenQASMError:
            raise
        except (ValueError, TypeError, ArithmeticError, QiskitError) as error:
            message = str(getattr(error, "message", None) or error).strip().strip("'\"").removesuffix(".")
            raise self.refusal(node, message, f"Correct it. {OR_BY_QPY}") from error

    def value(self, node: Any, *, whole: bool = False) -> Any:
        """Return the value of an expression; `whole` where it stands for a whole number, so that 3/2 is 1."""
        with self.place(node):
            return self._value(node, whole)

    def _value(self, node: Any, whole: bool) -> Any:  # noqa: PLR0911, PLR0912 - one case a kind of expression
        match node:
            case ast.Identifier():
                return self.variable(node, node.name).value
            case ast.IntegerLiteral() | ast.FloatLiteral() | ast.BooleanLiteral():
                return node.value
            case ast.BitstringLiteral():
                return Bits(node.value, node.width)
            case ast.DurationLiteral():
                return Duration(node.value, node.unit.name)
            case ast.UnaryExpression():
                return expressions.unary(node.op.name, self.value(node.expression, whole=whole))
            case ast.BinaryExpression():
                left, right = self.value(node.lhs, whole=whole), self.value(node.rhs, whole=whole)
                return expressions.binary(node.op.name, left, right, whole=whole)
            case ast.Cast():
                to = self.type_of(node.type)
                return expressions.cast(self.value(node.argument, whole=to.kind in ("int", "uint")), to)
            case ast.IndexExpression():
                return self.index(self.value(node.collection), node.index)
            case ast.IndexedIdentifier():
                found = self.variable(node, node.name.name).value
                for indices in node.indices:
                    found = self.index(found, indices)
                return found
            case ast.Concatenation():
                return tuple(self.value(node.lhs)) + tuple(self.value(node.rhs))
            case ast.ArrayLiteral():
                return [self.value(item, whole=whole) for item in node.values]
            case ast.SizeOf():
                array = self.value(node.target)
                for _ in range(self.whole(node.index) if node.index else 0):
                    array = array[0]
                return len(array)
            case ast.FunctionCall():
                return self.function(node, whole)
            case ast.QuantumMeasurement():
                return self.measured(node, None)
            case ast.DurationOf():
                raise self.refusal(node, "durationof has no value before the circuit is scheduled")
        raise self.refusal(node, f"{type(node).__name__} is not supported here")

    def whole(self, node: Any) -> int:
        found = expressions.plain(self.value(node, whole=True))
        if not isinstance(found, int):
            raise self.refusal(
                node, f"a whole number that the text gives is needed here, not {expressions.kind_of(found)}"
            )
        return int(found)

    def real(self, node: Any) -> float | ParameterExpression:
        found = self.value(node)
        if not isinstance(found, (Bits, bool, int, float, ParameterExpression)):
            raise self.refusal(
                node,
                f"an angle is a number or an input, not {expressions.kind_of(found)}",
                'Choose between gates with if (c[0]) { … } else { … }, or declare "input float NAME;".',
            )
        return expressions.plain(found) if not isinstance(found, bool) else int(found)

    def index(self, value: Any, indices: Any) -> Any:
        if isinstance(indices, ast.DiscreteSet):
            return expressions.index(value, tuple(self.whole(item) for item in indices.values))
        for place, item in enumerate(indices):
            if isinstance(item, ast.RangeDefinition):
                chosen = expressions.index(value, self.range(item, len(value) if hasattr(value, "__len__") else None))
                rest = indices[place + 1 :]
                return [self.index(row, rest) for row in chosen] if rest else chosen
            value = expressions.index(value, self.whole(item))
        return value

    def range(self, node: ast.RangeDefinition, length: int | None = None) -> range:
        """Return the numbers of a range, which holds both of its ends; open and negative ends count in `length`."""
        step = self.whole(node.step) if node.step else 1
        ends = [self.whole(end) if end else None for end in (node.start, node.end)]
        if length is not None:
            ends = [end + length if end is not None and end < 0 else end for end in ends]
            first, last = (0, length - 1) if step > 0 else (length - 1, 0)
            ends = [end if end is not None else default for end, default in zip(ends, (first, last), strict=True)]
        if ends[0] is None or ends[1] is None or step == 0:
            raise self.refusal(node, "a range has a start, an end and a step other than 0", "Write [0:3] or [0:2:10].")
        return range(ends[0], ends[1] + (1 if step > 0 else -1), step)

    def type_of(self, node: ast.ClassicalType) -> Type:
        if (kind := _TYPES.get(type(node))) is None:
            name = type(node).__name__.removesuffix("Type").lower()
            raise self.refusal(node, f"values of type {name!r} have no place in a Qiskit circuit")
        size = getattr(node, "size", None)
        width = self.whole(size) if size is not None else None
        if width is not None and not 0 < width <= self.limits.max_qubits:
            raise self.refusal(
                node, f"{kind}[{width}]: sizes go from 1 to {self.limits.max_qubits:,}", "Change the size."
            )
        return Type(kind, width)

    def function(self, node: ast.FunctionCall, whole: bool = False) -> Any:
        name = node.name.name
        if name in self.subroutines:
            return self.call(node, name, node.arguments)
        if not expressions.is_function(name):
            what = "an extern, which has no body" if name in self.externs else "not defined"
            raise self.refusal(
                node, f"function {name!r} is {what}", "Define it with def, or write its result into the text."
            )
        arguments = [self.value(argument, whole=whole) for argument in node.arguments]
        return expressions.call(name, arguments)
