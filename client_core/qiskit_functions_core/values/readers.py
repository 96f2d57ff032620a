"""The types that are rebuilt from encoded values: a closed list, one reader each.

The formats are those of ``RuntimeEncoder`` (qiskit-ibm-runtime) and ``QiskitObjectsEncoder`` (qiskit-serverless). A
reader gets the decoded ``__value__`` and raises when it does not fit; no module or class is ever looked up by a
name from outside.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from .payloads import Payloads

Reader = Callable[[Any, Payloads], Any]

REFUSED = {"QiskitRuntimeService": "a service carries credentials and a URL: it is never opened from data"}
_OPERATORS = "qiskit.quantum_info."
# The second is where results have been since qiskit-ibm-runtime 0.48; encoded values still name the first.
_NOISE_LEARNER = (
    "qiskit_ibm_runtime.utils.noise_learner_result",
    "qiskit_ibm_runtime.results.noise_learner",
)
_MAX_NAME = 100
_MAX_PARAMETER = 100_000
_MAX_DIGITS = 40
# What a Pauli label takes beside its letters, in microseconds.
_LABEL, _LETTERS_A_MICROSECOND = 15, 20


def name_of(tree: dict[str, Any]) -> str:
    """The name of an encoded value's type: for ``settings`` and ``_json`` that of its class, where it may be named."""
    kind = str(tree["__type__"])[:_MAX_NAME]
    if kind not in ("settings", "_json"):
        return kind
    module, class_name = (str(tree.get(key, ""))[:_MAX_NAME] for key in ("__module__", "__class__"))
    if kind == "settings" and module.startswith(_OPERATORS):
        return f"quantum_info.{class_name}"
    if kind == "_json" and module in _NOISE_LEARNER:
        return f"noise_learner.{class_name}"
    return f"{module}.{class_name}"


def _mapping(value: Any, *keys: str) -> list[Any]:
    """The values of a mapping that has exactly these keys."""
    if not isinstance(value, dict) or set(value) != set(keys):
        raise ValueError(f"its value must have the keys {', '.join(keys)}")
    return [value[key] for key in keys]


def _text(value: Any, most: int | None = None) -> str:
    if not isinstance(value, str) or (most is not None and len(value) > most):
        raise ValueError("its value must be text" if most is None else f"its value must be text up to {most} long")
    return value


def _datetime(value: Any, _: Payloads) -> datetime:
    return datetime.fromisoformat(_text(value, _MAX_DIGITS))


def _complex(value: Any, _: Payloads) -> complex:
    real, imaginary = value
    return complex(real, imaginary)


def _set(value: Any, payloads: Payloads) -> set[Any]:
    if len(value) > payloads.limits.max_set_items:
        raise ValueError(f"a set of more than {payloads.limits.max_set_items:,} items")
    return set(value)


def _as_is(value: Any, _: Payloads) -> Any:
    return value


def _array(value: Any, payloads: Payloads) -> Any:
    import numpy as np

    if isinstance(value, list):
        return np.array(value, dtype=object) if _holds_text(value) else np.array(value)
    if isinstance(value, int | float):
        return np.array(value)
    return _extrapolator(value) or payloads.array(_text(value))


def _holds_text(value: Any) -> bool:
    """Whether NumPy would make all elements as wide as the widest text, which no bound foresees."""
    if isinstance(value, list):
        return any(_holds_text(item) for item in value)
    return not isinstance(value, int | float | complex)


def _extrapolator(value: Any) -> str | None:
    """Estimator results name their extrapolators in arrays, which the encoder writes as bare names."""
    if not isinstance(value, str) or len(value) > _MAX_NAME:
        return None
    from typing import get_args

    from qiskit_ibm_runtime.options.zne_options import ExtrapolatorType

    return value if value in get_args(ExtrapolatorType) else None


def _circuit(value: Any, payloads: Payloads) -> Any:
    return payloads.circuits(_text(value))[0]


def _instruction(value: Any, payloads: Payloads) -> Any:
    return payloads.circuits(_text(value))[0].data[0].operation


def _sparse_matrix(value: Any, payloads: Payloads) -> Any:
    return payloads.sparse_matrix(_text(value))


