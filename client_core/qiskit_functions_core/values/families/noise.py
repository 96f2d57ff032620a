"""Noise: Pauli-Lindblad maps, what the noise learner returns, and Aer's noise models."""

from __future__ import annotations

from typing import Any

from qiskit.quantum_info import PauliLindbladMap
from qiskit_ibm_runtime.results.noise_learner import LayerError, NoiseLearnerResult, PauliLindbladError

from ..summary_models import ValueSummary
from . import short_json
from .containers import ContainerSupport, Dicts
from .operators import describe_terms
from .row_window import RowWindow
from .type_support import Parts, TypeSupport, mapping
from .unpacking import Unpacker


class PauliLindbladMaps(TypeSupport[PauliLindbladMap]):
    cls = PauliLindbladMap
    names = ("PauliLindbladMap",)

    def read(self, value: Any, unpacker: Unpacker) -> PauliLindbladMap:
        terms, num_qubits = mapping(value, "paulis", "num_qubits")
        return PauliLindbladMap.from_sparse_list([tuple(term) for term in terms], num_qubits=num_qubits)

    def describe(self, value: PauliLindbladMap, pointer: str, window: RowWindow) -> ValueSummary:
        rows = sorted(value.to_sparse_list(), key=lambda term: -abs(term[2]))
        terms = []
        for paulis, qubits, rate in rows[window.offset : window.end()]:
            named = sorted(zip(qubits, paulis, strict=True))
            label = " ".join(f"{pauli}{qubit}" for qubit, pauli in named) or "I"
            terms.append([label, short_json.rounded(rate)])
        return describe_terms(value, pointer, terms, window, len(rows))


class PauliLindbladErrors(TypeSupport[PauliLindbladError]):
    cls = PauliLindbladError
    names = ("noise_learner.PauliLindbladError",)

    def read(self, value: Any, unpacker: Unpacker) -> PauliLindbladError:
        return PauliLindbladError(*mapping(value, "generators", "rates"))

    def describe(self, value: PauliLindbladError, pointer: str, window: RowWindow) -> ValueSummary:
        order = (-value.rates).argsort(kind="stable")[window.offset : window.end()]
        terms = [[value.generators[at].to_label(), short_json.rounded(value.rates[at].item())] for at in order]
        return describe_terms(value, pointer, terms, window, len(value.rates))


class LayerErrors(ContainerSupport[LayerError]):
    cls = LayerError
    names = ("noise_learner.LayerError",)

    def read(self, value: Any, unpacker: Unpacker) -> LayerError:
        return LayerError(*mapping(value, "circuit", "qubits", "error"))

    def parts(self, value: LayerError) -> Parts:
        return {"circuit": value.circuit, "qubits": value.qubits, "error": value.error}


class NoiseLearnerResults(ContainerSupport[NoiseLearnerResult]):
    cls = NoiseLearnerResult
    names = ("NoiseLearnerResult",)

    def read(self, value: Any, unpacker: Unpacker) -> NoiseLearnerResult:
        return NoiseLearnerResult(*mapping(value, "data", "metadata"))

    def parts(self, value: NoiseLearnerResult) -> Parts:
        return {"data": value.data, "metadata": value.metadata}


class NoiseModelData(dict[str, Any]):
    """Aer's format of a noise model as a mapping.

    ``qiskit_aer.noise.NoiseModel.from_dict`` makes the model of it. That is left to the user: it is deprecated, and
    it simulates what it reads.
    """


class NoiseModels(Dicts):
    cls: type[dict[Any, Any]] = NoiseModelData
    names = ("NoiseModel",)

    def read(self, value: Any, unpacker: Unpacker) -> NoiseModelData:
        if not isinstance(value, dict):
            raise ValueError("its value must be an object")
        return NoiseModelData(value)


TYPES: tuple[TypeSupport[Any], ...] = (
    *(PauliLindbladMaps(), PauliLindbladErrors(), LayerErrors(), NoiseLearnerResults(), NoiseModels()),
)
