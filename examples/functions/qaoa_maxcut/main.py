"""Cut a graph in two so that the edges between the parts weigh most, with QAOA.

A cut is written as a bit string: character k is the part, 0 or 1, that node k belongs to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit.library import qaoa_ansatz
from qiskit.providers import BackendV2
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import Batch, QiskitRuntimeService, SamplerV2
from qiskit_ibm_runtime.fake_provider.fake_backend import FakeBackendV2
from qiskit_serverless import (
    Job,
    ServerlessError,
    get_arguments,
    get_logger,
    get_runtime_service,
    save_result,
    send_error,
    update_status,
)
from scipy.optimize import OptimizeResult, minimize

Edge = tuple[int, int, float]

MAX_NODES_TO_ENUMERATE = 16  # 32768 cuts: about a second


def run(
    edges: Sequence[Sequence[float]],
    layers: int = 2,
    max_iterations: int = 40,
    shots: int = 1024,
    seed: int | None = None,
    backend_name: str | None = None,
    optimization_level: int = 2,
) -> dict[str, Any]:
    update_status(Job.MAPPING)
    graph = [checked_edge(edge) for edge in edges]
    num_nodes = 1 + max(max(i, j) for i, j, _ in graph)
    check_iterations(max_iterations, layers)
    backend = choose_backend(backend_name, num_nodes)

    update_status(Job.OPTIMIZING_HARDWARE)
    pass_manager = generate_preset_pass_manager(
        optimization_level=optimization_level, backend=backend, seed_transpiler=seed
    )
    isa_circuit = pass_manager.run(qaoa_circuit(graph, num_nodes, layers))

    update_status(Job.WAITING_QPU)
    # A batch keeps the jobs together on every plan; a session would not open on the free one.
    with Batch(backend=built_once(backend)) as batch:
        mean_cut = MeanCut(SamplerV2(mode=batch), isa_circuit, graph, shots, np.random.default_rng(seed))
        optimum = optimise(mean_cut, starting_point(layers), max_iterations)
        counts = mean_cut.sample(optimum.x)

    update_status(Job.POST_PROCESSING)
    best = max(counts, key=lambda bits: cut_value(bits, graph))
    get_logger().info("best cut %s: %g", best, cut_value(best, graph))
    return {
        "bit_string": best,
        "partition": [[node for node, bit in enumerate(best) if bit == part] for part in "01"],
        "cut_value": cut_value(best, graph),
        "exact_cut_value": exact_max_cut(graph, num_nodes),
        "mean_cut_value": mean_value(counts, graph),
        "counts": counts,
        "iterations": len(mean_cut.history),
        "history": mean_cut.history,
        "parameters": optimum.x,
        "backend": backend.name,
    }


@dataclass
class MeanCut:
    """The mean value of the cuts sampled from the QAOA circuit, as a function of its angles."""

    sampler: SamplerV2
    circuit: QuantumCircuit
    graph: list[Edge]
    shots: int
    rng: np.random.Generator
    history: list[float] = field(default_factory=list)

    def __call__(self, angles: np.ndarray) -> float:
        value = mean_value(self.sample(angles), self.graph)
        self.history.append(value)
        if len(self.history) == 1:
            update_status(Job.EXECUTING_QPU)
        get_logger().info("iteration %d: mean cut %.4f", len(self.history), value)
        return value

    def sample(self, angles: np.ndarray) -> dict[str, int]:
        """How often each cut was measured, the most frequent first."""
        # A new seed each time: with one for all, the optimiser would fit that seed's noise.
        self.sampler.options.simulator.seed_simulator = int(self.rng.integers(1, 2**31))
        job = self.sampler.run([(self.circuit, angles)], shots=self.shots)
        counts = job.result()[0].data.meas.get_counts()
        return dict(Counter({bits[::-1]: count for bits, count in counts.items()}).most_common())


def qaoa_circuit(graph: list[Edge], num_nodes: int, layers: int) -> QuantumCircuit:
    """Minimising the sum of ``w/2 ZZ`` over the edges maximises the cut.

    Weights count relative to their mean size, so that the same angles suit every graph.
    """
    unit = np.mean([abs(weight) for _, _, weight in graph])
    terms = [("ZZ", [i, j], weight / unit / 2) for i, j, weight in graph]
    cost = SparsePauliOp.from_sparse_list(terms, num_qubits=num_nodes).simplify()
    circuit = qaoa_ansatz(cost, reps=layers)
    circuit.measure_all()
    return circuit


def starting_point(layers: int) -> np.ndarray:
    """Angles of a linear anneal: the mixer (beta, first) fades out while the cost (gamma) comes in."""
    ramp = (np.arange(layers) + 0.5) / layers
    return np.concatenate([0.75 * (ramp - 1), 0.75 * ramp])


def optimise(mean_cut: MeanCut, start: np.ndarray, max_iterations: int) -> OptimizeResult:
    """Maximise with COBYLA: no gradients, one evaluation an iteration, at ease with shot noise."""
    options = {"maxiter": max_iterations, "rhobeg": 0.3, "tol": 0.02}  # steps in radians
    return minimize(lambda angles: -mean_cut(angles), start, method="COBYLA", options=options)


def cut_value(bits: str, graph: list[Edge]) -> float:
    return sum(weight for i, j, weight in graph if bits[i] != bits[j])


def mean_value(counts: dict[str, int], graph: list[Edge]) -> float:
    total = sum(count * cut_value(bits, graph) for bits, count in counts.items())
    return total / sum(counts.values())


def exact_max_cut(graph: list[Edge], num_nodes: int) -> float | None:
    if num_nodes > MAX_NODES_TO_ENUMERATE:
        return None
    # Node 0 stays in part 0: swapping the parts changes no cut.
    return max(cut_value("0" + "".join(bits), graph) for bits in product("01", repeat=num_nodes - 1))


def checked_edge(edge: Sequence[float]) -> Edge:
    i, j, weight = [*edge, 1.0][:3]
    if i == j or weight == 0:
        raise ServerlessError("INVALID_ARGUMENT", f"edge {list(edge)} must join two nodes and weigh something.")
    return int(i), int(j), float(weight)


def check_iterations(max_iterations: int, layers: int) -> None:
    least = 2 * layers + 2  # COBYLA's first simplex
    if max_iterations < least:
        raise ServerlessError("INVALID_ARGUMENT", f"max_iterations must be at least {least} for {layers} layers.")


def built_once(backend: BackendV2) -> BackendV2:
    """The backend; for a fake one, its simulator, which the local service else rebuilds for every job."""
    if not isinstance(backend, FakeBackendV2):
        return backend
    from qiskit_aer import AerSimulator  # not there where backends are real

    return AerSimulator.from_backend(backend)


def choose_backend(name: str | None, num_qubits: int, instructions: frozenset[str] = frozenset()) -> BackendV2:
    """The backend called ``name``; without a name, the least busy one that is large enough, and simulated the smallest.

    It should have these instructions, such as ``if_else``.
    """
    service = get_runtime_service()
    try:
        if name:
            backend = service.backend(name)
        elif isinstance(service, QiskitRuntimeService):
            backend = service.least_busy(min_num_qubits=num_qubits)
        else:
            # Fake backends have no queues, and a small one is simulated fastest. Their configurations tell their size;
            # to ask for num_qubits would build every one of them, which takes seconds.
            fitting = service.backends(filters=lambda each: each.configuration().n_qubits >= num_qubits)
            fitting.sort(key=lambda each: (each.configuration().n_qubits, each.name))
            backend = next((each for each in fitting if instructions <= set(each.operation_names)), fitting[0])
    except QiskitBackendNotFoundError as error:
        wanted = f"called {name!r}" if name else f"with {num_qubits} qubits"
        raise ServerlessError("BACKEND_NOT_FOUND", f"This account has no backend {wanted}.") from error
    if backend.num_qubits < num_qubits:
        message = f"{backend.name} has {backend.num_qubits} qubits, but {num_qubits} are needed."
        raise ServerlessError("BACKEND_TOO_SMALL", message)
    return backend


def main() -> None:
    try:
        save_result(run(**get_arguments()))
    except Exception as error:  # whatever it was, the job's events and log must say it
        get_logger().error("%s: %s", type(error).__name__, error)
        message = getattr(error, "message", str(error))
        send_error(getattr(error, "code", "FUNCTION_FAILED"), message, type(error).__name__)
        raise


if __name__ == "__main__":
    main()
