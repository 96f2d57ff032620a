"""The functions in ``examples/functions``, run by a gateway whose jobs start warm.

They are uploaded without their schemas, because they must say themselves what is wrong with arguments.
"""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Clbit, Parameter, Qubit
from qiskit.circuit.library import real_amplitudes
from qiskit.primitives.containers import BindingsArray
from qiskit.quantum_info import SparsePauliOp
from qiskit_serverless.serializers.program_serializers import QiskitObjectsDecoder, QiskitObjectsEncoder

from qiskit_functions_core.serverless.arguments_schema import check_schema, violation
from qiskit_functions_core.serverless.artifact import Artifact
from qiskit_functions_core.values import summarize
from qiskit_functions_gateway.server import GatewayServer
from qiskit_functions_gateway.storage.data_folder import DataFolder
from support.gateways import ENDED

EXAMPLES = Path(__file__).parents[2] / "examples" / "functions"
FOLDERS = ("sampler", "estimator", "vqe", "qaoa_maxcut", "transpiler")
JOB_SECONDS = 120.0
SUB_STATUSES = ["MAPPING", "OPTIMIZING_HARDWARE", "WAITING_QPU", "EXECUTING_QPU"]
HYDROGEN = SparsePauliOp(
    ["II", "IZ", "ZI", "ZZ", "XX"],
    [-1.052373245772859, 0.39793742484318045, -0.39793742484318045, -0.01128010425623538, 0.18093119978423156],
)
HYDROGEN_ENERGY = -1.857275
"""The lowest eigenvalue of HYDROGEN, in hartree."""


@dataclass(frozen=True)
class Ended:
    """What a run left behind."""

    status: str
    result: Any
    log: str


class Gateway:
    """Runs the examples, and tells what the last one has called home with."""

    def __init__(self, server: GatewayServer, folder: DataFolder) -> None:
        self._http = httpx.Client(
            base_url=f"{server.host}/api/v1/", headers={"Authorization": f"Bearer {server.token}"}, trust_env=False
        )
        self._folder = folder
        self._job = ""

    def close(self) -> None:
        self._http.close()

    def upload(self, folder: str) -> None:
        entrypoint = function_json(folder)["entrypoint"]
        artifact = Artifact.from_directory(EXAMPLES / folder, entrypoint).content
        answer = self._http.post(
            "programs/upload/",
            data={"title": folder, "entrypoint": entrypoint, "dependencies": "[]"},
            files={"artifact": ("artifact.tar", artifact)},
        )
        assert answer.status_code == 200, answer.text

    def run(self, folder: str, **arguments: Any) -> Ended:
        body = {"title": folder, "arguments": encoded(arguments), "config": {}}
        answer = self._http.post("programs/run/", json=body)
        assert answer.status_code == 200, answer.text
        self._job = answer.json()["id"]
        give_up = time.monotonic() + JOB_SECONDS
        while (status := self._http.get(f"jobs/{self._job}/").json()["status"]) not in ENDED:
            assert time.monotonic() < give_up, status
            time.sleep(0.02)
        job = self._folder.job(self._job)
        saved = job.result.read_text() if job.result.exists() else "null"
        return Ended(status, json.loads(saved, cls=QiskitObjectsDecoder), job.log.read_text())

    @property
    def sub_statuses(self) -> list[str]:
        return [data["sub_status"] for data in self._told("SUB_STATUS_CHANGE") if data["sub_status"]]

    @property
    def events(self) -> list[dict[str, Any]]:
        return self._told("ERROR")

    def _told(self, kind: str) -> list[dict[str, Any]]:
        """What the events of a kind hold, oldest first."""
        events = self._http.get(f"jobs/{self._job}/events/").json()
        return [event["data"] for event in reversed(events) if event["event_type"] == kind]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayServer, DataFolder]]:
    folder = DataFolder(tmp_path_factory.mktemp("examples") / "home")
    with GatewayServer(folder.path, is_warm=True) as server:
        with closing(Gateway(server, folder)) as gateway:
            for name in FOLDERS:
                gateway.upload(name)
        yield server, folder


@pytest.fixture
def gateway(server: tuple[GatewayServer, DataFolder]) -> Iterator[Gateway]:
    with closing(Gateway(*server)) as gateway:
        yield gateway


