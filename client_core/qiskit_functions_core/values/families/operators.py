"""Operators, states and channels of ``qiskit.quantum_info``."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np
from qiskit.quantum_info import (
    PTM,
    Chi,
    Choi,
    DensityMatrix,
    Kraus,
    Operator,
    Pauli,
    PauliList,
    SparsePauliOp,
    Statevector,
    Stinespring,
    SuperOp,
)

from ..summary_models import ValueSummary
from . import short_json
from .arrays import describe_array, save_npy
from .row_window import RowWindow
from .type_support import TypeSupport, mapping, text
from .unpacking import Unpacker

if TYPE_CHECKING:
    from .inputs import Inputs


def describe_terms(value: Any, pointer: str, terms: list[list[Any]], window: RowWindow, total: int) -> ValueSummary:
    """Summarise an operator by those of its ``total`` terms that are shown, each a label and a number."""
    return ValueSummary(
        pointer=pointer,
        kind="operator",
        type=type(value).__name__,
        num_qubits=value.num_qubits,
        size=total,
        terms=terms,
        **window.rest(total, len(terms)),
    )


class SparsePauliOps(TypeSupport[SparsePauliOp]):
    cls = SparsePauliOp
    names = ("quantum_info.SparsePauliOp",)

    def read(self, value: Any, unpacker: Unpacker) -> SparsePauliOp:
        paulis, coefficients = mapping(value, "data", "coeffs")
        if not isinstance(paulis, PauliList):
            raise ValueError("its data must be a PauliList")
        return SparsePauliOp(paulis, coefficients)

    def describe(self, value: SparsePauliOp, pointer: str, window: RowWindow) -> ValueSummary:
        coefficients = value.coeffs
        # Coefficients with free parameters have no magnitude; they keep their order.
        sizes = np.zeros(len(value)) if coefficients.dtype == object else np.abs(coefficients)
        terms = []
        for at in np.argsort(-sizes, kind="stable")[window.offset : window.end()]:
            coefficient = coefficients[at]
            if isinstance(coefficient, np.generic):
                coefficient = coefficient.item()
            if isinstance(coefficient, complex) and not coefficient.imag:
                coefficient = coefficient.real
            terms.append([value.paulis[at].to_label(), short_json.rounded(coefficient)])
        return describe_terms(value, pointer, terms, window, len(value))


class PauliLists(TypeSupport[PauliList]):
    cls = PauliList
    names = ("quantum_info.PauliList",)

    def read(self, value: Any, unpacker: Unpacker) -> PauliList:
        (labels,) = mapping(value, "data")
        return PauliList([text(label) for label in labels])

    def describe(self, value: PauliList, pointer: str, window: RowWindow) -> ValueSummary:
        terms = [[label, 1.0] for label in value[window.offset : window.end()].to_labels()]
        return describe_terms(value, pointer, terms, window, len(value))


class Paulis(TypeSupport[Pauli]):
    cls = Pauli
    names = ("quantum_info.Pauli",)

    def read(self, value: Any, unpacker: Unpacker) -> Pauli:
        return Pauli(text(*mapping(value, "data")))

    def describe(self, value: Pauli, pointer: str, window: RowWindow) -> ValueSummary:
        return describe_terms(value, pointer, [[value.to_label(), 1.0]], window, 1)


class Matrices(TypeSupport[Any]):
    """One of the classes of operators, states and channels that consist of arrays."""

    def __init__(self, cls: type) -> None:
        self.cls, self.names = cls, (f"quantum_info.{cls.__name__}",)

    def read(self, value: Any, unpacker: Unpacker) -> Any:
        data = value.get("data") if isinstance(value, dict) else None
        # Of a circuit, these classes would make a matrix by simulating it.
        if not self._holds_only_arrays(data):
            raise ValueError("its data must be arrays")
        # A map that differs on both sides is a tuple of both, which JSON makes a list. One-sided Kraus operators are a
        # list of arrays, a one-sided Stinespring map is an array.
        if isinstance(data, list) and (self.cls is Stinespring or (data and isinstance(data[0], list))):
            data = tuple(data)
        return self.cls(**{**value, "data": data})

    def _holds_only_arrays(self, data: Any) -> bool:
        if isinstance(data, list):
            return all(self._holds_only_arrays(item) for item in data)
        return isinstance(data, np.ndarray)

    def describe(self, value: Any, pointer: str, window: RowWindow) -> ValueSummary:
        # Several matrices, as Kraus operators are, are one array with further axes in front.
        summary = describe_array(np.asarray(value.data), pointer, window)
        return summary.model_copy(update={"type": type(value).__name__})

    def save(self, value: Any, ending: str, file: IO[bytes], inputs: Inputs | None) -> str | None:
        return save_npy(np.asarray(value.data), file) if ending == ".npy" else None


TYPES: tuple[TypeSupport[Any], ...] = (
    *(SparsePauliOps(), PauliLists(), Paulis()),
    *(Matrices(Operator), Matrices(Statevector), Matrices(DensityMatrix)),
    *(Matrices(Choi), Matrices(SuperOp), Matrices(Kraus), Matrices(Stinespring), Matrices(Chi), Matrices(PTM)),
)
