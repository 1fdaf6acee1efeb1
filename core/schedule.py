"""Schedules: what is to be queued when, and the rule that says when next. Pure.

Every schedule is one cron line of five fields in one time zone; hourly, daily and weekly are
cron lines that have a name. Daylight saving is met as Debian's cron meets it: a time that the
clock skips is kept at the first minute after the gap, and one that comes twice counts once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from core.errors import BadInput

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
"""The days of the week in cron's order from 1; cron takes 0 and 7 for Sunday alike."""

LONGEST_CRON = 100

_FIELDS = 5


class Task(StrEnum):
    """What a schedule queues: the next batch alone, or training too if it has drifted."""

    INGEST = "ingest"
    ALL = "all"


class Cadence(StrEnum):
    """The rhythms that have a name; CRON is every other one."""

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
    """Something that is queued by itself, again and again.

    `next_run_at` is None exactly while it is paused. `revision` grows with every change a
    person makes, so that of two who edit at once the second is told. `note` says in a
    sentence how the last run went about.
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
        """Whether it waits for somebody to resume it."""
        return self.next_run_at is None


def cron_line(
    cadence: Cadence, *, minute: int = 0, hour: int = 0, day: int = 1, line: str = ""
) -> str:
    """The cron line of a rhythm; `day` counts from 1, Monday. CRON takes `line` as it is."""
    if cadence is Cadence.HOURLY:
        return f"{minute} * * * *"
    if cadence is Cadence.DAILY:
        return f"{minute} {hour} * * *"
    if cadence is Cadence.WEEKLY:
        return f"{minute} {hour} * * {day}"
    return " ".join(line.split())


def cadence_of(cron: str) -> tuple[Cadence, int, int, int]:
    """The rhythm of a cron line with its minute, hour and day: what `cron_line` undoes."""
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
    """The timing with its cron line trimmed, if it can be kept.

    Raises:
        BadInput: the line is no cron line, it never comes due, or the zone is unknown.
    """
    tidy = Timing(" ".join(timing.cron.split()), timing.zone.strip())
    if tidy.zone not in available_timezones():
        raise BadInput(
            f"{timing.zone[:60]!r} is no time zone. Use a name such as UTC or Europe/Zurich."
        )
    next_run(tidy, datetime(2026, 1, 1, tzinfo=UTC))
    return tidy


def next_run(timing: Timing, after: datetime) -> datetime:
    """The first moment after `after` at which the timing is due, in UTC.

    Raises:
        BadInput: the line is no cron line, it never comes due, or the zone is unknown.
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
            # In the hour that comes twice, a time of the first pass is over in the second.
            if (found := moment.astimezone(UTC)) > after:
                return found
    except CronSimError as error:
        said = str(error).removeprefix("Bad ")
        raise BadInput(f"{line!r} is no cron line: look at the field {said}.") from error
    except (KeyError, ValueError, OSError) as error:  # what zoneinfo says of an unknown zone
        raise BadInput(f"The time zone {timing.zone[:60]!r} is not known here.") from error
    raise BadInput(f"{line!r} never comes due; look at its day and month.")


def missed(timing: Timing, due: datetime, now: datetime, at_most: int = 1000) -> int:
    """How many runs after `due` have come due by `now`, counted up to `at_most`."""
    count = 0
    while count < at_most and (due := next_run(timing, due)) <= now:
        count += 1
    return count


def in_words(timing: Timing) -> str:
    """A timing as people say it, such as "every Monday at 06:30 (Europe/Zurich)"."""
    cadence, minute, hour, day = cadence_of(timing.cron)
    at = f"{hour:02}:{minute:02}"
    said = {
        Cadence.HOURLY: f"every hour at minute {minute}",
        Cadence.DAILY: f"every day at {at}",
        Cadence.WEEKLY: f"every {DAYS[day - 1]} at {at}",
        Cadence.CRON: _explained(timing.cron),
    }[cadence]
    return f"{said} ({timing.zone})"


def _explained(cron: str) -> str:
    try:
        said = CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC)).explain()
    except CronSimError:
        return f"cron {cron}"
    return said[0].lower() + said[1:]
