"""Find the lowest energy of an observable with the variational quantum eigensolver (VQE)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2
from qiskit.primitives.containers import BindingsArray
from qiskit.providers import BackendV2
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import Batch, EstimatorV2, QiskitRuntimeService
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

MAX_QUBITS_TO_DIAGONALISE = 10  # 1024 x 1024: about a second
MAX_TERMS_WRITTEN = 20


def run(
    observable: SparsePauliOp,
    ansatz: QuantumCircuit | None = None,
    initial_parameters: BindingsArray | ArrayLike | None = None,
    max_iterations: int = 60,
    precision: float = 0.02,
    seed: int | None = None,
    backend_name: str | None = None,
    optimization_level: int = 2,
) -> dict[str, Any]:
    update_status(Job.MAPPING)
    rng = np.random.default_rng(seed)
    ansatz = checked_ansatz(ansatz, observable, max_iterations)
    start = starting_point(ansatz, initial_parameters, rng)
    backend = choose_backend(backend_name, ansatz.num_qubits)

    update_status(Job.OPTIMIZING_HARDWARE)
    pass_manager = generate_preset_pass_manager(
        optimization_level=optimization_level, backend=backend, seed_transpiler=seed
    )
    isa_ansatz = pass_manager.run(ansatz)

    update_status(Job.WAITING_QPU)
    # A batch keeps the jobs together on every plan; a session would not open on the free one.
    with Batch(backend=built_once(backend)) as batch:
        isa_observable = observable.apply_layout(isa_ansatz.layout)
        energy = Energy(EstimatorV2(mode=batch), isa_ansatz, isa_observable, precision, rng)
        optimum = optimise(energy, start, max_iterations)
        # The least of many noisy energies is too low by chance: measure the optimum again, with more shots.
        value, standard_error = energy.measure(optimum.x, precision / 2)

    update_status(Job.POST_PROCESSING)
    get_logger().info("energy %.6f +- %.6f after %d iterations", value, standard_error, len(energy.history))
    return {
        "observable": written(observable),
        "energy": value,
        "standard_error": standard_error,
        "exact_energy": exact_ground_energy(observable),
        "converged": bool(optimum.success),
        "iterations": len(energy.history),
        "history": energy.history,
        "parameter_names": [each.name for each in ansatz.parameters],
        "parameters": optimum.x,
        "circuit": ansatz.assign_parameters(optimum.x),
        "backend": backend.name,
    }


@dataclass
class Energy:
    """The observable's mean in the state of the ansatz, as a function of the ansatz' parameters."""

    estimator: EstimatorV2
    circuit: QuantumCircuit
    observable: SparsePauliOp
    precision: float
    rng: np.random.Generator
    history: list[float] = field(default_factory=list)

    def __call__(self, parameters: np.ndarray) -> float:
        value, _ = self.measure(parameters, self.precision)
        self.history.append(value)
        if len(self.history) == 1:
            update_status(Job.EXECUTING_QPU)
        get_logger().info("iteration %d: energy %.6f", len(self.history), value)
        return value

    def measure(self, parameters: np.ndarray, precision: float) -> tuple[float, float]:
        """The mean and its standard error."""
        # A new seed each time: with one for all, the optimiser would fit that seed's noise.
        self.estimator.options.simulator.seed_simulator = int(self.rng.integers(1, 2**31))
        job = self.estimator.run([(self.circuit, self.observable, parameters)], precision=precision)
        data = job.result()[0].data
        return float(data.evs), float(data.stds)


def optimise(energy: Energy, start: np.ndarray, max_iterations: int) -> OptimizeResult:
    """Minimise with COBYLA: no gradients, one evaluation an iteration, at ease with shot noise."""
    options = {"maxiter": max_iterations, "rhobeg": 1.0, "tol": 0.05}  # steps in radians
    return minimize(energy, start, method="COBYLA", options=options)


def checked_ansatz(ansatz: QuantumCircuit | None, observable: SparsePauliOp, max_iterations: int) -> QuantumCircuit:
    if not np.allclose(observable.coeffs.imag, 0):
        raise ServerlessError("INVALID_ARGUMENT", "observable must have real coefficients to be an energy.")
    if ansatz is None:
        ansatz = efficient_su2(observable.num_qubits, reps=1)
    ansatz = ansatz.remove_final_measurements(inplace=False)
    if ansatz.num_qubits != observable.num_qubits:
        message = f"ansatz has {ansatz.num_qubits} qubits, observable acts on {observable.num_qubits}."
        raise ServerlessError("INVALID_ARGUMENT", message)
    if not ansatz.num_parameters:
        raise ServerlessError("INVALID_ARGUMENT", "ansatz has no parameters to optimise; declare some as inputs.")
    if max_iterations < (least := ansatz.num_parameters + 2):  # COBYLA's first simplex
        message = f"max_iterations must be at least {least} for {ansatz.num_parameters} parameters."
        raise ServerlessError("INVALID_ARGUMENT", message)
    return ansatz


def starting_point(
    ansatz: QuantumCircuit, initial_parameters: BindingsArray | ArrayLike | None, rng: np.random.Generator
) -> np.ndarray:
    """The given parameters, else small random ones: exactly zero is often a stationary point."""
    if initial_parameters is None:
        initial_parameters = rng.uniform(-0.1, 0.1, ansatz.num_parameters)
    if isinstance(initial_parameters, BindingsArray):
        initial_parameters = initial_parameters.as_array(ansatz.parameters)
    start = np.asarray(initial_parameters, dtype=float)
    if start.shape != (ansatz.num_parameters,):
        names = ", ".join(parameter.name for parameter in ansatz.parameters)
        raise ServerlessError("INVALID_ARGUMENT", f"initial_parameters must be one value for each of: {names}.")
    return start


def exact_ground_energy(observable: SparsePauliOp) -> float | None:
    if observable.num_qubits > MAX_QUBITS_TO_DIAGONALISE:
        return None
    return float(np.linalg.eigvalsh(observable.to_matrix())[0])


def written(observable: SparsePauliOp) -> str:
    """The observable as a sum, which names its values."""
    terms = [
        label if coefficient == 1 else f"{coefficient if coefficient.imag else coefficient.real:g}*{label}"
        for label, coefficient in observable[:MAX_TERMS_WRITTEN].to_list()
    ]
    return " + ".join(terms + ["…"] * (len(observable) > MAX_TERMS_WRITTEN))


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
