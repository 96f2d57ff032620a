"""What qiskit-ibm-runtime adds to the results of primitives: its estimator's pubs, and when its jobs ran."""

from __future__ import annotations

from typing import Any

from qiskit_ibm_runtime import RuntimeDecoder
from qiskit_ibm_runtime.execution_span import (
    DoubleSliceSpan,
    ExecutionSpan,
    ExecutionSpans,
    SliceSpan,
    TwirledSliceSpan,
    TwirledSliceSpanV2,
)
from qiskit_ibm_runtime.results.estimator_pub import EstimatorPubResult

from ..summary_models import ValueSummary
from .containers import ContainerSupport
from .primitives import PubResults
from .row_window import ROWS, RowWindow
from .type_support import Parts, TypeSupport, mapping
from .unpacking import Unpacker


class Spans(TypeSupport[ExecutionSpan]):
    """One of the classes of spans: when a job ran, and which data it made."""

    def __init__(self, cls: type, name: str) -> None:
        self.cls, self.names = cls, (name,)

    def read(self, value: Any, unpacker: Unpacker) -> ExecutionSpan:
        # It holds nothing that could grow, and the official decoder knows the details of each class.
        return RuntimeDecoder().object_hook({"__type__": self.names[0], "__value__": value})

    def describe(self, value: ExecutionSpan, pointer: str, window: RowWindow) -> ValueSummary:
        facts = {"start": str(value.start), "stop": str(value.stop), "pubs": list(value.pub_idxs)[:ROWS]}
        return ValueSummary(pointer=pointer, kind="object", type=type(value).__name__, value=facts)


class SpanCollections(ContainerSupport[ExecutionSpans]):
    cls = ExecutionSpans
    # The second is the name of older releases.
    names = ("ExecutionSpans", "ExecutionSpanCollection")

    def read(self, value: Any, unpacker: Unpacker) -> ExecutionSpans:
        return ExecutionSpans(*mapping(value, "spans"))

    def parts(self, value: ExecutionSpans) -> Parts:
        return list(value)


TYPES: tuple[TypeSupport[Any], ...] = (
    PubResults(EstimatorPubResult),
    Spans(SliceSpan, "ExecutionSpan"),
    Spans(DoubleSliceSpan, "DoubleSliceSpan"),
    Spans(TwirledSliceSpan, "TwirledSliceSpan"),
    Spans(TwirledSliceSpanV2, "TwirledSliceSpanV2"),
    SpanCollections(),
)
