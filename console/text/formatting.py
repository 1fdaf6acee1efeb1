"""Numbers, times and states as text, for the console and the CLI."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from core.domain.batches import BatchState
from core.domain.drift import Finding
from core.domain.jobs import Job, JobState
from core.domain.metrics import METRICS, Metric, MetricUnit
from core.domain.number_format import figure
from core.domain.number_format import percent as share
from core.domain.promotions import PromotionState
from core.rules.model.metric_comparison import Sense, amount
from core.rules.model.verdict_validity import Standing
from core.rules.ops.notification import Delivery
from core.rules.ops.schedule import Task

_COLOURS: dict[str, tuple[StrEnum, ...]] = {
    "gray": (
        JobState.REQUESTED, JobState.QUEUED, PromotionState.RETIRED, PromotionState.SUPERSEDED,
        BatchState.REPEATED, BatchState.SETTLED, Finding.UNDEFINED,
    ),
    "blue": (JobState.RUNNING, PromotionState.PROPOSED, BatchState.RECEIVED),
    "violet": (PromotionState.APPROVED,),
    "green": (JobState.SUCCEEDED, PromotionState.LIVE, BatchState.STORED, Finding.WITHIN),
    "orange": (
        JobState.CANCELLED, PromotionState.REJECTED, BatchState.SKIPPED, BatchState.INTERRUPTED,
    ),
    "red": (
        JobState.FAILED, BatchState.CONFLICT, BatchState.UNREADABLE, BatchState.CLOSED,
        BatchState.LOST, Finding.BREACH,
    ),
}  # fmt: skip

STATES: dict[str, tuple[str, str]] = {
    state: (colour, state.value.lower()) for colour, states in _COLOURS.items() for state in states
}
"""A colour and a word for each state; each word occurs once."""

DELIVERIES = {
    Delivery.PENDING: "pending",
    Delivery.DELIVERED: "delivered",
    Delivery.GIVEN_UP: "given up",
    Delivery.SKIPPED: "not sent",
}
"""A word for each state of a notification; a skipped one has the value of a skipped batch."""

STANDINGS: dict[Standing, str] = {
    Standing.RECOMMENDED: "green",
    Standing.NOT_RECOMMENDED: "orange",
    Standing.STALE: "gray",
    Standing.JUDGING: "blue",
    Standing.UNJUDGED: "gray",
}
"""A colour for each recommendation; the word is its value."""

SENSES = {Sense.BETTER: "green", Sense.WORSE: "red", Sense.SAME: "gray"}
"""A colour for each difference."""

TASKS = {Task.INGEST: "ingest the next batch", Task.ALL: "run all"}

PERCENT = "%.1f %%"
"""The format of a table's column of numbers in per cent, as `percent` writes them."""

_NO_CHANGE = share(0.0)
_LARGE, _LARGEST = 10.0, 10_000.0
"""Changes of 1,000 % and of a million per cent."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def joined(job: Job) -> str:
    """The message if the same job was open already when it was requested."""
    is_running = job.state is JobState.RUNNING
    return (
        f"Job {job.id} ({job.kind.value}) is already {'running' if is_running else 'queued'}; "
        "you joined it."
    )


def recorded(job: Job) -> str:
    """The message if a requested job is on record, but not queued yet."""
    return f"Job {job.id} ({job.kind.value}) is recorded, and starts once the queue takes it."


def ago(then: datetime | None, now: datetime) -> str:
    """An approximate time in the past, such as "5 min ago"."""
    if then is None:
        return "never"
    seconds = (now - then).total_seconds()
    return "just now" if seconds < _MINUTE else f"{_approximate(seconds)} ago"


def ahead(then: datetime, now: datetime) -> str:
    """An approximate time in the future, such as "in 5 min"."""
    seconds = (then - now).total_seconds()
    return "in a moment" if seconds < _MINUTE else f"in {_approximate(seconds)}"


def _approximate(seconds: float) -> str:
    """A duration in whole minutes, hours or days."""
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.0f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.0f} days"


def duration(start: datetime | None, end: datetime | None) -> str:
    """A duration."""
    if start is None or end is None:
        return "-"
    seconds = (end - start).total_seconds()
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < _MINUTE else f"{seconds / _MINUTE:.1f} min"


def span(start: datetime, end: datetime) -> str:
    """A period, to the minute."""
    last = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"{start:%Y-%m-%d %H:%M} to {last} UTC"


def metric(name: str | Metric, value: float | None, unit: str = "") -> str:
    """A metric as text, with the digits of sentences: amounts in the target's unit."""
    if value is None:
        return "-"
    of_target = (METRICS[name] if isinstance(name, str) else name).unit is MetricUnit.TARGET
    return f"{amount(name, value)} {unit if of_target else ''}".rstrip()


def percent(ratio: float | None) -> str:
    """A ratio as per cent, or "undefined"."""
    return "undefined" if ratio is None else share(ratio)


def signed_percent(ratio: float | None, *, rose: bool | None) -> str:
    """A change in per cent with the sign of its direction; without one if that is unknown."""
    text = percent(ratio)
    sign = "" if rose is None or not ratio or text == _NO_CHANGE else "+" if rose else "-"
    more = "more than "
    return f"{more}{sign}{text.removeprefix(more)}" if text.startswith(more) else f"{sign}{text}"


def short_change(ratio: float | None, *, rose: bool | None) -> str:
    """The same as short as it can be read, for charts: without decimals from 1,000 % on."""
    if ratio is None or ratio < _LARGE:
        return signed_percent(ratio, rose=rose)
    sign = "" if rose is None else "+" if rose else "-"
    return f"over {sign}1M %" if ratio >= _LARGEST else f"{sign}{100 * ratio:,.0f} %"


def rounded(value: float | None) -> float | None:
    """A number for a table: without decimals from 1,000 on, else with four significant digits."""
    return None if value is None else float(figure(value).replace(",", ""))


def count(number: int, noun: str) -> str:
    """A number with its noun in the singular or the plural, such as "1 row" or "2 rows"."""
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def shorten(text: str, longest: int = 160) -> str:
    """The text, cut with an ellipsis if it is longer than that.

    It is cut behind a sentence if at least half of what may stay does, else at a word.
    """
    if len(text) <= longest:
        return text
    sentences = text[: longest - 1].rpartition(". ")[0]
    if len(sentences) >= longest / 2:
        return f"{sentences}. …"
    return text[: longest - 1].rpartition(" ")[0].rstrip(" ,.;:") + "…"
