"""Structured logs, set up once by each program's entry point."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog

from core.printable import printable, printable_lines

_LINES = ("exception", "stack")
"""What is meant to have several lines."""


def _inert(
    _logger: object, _method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Text from data forges no line and moves no cursor of whoever reads the log."""
    for key, value in line.items():
        if isinstance(value, str):
            line[key] = printable_lines(value) if key in _LINES else printable(value)
    return line


def configure(log_format: Literal["text", "json"], program: str) -> None:
    """Send structlog and the standard library's records to standard error, one line each."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _inert,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(program=program)
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
