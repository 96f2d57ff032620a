"""OpenQASM 2 and 3 as people and Qiskit write them, and what is said of texts that are not circuits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit, qasm2, qasm3, transpile
from qiskit.circuit import CASE_DEFAULT, Gate
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.circuit.random import random_circuit
from qiskit.primitives import StatevectorSampler
from qiskit.quantum_info import Operator
from qiskit_aer import AerSimulator

from qiskit_functions_core.values.limits import Limits
from qiskit_functions_core.values.openqasm import OpenQASMError, load

LIBRARY = {name: gate for name, gate in get_standard_gate_name_mapping().items() if isinstance(gate, Gate)}
VERSION_3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'


def read(text: str) -> QuantumCircuit:
    return load(text, Limits())


def refused(text: str) -> OpenQASMError:
    with pytest.raises(OpenQASMError) as error:
        read(text)
    return error.value


def operations(circuit: QuantumCircuit) -> list[tuple[str, list[float], list[int]]]:
    return [
        (
            item.operation.name,
            [round(float(parameter), 9) for parameter in item.operation.params],
            [circuit.find_bit(qubit).index for qubit in item.qubits],
        )
        for item in circuit.data
    ]


def counts(circuit: QuantumCircuit) -> dict[str, int]:
    simulator = AerSimulator(seed_simulator=11)
    found: dict[str, int] = (
        simulator.run(transpile(circuit, simulator, optimization_level=0), shots=200).result().get_counts()
    )
    return found


# OpenQASM 2


def test_openqasm_2_has_the_gates_that_everybody_uses() -> None:
    circuit = read(
        'OPENQASM 2.0; include "qelib1.inc"; qreg q[3]; h q[0]; swap q[0],q[1]; sx q[0]; p(0.1) q[0];'
        "cp(0.2) q[0],q[1];"
        "u(0.1,0.2,0.3) q[0]; rzz(0.3) q[0],q[1]; cswap q[0],q[1],q[2]; ecr q[0],q[1]; iswap q[1],q[2];"
    )
    names = ["h", "swap", "sx", "p", "cp", "u", "rzz", "cswap", "ecr", "iswap"]
    assert [item.operation.name for item in circuit.data] == names


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "basis", [None, ["rz", "sx", "cx"], ["rx", "rzz", "u", "iswap"], ["r", "ecr", "rzx", "rz", "sx"]]
)
def test_what_qiskit_writes_as_openqasm_2_comes_back(seed: int, basis: list[str] | None) -> None:
    circuit = random_circuit(3, 6, max_operands=3, seed=seed)
    if basis:
        circuit = transpile(circuit, basis_gates=basis, seed_transpiler=seed)
    assert Operator(read(qasm2.dumps(circuit))).equiv(Operator(circuit))


@pytest.mark.parametrize("name", [name for name in LIBRARY if LIBRARY[name].num_qubits])
@pytest.mark.parametrize("dumps", [qasm2.dumps, qasm3.dumps])
def test_every_gate_of_the_library_comes_back_from_both_versions(
    name: str, dumps: Callable[[QuantumCircuit], str]
) -> None:
    gate = LIBRARY[name]
    parameters = [0.3 + 0.4 * index for index in range(len(gate.params))]
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate.base_class(*parameters), range(gate.num_qubits))
    found = read(dumps(circuit))
    assert Operator(found).equiv(Operator(circuit))


def test_conditions_of_openqasm_2_are_read() -> None:
    circuit = read("OPENQASM 2.0; qreg q[2]; creg c[2]; x q[0]; measure q -> c; if(c==1) x q[1]; measure q[1] -> c[1];")
    assert counts(circuit) == {"11": 200}


@pytest.mark.parametrize(
    "text",
    [
        'include "qelib1.inc"; qreg q[2]; h q[0]; cx q[0],q[1];',
        '\ufeffOPENQASM 2.0;\r\ninclude "qelib1.inc";\r\nqreg q[2];\r\nh q[0];\r\ncx q[0],q[1];\r\n',
        "OPENQASM 2.0; qreg q[2]; h q[0]; cx q[0],q[1];",
        "qreg q[2]; h q[0]; cx q[0],q[1];",
        'include "stdgates.inc"; qubit[2] q; h q[0]; cx q[0], q[1];',
        "\ufeffOPENQASM 3.0;\r\nqubit[2] q;\r\nh q[0];\r\ncx q[0], q[1];\r\n",
        "qubit[2] q; h q[0]; cx q[0], q[1];",
        "// OPENQASM 2.0;\n/* of old */ OPENQASM 3; qubit[2] q; h q[0]; cx q[0], q[1];",
        'OPENQASM 3.0; include "qelib1.inc"; qreg q[2]; h q[0]; cx q[0],q[1];',
        "```qasm\nOPENQASM 3.0;\nqubit[2] q;\nh q[0]; cx q[0], q[1];\n```\n",
    ],
)
def test_version_and_include_may_be_missing(text: str) -> None:
    assert operations(read(text)) == [("h", [], [0]), ("cx", [], [0, 1])]


@pytest.mark.parametrize("version", ["OPENQASM 2.0; qreg q[2];", "OPENQASM 3.0; qubit[2] q;"])
def test_a_gate_that_is_not_what_its_name_says_gets_another_name(version: str) -> None:
    circuit = read(version.replace(";", "; gate swap a, b { h a; s b; }", 1) + "swap q[0], q[1];")
    expected = QuantumCircuit(2)
    expected.h(0)
    expected.s(1)
    assert Operator(transpile(circuit, basis_gates=["swap", "u", "cx"])).equiv(Operator(expected))


@pytest.mark.parametrize("version", ["OPENQASM 2.0; qreg q[2];", "OPENQASM 3.0; qubit[2] q;"])
def test_a_definition_of_a_gate_of_the_library_is_that_gate(version: str) -> None:
    definition = (
        "gate rzz(t) a, b { cx a, b; rz(t) b; cx a, b; } gate iswap a, b { s a; s b; h a; cx a, b; cx b, a; h b; }"
    )
    circuit = read(version.replace(";", f"; {definition}", 1) + "rzz(0.5) q[0], q[1]; iswap q[0], q[1];")
    assert [type(item.operation) for item in circuit.data] == [type(LIBRARY["rzz"]), type(LIBRARY["iswap"])]


# OpenQASM 3


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ("for int i in [0:2] { cx q[i], q[i+1]; }", [("cx", [], [i, i + 1]) for i in range(3)]),
        ("for i in [0:1] { for _ in {0} h q[i]; }", [("h", [], [0]), ("h", [], [1])]),
        ("const int n = 3; x q[n];", [("x", [], [3])]),
        ("const float t = pi/3; rx(t) q[0];", [("rx", [round(np.pi / 3, 9)], [0])]),
        ("int[32] n = 2; n += 1; x q[n];", [("x", [], [3])]),
        ("def f(qubit a) { h a; } f(q[1]);", [("h", [], [1])]),
        ("def f(qubit[2] a, float t) { rx(2*t) a; } f(q[1:2], 0.2);", [("rx", [0.4], [1]), ("rx", [0.4], [2])]),
        ("for uint i in {3, 0} x q[i];", [("x", [], [3]), ("x", [], [0])]),
        ("for uint i in [3:-2:0] x q[i];", [("x", [], [3]), ("x", [], [1])]),
        ("let a = q[0:1] ++ q[{3}]; h a;", [("h", [], [0]), ("h", [], [1]), ("h", [], [3])]),
        ("int n = 3; while (n > 1) { x q[n]; n -= 1; }", [("x", [], [3]), ("x", [], [2])]),
        ("for int i in [0:9] { if (i == 1) continue; if (i > 2) break; x q[i]; }", [("x", [], [0]), ("x", [], [2])]),
        ('const bit[4] s = "0110"; for int i in [0:3] { if (s[i] == 1) x q[i]; }', [("x", [], [1]), ("x", [], [2])]),
        ("uint[4] n = 9; for int i in [0:3] { if (bool(n[i])) x q[i]; }", [("x", [], [0]), ("x", [], [3])]),
        ("int n = 2; switch (n) { case 1 { x q[1]; } case 2, 3 { x q[2]; } default { x q[0]; } }", [("x", [], [2])]),
        ("array[float[64], 2, 2] a = {{0.1, 0.2}, {0.3, 0.4}}; rx(a[1, 0]) q[sizeof(a)];", [("rx", [0.3], [2])]),
        ("rzz(0.5) q[0], q[1];", [("rzz", [0.5], [0, 1])]),
        ("gate g(b, a) q { rx(a) q; ry(b) q; } g(0.1, 0.2) q[0];", [("g", [0.1, 0.2], [0])]),
        ("inv @ s q[0]; pow(2) @ p(0.1) q[1];", [("sdg", [], [0]), ("p", [0.2], [1])]),
        ("x q[-1]; barrier q[0]; reset q[1];", [("x", [], [3]), ("barrier", [], [0]), ("reset", [], [1])]),
    ],
)
def test_openqasm_3_as_assistants_write_it(statements: str, expected: list[tuple[str, list[float], list[int]]]) -> None:
    assert operations(read(f"{VERSION_3}qubit[4] q;\n{statements}")) == expected


def test_parameters_of_a_gate_keep_the_order_of_its_definition() -> None:
    parameters = ", ".join(f"p{number}" for number in range(12))
    values = [0.1 * (number + 1) for number in range(12)]
    body = " ".join(f"{'rx' if number % 2 else 'ry'}(p{number}) a;" for number in range(12))
    circuit = read(f"{VERSION_3}qubit q; gate g({parameters}) a {{ {body} }} g({', '.join(map(str, values))}) q;")
    expected = QuantumCircuit(1)
    for number, value in enumerate(values):
        (expected.rx if number % 2 else expected.ry)(value, 0)
    assert Operator(circuit).equiv(Operator(expected))


def test_inputs_stay_parameters_in_loops_expressions_and_gates() -> None:
    circuit = read(
        f"{VERSION_3}input float t; input float[64] unused; qubit[2] q; gate g(a) b {{ rx(2*a + 0.1) b; }}"
        "for int i in [1:2] { rx(i*t/2) q[0]; } g(t) q[1]; ctrl @ ry(sin(t)) q[0], q[1];"
    )
    assert [parameter.name for parameter in circuit.parameters] == ["t", "unused"]
    expected = QuantumCircuit(2)
    expected.rx(0.3 * 1.5, 0)
    expected.rx(0.7, 1)
    expected.cry(np.sin(0.3), 0, 1)
    assert Operator(circuit.assign_parameters({"t": 0.3, "unused": 9})).equiv(Operator(expected))


def test_modifiers_and_phases_mean_what_the_language_says() -> None:
    circuit = read(
        f"{VERSION_3}qubit[3] q; gate v a {{ h a; t a; }} ctrl @ negctrl @ rx(0.3) q[0], q[1], q[2];"
        "pow(3) @ v q[0]; inv @ v q[1]; ctrl @ gphase(0.4) q[2]; gphase(0.2); ctrl(2) @ x q[0], q[1], q[2];"
    )
    expected = QuantumCircuit(3, global_phase=0.2)
    expected.x(1)
    expected.append(LIBRARY["rx"].base_class(0.3).control(2, annotated=False), [0, 1, 2])
    expected.x(1)
    for _ in range(3):
        expected.h(0)
        expected.t(0)
    expected.tdg(1)
    expected.h(1)
    expected.p(0.4, 2)
    expected.ccx(0, 1, 2)
    assert Operator(circuit) == Operator(expected)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ("x q[0]; c[0] = measure q[0]; if (c[0] == 1) { x q[1]; } c[1] = measure q[1];", "011"),
        ("c[0] = measure q[0]; if (c[0]) { x q[1]; } else { x q[2]; } c = measure q;", "100"),
        ("x q[0]; c[0] = measure q[0]; if (c[0] && !c[1]) x q[2]; c = measure q;", "101"),
        ("x q[0]; c = measure q; if (int[3](c) == 1) x q[1]; c = measure q;", "011"),
        ("x q[1]; c = measure q; switch (c) { case 2 { x q[2]; } default { x q[0]; } } c = measure q;", "110"),
        (
            "x q; c = measure q; while (c != 0) { x q[0]; if (c[1]) { x q[1:2]; } c = measure q; if (c[0]) x q[0]; }",
            "000",
        ),
        ("for uint i in [0:2] { x q[i]; c[i] = measure q[i]; }", "111"),
        ("def m(qubit a) -> bit { x a; return measure a; } c[1] = m(q[1]); if (m(q[0])) x q[2]; c = measure q;", "111"),
        ("def f(qubit[3] a) -> bit[3] { bit[3] b; x a[2]; b = measure a; return b; } c = f(q);", "100"),
        ("x q[1]; c = measure q; int n = c; if (n == 2) x q[0]; c = measure q;", "011"),
        ("for int i in [0:5] { x q[0]; c[0] = measure q[0]; if (c[0]) break; }", "001"),
        ('c[1] = measure q[0]; c = "101"; c[1] = 1; c ^= "010";', "101"),
    ],
)
def test_measured_bits_decide_when_the_circuit_runs(statements: str, expected: str) -> None:
    circuit = read(f"{VERSION_3}qubit[3] q;\nbit[3] c;\n{statements}")
    results = {key.split()[-1]: count for key, count in counts(circuit).items()}
    assert results == {expected: 200}


def test_single_bits_are_registers_so_that_samplers_report_them() -> None:
    circuit = read(f"{VERSION_3}qubit q; bit flag; x q; flag = measure q;")
    assert StatevectorSampler().run([circuit]).result()[0].data.flag.get_counts() == {"1": 1024}


@settings(max_examples=60, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.integers(1, 4))
def test_what_qiskit_writes_as_openqasm_3_comes_back_as_qiskit_reads_it(seed: int, width: int) -> None:
    circuit = random_circuit(width, 5, max_operands=min(3, width), seed=seed)
    text = qasm3.dumps(circuit)
    assert Operator(read(text)).equiv(Operator(circuit))


def test_control_flow_that_qiskit_writes_comes_back() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)) as otherwise:
        circuit.x(1)
    with otherwise:
        circuit.h(1)
    with circuit.switch(circuit.cregs[0]) as case:
        with case(3):
            circuit.h(0)
        with case(CASE_DEFAULT):
            circuit.z(0)
    with circuit.for_loop(range(2)):
        circuit.x(1)
    circuit.measure(1, 1)
    assert counts(read(qasm3.dumps(circuit))) == counts(circuit) == {"11": 200}


def test_an_array_of_inputs_is_a_vector_of_parameters() -> None:
    circuit = read("input array[float[64], 12] t; qubit q; for int i in [0:10] { rx(t[i]) q; }")
    assert [parameter.name for parameter in circuit.parameters] == [f"t[{index}]" for index in range(12)]


# What cannot be read


@pytest.mark.parametrize(
    ("text", "message", "next_step"),
    [
        (VERSION_3 + "qubit[2] q;\n  foo q[0];", "line 4, column 3: gate 'foo' is not defined", "gate foo q {"),
        (VERSION_3 + "qubit[2] q;\nrxz(0.1) q[0];", "line 4, column 1: gate 'rxz'", "Did you mean 'rz'"),
        (VERSION_3 + "qubit[2] q\nh q[0];", "line 4, column 1: unexpected 'h'", "End line 3 with a semicolon"),
        (
            VERSION_3 + "qubit q;\nfor i in [0:1] { for j in [0:1] { h r; } }",
            "line 4, column 37: 'r' is not",
            "Declare it",
        ),
        (VERSION_3 + "qubit q;\nfor i in [0:1] { h q }", "line 4, column 22: unexpected '}'", ""),
        (VERSION_3 + "qubit q;\nfor i in 0:1 { h q; }", "line 4, column 11", "for int i in [0:3]"),
        (VERSION_3 + "const n = 3;", "line 3, column 7", "const int n = 3;"),
        (VERSION_3 + "qubit[2] q;\nh q[2];", "line 4, column 3: index 2 is outside: there are 2", ""),
        (VERSION_3 + "qubit[2] q;\nh\n  r;", "line 5, column 3: 'r' is not declared", "Declare it"),
        (VERSION_3 + "qubit q;\nrx(1/2*pi) q;", "line 4, column 4: 1/2 is 0 in OpenQASM 3", ""),
        (VERSION_3 + "qubit q;\nmeasure q;", "line 4, column 1: a measurement without a bit", "c[0] = measure q[0];"),
        (VERSION_3 + "qubit q; bit c;\nc = measure q;\nrx(c) q;", "line 5, column 4: an angle", "if (c[0])"),
        (
            VERSION_3 + "qubit q; bit c;\nint n = 0;\nc = measure q;\nn += c;",
            "line 6, column 1: measured values have no '+'",
            "",
        ),
        (
            VERSION_3 + "qubit q; bit c;\nint n = 0;\nn = c;\nc = measure q;\nif (n == 1) x q;",
            "line 7, column 5: int 'n'",
            "counts",
        ),
        (
            VERSION_3 + "qubit q; bit c; int n = 0;\nc = measure q;\nif (c) { n = 1; }",
            "line 5, column 10: int 'n'",
            "counts",
        ),
        (VERSION_3 + "input int n;\nqubit[n] q;", "line 3, column 1: input 'n' is int", "const int n = …;"),
        (
            VERSION_3 + "extern f(int) -> float;\nqubit q;\nrx(f(1)) q;",
            "line 5, column 4: function 'f' is an extern",
            "",
        ),
        (VERSION_3 + "stretch a;", "line 3, column 1: values of type 'stretch'", '"$file"'),
        (VERSION_3 + 'defcalgrammar "openpulse";', "line 3, column 1: defcalgrammar", '"$file"'),
        (VERSION_3 + "#pragma x\n", "pragma", '"$file"'),
        (VERSION_3 + "qubit q;\nwhile (true) { x q; }", "more than 200,000 statements", "fewer rounds"),
        (VERSION_3 + "def f(qubit a) { f(a); }\nqubit q; f(q);", "more than 50 deep", "loop"),
        (VERSION_3 + "const int n = 2 ** 4000;", "line 3, column 15: 2 ** 4000 is too large", ""),
        (VERSION_3 + "const int n = 20000; qubit[n] q;", "20000 qubits: a register has 1 to 10,000", ""),
        (VERSION_3 + "qubit q; rx(" + "+".join(["0.1"] * 5000) + ") q;", "too many parts", "Split"),
        (VERSION_3 + "bit[2] c; qubit q; if (c == 5) x q;", "2 bits never equal 5", ""),
        ("OPENQASM 2.0;\nqreg q[1];\nfoo q[0];", "OpenQASM 2 at line 3, column 1: 'foo'", "gate NAME"),
        ("qreg q[1];\nfoo q[0];", "OpenQASM 2 at line 2, column 1: 'foo'", "gate NAME"),
        ("OPENQASM 2.0;\nqubit[2] q;", "OpenQASM 2 at line 2, column 1", "begin the text with OPENQASM 3.0;"),
        ('OPENQASM 2.0;\ninclude "stdgates.inc";', "OpenQASM 2 at line 2", "begin the text with OPENQASM 3.0;"),
        ('OPENQASM 2.0;\ninclude "/etc/passwd";', "no files", "Put the definitions"),
        (VERSION_3 + "qubit q;\nrx(theta) q;", "line 4, column 4: 'theta' is not", "input float theta;"),
        ("from qiskit import QuantumCircuit\ncircuit = QuantumCircuit(2)", "this is Python", "qasm3.dumps"),
        ("qc = QuantumCircuit(2)", "this is Python", "qasm3.dumps"),
        ('{"qubits": 2}', "this is JSON", "OpenQASM"),
        (" // nothing\n", "an empty text", "OpenQASM"),
        ("OPENQASM 2.0;\nqreg q[1];\nhh q[0];", "OpenQASM 2 at line 3, column 1: 'hh'", "Did you mean 'h'? "),
        (VERSION_3 + "const int n = 20000; input array[float, n] t;", "20,000 elements", "Use 1 to 10,000"),
        (VERSION_3 + "input array[float, 2, 2] t;", "line 3, column 7: values of type 'array'", '"$file"'),
        ("OPENQASM 4.0; qubit q;", "OpenQASM 4 is unknown", "OPENQASM 3.0; or OPENQASM 2.0;"),
        ("OPENQASM 2.0; qreg q[999999999];", "go up to 10,000", "smaller register"),
        ("OPENQASM 3.0; qubit q; U(" + "(" * 500 + "1" + ")" * 500 + ",1,1) q;", "nested more than 100", "Split"),
    ],
)
def test_a_refusal_names_construct_line_and_column_and_the_way_out(text: str, message: str, next_step: str) -> None:
    error = refused(text)
    assert message in str(error)
    assert next_step in error.next_step
    assert error.next_step


def test_a_loop_too_long_is_refused_before_it_is_unrolled() -> None:
    assert "200,000" in str(refused("qubit q; for int i in [0:1000000000] { }"))
