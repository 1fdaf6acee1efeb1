"""Traces: one id that joins a button, its jobs and serving's answers.

The id is a W3C Trace Context (`traceparent`), created at each request of a person. It is stored
with each job, sent to serving, and on every log line, whether or not spans are recorded. After
`start`, OpenTelemetry records spans; without it a span costs a few look-ups and OpenTelemetry is
not imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from core.domain.errors import SettingsError

if TYPE_CHECKING:
    from core.platform.tracing_otel import OpenTelemetry, Recorded

HEADER = "traceparent"

_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


_here: ContextVar[str] = ContextVar("driftdesk.traceparent", default="")
_request: ContextVar[str] = ContextVar("driftdesk.request", default="")
_span: ContextVar[Recorded | None] = ContextVar("driftdesk.span", default=None)
_recorder: OpenTelemetry | None = None


def new() -> str:
    """A new root context."""
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"


def well_formed(traceparent: str) -> str:
    """The text if it is a W3C traceparent of version 00, else empty."""
    return traceparent if _FORM.fullmatch(traceparent) else ""


def here() -> str:
    """The current traceparent; empty outside a trace."""
    return _here.get()


def trace_id(traceparent: str | None = None) -> str:
    """The trace id, 32 hex digits, of the given or the current context."""
    return (_here.get() if traceparent is None else traceparent)[3:35]


def start(endpoint: str, program: str) -> None:
    """Start to record the spans of this process; without an endpoint nothing happens.

    `endpoint` is the base URL of an OTLP/HTTP collector. OpenTelemetry's own environment variables
    (headers, sampling, limits) apply as well.

    Raises:
        SettingsError: OpenTelemetry is not installed.
    """
    global _recorder  # noqa: PLW0603 - one recorder per process
    if endpoint and _recorder is None:
        _recorder = _opentelemetry()(endpoint, program)


def prepare(endpoint: str) -> None:
    """Import what `start` needs, in a process whose children record.

    Raises:
        SettingsError: OpenTelemetry is not installed.
    """
    if endpoint:
        _opentelemetry()


def _opentelemetry() -> type[OpenTelemetry]:
    try:
        from core.platform.tracing_otel import OpenTelemetry  # noqa: PLC0415 - only with tracing on
    except ImportError as error:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed "
            f"({error.name}). Install the dependency group `tracing`, or unset it."
        ) from error
    return OpenTelemetry


def stop(seconds: float = 2.0) -> None:
    """Stop recording, and send the remaining spans within that time."""
    global _recorder
    recorder, _recorder = _recorder, None
    if recorder is not None:
        recorder.stop(seconds)


def is_on() -> bool:
    """Whether spans are recorded."""
    return _recorder is not None


def take_part(traceparent: str, request: str) -> None:
    """Make this task or thread part of that trace and request, without opening a span.

    It is never reset: for tasks that have a context of their own.
    """
    _here.set(traceparent)
    _request.set(request)


def request_id() -> str:
    """The id of the current HTTP request; empty outside one."""
    return _request.get()


@contextmanager
def span(
    name: str, *, parent: str = "", links: Sequence[str] = (), **attributes: Any
) -> Iterator[None]:
    """Run the block as a span.

    Its parent is `parent` if that is a traceparent, else the current context, else none (a new
    trace). Attributes that are None are left out.
    """
    above = well_formed(parent) or _here.get()
    recorder = _recorder
    opened = None if recorder is None else recorder.begin(name, above, links, attributes)
    at = _here.set(opened.traceparent if opened else above or new())
    inside = _span.set(opened)
    try:
        yield
    except BaseException as error:
        if opened and isinstance(error, Exception):
            opened.fail(f"{type(error).__name__}: {error}")
        raise
    finally:
        _span.reset(inside)
        _here.reset(at)
        if opened:
            opened.end()


def note(**attributes: Any) -> None:
    """Add attributes to the open span; None is left out."""
    if opened := _span.get():
        opened.note(attributes)


def link(traceparent: str) -> None:
    """Link another trace to the open span."""
    if (opened := _span.get()) and well_formed(traceparent):
        opened.link(traceparent)


def fail(why: str) -> None:
    """Mark the open span as failed although the error was handled."""
    if opened := _span.get():
        opened.fail(why)
