"""Qiskit values in and out: literals and encoding, bounded decoding, summaries.

Importing this loads neither Qiskit nor NumPy; the functions do, when a value needs them.
"""

from .decode import Opaque, decode
from .encode import encode_arguments
from .limits import Limits
from .summaries import summarize
from .summary_models import Counts, Outcome, Summary, ValueSummary

__all__ = [
    "Counts",
    "Limits",
    "Opaque",
    "Outcome",
    "Summary",
    "ValueSummary",
    "decode",
    "encode_arguments",
    "summarize",
]