def encoded(value: Any) -> str:
    return json.dumps(value, cls=QiskitObjectsEncoder)


@cache
def function_json(folder: str) -> dict[str, Any]:
    described: dict[str, Any] = json.loads((EXAMPLES / folder / "function.json").read_text())
    return described


def bell(*, measured: bool) -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    if measured:
        circuit.measure_all()
    return circuit


def rotation() -> QuantumCircuit:
    """Prepares <Z> = cos(theta) on qubit 0; qubit 1 stays in |0>."""
    circuit = QuantumCircuit(2)
    circuit.rx(Parameter("theta"), 0)
    return circuit


def branching(*, delay: bool = False) -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], True)):
        circuit.x(1)
    if delay:
        circuit.delay(100, 1, "ns")
    circuit.measure(1, 1)
    return circuit


def chain(num_qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits)
    circuit.h(0)
    for qubit in range(num_qubits - 1):
        circuit.cx(qubit, qubit + 1)
    return circuit


def loose_bits() -> QuantumCircuit:
    circuit = QuantumCircuit([Qubit(), Qubit(), Clbit(), Clbit()])
    circuit.measure([0, 1], [0, 1])
    return circuit


def test_the_sampler_finds_the_bell_correlations_and_measures_where_the_circuit_does_not(gateway: Gateway) -> None:
    flip = QuantumCircuit(2)
    flip.x(0)
    ended = gateway.run("sampler", circuit=[bell(measured=True), flip], shots=2000)
    assert ended.status == "SUCCEEDED", ended.log
    assert ended.result["backend"] == "fake_athens"  # the smallest that fits, by size and name
    correlated, flipped = (pub.data.meas.get_counts() for pub in ended.result["result"])
    assert sum(correlated.values()) == sum(flipped.values()) == 2000
    assert min(correlated["00"], correlated["11"]) > 800
    assert flipped["01"] > 1600
    assert gateway.sub_statuses == SUB_STATUSES
    assert "[PUBLIC] INFO: circuit 0 on fake_" in ended.log


def test_the_sampler_schedules_delays_and_takes_a_backend_that_can_branch(gateway: Gateway) -> None:
    waiting = QuantumCircuit(1, 1)
    waiting.x(0)
    waiting.delay(101, 0, "ns")
    waiting.measure(0, 0)
    ended = gateway.run("sampler", circuit=[waiting], backend_name="fake_manila")
    assert ended.status == "SUCCEEDED", ended.log
    assert ended.result["result"][0].data.c.get_counts()["1"] > 900
    ended = gateway.run("sampler", circuit=branching())
    assert ended.status == "SUCCEEDED", ended.log
    assert ended.result["result"][0].data.c.get_counts()["11"] > 800


def test_the_transpiler_shows_the_levels_side_by_side(gateway: Gateway) -> None:
    star = QuantumCircuit(4)
    star.h(0)
    for qubit in (1, 2, 3):
        star.cx(0, qubit)
    ended = gateway.run("transpiler", circuit=star, seed=7)
    assert ended.status == "SUCCEEDED", ended.log
    result = ended.result
    assert (result["backend"], result["backend_qubits"]) == ("fake_athens", 5)
    assert result["before"] == {"depth": 4, "two_qubit_gates": 3}
    assert [level["optimization_level"] for level in result["levels"]] == [0, 1, 2, 3]
    best = result["levels"][result["best_level"]]
    assert best["two_qubit_gates"] == min(level["two_qubit_gates"] for level in result["levels"])
    for level in result["levels"]:
        assert sorted(level) == [
            *("depth", "duration_seconds", "final_layout", "layout", "operations"),
            *("optimization_level", "two_qubit_depth", "two_qubit_gates"),
        ]
        assert len(set(level["layout"])) == len(set(level["final_layout"])) == 4
        assert 1e-6 < level["duration_seconds"] < 1e-5
    assert result["circuit"].num_qubits == 5
    assert result["circuit"].depth() == best["depth"]
    assert gateway.sub_statuses == SUB_STATUSES[:2]


def test_the_transpiler_takes_one_level_and_circuits_with_parameters(gateway: Gateway) -> None:
    ended = gateway.run("transpiler", circuit=rotation(), backend_name="fake_sherbrooke", optimization_level=1)
    assert ended.status == "SUCCEEDED", ended.log
    (level,) = ended.result["levels"]
    assert (level["optimization_level"], ended.result["best_level"]) == (1, 1)
    assert ended.result["circuit"].num_parameters == 1
    assert ended.result["backend_qubits"] == 127


