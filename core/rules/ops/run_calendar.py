"""A month of runs: how many ended how on each day, and how many are scheduled. Pure."""

from __future__ import annotations

from calendar import Calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from core.domain.errors import BadInput
from core.domain.jobs import JobState
from core.rules.ops.schedule import Schedule, Timing, next_run

MOST_COMING = 24
"""How many coming runs of one schedule are counted on one day; a schedule can have 1,440."""

_ENDED_BADLY = (JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Day:
    """One day in UTC: the jobs requested on it by their state, and the scheduled runs to come.

    `is_capped`: a schedule has more than `MOST_COMING` of these.
    """

    date: date
    succeeded: int = 0
    ended_badly: int = 0
    open: int = 0
    coming: int = 0
    is_capped: bool = False


def first_of_month(text: str, today: date) -> date:
    """The first day of a month such as "2026-11"; of today's month if the text names none."""
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        return today.replace(day=1)


def beside(month: date, step: int) -> date:
    """The first day of the month before (-1) or after (1); the calendar's ends stay."""
    try:
        return (month + timedelta(days=31 if step > 0 else -1)).replace(day=1)
    except OverflowError:
        return month


def weeks(
    month: date,
    jobs: Mapping[tuple[date, JobState], int],
    schedules: Sequence[Schedule],
    now: datetime,
) -> list[list[Day | None]]:
    """The weeks of a month, Monday first; None stands for days of the months beside it.

    `jobs` counts the jobs by the day of their request, in UTC, and their state.
    """
    runs: dict[date, int] = {}
    capped: set[date] = set()
    for schedule in schedules:
        if schedule.next_run_at is None:
            continue
        for day, count in _coming(schedule.timing, schedule.next_run_at, month, now).items():
            runs[day] = runs.get(day, 0) + min(count, MOST_COMING)
            if count > MOST_COMING:
                capped.add(day)

    def of(number: int) -> Day | None:
        if not number:
            return None
        day = month.replace(day=number)
        by_state = {state: jobs.get((day, state), 0) for state in JobState}
        succeeded = by_state.pop(JobState.SUCCEEDED)
        badly = sum(by_state.pop(state) for state in _ENDED_BADLY)
        still_open = sum(by_state.values())
        return Day(day, succeeded, badly, still_open, runs.get(day, 0), is_capped=day in capped)

    grid = Calendar().monthdayscalendar(month.year, month.month)
    return [[of(number) for number in week] for week in grid]


def _coming(timing: Timing, due: datetime, month: date, now: datetime) -> dict[date, int]:
    """The scheduled runs of a month from now on, by day in UTC; counted up to one above the cap.

    `due` is the next run on record; an overdue one counts today.
    """
    counts: dict[date, int] = {}
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    end = beside(month, 1)
    at = max(due, now)
    try:
        if at < start:
            at = next_run(timing, start - timedelta(microseconds=1))
        while at.date() < end:
            day = at.date()
            counts[day] = counts.get(day, 0) + 1
            if counts[day] > MOST_COMING:
                at = datetime(day.year, day.month, day.day, 23, 59, 59, 999_999, tzinfo=UTC)
            at = next_run(timing, at)
    except BadInput:  # its zone is unknown on this machine: the schedule's card shows it
        return counts
    return counts
