"""Sample circuits: transpile them for a backend, run them there, and return what was measured."""

from __future__ import annotations

import time
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit.controlflow import CONTROL_FLOW_OP_NAMES
from qiskit.providers import BackendV2
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit.transpiler import generate_preset_pass_manager
from qiskit.transpiler.exceptions import TranspilerError
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2
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


def run(
    circuit: QuantumCircuit | list[QuantumCircuit],
    shots: int = 1024,
    backend_name: str | None = None,
    optimization_level: int = 2,
) -> dict[str, Any]:
    update_status(Job.MAPPING)
    circuits = [measured(each) for each in (circuit if isinstance(circuit, list) else [circuit])]
    branches = frozenset(name for each in circuits for name in each.count_ops()) & CONTROL_FLOW_OP_NAMES
    backend = choose_backend(backend_name, max(each.num_qubits for each in circuits), branches)

    update_status(Job.OPTIMIZING_HARDWARE)
    isa_circuits = transpiled(circuits, backend, optimization_level)
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
    if not circuit.num_qubits:
        raise ServerlessError("INVALID_ARGUMENT", "circuit has no qubits, so there is nothing to measure.")
    if "measure" not in circuit.count_ops():
        return circuit.measure_all(inplace=False)
    bits = {bit for row in circuit.get_instructions("measure") for bit in row.clbits}
    if loose := sum(not circuit.find_bit(bit).registers for bit in bits):
        message = f"circuit measures into {loose} bits that are in no classical register, so they would have no counts."
        raise ServerlessError("INVALID_ARGUMENT", f"{message} Measure into a register, or nothing for all qubits.")
    return circuit


def transpiled(circuits: list[QuantumCircuit], backend: BackendV2, optimization_level: int) -> list[QuantumCircuit]:
    """The circuits in the backend's gates; delays need a schedule, which fits their lengths to the backend's clock."""
    instructions = {name for circuit in circuits for name in circuit.count_ops()}
    if "delay" in instructions and instructions & CONTROL_FLOW_OP_NAMES:
        message = "A circuit with delays cannot be scheduled if it also branches or loops: leave the delays out."
        raise ServerlessError("INVALID_ARGUMENT", message)
    scheduling_method = "alap" if "delay" in instructions else None
    try:
        isa_circuits: list[QuantumCircuit] = generate_preset_pass_manager(
            optimization_level=optimization_level, backend=backend, scheduling_method=scheduling_method
        ).run(circuits)
    except TranspilerError as error:
        message = f"{backend.name} cannot run the circuit: {error.message} Choose another backend, or none."
        raise ServerlessError("CANNOT_TRANSPILE", message) from error
    if isinstance(backend, FakeBackendV2):
        check_memory(isa_circuits)
    return isa_circuits


def check_memory(isa_circuits: list[QuantumCircuit]) -> None:
    from qiskit_aer import AerSimulator  # not there where backends are real

    used = max(len({qubit for row in circuit.data for qubit in row.qubits}) for circuit in isa_circuits)
    if used > (most := AerSimulator().num_qubits):
        message = f"The transpiled circuit uses {used} qubits, and this machine's memory can simulate {most}."
        raise ServerlessError("TOO_MANY_QUBITS", f"{message} Use fewer qubits, or a quantum computer.")


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
