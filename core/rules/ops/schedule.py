"""Schedules: cron expressions with a time zone, and their next run. Pure.

A schedule is a five-field cron expression in one time zone; hourly, daily and weekly are named
expressions. Daylight saving follows Debian's cron: a run in a skipped hour starts at the first
minute after the gap, and one in a repeated hour runs once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from core.domain.errors import BadInput

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
"""The days of the week from cron's 1; Sunday is 0 or 7 in cron."""

LONGEST_CRON = 100

_FIELDS = 5


class Task(StrEnum):
    """What a schedule queues: ingesting the next batch, or also training if it has drifted."""

    INGEST = "ingest"
    ALL = "all"


class Cadence(StrEnum):
    """The named intervals; CRON is any other one."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    CRON = "cron"


@dataclass(frozen=True, slots=True)
class Timing:
    """When a schedule is due: a cron line, in a time zone of the IANA database."""

    cron: str
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job that is queued repeatedly.

    `next_run_at` is None exactly while it is paused. `revision` increases with every edit, so
    that the second of two concurrent edits is refused. `note` is a sentence about the last run.
    """

    id: int
    timing: Timing
    task: Task
    created_at: datetime
    created_by: str
    revision: int
    next_run_at: datetime | None
    last_run_at: datetime | None = None
    last_job_id: int | None = None
    note: str = ""

    @property
    def is_paused(self) -> bool:
        """Whether it is paused."""
        return self.next_run_at is None


def cron_line(
    cadence: Cadence, *, minute: int = 0, hour: int = 0, day: int = 1, line: str = ""
) -> str:
    """The cron expression of an interval; `day` counts from 1, Monday. CRON uses `line`."""
    if cadence is Cadence.HOURLY:
        return f"{minute} * * * *"
    if cadence is Cadence.DAILY:
        return f"{minute} {hour} * * *"
    if cadence is Cadence.WEEKLY:
        return f"{minute} {hour} * * {day}"
    return " ".join(line.split())


def cadence_of(cron: str) -> tuple[Cadence, int, int, int]:
    """The interval of a cron expression with its minute, hour and day: inverse of `cron_line`."""
    match = re.fullmatch(r"(\d{1,2}) (\*|\d{1,2}) \* \* (\*|[1-7])", cron)
    if not match or (match[2] == "*" and match[3] != "*"):
        return Cadence.CRON, 0, 0, 1
    minute = int(match[1])
    if match[2] == "*":
        return Cadence.HOURLY, minute, 0, 1
    if match[3] == "*":
        return Cadence.DAILY, minute, int(match[2]), 1
    return Cadence.WEEKLY, minute, int(match[2]), int(match[3])


def require_timing(timing: Timing) -> Timing:
    """The timing with its cron expression normalised, if it is valid.

    Raises:
        BadInput: the cron expression is invalid or never due, or the zone is unknown.
    """
    tidy = Timing(" ".join(timing.cron.split()), timing.zone.strip())
    if tidy.zone not in available_timezones():
        raise BadInput(
            f"{timing.zone[:60]!r} is no time zone. Use a name such as UTC or Europe/Zurich."
        )
    next_run(tidy, datetime(2026, 1, 1, tzinfo=UTC))
    return tidy


def next_run(timing: Timing, after: datetime) -> datetime:
    """The first time after `after` at which the timing is due, in UTC.

    Raises:
        BadInput: the cron expression is invalid or never due, or the zone is unknown.
    """
    line = timing.cron
    if len(line.split()) != _FIELDS or len(line) > LONGEST_CRON:
        raise BadInput(
            f"{line[:60]!r} is no cron line. It has five fields: minute, hour, day of the month, "
            "month, day of the week; 30 6 * * 1-5 is 06:30 on working days."
        )
    try:
        due = CronSim(line, after.astimezone(ZoneInfo(timing.zone)))
        for moment in due:
            # In a repeated hour, a time of its first pass is past in the second.
            if (utc := moment.astimezone(UTC)) > after:
                return utc
    except CronSimError as error:
        field = str(error).removeprefix("Bad ")
        raise BadInput(f"{line!r} is no cron line: look at the field {field}.") from error
    except (KeyError, ValueError, OSError) as error:  # raised by zoneinfo for an unknown zone
        raise BadInput(f"The time zone {timing.zone[:60]!r} is not known here.") from error
    raise BadInput(f"{line!r} never comes due; look at its day and month.")


def missed(timing: Timing, due: datetime, now: datetime, at_most: int = 1000) -> int:
    """How many runs after `due` have come due by `now`, counted up to `at_most`."""
    count = 0
    while count < at_most and (due := next_run(timing, due)) <= now:
        count += 1
    return count


def in_words(timing: Timing) -> str:
    """A timing in words, such as "every Monday at 06:30 (Europe/Zurich)"."""
    cadence, minute, hour, day = cadence_of(timing.cron)
    at = f"{hour:02}:{minute:02}"
    words = {
        Cadence.HOURLY: f"every hour at minute {minute}",
        Cadence.DAILY: f"every day at {at}",
        Cadence.WEEKLY: f"every {DAYS[day - 1]} at {at}",
        Cadence.CRON: _explained(timing.cron),
    }[cadence]
    return f"{words} ({timing.zone})"


def _explained(cron: str) -> str:
    try:
        text = CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC)).explain()
    except CronSimError:
        return f"cron {cron}"
    return text[0].lower() + text[1:]