def _pauli_label(value: Any, payloads: Payloads) -> Any:
    from qiskit.quantum_info import Pauli

    label = _text(*_mapping(value, "data"))
    payloads.claims.effort(len(label) // _LETTERS_A_MICROSECOND)
    return Pauli(label)


def _pauli_list(value: Any, payloads: Payloads) -> Any:
    from qiskit.quantum_info import PauliList

    (labels,) = _mapping(value, "data")
    payloads.claims.effort(sum(_LABEL + len(_text(label)) // _LETTERS_A_MICROSECOND for label in labels))
    return PauliList(labels)


def _sparse_pauli_op(value: Any, _: Payloads) -> Any:
    from qiskit.quantum_info import PauliList, SparsePauliOp

    paulis, coefficients = _mapping(value, "data", "coeffs")
    if not isinstance(paulis, PauliList):
        raise ValueError("its data must be a PauliList")
    return SparsePauliOp(paulis, coefficients)


def _operator(class_name: str) -> Reader:
    """States, operators and channels: built from arrays only, since a circuit would be simulated here."""

    def read(value: Any, _: Payloads) -> Any:
        import numpy as np
        from qiskit import quantum_info

        if not isinstance(value, dict) or not _only_arrays(value.get("data"), np.ndarray):
            raise ValueError("its data must be arrays")
        return getattr(quantum_info, class_name)(**value)

    return read


def _only_arrays(data: Any, array: type) -> bool:
    if isinstance(data, list):
        return all(_only_arrays(item, array) for item in data)
    return isinstance(data, array)


def _bit_array(value: Any, _: Payloads) -> Any:
    from qiskit.primitives.containers import BitArray

    array, num_bits = _mapping(value, "array", "num_bits")
    if type(num_bits) is not int or num_bits < 0:
        raise ValueError(f"num_bits is {num_bits!r}")
    return BitArray(array, num_bits)


def _data_bin(value: Any, _: Payloads) -> Any:
    from qiskit.primitives.containers import DataBin

    _, shape, fields = _mapping(value, "field_names", "shape", "fields")
    return DataBin(shape=None if shape is None else tuple(shape), **fields)


def _pub_result(value: Any, _: Payloads) -> Any:
    from qiskit.primitives.containers import DataBin, PubResult

    return PubResult(*_checked(value, DataBin))


def _sampler_pub_result(value: Any, _: Payloads) -> Any:
    from qiskit.primitives.containers import DataBin, SamplerPubResult

    return SamplerPubResult(*_checked(value, DataBin))


def _estimator_pub_result(value: Any, _: Payloads) -> Any:
    from qiskit.primitives.containers import DataBin
    from qiskit_ibm_runtime.results.estimator_pub import EstimatorPubResult

    return EstimatorPubResult(*_checked(value, DataBin))


def _checked(value: Any, data_bin: type) -> list[Any]:
    data, metadata = _mapping(value, "data", "metadata")
    if not isinstance(data, data_bin) or not isinstance(metadata, dict):
        raise ValueError("its data must be a DataBin and its metadata an object")
    return [data, metadata]


def _primitive_result(value: Any, _: Payloads) -> Any:
    from qiskit.primitives.containers import PrimitiveResult

    pubs, metadata = _mapping(value, "pub_results", "metadata")
    if not isinstance(pubs, list):
        raise ValueError("its pub_results must be a list")
    return PrimitiveResult(pubs, metadata)


def _v1_result(class_name: str, data: str) -> Reader:
    def read(value: Any, _: Payloads) -> Any:
        from qiskit import primitives

        values, metadata = _mapping(value, data, "metadata")
        return getattr(primitives, class_name)(**{data: values, "metadata": metadata})

    return read


def _observables_array(value: Any, payloads: Payloads) -> Any:
    from qiskit.primitives.containers.observables_array import ObservablesArray

    payloads.claims.effort(_effort_of_observables(value))
    return ObservablesArray(value)


def _effort_of_observables(value: Any) -> int:
    """Microseconds: about 30 for an observable, and 1 for a letter of its labels."""
    if isinstance(value, list):
        return sum(map(_effort_of_observables, value))
    return 30 + sum(map(len, map(_text, value if isinstance(value, dict) else [value])))


def _bindings_array(value: Any, payloads: Payloads) -> Any:
    from qiskit.primitives.containers.bindings_array import BindingsArray

    data, shape = _mapping(value, "data", "shape")
    payloads.claims.effort(10 * len(data))
    named = {tuple(_text(name) for name in json.loads(names)): values for names, values in data.items()}
    return BindingsArray(named, shape=tuple(shape))


def _pauli_lindblad_map(value: Any, _: Payloads) -> Any:
    from qiskit.quantum_info import PauliLindbladMap

    terms, num_qubits = _mapping(value, "paulis", "num_qubits")
    return PauliLindbladMap.from_sparse_list([tuple(term) for term in terms], num_qubits=num_qubits)


def _noise_learner_result(value: Any, _: Payloads) -> Any:
    from qiskit_ibm_runtime.results.noise_learner import NoiseLearnerResult

    return NoiseLearnerResult(*_mapping(value, "data", "metadata"))


def _pauli_lindblad_error(value: Any, _: Payloads) -> Any:
    from qiskit_ibm_runtime.results.noise_learner import PauliLindbladError

    return PauliLindbladError(*_mapping(value, "generators", "rates"))


def _layer_error(value: Any, _: Payloads) -> Any:
    from qiskit_ibm_runtime.results.noise_learner import LayerError

    return LayerError(*_mapping(value, "circuit", "qubits", "error"))


def _noise_model(value: Any, _: Payloads) -> Any:
    """Aer's format as a mapping. Aer would rebuild it by a deprecated way that simulates what it reads."""
    if not isinstance(value, dict):
        raise ValueError("its value must be an object")
    return value


def _official(type_name: str, effort: int, most: int | None = None) -> Reader:
    """Types whose payload holds nothing that can grow; the official decoder knows their details.

    ``effort`` is in microseconds, for each value and each part of a list in it.
    """

    def read(value: Any, payloads: Payloads) -> Any:
        from qiskit_ibm_runtime import RuntimeDecoder

        if most is not None:
            _text(value, most)
        lists = [part for part in value.values() if isinstance(part, list)] if isinstance(value, dict) else []
        payloads.claims.effort(effort * (1 + sum(map(len, lists))))
        return RuntimeDecoder().object_hook({"__type__": type_name, "__value__": value})

    return read


_SPANS = (
    "DoubleSliceSpan",
    "TwirledSliceSpan",
    "TwirledSliceSpanV2",
    "ExecutionSpan",
    "ExecutionSpans",
    "ExecutionSpanCollection",
)
_MATRICES = ("Operator", "Choi", "SuperOp", "Kraus", "Stinespring", "Chi", "PTM", "Statevector", "DensityMatrix")

READERS: dict[str, Reader] = {
    "datetime": _datetime,
    "complex": _complex,
    "set": _set,
    "to_json": _as_is,
    "ndarray": _array,
    "spmatrix": _sparse_matrix,
    "QuantumCircuit": _circuit,
    "Instruction": _instruction,
    "Parameter": _official("Parameter", 40, _MAX_PARAMETER),
    "quantum_info.Pauli": _pauli_label,
    "quantum_info.PauliList": _pauli_list,
    "quantum_info.SparsePauliOp": _sparse_pauli_op,
    **{f"quantum_info.{name}": _operator(name) for name in _MATRICES},
    "BitArray": _bit_array,
    "DataBin": _data_bin,
    "PubResult": _pub_result,
    "SamplerPubResult": _sampler_pub_result,
    "EstimatorPubResult": _estimator_pub_result,
    "PrimitiveResult": _primitive_result,
    "SamplerResult": _v1_result("SamplerResult", "quasi_dists"),
    "EstimatorResult": _v1_result("EstimatorResult", "values"),
    "Result": _official("Result", 60),
    "ObservablesArray": _observables_array,
    "BindingsArray": _bindings_array,
    "PauliLindbladMap": _pauli_lindblad_map,
    "NoiseLearnerResult": _noise_learner_result,
    "noise_learner.PauliLindbladError": _pauli_lindblad_error,
    "noise_learner.LayerError": _layer_error,
    "NoiseModel": _noise_model,
    **{name: _official(name, 5) for name in _SPANS},
}