def test_the_estimator_finds_the_bell_state_s_correlation(gateway: Gateway) -> None:
    observables = [SparsePauliOp("ZZ"), SparsePauliOp("XX"), SparsePauliOp("ZI")]
    ended = gateway.run("estimator", circuit=bell(measured=True), observable=observables, backend_name="fake_manila")
    assert ended.status == "SUCCEEDED", ended.log
    data = ended.result["result"][0].data
    np.testing.assert_allclose(data.evs, [1, 1, 0], atol=0.2)
    assert np.all(data.stds < 0.03)
    assert gateway.sub_statuses == SUB_STATUSES


def test_the_estimator_pairs_every_observable_with_every_parameter_set(gateway: Gateway) -> None:
    ended = gateway.run(
        "estimator",
        circuit=rotation(),
        observable=[SparsePauliOp("IZ"), SparsePauliOp(["ZI", "II"], [1, 0.5])],
        parameter_values=[[0.0], [np.pi / 2], [np.pi]],
        backend_name="fake_manila",
    )
    assert ended.status == "SUCCEEDED", ended.log
    expected = np.array([[1, 0, -1], [1.5, 1.5, 1.5]])
    np.testing.assert_allclose(ended.result["result"][0].data.evs, expected, atol=0.2)
    assert (ended.result["observables"], ended.result["parameter_names"]) == (["IZ", "ZI + 0.5*II"], ["theta"])
    pub = next(part for part in summarize(encoded(ended.result)).parts if part.kind == "estimator_pub")
    assert pub.columns == ["IZ", "ZI + 0.5*II"]
    assert pub.row_labels == [{"theta": 0.0}, {"theta": 1.5708}, {"theta": 3.14159}]


def test_vqe_starts_where_parameters_given_by_name_say(gateway: Gateway) -> None:
    ended = gateway.run(
        "vqe",
        observable=SparsePauliOp("IZ"),
        ansatz=rotation(),
        initial_parameters=BindingsArray({"theta": np.array(3.0)}),
        max_iterations=3,
        seed=7,
    )
    assert ended.status == "SUCCEEDED", ended.log
    assert ended.result["history"][0] < -0.8  # cos(3)
    assert (ended.result["parameter_names"], ended.result["observable"]) == (["theta"], "IZ")


def test_vqe_comes_near_the_ground_state_of_hydrogen(gateway: Gateway) -> None:
    ended = gateway.run(
        "vqe",
        observable=HYDROGEN,
        ansatz=real_amplitudes(2, reps=1),
        max_iterations=30,
        seed=7,
        backend_name="fake_manila",
    )
    assert ended.status == "SUCCEEDED", ended.log
    result = ended.result
    assert result["exact_energy"] == pytest.approx(HYDROGEN_ENERGY, abs=1e-5)
    assert result["energy"] == pytest.approx(HYDROGEN_ENERGY, abs=0.1)  # the backend's noise costs about 0.04
    assert 0 < result["standard_error"] < 0.02
    assert result["iterations"] == len(result["history"]) <= 30
    assert result["parameters"].shape == (4,)
    assert (result["circuit"].num_qubits, result["circuit"].num_parameters) == (2, 0)
    assert result["backend"] == "fake_manila"
    assert gateway.sub_statuses == [*SUB_STATUSES, "POST_PROCESSING"]
    assert ended.log.count("[PUBLIC] INFO: iteration") == result["iterations"]


def test_qaoa_finds_the_maximum_cut(gateway: Gateway) -> None:
    edges: list[list[float]] = [[0, 1], [1, 2], [2, 3], [3, 4, 2.5], [4, 0], [0, 2]]
    ended = gateway.run("qaoa_maxcut", edges=edges, max_iterations=15, seed=7, backend_name="fake_manila")
    assert ended.status == "SUCCEEDED", ended.log
    result = ended.result
    assert result["cut_value"] == result["exact_cut_value"] == 6.5
    part_of = {node: part for part, nodes in enumerate(result["partition"]) for node in nodes}
    assert "".join(str(part_of[node]) for node in range(5)) == result["bit_string"]
    assert cut_value(edges, part_of) == 6.5
    assert sum(result["counts"].values()) == 1024
    assert max(result["history"]) > 4.3  # a random cut is worth 3.75, half of all edges
    assert result["iterations"] == len(result["history"]) <= 15
    assert gateway.sub_statuses == [*SUB_STATUSES, "POST_PROCESSING"]


