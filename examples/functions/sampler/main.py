"""Sample circuits: transpile them for a backend, run them there, and return what was measured."""

from __future__ import annotations

import time
from typing import Any

from qiskit import QuantumCircuit
from qiskit.providers import BackendV2
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2
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
    circuit: QuantumCircuit | list[QuantumCircuit],
    shots: int = 1024,
    backend_name: str | None = None,
    optimization_level: int = 2,
) -> dict[str, Any]:
    update_status(Job.MAPPING)
    circuits = [measured(each) for each in (circuit if isinstance(circuit, list) else [circuit])]
    backend = choose_backend(backend_name, max(each.num_qubits for each in circuits))

    update_status(Job.OPTIMIZING_HARDWARE)
    pass_manager = generate_preset_pass_manager(optimization_level=optimization_level, backend=backend)
    isa_circuits = pass_manager.run(circuits)
    for index, isa_circuit in enumerate(isa_circuits):
        get_logger().info("circuit %d on %s: depth %d", index, backend.name, isa_circuit.depth())

    update_status(Job.WAITING_QPU)
    job = SamplerV2(mode=backend).run(isa_circuits, shots=shots)
    while job.status() in {"INITIALIZING", "QUEUED"}:
        time.sleep(5)
    update_status(Job.EXECUTING_QPU)
    return {"result": job.result(), "backend": backend.name}


def measured(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit, with all qubits measured at its end (register ``meas``) when it measures none."""
    if circuit.num_parameters:
        names = ", ".join(parameter.name for parameter in circuit.parameters)
        raise ServerlessError("INVALID_ARGUMENT", f"circuit has unbound parameters: {names}. Give them values.")
    return circuit if "measure" in circuit.count_ops() else circuit.measure_all(inplace=False)


def choose_backend(name: str | None, num_qubits: int) -> BackendV2:
    """The backend called ``name``; without a name, the least busy one that is large enough."""
    service = get_runtime_service()
    try:
        if name:
            backend = service.backend(name)
        elif isinstance(service, QiskitRuntimeService):
            backend = service.least_busy(min_num_qubits=num_qubits)
        else:  # Fake backends have no queues, and a small one is simulated fastest.
            backend = min(service.backends(min_num_qubits=num_qubits), key=lambda each: each.num_qubits)
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
