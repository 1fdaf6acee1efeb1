"""Structured logging, configured once by each program's entry point.

Every line names its program and, if there is one, its trace; job, kind, attempt, batch, version,
actor and request are bound as context. Passwords in URLs and the values of secret settings are
redacted in the rendered line, wherever they occur.
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

from core.domain.safe_text import printable, printable_lines
from core.platform import tracing

_REDACTED = "***"
_SHORTEST_SECRET = 4
"""Shorter secrets are not redacted: redacting every "a" would make logs unreadable."""

_URL_PASSWORD = re.compile(r"""(?<=://)([^\s/:@]*):[^\s/"']+@""")

_LINES = ("exception", "stack")
"""Fields that may have several lines."""


def _inert(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Escape control characters, so data cannot forge log lines."""
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
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        lambda _logger, _method, line: {"program": program, **line},
        _add_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _inert,
    ]
    redact = Secrets(secrets)
    structlog.configure(
        processors=[*processors, renderer, redact],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    _libraries(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *processors],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
                redact,
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
    # Handlers that libraries installed get the same format.
    for logger in list(root.manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):
            if type(handler) is logging.StreamHandler:
                handler.setFormatter(formatter)


class _Lines(logging.Handler):
    """Writes libraries' records to the current standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            print(self.format(record), file=sys.stderr)  # noqa: T201 - the log itself
        except Exception:  # noqa: BLE001 - a failing log line must not stop the program
            self.handleError(record)


def _add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if trace := tracing.trace_id():
        event.setdefault("trace", trace)
    if request := tracing.request_id():
        event.setdefault("request", request)
    return event


class Secrets:
    """Redacts secrets in a rendered line."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {
            form
            for secret in secrets
            if len(secret) >= _SHORTEST_SECRET
            for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1])
        }
        longest_first = sorted(forms, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, _logger: WrappedLogger, _method: str, line: Any) -> str:
        """The redacted line."""
        text = _URL_PASSWORD.sub(rf"\1:{_REDACTED}@", str(line))
        return self._secrets.sub(_REDACTED, text) if self._secrets else text
