"""Gates of an OpenQASM 3 text: Qiskit's own, those that the text defines, and their modifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openqasm3 import ast
from qiskit.circuit import Gate, QuantumCircuit, Qubit
from qiskit.circuit.library import MCXGate, UGate

from ...suggestions import did_you_mean
from ..limits import Limits
from . import expressions
from .errors import BY_QPY
from .evaluation import Evaluation, Scope, Variable
from .library import library_gates
from .parsing import Source

# 100,000 gates from a loop take four seconds of CPU, and the worker that reads them has 30.
_MAX_STATEMENTS = 200_000
_MAX_CONTROLS = 64
_MAX_REPEATED = 10_000
MAX_CALLS = 50  # nested; Python itself stops at about 200 of them


class Gates(Evaluation):
    """The gates of one text."""

    def __init__(self, source: Source, limits: Limits) -> None:
        super().__init__(source, limits)
        self.definitions: dict[tuple[Any, ...], QuantumCircuit] = {}
        self.calls = 0
        self.statements = 0

    def run(self, node: Any) -> None:
        """Execute one statement."""
        raise NotImplementedError

    def block(self, statements: Sequence[Any]) -> None:
        for statement in statements:
            self.count(statement)
            self.run(statement)

    def count(self, node: ast.QASMNode) -> None:
        self.statements += 1
        if self.statements > _MAX_STATEMENTS:
            raise self.refusal(
                node,
                f"loops and subroutines come to more than {_MAX_STATEMENTS:,} statements",
                f"Use fewer rounds. A circuit of that size: {BY_QPY}",
            )

    def operands(self, nodes: Sequence[Any]) -> list[tuple[Qubit, ...]]:
        """Return the qubits of each application: registers of one length go together, single qubits with each."""
        found = []
        for node in nodes:
            if (qubits := qubits_of(value := self.value(node))) is None:
                raise self.refusal(node, f"a qubit is needed here, not {expressions.kind_of(value)}", "Name a qubit.")
            found.append((isinstance(value, Qubit), qubits))
        lengths = {len(qubits) for is_single, qubits in found if not is_single}
        if len(lengths) > 1:
            raise self.refusal(
                nodes[0],
                f"registers of {' and '.join(map(str, sorted(lengths)))} qubits together",
                "Use equal lengths.",
            )
        count = lengths.pop() if lengths else 1
        return list(zip(*(qubits * count if is_single else qubits for is_single, qubits in found), strict=True))

    def gate(self, node: ast.QuantumGate, num_qubits: int) -> Gate:
        name = node.name.name
        parameters = [self.real(argument) for argument in node.arguments]
        if name in self.gates:
            return self.own_gate(node, name, parameters)
        if name == "mcx" and not parameters and num_qubits > 1:
            return MCXGate(num_qubits - 1)
        known = library_gates().get(name)
        if name == "U":
            build, expected = UGate, 3
        elif known is not None:
            build, expected = known.build, known.num_params
        else:
            raise self.refusal(
                node,
                f"gate {name!r} is not defined",
                f"{did_you_mean(name, [*self.gates, *library_gates()])}Define it before this line: "
                f"gate {name}{'(a)' if parameters else ''} q {{ … }}. Only Qiskit's own gates need no definition.",
            )
        if len(parameters) != expected:
            raise self.refusal(
                node, f"{name!r} takes {expected} parameters, not {len(parameters)}", "Correct their number."
            )
        return build(*parameters)

    def own_gate(self, node: ast.QASMNode, name: str, parameters: list[Any]) -> Gate:
        """Return a gate of the text, with its definition for these parameters."""
        definition = self.gates[name]
        if len(parameters) != len(definition.arguments):
            raise self.refusal(
                node, f"{name!r} takes {len(definition.arguments)} parameters, not {len(parameters)}", "Correct it."
            )
        key = (name, *parameters)
        if key not in self.definitions:
            self.definitions[key] = self.defined(definition, parameters)
        gate = Gate(definition.name.name, len(definition.qubits), parameters)
        # Qiskit sets parameters in a definition in place, so what has some is not shared.
        body = self.definitions[key]
        gate.definition = body.copy() if body.parameters else body
        return gate

    def defined(self, definition: ast.QuantumGateDefinition, parameters: list[Any]) -> QuantumCircuit:
        if self.calls >= MAX_CALLS:
            raise self.refusal(definition, f"gates use each other more than {MAX_CALLS} deep", "Define fewer levels.")
        outer, self.circuit = self.circuit, QuantumCircuit(len(definition.qubits))
        callers, depth = self.scopes, self.depth
        bound = Scope(
            {name.name: Variable(value) for name, value in zip(definition.arguments, parameters, strict=True)}
        )
        bound.names |= {
            name.name: Variable(qubit) for name, qubit in zip(definition.qubits, self.circuit.qubits, strict=True)
        }
        self.scopes, self.depth, self.calls = [self.scopes[0], bound], 0, self.calls + 1
        try:
            self.block(definition.body)
            return self.circuit
        finally:
            self.circuit, self.scopes, self.depth, self.calls = outer, callers, depth, self.calls - 1

    def modified(self, gate: Gate, modifiers: Sequence[ast.QuantumGateModifier]) -> Gate:
        """Apply `inv`, `pow`, `ctrl` and `negctrl`, the one next to the gate first."""
        for modifier in reversed(modifiers):
            with self.place(modifier):
                if modifier.modifier is ast.GateModifierName.inv:
                    gate = gate.inverse()
                elif modifier.modifier is ast.GateModifierName.pow:
                    exponent = self.real(modifier.argument)
                    # Qiskit knows how to take powers of its own gates; for others it computes the matrix.
                    is_own = type(gate) is Gate and isinstance(exponent, (int, float))
                    if is_own and exponent == int(exponent) and 0 < abs(exponent) <= _MAX_REPEATED:
                        gate = (gate if exponent > 0 else gate.inverse()).repeat(int(abs(exponent)))
                    else:
                        gate = gate.power(exponent)
                else:
                    count = self.controls(modifier)
                    state = 2**count - 1 if modifier.modifier is ast.GateModifierName.ctrl else 0
                    gate = gate.control(count, ctrl_state=state, annotated=False)
        return gate

    def controls(self, modifier: ast.QuantumGateModifier) -> int:
        count = 1 if modifier.argument is None else self.whole(modifier.argument)
        if not 0 < count <= _MAX_CONTROLS:
            raise self.refusal(modifier, f"{count} controls; 1 to {_MAX_CONTROLS} can be read", "Use another number.")
        return count


def qubits_of(value: Any) -> tuple[Qubit, ...] | None:
    if isinstance(value, Qubit):
        return (value,)
    is_register = isinstance(value, tuple) and all(isinstance(qubit, Qubit) for qubit in value)
    return value if is_register else None
