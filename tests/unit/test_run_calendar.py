"""The calendar of runs: each day's jobs, and exactly the scheduled runs that will come."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.jobs import JobState
from core.rules.ops.run_calendar import MOST_COMING, Day, beside, first_of_month, weeks
from core.rules.ops.schedule import Schedule, Task, Timing, next_run

NOW = datetime(2026, 11, 12, 10, 30, tzinfo=UTC)
NOVEMBER = date(2026, 11, 1)


def scheduled(cron: str, zone: str = "UTC", *, due: datetime | None = None) -> Schedule:
    timing = Timing(cron, zone)
    at = due or next_run(timing, NOW)
    return Schedule(1, timing, Task.INGEST, NOW, "ana", 1, at)


def days(month: date, *schedules: Schedule, now: datetime = NOW) -> dict[date, Day]:
    found = weeks(month, {}, schedules, now)
    return {day.date: day for week in found for day in week if day}


def test_a_month_has_its_days_in_weeks_that_begin_on_monday() -> None:
    found = weeks(NOVEMBER, {}, (), NOW)
    assert [day and day.date.day for day in found[0]] == [None] * 6 + [1]
    assert [day.date.day for week in found for day in week if day] == list(range(1, 31))


def test_jobs_count_on_their_day_by_how_they_ended() -> None:
    day = date(2026, 11, 3)
    jobs = {(day, state): n for n, state in enumerate(JobState, 1)}
    (found,) = [d for week in weeks(NOVEMBER, jobs, (), NOW) for d in week if d and d.date == day]
    of = {state: n for (_, state), n in jobs.items()}
    assert found.succeeded == of[JobState.SUCCEEDED]
    assert found.ended_badly == of[JobState.FAILED] + of[JobState.CANCELLED]
    assert found.open == sum(n for state, n in of.items() if not state.is_over)


@given(
    cron=st.sampled_from(["0 6 * * *", "15 * * * *", "30 6 * * 1-5", "0 0 1 * *", "5 4 * * 0"]),
    zone=st.sampled_from(["UTC", "Europe/Zurich", "Pacific/Auckland"]),
    months=st.integers(0, 13),
)
@settings(deadline=None)
def test_the_coming_runs_are_those_of_the_schedule(cron: str, zone: str, months: int) -> None:
    month = NOVEMBER
    for _ in range(months):
        month = beside(month, 1)
    expected: dict[date, int] = {}
    timing, at = Timing(cron, zone), NOW
    while (at := next_run(timing, at)).date() < beside(month, 1):
        if at.date() >= month:
            expected[at.date()] = expected.get(at.date(), 0) + 1
    coming = {day: d.coming for day, d in days(month, scheduled(cron, zone)).items() if d.coming}
    assert coming == {day: min(n, MOST_COMING) for day, n in expected.items()}


def test_a_schedule_for_every_minute_is_capped_on_each_day() -> None:
    found = days(NOVEMBER, scheduled("* * * * *"))
    capped = [day.day for day, d in found.items() if d.is_capped]
    assert capped == list(range(12, 31))
    assert {found[date(2026, 11, d)].coming for d in capped} == {MOST_COMING}


def test_runs_of_two_schedules_add_up() -> None:
    found = days(NOVEMBER, scheduled("0 6 * * *"), scheduled("0 7 * * *"))
    assert found[date(2026, 11, 20)].coming == 2


def test_an_overdue_run_counts_today_and_a_paused_schedule_has_none() -> None:
    late = scheduled("0 6 * * *", due=NOW - timedelta(days=2))
    assert days(NOVEMBER, late)[NOW.date()].coming == 1
    paused = Schedule(2, Timing("0 6 * * *"), Task.ALL, NOW, "ana", 1, None)
    assert not any(day.coming for day in days(NOVEMBER, paused).values())


def test_past_months_have_no_coming_runs() -> None:
    assert not any(day.coming for day in days(date(2026, 10, 1), scheduled("0 * * * *")).values())


def test_an_unknown_zone_costs_only_its_own_schedule() -> None:
    lost = scheduled("0 6 * * *", "Nowhere/Lost", due=NOW + timedelta(days=1))
    found = days(NOVEMBER, lost, scheduled("0 7 * * *"))
    assert found[date(2026, 11, 14)].coming == 1


def test_an_address_names_a_month_or_todays_is_shown() -> None:
    today = NOW.date()
    assert first_of_month("2026-02", today) == date(2026, 2, 1)
    for wrong in ("", "2026-13", "soon", "2026-02-03", "0000-01", "2026-02-01T00"):
        assert first_of_month(wrong, today) == NOVEMBER


def test_the_calendar_ends_with_the_dates_that_there_are() -> None:
    assert beside(date(9999, 12, 1), 1) == date(9999, 12, 1)
    assert beside(date(1, 1, 1), -1) == date(1, 1, 1)
    assert beside(NOVEMBER, 1) == date(2026, 12, 1)
    assert beside(NOVEMBER, -1) == date(2026, 10, 1)
    weeks(date(9999, 12, 1), {}, (scheduled("0 6 * * *"),), NOW)
