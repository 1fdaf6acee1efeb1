"""Traces: the one id that joins a button, its jobs and the answers they lead to.

The id is that of a W3C Trace Context (`traceparent`), made where somebody asks for something. It
is kept with each job, sent along to serving, and stands on every log line, whether or not spans
are recorded. `start` lets spans be recorded too, by OpenTelemetry; without it a span costs a few
look-ups and nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from core.errors import SettingsError

HEADER = "traceparent"

_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Span(Protocol):
    """A span that is being recorded."""

    @property
    def traceparent(self) -> str:
        """Where what is done inside it belongs."""

    def note(self, attributes: dict[str, Any]) -> None:
        """Add what became known meanwhile."""

    def link(self, traceparent: str) -> None:
        """Point at another trace that led to this one."""

    def fail(self, why: str) -> None:
        """Mark it as failed."""

    def end(self) -> None:
        """Close it."""


class Recorder(Protocol):
    """Where spans go."""

    def begin(
        self, name: str, parent: str, links: Sequence[str], attributes: dict[str, Any]
    ) -> Span:
        """Open a span under a parent; a root where the parent is empty."""

    def stop(self, seconds: float) -> None:
        """Send what is left, for so long at most."""


_here: ContextVar[str] = ContextVar("driftdesk.traceparent", default="")
_request: ContextVar[str] = ContextVar("driftdesk.request", default="")
_span: ContextVar[Span | None] = ContextVar("driftdesk.span", default=None)
_recorder: Recorder | None = None


def new() -> str:
    """A context that belongs to nothing before it."""
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"


def well_formed(traceparent: str) -> str:
    """The same if it is a W3C traceparent of version 00, else nothing."""
    return traceparent if _FORM.fullmatch(traceparent) else ""


def here() -> str:
    """The traceparent of what is being done; empty where nobody asked for it."""
    return _here.get()


def trace_id(traceparent: str | None = None) -> str:
    """The trace's id, 32 hex digits: of what is being done, or of the context that is given."""
    return (_here.get() if traceparent is None else traceparent)[3:35]


def start(endpoint: str, program: str) -> None:
    """Record the spans of this process from now on; without an endpoint nothing happens.

    `endpoint` is the base address of an OTLP/HTTP collector. What else OpenTelemetry's own
    environment variables say (headers, sampling, limits) holds as well.

    Raises:
        SettingsError: OpenTelemetry is not installed.
    """
    global _recorder  # noqa: PLW0603 - one process records to one place, or to none
    if endpoint and _recorder is None:
        _recorder = _opentelemetry()(endpoint, program)


def prepare(endpoint: str) -> None:
    """Load what `start` needs, for a process whose children are to record; as little as it does.

    Raises:
        SettingsError: OpenTelemetry is not installed.
    """
    if endpoint:
        _opentelemetry()


def _opentelemetry() -> Callable[[str, str], Recorder]:
    try:
        from core.spans import OpenTelemetry  # noqa: PLC0415 - only who traces pays for it
    except ImportError as error:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed "
            f"({error.name}). Install the dependency group `tracing`, or unset it."
        ) from error
    return OpenTelemetry


def stop(seconds: float = 2.0) -> None:
    """Record no more, and send what is left, for so long at most."""
    global _recorder
    recorder, _recorder = _recorder, None
    if recorder is not None:
        recorder.stop(seconds)


def is_on() -> bool:
    """Whether spans are recorded."""
    return _recorder is not None


def take_part(traceparent: str, request: str) -> None:
    """Let what this task or thread does from now on be a part of that trace and that request.

    No span is opened, and nothing is undone: for tasks that have a context of their own.
    """
    _here.set(traceparent)
    _request.set(request)


def request_id() -> str:
    """The id of the HTTP request that is being answered; empty where there is none."""
    return _request.get()


@contextmanager
def span(
    name: str, *, parent: str = "", links: Sequence[str] = (), **attributes: Any
) -> Iterator[None]:
    """Do the block as one step of a trace.

    It goes under `parent` where that is a traceparent, else under what is being done already, else
    a new trace begins. Attributes that are None are left out.
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
    """Add what became known to the span that is open; None is left out."""
    if opened := _span.get():
        opened.note(attributes)


def link(traceparent: str) -> None:
    """Say that another trace led to the span that is open."""
    if (opened := _span.get()) and well_formed(traceparent):
        opened.link(traceparent)


def fail(why: str) -> None:
    """Mark the span that is open as failed, where the error itself was taken care of."""
    if opened := _span.get():
        opened.fail(why)
