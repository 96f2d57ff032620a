"""Transpile a circuit for a backend, and tell how deep it becomes, with how many gates, on which qubits, how long."""

from __future__ import annotations

from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit.controlflow import CONTROL_FLOW_OP_NAMES
from qiskit.exceptions import QiskitError
from qiskit.providers import BackendV2
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit.transpiler import generate_preset_pass_manager
from qiskit.transpiler.exceptions import TranspilerError
from qiskit_ibm_runtime import QiskitRuntimeService
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


def run(
    circuit: QuantumCircuit,
    backend_name: str | None = None,
    optimization_level: int | None = None,
    seed: int | None = None,
) -> dict[str, Any]:
    update_status(Job.MAPPING)
    instructions = frozenset(circuit.count_ops())
    backend = choose_backend(backend_name, circuit.num_qubits, instructions & CONTROL_FLOW_OP_NAMES)

    update_status(Job.OPTIMIZING_HARDWARE)
    # Delays need a schedule, which fits their lengths to the backend's clock.
    scheduling_method = "alap" if "delay" in instructions and not instructions & CONTROL_FLOW_OP_NAMES else None
    levels, circuits = [], []
    for level in range(4) if optimization_level is None else [optimization_level]:
        pass_manager = generate_preset_pass_manager(
            optimization_level=level, backend=backend, seed_transpiler=seed, scheduling_method=scheduling_method
        )
        try:
            isa_circuit = pass_manager.run(circuit)
        except TranspilerError as error:
            message = f"{backend.name} cannot run the circuit: {error.message} Choose another backend, or none."
            raise ServerlessError("CANNOT_TRANSPILE", message) from error
        circuits.append(isa_circuit)
        levels.append({"optimization_level": level, **facts(isa_circuit, backend)})
        get_logger().info("level %d on %s: depth %d", level, backend.name, levels[-1]["depth"])

    best = min(range(len(levels)), key=lambda at: (levels[at]["two_qubit_gates"], levels[at]["depth"]))
    return {
        "backend": backend.name,
        "backend_qubits": backend.num_qubits,
        "before": {"depth": circuit.depth(), "two_qubit_gates": two_qubit_gates(circuit)},
        "levels": levels,
        "best_level": levels[best]["optimization_level"],
        "circuit": circuits[best],
    }


def facts(isa_circuit: QuantumCircuit, backend: BackendV2) -> dict[str, Any]:
    """Depth, gates, the backend's qubit of each of the circuit's qubits before and after it, and seconds."""
    try:
        duration = isa_circuit.estimate_duration(backend.target, unit="s")
    except QiskitError:  # a gate of unknown length, or a branch
        duration = None
    layout = isa_circuit.layout
    return {
        "depth": isa_circuit.depth(),
        "two_qubit_gates": two_qubit_gates(isa_circuit),
        "two_qubit_depth": isa_circuit.depth(is_two_qubit_gate),
        "operations": dict(isa_circuit.count_ops()),
        "layout": layout.initial_index_layout(filter_ancillas=True) if layout else None,
        "final_layout": layout.final_index_layout() if layout else None,
        "duration_seconds": duration,
    }


def two_qubit_gates(circuit: QuantumCircuit) -> int:
    return sum(is_two_qubit_gate(row) for row in circuit.data)


def is_two_qubit_gate(row: Any) -> bool:
    return len(row.qubits) == 2 and row.operation.name != "barrier"  # two


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
