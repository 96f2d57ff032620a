"""Estimate expectation values of observables in the state that a circuit prepares on a backend."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit
from qiskit.circuit.controlflow import CONTROL_FLOW_OP_NAMES
from qiskit.primitives.containers import BindingsArray
from qiskit.providers import BackendV2
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from qiskit.transpiler.exceptions import TranspilerError
from qiskit_ibm_runtime import EstimatorV2, QiskitRuntimeService
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

MAX_TERMS_WRITTEN = 20


def run(
    circuit: QuantumCircuit,
    observable: SparsePauliOp | list[SparsePauliOp],
    parameter_values: BindingsArray | ArrayLike | None = None,
    precision: float = 0.015625,
    backend_name: str | None = None,
    optimization_level: int = 2,
) -> dict[str, Any]:
    update_status(Job.MAPPING)
    circuit = circuit.remove_final_measurements(inplace=False)
    observables = observable if isinstance(observable, list) else [observable]
    check_qubits(circuit, observables)
    values = parameter_sets(circuit, parameter_values)
    branches = frozenset(circuit.count_ops()) & CONTROL_FLOW_OP_NAMES
    backend = choose_backend(backend_name, circuit.num_qubits, branches)

    update_status(Job.OPTIMIZING_HARDWARE)
    (isa_circuit,) = transpiled([circuit], backend, optimization_level)
    get_logger().info("circuit on %s: depth %d", backend.name, isa_circuit.depth())
    pub = (isa_circuit, lay_out(observable, isa_circuit, column=values.ndim > 1), values)

    update_status(Job.WAITING_QPU)
    job = EstimatorV2(mode=backend).run([pub], precision=precision)
    while job.status() in {"INITIALIZING", "QUEUED"}:
        time.sleep(5)
    update_status(Job.EXECUTING_QPU)
    result = {"result": job.result(), "backend": backend.name, "observables": [written(each) for each in observables]}
    if circuit.num_parameters:
        result |= {"parameter_names": [each.name for each in circuit.parameters], "parameter_values": values}
    return result


def check_qubits(circuit: QuantumCircuit, observables: list[SparsePauliOp]) -> None:
    for observable in observables:
        if observable.num_qubits != circuit.num_qubits:
            message = f"observable acts on {observable.num_qubits} qubits, circuit on {circuit.num_qubits}."
            raise ServerlessError("INVALID_ARGUMENT", message)


def parameter_sets(circuit: QuantumCircuit, values: BindingsArray | ArrayLike | None) -> np.ndarray:
    """Values for the circuit's parameters, shape ``(parameters,)`` or ``(sets, parameters)``."""
    try:
        if isinstance(values, BindingsArray):
            values = values.as_array(circuit.parameters)
        array = np.asarray([] if values is None else values, dtype=float)
    except (KeyError, ValueError) as error:
        raise ServerlessError("INVALID_ARGUMENT", f"parameter_values: {error}") from error
    if array.ndim not in {1, 2} or array.shape[-1] != circuit.num_parameters:
        names = ", ".join(parameter.name for parameter in circuit.parameters) or "none"
        message = f"parameter_values has shape {array.shape}; its last axis must match the parameters: {names}."
        raise ServerlessError("INVALID_ARGUMENT", message)
    return array


def lay_out(observable: SparsePauliOp | list[SparsePauliOp], isa_circuit: QuantumCircuit, *, column: bool) -> Any:
    """The observables on the backend's qubits.

    A list stands as a column against several parameter sets, so that every pair of them is estimated.
    """
    if not isinstance(observable, list):
        return observable.apply_layout(isa_circuit.layout)
    laid_out = [each.apply_layout(isa_circuit.layout) for each in observable]
    return [[each] for each in laid_out] if column else laid_out


def written(observable: SparsePauliOp) -> str:
    """The observable as a sum, which names its values."""
    terms = [
        label if coefficient == 1 else f"{coefficient if coefficient.imag else coefficient.real:g}*{label}"
        for label, coefficient in observable[:MAX_TERMS_WRITTEN].to_list()
    ]
    return " + ".join(terms + ["…"] * (len(observable) > MAX_TERMS_WRITTEN))


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
