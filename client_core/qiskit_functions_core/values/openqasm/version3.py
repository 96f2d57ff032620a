"""OpenQASM 3: what stands in the text is computed while it is read, and what is left is a circuit.

Loops over constants, constants, typed variables, arrays, aliases and subroutines are unrolled; `if`, `while` and
`switch` over measured bits become Qiskit's control flow. Gates stay gates. The parser is OpenQASM's own; Qiskit's
importer is not used, because it knows none of the first, binds a gate's parameters in alphabetical order
(`gate g(b, a) …; g(1, 2)` sets a to 1) and takes `1/2*pi` for 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import singledispatchmethod
from typing import Any

from openqasm3 import ast
from qiskit.circuit import ClassicalRegister, Clbit, Parameter, ParameterVector, QuantumCircuit, QuantumRegister, Qubit
from qiskit.circuit.classical import expr
from qiskit.transpiler import Layout
from qiskit.transpiler.layout import TranspileLayout

from ..limits import Limits
from . import expressions
from .errors import BY_QPY, DECLARED
from .evaluation import Scope, Undecided, Variable
from .expressions import Bits, Duration, Type
from .gates import MAX_CALLS, Gates, qubits_of
from .library import is_the_library_gate, library_gates
from .parsing import Source, leaves, mentions, name_of, parse, too_long, walk

_VECTOR_ELEMENT = re.compile(r"_(.+)_(0|[1-9]\d{0,3})_")
_UNREADABLE = {
    ast.CalibrationGrammarDeclaration: "defcalgrammar",
    ast.CalibrationStatement: "cal",
    ast.CalibrationDefinition: "defcal",
    ast.Pragma: "pragma",
}


def read(text: str, limits: Limits) -> QuantumCircuit:
    """Return the circuit of `text`.

    Raises:
        OpenQASMError: with construct, line and column.
    """
    source = Source(text)
    return _Reader(source, limits).read(parse(source))


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class _End(Exception):
    pass


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


class _Reader(Gates):
    """One text's variables and the circuit that grows from it."""

    def __init__(self, source: Source, limits: Limits) -> None:
        super().__init__(source, limits)
        # Bits that something is measured into, and those that something is assigned to.
        self.measured_names: set[str] = set()
        self.assigned_names: set[str] = set()
        self.inputs: dict[str, Parameter] = {}
        self.vectors: dict[str, Parameter] = {}
        # Of each subroutine that runs: the bits that its caller has for its value, and the name that it returns.
        self.targets: list[tuple[Any, str | None]] = []

    def read(self, program: ast.Program) -> QuantumCircuit:
        for node in walk(program.statements):
            if isinstance(node, ast.SubroutineDefinition):
                self.subroutines[node.name.name] = node
            elif isinstance(node, ast.QuantumMeasurementStatement) and node.target is not None:
                self.measured_names.add(name_of(node.target))
            elif isinstance(node, ast.ClassicalAssignment):
                self.assigned_names.add(name_of(node.lvalue))
        names = [node.identifier.name for node in program.statements if isinstance(node, ast.IODeclaration)]
        self.vectors = _vector_elements(names)
        try:
            self.block(program.statements)
        except _End:
            pass
        except RecursionError as error:
            raise too_long() from error
        if self.physical:
            self.circuit._layout = TranspileLayout(
                initial_layout=Layout.from_qubit_list(self.circuit.qubits),
                input_qubit_mapping={qubit: place for place, qubit in enumerate(self.circuit.qubits)},
                final_layout=None,
            )
        # An input that nothing uses stays a parameter, since its value comes with the others.
        for parameter in self.inputs.values():
            if parameter not in self.circuit.parameters:
                self.circuit.global_phase += parameter - parameter
        vars(self.circuit)[DECLARED] = self.inputs
        return self.circuit

    def call(self, node: ast.QASMNode, name: str, arguments: Sequence[Any], target: Any = None) -> Any:
        definition = self.subroutines[name]
        if len(arguments) != len(definition.arguments):
            raise self.refusal(
                node,
                f"{name!r} takes {len(definition.arguments)} arguments, not {len(arguments)}",
                "Give one for each of its parameters.",
            )
        if self.calls >= MAX_CALLS:
            raise self.refusal(node, f"subroutines call each other more than {MAX_CALLS} deep", "Write a loop instead.")
        bound = Scope()
        for parameter, argument in zip(definition.arguments, arguments, strict=True):
            bound.names[parameter.name.name] = self.argument(parameter, argument)
        # A subroutine sees what is declared globally, not what its caller has.
        callers, self.scopes = self.scopes, [self.scopes[0], bound]
        depth, self.calls = self.depth, self.calls + 1
        last = definition.body[-1] if definition.body else None
        returned = getattr(last, "expression", None) if isinstance(last, ast.ReturnStatement) else None
        aliased = any(expressions.is_run_time(variable.value) for variable in bound.names.values())
        self.targets.append((target, returned.name if isinstance(returned, ast.Identifier) and not aliased else None))
        try:
            self.block(definition.body)
        except _Return as result:
            if self.depth != depth:
                raise self.refusal(
                    node, f"return in {name!r} depends on a measurement", "Return at the end, once."
                ) from None
            return result.value
        finally:
            self.scopes, self.calls = callers, self.calls - 1
            self.targets.pop()
        return None

    def argument(self, parameter: ast.ClassicalArgument | ast.QuantumArgument, argument: Any) -> Variable:
        value = self.value(argument)
        if isinstance(parameter, ast.QuantumArgument):
            qubits = qubits_of(value)
            size = 1 if parameter.size is None else self.whole(parameter.size)
            if qubits is None or len(qubits) != size:
                raise self.refusal(
                    argument, f"{parameter.name.name!r} takes {size} qubit(s)", "Give it so many qubits."
                )
            return Variable(qubits[0] if parameter.size is None else qubits)
        if isinstance(value, list) or expressions.is_run_time(value):
            return Variable(value, is_const=False, depth=self.depth)
        to = self.type_of(parameter.type)
        with self.place(argument):
            return Variable(expressions.cast(value, to), to, is_const=False, depth=self.depth)

    @singledispatchmethod
    def run(self, node: Any) -> None:
        """Execute one statement."""
        construct = _UNREADABLE.get(type(node), f"a statement {type(node).__name__}")
        raise self.refusal(node, f"{construct} has no place in a Qiskit circuit", f"Leave it out. {BY_QPY}")

    @run.register
    def _(self, node: ast.Include) -> None:
        """The library's gates are there without it."""

    @run.register
    def _(self, node: ast.CompoundStatement) -> None:
        with self.scope():
            self.block(node.statements)

    @run.register
    def _(self, node: ast.ExpressionStatement) -> None:
        if isinstance(node.expression, ast.FunctionCall):
            self.value(node.expression)

    @run.register
    def _(self, node: ast.ExternDeclaration) -> None:
        self.externs.add(node.name.name)

    @run.register
    def _(self, node: ast.SubroutineDefinition) -> None:
        """They were collected before, so that one may call another."""

    @run.register
    def _(self, node: ast.EndStatement) -> None:
        if self.depth:
            raise self.refusal(node, "end depends on a measurement")
        raise _End

    @run.register
    def _(self, node: ast.QubitDeclaration) -> None:
        if self.physical:
            raise self.refusal(node, "declared qubits beside $0", "Use declared qubits or physical ones, not both.")
        size = 1 if node.size is None else self.whole(node.size)
        if not 0 < size <= self.limits.max_qubits:
            raise self.refusal(
                node, f"{size} qubits: a register has 1 to {self.limits.max_qubits:,}", "Change the register's size."
            )
        with self.place(node):
            register = QuantumRegister(size, node.qubit.name)
            self.circuit.add_register(register)
        self.declare(node, node.qubit.name, Variable(register[0] if node.size is None else tuple(register)))

    @run.register
    def _(self, node: ast.QuantumGateDefinition) -> None:
        name = node.name.name
        if name in self.gates:
            raise self.refusal(node, f"gate {name!r} is defined twice", "Remove one of the definitions.")
        self.gates[name] = node
        known = library_gates().get(name)
        fits = known is not None and known.num_params == len(node.arguments)
        same = is_the_library_gate(name, lambda values: self.defined(node, values) if fits else None)
        if same:
            del self.gates[name]
        elif same is False or name == "U":
            # Qiskit goes by names: the gate gets one that Qiskit does not know.
            self.gates[name] = node
            node.name.name = f"{name}_"

    @run.register
    def _(self, node: ast.QuantumGate) -> None:
        if node.duration is not None:
            raise self.refusal(
                node, "gates with durations have no place in a Qiskit circuit", "Use delay[…] and barrier."
            )
        if node.name.name in self.subroutines:  # `f(3) q;` was the way to call one before OpenQASM 3.0 was final
            self.call(node, node.name.name, [*node.arguments, *node.qubits])
            return
        applied_to = self.operands(node.qubits)
        num_controls = sum(self.controls(modifier) for modifier in node.modifiers if "ctrl" in modifier.modifier.name)
        with self.place(node):
            gate = self.modified(self.gate(node, len(node.qubits) - num_controls), node.modifiers)
            for place, qubits in enumerate(applied_to):
                self.circuit.append(gate if place == 0 else gate.copy(), qubits)

    @run.register
    def _(self, node: ast.QuantumPhase) -> None:
        angle = self.real(node.argument)
        if not node.qubits and not any("ctrl" in modifier.modifier.name for modifier in node.modifiers):
            for modifier in node.modifiers:
                angle *= -1 if modifier.modifier is ast.GateModifierName.inv else self.real(modifier.argument)
            self.circuit.global_phase += angle
            return
        with self.place(node):
            gate = self.modified(QuantumCircuit(global_phase=angle).to_gate(), node.modifiers)
            for qubits in self.operands(node.qubits):
                self.circuit.append(gate.copy(), qubits)

    @run.register
    def _(self, node: ast.QuantumMeasurementStatement) -> None:
        if node.target is None:
            raise self.refusal(node, "a measurement without a bit for its result", "Write c[0] = measure q[0];.")
        name = name_of(node.target)
        if not expressions.is_run_time((variable := self.variable(node, name)).value) or variable.moment:
            raise self.refusal(node, f"{name!r} is not bits, which is where measurements go", "Declare it as bit.")
        self.measured(node.measure, self.value(node.target))

    def measured(self, node: ast.QuantumMeasurement, target: Any) -> Any:
        qubits = qubits_of(value := self.value(node.qubit))
        if qubits is None:
            raise self.refusal(node, f"only qubits are measured, not {expressions.kind_of(value)}", "Name a qubit.")
        if target is None:
            register = self.new_bits("measured", len(qubits))
            target = register[0] if isinstance(value, Qubit) else register
        bits = [target] if isinstance(target, Clbit) else list(target) if expressions.is_run_time(target) else []
        if len(bits) != len(qubits):
            raise self.refusal(
                node,
                f"{len(qubits)} qubits are measured into {len(bits)} bits",
                f"Declare bit[{len(qubits)}] c; and write c = measure …;.",
            )
        self.circuit.measure(qubits, bits)
        self.writes += 1
        return target

    def new_bits(self, name: str, size: int) -> ClassicalRegister:
        """Add a register with this name, or with a number behind it where the circuit has one of that name."""
        taken = {register.name for register in (*self.circuit.cregs, *self.circuit.qregs)}
        names = (name, *(f"{name}_{number}" for number in range(1, len(taken) + 1)))
        register = ClassicalRegister(size, next(free for free in names if free not in taken))
        self.circuit.add_register(register)
        return register

    @run.register
    def _(self, node: ast.QuantumBarrier) -> None:
        qubits = [qubit for operand in node.qubits for qubit in qubits_of(self.value(operand)) or ()]
        with self.place(node):
            self.circuit.barrier(*([qubits] if node.qubits else []))

    @run.register
    def _(self, node: ast.QuantumReset) -> None:
        for qubits in self.operands([node.qubits]):
            self.circuit.reset(qubits[0])

    @run.register
    def _(self, node: ast.DelayInstruction) -> None:
        duration = self.duration(node.duration)
        qubits = [qubit for operand in node.qubits for qubit in qubits_of(self.value(operand)) or ()]
        with self.place(node):
            self.circuit.delay(duration.value, qubits if node.qubits else None, unit=duration.unit)

    def duration(self, node: Any) -> Duration:
        found = self.value(node)
        if not isinstance(found, Duration):
            raise self.refusal(
                node, f"a duration is needed, not {expressions.kind_of(found)}", "Write it like 100ns or 800dt."
            )
        is_steps = found.unit == "dt" and found.value == int(found.value)
        return Duration(int(found.value), "dt") if is_steps else found

    @run.register
    def _(self, node: ast.Box) -> None:
        duration = None if node.duration is None else self.duration(node.duration)
        with (
            self.place(node),
            self.circuit.box(duration=duration.value if duration else None, unit=duration.unit if duration else None),
            self.scope(),
            self.at_run_time(),
        ):
            self.block(node.body)

    @run.register
    def _(self, node: ast.AliasStatement) -> None:
        name, value = node.target.name, self.value(node.value)
        if isinstance(value, tuple) and value and len(self.scopes) == 1:
            kind = QuantumRegister if isinstance(value[0], Qubit) else ClassicalRegister
            with self.place(node):
                register = kind(name=name, bits=list(value))
                self.circuit.add_register(register)
            value = register if kind is ClassicalRegister else value
        self.declare(node, name, Variable(value))

    @run.register
    def _(self, node: ast.IODeclaration) -> None:
        name = node.identifier.name
        if node.io_identifier is ast.IOKeyword.output:
            if not isinstance(node.type, ast.BitType):
                raise self.refusal(node, f"output {name!r}: a circuit returns bits only", "Declare it as bits.")
            self.run(_declaration(node))
            return
        kind = node.type
        vector_of = kind.base_type if isinstance(kind, ast.ArrayType) and len(kind.dimensions) == 1 else None
        if (to := self.type_of(vector_of or kind)).kind not in ("float", "angle"):
            raise self.refusal(
                node,
                f"input {name!r} is {to}; the inputs of a circuit are float or angle",
                f"Write its value into the text: const {to} {name} = …;.",
            )
        if isinstance(kind, ast.ArrayType):
            if not 0 < (length := self.whole(kind.dimensions[0])) <= self.limits.max_qubits:
                raise self.refusal(node, f"{length:,} elements", f"Use 1 to {self.limits.max_qubits:,}.")
            vector = list(ParameterVector(name, length))
            self.declare(node, name, Variable(vector, to))
            self.inputs |= {element.name: element for element in vector}
            return
        self.declare(node, name, Variable(self.vectors.get(name) or Parameter(name), to))
        self.inputs[name] = self.scopes[-1].names[name].value

    @run.register
    def _(self, node: ast.ConstantDeclaration) -> None:
        self.declare(node, node.identifier.name, self.known(node, node.type, is_const=True))

    @run.register
    def _(self, node: ast.ClassicalDeclaration) -> None:
        name, start = node.identifier.name, node.init_expression
        if isinstance(node.type, ast.ArrayType):
            self.declare(node, name, self.array(node, node.type))
        elif not self.is_measured(node):
            self.declare(node, name, self.known(node, node.type, is_const=False))
        else:
            to = self.type_of(node.type)
            bits, returned = self.targets[-1] if self.targets else (None, None)
            fits = bits is not None and (to.width == (None if isinstance(bits, Clbit) else len(bits)))
            if returned != name or not fits:
                register = self.new_bits(name, to.width or 1)
                bits = register[0] if to.width is None else register
            self.declare(node, name, Variable(bits, to, is_const=False))
            if start is not None:
                self.assign_bits(node, bits, start)

    def is_measured(self, node: ast.ClassicalDeclaration) -> bool:
        """Return whether a variable is bits of the circuit, and does not only keep what the text says."""
        name, start = node.identifier.name, node.init_expression
        if name in self.measured_names or isinstance(start, ast.QuantumMeasurement):
            return isinstance(node.type, (ast.BitType, ast.BoolType))
        calls = isinstance(start, ast.FunctionCall) and start.name.name in self.subroutines
        return isinstance(node.type, ast.BitType) and (start is None or calls or name in self.assigned_names)

    def known(self, node: Any, kind: ast.ClassicalType, *, is_const: bool) -> Variable:
        to = self.type_of(kind)
        if node.init_expression is None:
            start: Any = Duration(0, "ns") if to.kind == "duration" else 0
        else:
            start = self.value(node.init_expression, whole=to.kind in ("int", "uint", "bit"))
        with self.place(node):
            value = expressions.cast(start, to)
        return Variable(value, to, is_const, moment=self.moment() if expressions.is_run_time(value) else None)

    def array(self, node: ast.ClassicalDeclaration, kind: ast.ArrayType) -> Variable:
        to = self.type_of(kind.base_type)
        shape = [self.whole(dimension) for dimension in kind.dimensions]
        if math.prod(shape) > self.limits.max_literal_elements:
            raise self.refusal(
                node, f"{math.prod(shape):,} elements", f"Use at most {self.limits.max_literal_elements:,}."
            )
        if node.init_expression is None:
            values: Any = expressions.cast(0, to) if to.kind != "duration" else Duration(0, "ns")
            for length in reversed(shape):
                values = [_copied(values) for _ in range(length)]
        else:
            with self.place(node):
                values = _elements(self.value(node.init_expression, whole=to.kind in ("int", "uint")), shape, to)
        return Variable(values, to, is_const=False)

    @run.register
    def _(self, node: ast.ClassicalAssignment) -> None:
        name = node.lvalue.name.name if isinstance(node.lvalue, ast.IndexedIdentifier) else node.lvalue.name
        variable = self.variable(node.lvalue, name, is_read=False)
        if expressions.is_run_time(variable.value) and variable.moment is None:
            self.assign_bits(node, self.value(node.lvalue), node.rvalue)
            return
        if variable.is_const or variable.type is None:
            raise self.refusal(node, f"{name!r} is a constant", "Declare it without const, with a type.")
        if variable.depth != self.depth:
            raise self.measured_into(node, name, variable.type)
        whole = variable.type.kind in ("int", "uint", "bit")
        value = self.value(node.rvalue, whole=whole)
        with self.place(node):
            if node.op is not ast.AssignmentOperator["="]:
                value = expressions.binary(node.op.name[:-1], self.value(node.lvalue), value, whole=whole)
            if isinstance(node.lvalue, ast.IndexedIdentifier):
                if expressions.is_run_time(value):
                    raise self.measured_into(node, name, variable.type)
                self.assign_element(node, node.lvalue, variable, value)
            else:
                variable.value = expressions.cast(value, variable.type)
                variable.moment = self.moment() if expressions.is_run_time(value) else None

    def assign_element(
        self, node: ast.ClassicalAssignment, lvalue: ast.IndexedIdentifier, variable: Variable, value: Any
    ) -> None:
        to = variable.type or Type("float")
        indices = [index for group in lvalue.indices for index in (group if isinstance(group, list) else [group])]
        if not isinstance(variable.value, list) or not all(isinstance(index, ast.Expression) for index in indices):
            raise self.refusal(node, "only single elements and rows of arrays are assigned", "Assign them one by one.")
        row = variable.value
        for index in indices[:-1]:
            row = expressions.index(row, self.whole(index))
        last = self.whole(indices[-1])
        shape = _shape(expressions.index(row, last))
        row[last] = _elements(_copied(value), shape, to)

    def assign_bits(self, node: Any, target: Any, source: Any) -> None:
        """Give measured bits a value: a measurement, what a subroutine returns, or a value that is stored."""
        if isinstance(source, ast.QuantumMeasurement):
            self.measured(source, target)
            return
        if isinstance(source, ast.FunctionCall) and source.name.name in self.subroutines:
            value = self.call(source, source.name.name, source.arguments, target)
        else:
            value = self.value(source, whole=True)
        operation = getattr(node, "op", ast.AssignmentOperator["="]).name[:-1]
        with self.place(node):
            if operation:
                value = expressions.binary(operation, target, value, whole=True)
            if value is target:
                return
            starts = isinstance(node, ast.ClassicalDeclaration) and self.depth == 0
            if starts and value in (0, False, Bits(0, len(_bits(target)))):
                return  # bits are 0 when a circuit starts
            if value is None:
                raise self.refusal(source, "the subroutine returns nothing", "Write return measure q; at its end.")
            self.store(target, value)

    def store(self, target: Any, value: Any) -> None:
        self.writes += 1
        if isinstance(target, tuple) or isinstance(value, tuple):
            for place, bit in enumerate(_bits(target)):
                self.circuit.store(
                    bit,
                    _bits(value)[place] if isinstance(value, tuple) else bool(expressions.plain(value) >> place & 1),
                )
            return
        value = expressions.lift(value) if expressions.is_run_time(value) else expressions.plain(value)
        self.circuit.store(target, bool(value) if isinstance(target, Clbit) and isinstance(value, int) else value)

    # Control flow

    @contextmanager
    def at_run_time(self, is_loop: bool = False) -> Iterator[None]:
        """Statements here run or not, or more than once, as measurements decide."""
        self.depth += 1
        self.loops += [None] * is_loop
        try:
            yield
        finally:
            self.depth -= 1
            if is_loop:
                self.loops.pop()

    def branch(self, condition: Any, then: Callable[[], None], otherwise: Callable[[], None] | None) -> None:
        """Run one of two blocks, now if the condition is known, else when the circuit runs."""
        if not expressions.is_run_time(condition):
            chosen = then if expressions.plain(condition) else otherwise
            if chosen:
                with self.scope():
                    chosen()
            return
        with self.circuit.if_test(_condition(condition)) as else_, self.scope(), self.at_run_time():
            then()
        if otherwise:
            with else_, self.scope(), self.at_run_time():
                otherwise()

    @run.register
    def _(self, node: ast.BranchingStatement) -> None:
        condition = self.value(node.condition)
        with self.place(node):
            self.branch(
                condition,
                lambda: self.block(node.if_block),
                (lambda: self.block(node.else_block)) if node.else_block else None,
            )

    @run.register
    def _(self, node: ast.SwitchStatement) -> None:
        target = self.value(node.target, whole=True)
        if expressions.is_run_time(target):
            # Qiskit takes what is a bit or a register as it is.
            on = target if isinstance(target, (Clbit, ClassicalRegister)) else self.lifted(node, target)
            with self.place(node), self.circuit.switch(on) as case:
                for values, body in node.cases:
                    with case(*map(self.whole, values)), self.scope(), self.at_run_time():
                        self.block(body.statements)
                if node.default:
                    with case(case.DEFAULT), self.scope(), self.at_run_time():
                        self.block(node.default.statements)
            return
        number = expressions.plain(target)
        chosen = (body for values, body in node.cases if number in map(self.whole, values))
        if (found := next(chosen, node.default)) is not None:
            with self.scope():
                self.block(found.statements)

    def lifted(self, node: ast.QASMNode, value: Any) -> expr.Expr:
        with self.place(node):
            return expressions.lift(value)

    @run.register
    def _(self, node: ast.WhileLoop) -> None:
        condition = self.value(node.while_condition)
        if expressions.is_run_time(condition):
            with self.place(node), self.circuit.while_loop(_condition(condition)), self.scope(), self.at_run_time(True):
                self.block(node.block)
            return
        while expressions.plain(condition):
            if not self.round(node):
                break
            condition = self.value(node.while_condition)

    @run.register
    def _(self, node: ast.ForInLoop) -> None:
        to = self.type_of(node.type)
        if isinstance(node.set_declaration, ast.RangeDefinition):
            values: Sequence[Any] = self.range(node.set_declaration)
        elif isinstance(node.set_declaration, ast.DiscreteSet):
            values = [self.value(value, whole=to.kind != "float") for value in node.set_declaration.values]
        else:
            found = self.value(node.set_declaration)
            if isinstance(found, Bits):
                found = [expressions.index(found, place) for place in range(found.width)]
            if not isinstance(found, (list, tuple)):
                raise self.refusal(
                    node, f"a loop goes over a range, a set or an array, not {expressions.kind_of(found)}"
                )
            values = found
        name = node.identifier.name
        if leaves(node.block) and not mentions(node.block, name):
            # Only a measurement can decide then, so it stays a loop.
            with self.place(node), self.circuit.for_loop(values), self.scope() as scope, self.at_run_time(True):
                scope.names[name] = Variable(Undecided())
                self.block(node.block)
            return
        for value in values:
            with self.place(node):
                each = value if expressions.is_run_time(value) else expressions.cast(value, to)
            if not self.round(node, **{name: Variable(each, to)}):
                break

    def round(self, node: ast.ForInLoop | ast.WhileLoop, **names: Variable) -> bool:
        """Run a loop's block once, and return False if it broke off."""
        self.count(node)  # an empty block costs as well
        self.loops.append(self.depth)
        try:
            with self.scope() as scope:
                scope.names |= names
                self.block(node.block)
        except _Continue:
            return True
        except _Break:
            return False
        finally:
            self.loops.pop()
        return True

    def leave(self, node: ast.BreakStatement | ast.ContinueStatement, left: type[Exception]) -> bool:
        """Leave a loop that is unrolled, or return False if the loop around is one of the circuit's."""
        if self.loops[-1] is None:
            return False
        if self.loops[-1] != self.depth:
            raise self.refusal(
                node, "this depends on a measurement, in a loop whose variable is needed to read the text"
            )
        raise left

    @run.register
    def _(self, node: ast.BreakStatement) -> None:
        if not self.leave(node, _Break):
            self.circuit.break_loop()

    @run.register
    def _(self, node: ast.ContinueStatement) -> None:
        if not self.leave(node, _Continue):
            self.circuit.continue_loop()

    @run.register
    def _(self, node: ast.ReturnStatement) -> None:
        if isinstance(node.expression, ast.QuantumMeasurement):
            raise _Return(self.measured(node.expression, self.targets[-1][0]))
        raise _Return(None if node.expression is None else self.value(node.expression))


