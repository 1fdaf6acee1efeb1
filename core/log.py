"""Structured logs, set up once by each program's entry point.

Every line says which program wrote it, and the trace that it belongs to where there is one; what
else is known (job, kind, attempt, batch, version, actor, request) is bound where it becomes known.
Passwords in addresses and the values of secret settings are struck out of whole lines, whatever
part of a line they came in.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from core import trace
from core.printable import printable, printable_lines

_STRUCK_OUT = "***"
_SHORTEST_SECRET = 4
"""Shorter ones are not looked for: striking out every "a" would leave nothing to read."""

_URL_PASSWORD = re.compile(r"""(?<=://)([^\s/:@]*):[^\s/"']+@""")

_LINES = ("exception", "stack")
"""What is meant to have several lines."""


def _inert(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Text from data forges no line and moves no cursor of whoever reads the log."""
    for key, value in line.items():
        if isinstance(value, str):
            line[key] = printable_lines(value) if key in _LINES else printable(value)
    return line


def configure(
    log_format: Literal["text", "json"], program: str, secrets: Iterable[str] = ()
) -> None:
    """Send structlog and the standard library's records to standard error, one line each."""
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    known: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _Program(program),
        _add_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _inert,
    ]
    strike_out = Secrets(secrets)
    structlog.configure(
        processors=[*known, renderer, strike_out],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    _libraries(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *known],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
                strike_out,
            ],
        )
    )


def _libraries(formatter: logging.Formatter) -> None:
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Lines)]:
        root.removeHandler(handler)
    lines = _Lines(logging.WARNING)
    lines.setFormatter(formatter)
    root.addHandler(lines)
    root.setLevel(logging.WARNING)
    # Some libraries bring a handler of their own; what it writes is to look like the rest.
    for logger in list(root.manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):
            if type(handler) is logging.StreamHandler:
                handler.setFormatter(formatter)


class _Lines(logging.Handler):
    """Lines of libraries, on what standard error is when they are written."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            print(self.format(record), file=sys.stderr)  # noqa: T201 - this is where lines go
        except Exception:  # noqa: BLE001 - a line that cannot be written must stop nothing
            self.handleError(record)


class _Program:
    """Says which program writes, in every thread of it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("program", self._name)
        return event


def _add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if found := trace.trace_id():
        event.setdefault("trace", found)
    if request := trace.request_id():
        event.setdefault("request", request)
    return event


class Secrets:
    """Strikes secrets out of a rendered line."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {
            form
            for secret in secrets
            if len(secret) >= _SHORTEST_SECRET
            for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1])
        }
        longest_first = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, _logger: WrappedLogger, _method: str, line: Any) -> str:
        """The line without them."""
        text = _URL_PASSWORD.sub(rf"\1:{_STRUCK_OUT}@", str(line))
        return self._known.sub(_STRUCK_OUT, text) if self._known else text