def cut_value(edges: list[list[float]], part_of: dict[int, int]) -> float:
    weights = ([*edge, 1.0][2] for edge in edges if part_of[int(edge[0])] != part_of[int(edge[1])])
    return sum(weights)


@pytest.mark.parametrize(
    ("folder", "arguments", "code", "message"),
    [
        (
            "sampler",
            {"circuit": bell(measured=True), "backend_name": "ibm_atlantis"},
            "BACKEND_NOT_FOUND",
            "This account has no backend called 'ibm_atlantis'.",
        ),
        (
            "sampler",
            {"circuit": QuantumCircuit(6), "backend_name": "fake_manila"},
            "BACKEND_TOO_SMALL",
            "fake_manila has 5 qubits, but 6 are needed.",
        ),
        (
            "sampler",
            {"circuit": chain(40), "backend_name": "fake_sherbrooke", "optimization_level": 0},
            "TOO_MANY_QUBITS",
            "The transpiled circuit uses ",
        ),
        (
            "sampler",
            {"circuit": loose_bits()},
            "INVALID_ARGUMENT",
            "circuit measures into 2 bits that are in no classical register, so they would have no counts.",
        ),
        (
            "sampler",
            {"circuit": branching(delay=True), "backend_name": "fake_manila"},
            "INVALID_ARGUMENT",
            "A circuit with delays cannot be scheduled if it also branches or loops: leave the delays out.",
        ),
        (
            "transpiler",
            {"circuit": branching(), "backend_name": "fake_athens"},
            "CANNOT_TRANSPILE",
            "fake_athens cannot run the circuit: The control-flow construct 'if_else' is not supported by the backend.",
        ),
        (
            "estimator",
            {"circuit": rotation(), "observable": SparsePauliOp("ZZ")},
            "INVALID_ARGUMENT",
            "parameter_values has shape (0,); its last axis must match the parameters: theta.",
        ),
        (
            "vqe",
            {"observable": HYDROGEN, "max_iterations": 5},
            "INVALID_ARGUMENT",
            "max_iterations must be at least 10 for 8 parameters.",
        ),
        (
            "qaoa_maxcut",
            {"edges": [[0, 1], [2, 2]]},
            "INVALID_ARGUMENT",
            "edge [2, 2] must join two nodes and weigh something.",
        ),
        (
            "qaoa_maxcut",
            {"edgs": []},
            "FUNCTION_FAILED",
            "run() got an unexpected keyword argument 'edgs'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)
def test_a_function_that_cannot_go_on_says_why_in_an_event_and_in_the_log(
    gateway: Gateway, folder: str, arguments: dict[str, Any], code: str, message: str
) -> None:
    ended = gateway.run(folder, **arguments)
    assert ended.status == "FAILED"
    assert ended.result is None
    (event,) = gateway.events
    assert event["code"] == code
    assert event["message"].startswith(message)
    assert message in next(line for line in ended.log.splitlines() if line.startswith("[PUBLIC] ERROR"))


CIRCUIT = bell(measured=False)
ZZ = SparsePauliOp("ZZ")


@pytest.mark.parametrize(
    ("folder", "arguments"),
    [
        ("sampler", {"circuit": CIRCUIT}),
        ("sampler", {"circuit": [CIRCUIT, CIRCUIT], "shots": 100_000, "backend_name": "fake_manila"}),
        ("estimator", {"circuit": CIRCUIT, "observable": ZZ, "precision": 0.1}),
        ("estimator", {"circuit": CIRCUIT, "observable": [ZZ, ZZ], "parameter_values": [[0.5], [1]]}),
        ("estimator", {"circuit": CIRCUIT, "observable": ZZ, "parameter_values": np.array([0.5])}),
        ("vqe", {"observable": HYDROGEN}),
        ("vqe", {"observable": HYDROGEN, "ansatz": rotation(), "initial_parameters": [0.5], "seed": 7}),
        ("vqe", {"observable": HYDROGEN, "initial_parameters": np.zeros(8), "optimization_level": 0}),
        ("qaoa_maxcut", {"edges": [[0, 1], [1, 2, 0.5]], "layers": 1, "max_iterations": 4}),
        ("transpiler", {"circuit": rotation(), "backend_name": "fake_sherbrooke", "optimization_level": 0, "seed": 7}),
    ],
)
def test_the_schemas_accept_what_the_functions_take(folder: str, arguments: dict[str, Any]) -> None:
    assert violation(schema(folder), json.loads(encoded(arguments))) is None


@pytest.mark.parametrize(
    ("folder", "arguments", "path"),
    [
        ("sampler", {}, []),
        ("sampler", {"circuit": "OPENQASM 3.0;"}, ["circuit"]),
        ("sampler", {"circuit": ZZ}, ["circuit"]),
        ("sampler", {"circuit": []}, ["circuit"]),
        ("sampler", {"circuit": [CIRCUIT, ZZ]}, ["circuit", 1]),
        ("sampler", {"circuit": CIRCUIT, "shots": 0}, ["shots"]),
        ("sampler", {"circuit": CIRCUIT, "shotz": 10}, []),
        ("estimator", {"circuit": CIRCUIT, "observable": {"ZZ": 1.0}}, ["observable"]),
        ("estimator", {"circuit": CIRCUIT, "observable": ZZ, "parameter_values": ["a"]}, ["parameter_values", 0]),
        ("estimator", {"circuit": CIRCUIT, "observable": ZZ, "precision": 0}, ["precision"]),
        ("vqe", {"observable": CIRCUIT}, ["observable"]),
        ("vqe", {"observable": ZZ, "max_iterations": 501}, ["max_iterations"]),
        ("transpiler", {"circuit": [CIRCUIT]}, ["circuit"]),
        ("transpiler", {"circuit": CIRCUIT, "optimization_level": 4}, ["optimization_level"]),
        ("qaoa_maxcut", {"edges": [[0, 0.5]]}, ["edges", 0, 1]),
        ("qaoa_maxcut", {"edges": [[0]]}, ["edges", 0]),
        ("qaoa_maxcut", {"edges": [[0, 1, 2, 3]]}, ["edges", 0]),
    ],
)
def test_the_schemas_refuse_what_the_functions_cannot_take(
    folder: str, arguments: dict[str, Any], path: list[str | int]
) -> None:
    refused = violation(schema(folder), json.loads(encoded(arguments)))
    assert refused is not None
    assert refused.path[: len(path)] == path


def schema(folder: str) -> Any:
    return check_schema(json.dumps(function_json(folder)["arguments_schema"]))


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_schema_states_the_arguments_and_defaults_that_the_function_has(folder: str) -> None:
    properties = function_json(folder)["arguments_schema"]["properties"]
    parameters = run_of(folder).args
    assert list(properties) == [parameter.arg for parameter in parameters.args]
    optional = parameters.args[-len(parameters.defaults) :]
    defaults = {
        parameter.arg: ast.literal_eval(value) for parameter, value in zip(optional, parameters.defaults, strict=True)
    }
    assert {name: properties[name].get("default") for name in defaults} == defaults
    required = [parameter.arg for parameter in parameters.args if parameter.arg not in defaults]
    assert function_json(folder)["arguments_schema"]["required"] == required


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_description_is_short_and_its_first_sentence_stands_alone(folder: str) -> None:
    described = function_json(folder)
    assert described["title"] == folder.replace("_", "-")
    assert len(described["description"]) < 1000
    assert len(described["description"].split(". ")[0]) < 200
    assert all("description" in each for each in described["arguments_schema"]["properties"].values())


@pytest.mark.parametrize("name", ["choose_backend", "main", "built_once", "transpiled", "check_memory", "written"])
def test_what_the_functions_have_in_common_is_the_same_in_each(name: str) -> None:
    """An artifact is one folder, so the functions cannot share a module."""
    found = {
        ast.dump(definition) for folder in FOLDERS for definition in definitions(folder) if definition.name == name
    }
    assert len(found) == 1


def run_of(folder: str) -> ast.FunctionDef:
    (run,) = (definition for definition in definitions(folder) if definition.name == "run")
    return run


def definitions(folder: str) -> list[ast.FunctionDef]:
    tree = ast.parse((EXAMPLES / folder / "main.py").read_text())
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]
