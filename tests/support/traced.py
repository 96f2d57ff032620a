"""What a script of its own needs to collect OpenTelemetry's spans, which can be set up once a process."""

PREAMBLE = """
import sys, json, anyio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
"""

REPORT = "print(json.dumps([json.loads(span.to_json()) for span in spans.get_finished_spans()]))"
"""At its end; on stdout."""
