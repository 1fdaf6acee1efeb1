"""Numbers, times and states in words: how the console and the CLI speak."""

from __future__ import annotations

from datetime import datetime

from core.notice import Delivery
from core.records import BatchState, Finding, JobState, PromotionState
from core.schedule import Task

METRICS = {
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "mdape": "Median absolute % error",
    "r2": "R²",
}

STATES: dict[str, tuple[str, str]] = {
    JobState.REQUESTED: ("gray", "requested"),
    JobState.QUEUED: ("gray", "queued"),
    JobState.RUNNING: ("blue", "running"),
    JobState.SUCCEEDED: ("green", "succeeded"),
    JobState.FAILED: ("red", "failed"),
    JobState.CANCELLED: ("orange", "cancelled"),
    PromotionState.PROPOSED: ("blue", "proposed"),
    PromotionState.APPROVED: ("violet", "approved"),
    PromotionState.LIVE: ("green", "live"),
    PromotionState.REJECTED: ("orange", "rejected"),
    PromotionState.RETIRED: ("gray", "retired"),
    BatchState.RECEIVED: ("blue", "received"),
    BatchState.STORED: ("green", "stored"),
    BatchState.REPEATED: ("gray", "repeated"),
    BatchState.CONFLICT: ("red", "conflict"),
    BatchState.UNREADABLE: ("red", "unreadable"),
    Delivery.PENDING: ("blue", "pending"),
    Delivery.DELIVERED: ("green", "delivered"),
    Delivery.GIVEN_UP: ("red", "given up"),
    Delivery.SKIPPED: ("gray", "not sent"),
    Finding.WITHIN: ("green", "within"),
    Finding.BREACH: ("red", "breach"),
    Finding.UNDEFINED: ("gray", "undefined"),
}
"""A colour and a word for every state; the word alone is enough to tell them apart."""

TASKS = {Task.INGEST: "ingest the next batch", Task.ALL: "run all"}

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_WHOLE = 100
"""Amounts from here on are shown without decimals."""


def ago(then: datetime | None, now: datetime) -> str:
    """How long ago, roughly."""
    if then is None:
        return "never"
    seconds = (now - then).total_seconds()
    if seconds < _MINUTE:
        return "just now"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min ago"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.0f} h ago"
    return f"{seconds / _DAY:.0f} days ago"


def ahead(then: datetime, now: datetime) -> str:
    """How far off, roughly."""
    seconds = (then - now).total_seconds()
    if seconds < _MINUTE:
        return "in a moment"
    if seconds < _HOUR:
        return f"in {seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"in {seconds / _HOUR:.0f} h"
    return f"in {seconds / _DAY:.0f} days"


def duration(start: datetime | None, end: datetime | None) -> str:
    """How long something took."""
    if start is None or end is None:
        return "-"
    seconds = (end - start).total_seconds()
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < _MINUTE else f"{seconds / _MINUTE:.1f} min"


def span(start: datetime, end: datetime) -> str:
    """From when to when, to the minute."""
    last = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"{start:%Y-%m-%d %H:%M} to {last} UTC"


def metric(name: str, value: float | None) -> str:
    """A metric as people read it: shares as per cent, amounts with separators."""
    if value is None:
        return "-"
    if name == "mdape":
        return f"{value:.1%}"
    if name == "r2":
        return f"{value:.3f}"
    return f"{value:,.0f}" if abs(value) >= _WHOLE else f"{value:,.3g}"


def percent(ratio: float | None) -> str:
    """A ratio as per cent, or that it is undefined."""
    if ratio is None:
        return "undefined"
    return f"{ratio:,.1%}" if ratio < 10 else f"{ratio:,.0%}"  # noqa: PLR2004