def _vector_elements(names: Sequence[str]) -> dict[str, Parameter]:
    """Return elements of vectors for names such as `_x_3_`, which is how Qiskit's exporter writes x[3].

    OpenQASM has no vectors, and by name, `_x_10_` would come before `_x_3_`.
    """
    found = [(name, element[1], int(element[2])) for name in names if (element := _VECTOR_ELEMENT.fullmatch(name))]
    sizes: dict[str, int] = {}
    for _, vector, index in found:
        sizes[vector] = max(sizes.get(vector, 0), index + 1)
    vectors = {vector: ParameterVector(vector, size) for vector, size in sizes.items()}
    return {name: vectors[vector][index] for name, vector, index in found}


def _bits(value: Any) -> list[Clbit]:
    return [value] if isinstance(value, Clbit) else list(value)


def _condition(value: Any) -> Any:
    """Return a condition in the older form where it has one: (bit, value) or (register, value) is run everywhere."""
    match condition := expressions.truth(value):
        case expr.Var(var=Clbit() as bit):
            return bit, True
        case expr.Unary(op=expr.Unary.Op.LOGIC_NOT, operand=expr.Var(var=Clbit() as bit)):
            return bit, False
        case expr.Binary(
            op=expr.Binary.Op.EQUAL,
            left=expr.Var(var=ClassicalRegister() as register),
            right=expr.Value(value=number),
        ):
            return register, number
    return condition


def _shape(value: Any) -> list[int]:
    return [len(value), *_shape(value[0])] if isinstance(value, list) and value else []


def _copied(value: Any) -> Any:
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _elements(value: Any, shape: Sequence[int], to: Type) -> Any:
    """Return nested lists of this shape with elements of this type."""
    if not shape:
        return expressions.cast(value, to)
    if not isinstance(value, list) or len(value) != shape[0]:
        raise ValueError(f"an array with {shape[0]} elements is needed here")
    return [_elements(item, shape[1:], to) for item in value]


def _declaration(node: ast.IODeclaration) -> ast.ClassicalDeclaration:
    declaration = ast.ClassicalDeclaration(node.type, node.identifier)
    declaration.span = node.span
    return declaration
