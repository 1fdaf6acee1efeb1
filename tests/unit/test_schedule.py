"""When a schedule is due: the rhythms, the zones, the two nights on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.errors import BadInput
from core.rules.ops.schedule import (
    Cadence,
    Timing,
    cadence_of,
    cron_line,
    in_words,
    missed,
    next_run,
    require_timing,
)

ZURICH = "Europe/Zurich"


def utc(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("cron", "zone", "after", "due"),
    [
        ("0 * * * *", "UTC", utc(2026, 1, 1, 0, 0), utc(2026, 1, 1, 1)),
        ("30 6 * * *", "UTC", utc(2026, 1, 1, 6, 30), utc(2026, 1, 2, 6, 30)),
        ("30 6 * * *", ZURICH, utc(2026, 7, 1), utc(2026, 7, 1, 4, 30)),
        ("30 6 * * 1", "UTC", utc(2026, 11, 24), utc(2026, 11, 30, 6, 30)),
        ("0 0 L * *", "UTC", utc(2026, 2, 1), utc(2026, 2, 28)),
        # 02:30 does not exist on this night: the first minute after the gap stands for it.
        ("30 2 * * *", ZURICH, utc(2026, 3, 28, 12), utc(2026, 3, 29, 1)),
        # 02:30 comes twice on this night, and counts once.
        ("30 2 * * *", ZURICH, utc(2026, 10, 24, 12), utc(2026, 10, 25, 0, 30)),
        ("30 2 * * *", ZURICH, utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)),
        ("30 2 * * *", ZURICH, utc(2026, 10, 25, 1, 15), utc(2026, 10, 26, 1, 30)),
        # Every hour stays every hour.
        ("0 * * * *", ZURICH, utc(2026, 10, 25, 0, 0), utc(2026, 10, 25, 1, 0)),
    ],
)
def test_the_next_run(cron: str, zone: str, after: datetime, due: datetime) -> None:
    assert next_run(Timing(cron, zone), after) == due


@pytest.mark.parametrize(
    ("cron", "zone", "said"),
    [
        ("61 * * * *", "UTC", "field minute"),
        ("* * * *", "UTC", "five fields"),
        ("* * * * * *", "UTC", "five fields"),
        ("", "UTC", "five fields"),
        ("* * * * " + "1," * 60 + "1", "UTC", "five fields"),
        ("0 0 31 2 *", "UTC", "day-of-month"),
        ("0 0 * * *", "Mars/Olympus", "no time zone"),
        ("0 0 * * *", "../../etc/passwd", "no time zone"),
        ("0 0 * * *", "", "no time zone"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_words(cron: str, zone: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        require_timing(Timing(cron, zone))


def test_a_line_is_kept_tidy() -> None:
    assert require_timing(Timing("  0   6 * *  * ", " UTC ")) == Timing("0 6 * * *", "UTC")


@given(
    st.sampled_from(list(Cadence)[:3]), st.integers(0, 59), st.integers(0, 23), st.integers(1, 7)
)
def test_a_rhythm_is_read_back_from_its_line(
    cadence: Cadence, minute: int, hour: int, day: int
) -> None:
    line = cron_line(cadence, minute=minute, hour=hour, day=day)
    again = cadence_of(line)
    assert again[0] is cadence
    assert cron_line(again[0], minute=again[1], hour=again[2], day=again[3]) == line
    assert in_words(Timing(line)).startswith("every")


@pytest.mark.parametrize("line", ["*/5 * * * *", "0 * * * 1", "0 6 1 * *", "0 6 * * 0"])
def test_every_other_line_is_a_cron_line(line: str) -> None:
    assert cadence_of(line)[0] is Cadence.CRON
    assert cron_line(Cadence.CRON, line=line) == line


def test_a_timing_in_words() -> None:
    assert in_words(Timing("30 6 * * 1", ZURICH)) == "every Monday at 06:30 (Europe/Zurich)"
    assert in_words(Timing("5 * * * *")) == "every hour at minute 5 (UTC)"
    assert in_words(Timing("30 6 * * 1-5")) == "at 06:30 on Monday through Friday (UTC)"
    assert in_words(Timing("nonsense")) == "cron nonsense (UTC)"


@settings(deadline=None)
@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001 - strategies add it
    st.sampled_from(["UTC", ZURICH, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    st.sampled_from(["0 * * * *", "30 2 * * *", "15 6 * * 1", "*/20 1-3 * * *", "0 0 1 * *"]),
)
def test_the_next_run_is_later_and_is_what_the_one_before_it_leads_to(
    naive: datetime, zone: str, cron: str
) -> None:
    after = naive.replace(tzinfo=UTC)
    timing = Timing(cron, zone)
    due = next_run(timing, after)
    assert due > after
    assert due.tzinfo is UTC
    assert next_run(timing, due - timedelta(seconds=1)) == due
    local = due.astimezone(ZoneInfo(zone))
    if cron == "30 2 * * *" and zone == "UTC":
        assert (local.hour, local.minute) == (2, 30)


def test_missed_runs_are_counted_and_the_count_ends() -> None:
    every_hour = Timing("0 * * * *")
    assert missed(every_hour, utc(2026, 1, 1), utc(2026, 1, 1, 0, 59)) == 0
    assert missed(every_hour, utc(2026, 1, 1), utc(2026, 1, 1, 5, 30)) == 5
    assert missed(Timing("* * * * *"), utc(2020, 1, 1), utc(2026, 1, 1), at_most=20) == 20
