"""OpenTelemetry behind `core.platform.tracing`; imported only with tracing on."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

_PREFIX = "driftdesk."
_EXPORT_SECONDS = 5.0
_END_SECONDS = 2.0


class OpenTelemetry:
    """Records spans and sends them to an OTLP/HTTP collector from a thread."""

    def __init__(self, endpoint: str, program: str) -> None:
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
        self._processor = BatchSpanProcessor(exporter)
        provider = TracerProvider(
            resource=Resource.create({"service.name": f"driftdesk-{program}"}),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("driftdesk")
        # Retries while the collector is unavailable are not worth a warning.
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)
        # Started now, because no thread can start during interpreter shutdown.
        self._end = threading.Event()
        self._ender = threading.Thread(target=self._flush, name="last-spans", daemon=True)
        self._ender.start()
        atexit.register(self.stop, _END_SECONDS)

    def begin(
        self, name: str, parent: str, links: Sequence[str], attributes: dict[str, Any]
    ) -> Recorded:
        """Open a span under a parent; a root where the parent is empty."""
        above = Context()  # ignore spans of other libraries in this process
        if parent:
            above = set_span_in_context(NonRecordingSpan(_context(parent)), above)
        pointers = [Link(_context(led)) for led in links if led]
        return Recorded(
            self._tracer.start_span(
                name, context=above, links=pointers, attributes=_named(attributes)
            )
        )

    def stop(self, seconds: float) -> None:
        """Send the remaining spans within that time."""
        self._end.set()
        self._ender.join(seconds)

    def _flush(self) -> None:
        self._end.wait()
        self._processor.shutdown()  # type: ignore[no-untyped-call]


class Recorded:
    """An open span."""

    def __init__(self, span: Span) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = (
            f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        )

    def note(self, attributes: dict[str, Any]) -> None:
        """Add attributes."""
        self._span.set_attributes(_named(attributes))

    def link(self, traceparent: str) -> None:
        """Link another trace that led to this one."""
        self._span.add_link(_context(traceparent))

    def fail(self, why: str) -> None:
        """Mark it as failed."""
        self._span.set_status(Status(StatusCode.ERROR, why))

    def end(self) -> None:
        """Close it."""
        self._span.end()


def _context(traceparent: str) -> SpanContext:
    _, trace, span, flags = traceparent.split("-")
    return SpanContext(int(trace, 16), int(span, 16), True, TraceFlags(int(flags, 16)))


def _named(attributes: dict[str, Any]) -> dict[str, Any]:
    return {f"{_PREFIX}{name}": value for name, value in attributes.items() if value is not None}
