"""The schedules: list, next runs, and dialogs to add, change and remove one."""

from __future__ import annotations

from datetime import datetime, time
from functools import lru_cache, partial
from zoneinfo import ZoneInfo, available_timezones

import streamlit as st

from console.actions import schedules
from console.text import formatting
from console.web import acting, reading, widgets
from core.domain.errors import BadInput
from core.rules.access.roles import Right
from core.rules.ops.schedule import (
    DAYS,
    LONGEST_CRON,
    Cadence,
    Schedule,
    Task,
    Timing,
    cadence_of,
    cron_line,
    in_words,
    next_run,
    require_timing,
)

_PREVIEWED = 3


def listing() -> None:
    """All schedules, and a button to add one."""
    every = reading.query(schedules.schedules)
    if every is None:
        return
    if not every:
        st.info(
            "No schedule yet. A schedule ingests the next batch every hour, day or week, or by a "
            "cron expression.",
            icon=":material/event_repeat:",
        )
    for schedule in every:
        with st.container(border=True):
            _card(schedule)
    look = {"icon": ":material/add:", **widgets.only(Right.SCHEDULE)}
    if st.button(
        "Add a schedule…", key="add-schedule", type="secondary" if every else "primary", **look
    ):
        ask_timing(None)


def _card(schedule: Schedule) -> None:
    badge = ":orange-badge[paused]" if schedule.is_paused else ":green-badge[active]"
    task = formatting.TASKS[schedule.task]
    st.markdown(
        f"{badge} **{task[0].upper() + task[1:]}**, {widgets.plain(in_words(schedule.timing))}",
        help=f"Schedule {schedule.id}: cron `{schedule.timing.cron}`",
    )
    due, facts = schedule.next_run_at, [f"Added by {widgets.plain(schedule.created_by)}"]
    if schedule.note:
        facts.insert(0, widgets.plain(schedule.note))
    if schedule.last_run_at:
        facts.insert(0, f"Last {widgets.when(schedule.last_run_at)}")
    if due:
        ahead = formatting.ahead(due, widgets.now())
        facts.insert(0, f"Next {ahead}: {_exact(due, schedule.timing.zone)}")
    st.caption(" · ".join(facts))
    if schedules.is_overdue(schedule, widgets.now()):
        st.warning(
            "Overdue: no reconciler is running. Start one with `python -m workers reconcile`, and "
            "see the Services page.",
            icon=":material/build:",
        )
    _buttons(schedule)


def next_by_itself() -> None:
    """The next scheduled run, in a few words."""
    schedule = reading.query(schedules.soonest, silent=True)
    if schedule and schedule.next_run_at:
        when = formatting.ahead(schedule.next_run_at, widgets.now())
        if schedules.is_overdue(schedule, widgets.now()):
            when = "overdue, see Services"
        st.caption(
            f"By schedule: {formatting.TASKS[schedule.task]}, {when}",
            help=f"{_exact(schedule.next_run_at, schedule.timing.zone)}; see Schedule below.",
        )


def _exact(moment: datetime, zone: str) -> str:
    try:
        local = moment.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):  # the time zone is unknown on this machine
        return f"{moment:%Y-%m-%d %H:%M} UTC"
    return f"{local:%a %Y-%m-%d %H:%M} {local.tzname()}"


def _buttons(schedule: Schedule) -> None:
    row = st.container(horizontal=True)
    pause = ("Resume", ":material/play_arrow:", schedules.resume, "is resumed")
    if not schedule.is_paused:
        pause = ("Pause", ":material/pause:", schedules.pause, "is paused")
    label, icon, action, outcome = pause
    look, done = widgets.only(Right.SCHEDULE), f"Schedule {schedule.id} {outcome}."
    key = f"pause-{schedule.id}"
    widgets.act_button(row, label, key, done, action, schedule, icon=icon, **look)
    if row.button("Edit…", key=f"edit-{schedule.id}", icon=":material/edit:", **look):
        ask_timing(schedule)
    if row.button("Remove…", key=f"remove-{schedule.id}", icon=":material/delete:", **look):
        confirm_remove(schedule)


@widgets.dialog("Remove the schedule")
def confirm_remove(schedule: Schedule) -> None:
    """Say what the removal changes."""
    st.write(
        f"No job is queued {widgets.plain(in_words(schedule.timing))} any more. Its jobs and its "
        "audit events are kept."
    )
    done = f"Schedule {schedule.id} is removed."
    widgets.confirm("Remove it", partial(acting.act, done, schedules.remove, schedule))


@lru_cache(maxsize=1)
def _zones() -> list[str]:
    return ["UTC", *sorted(available_timezones() - {"UTC"})]


@widgets.dialog("Schedule")
def ask_timing(schedule: Schedule | None) -> None:
    """Task and timing, with a preview of the next runs."""
    before = schedule.timing if schedule else Timing("0 6 * * *")
    task = st.radio(
        "Task",
        list(Task),
        index=list(Task).index(schedule.task) if schedule else 0,
        format_func={
            Task.INGEST: "Ingest the next batch and check drift",
            Task.ALL: "Run all: also train if the batch has drifted",
        }.__getitem__,
    )
    line = _line(before)
    zones = _zones()
    zone = st.selectbox(
        "Time zone", zones, index=zones.index(before.zone) if before.zone in zones else 0
    )
    timing = Timing(line, zone)
    is_valid = _preview(timing)

    def save() -> None:
        if schedule:
            done = f"Schedule {schedule.id} is changed."
            acting.act(done, schedules.edit, schedule, timing, task)
        else:
            acting.act("The schedule is added.", schedules.add, timing, task)

    widgets.confirm("Save", save, disabled=not is_valid)


def _line(before: Timing) -> str:
    """The cron expression given by the fields."""
    cadence, minute, hour, day = cadence_of(before.cron)
    chosen = st.segmented_control(
        "How often", list(Cadence), default=cadence, required=True,
        format_func=lambda c: "Cron expression" if c is Cadence.CRON else c.value.capitalize(),
    )  # fmt: skip
    if chosen is Cadence.CRON:
        typed = st.text_input(
            "Cron expression",
            value=before.cron,
            max_chars=LONGEST_CRON,
            help="Minute, hour, day of the month, month, day of the week. "
            "`30 6 * * 1-5` is 06:30 on working days.",
        )
        return cron_line(Cadence.CRON, line=typed)
    if chosen is Cadence.HOURLY:
        at = st.number_input("Minute of the hour", 0, 59, value=minute)
        return cron_line(Cadence.HOURLY, minute=int(at))
    if chosen is Cadence.WEEKLY:
        name = st.selectbox("Day", DAYS, index=day - 1)
        day = DAYS.index(name) + 1
    clock = st.time_input("Time", value=time(hour, minute), step=300)
    return cron_line(chosen or Cadence.DAILY, minute=clock.minute, hour=clock.hour, day=day)


def _preview(timing: Timing) -> bool:
    """Show the next runs, or what is wrong; returns whether the timing is valid."""
    try:
        tidy = require_timing(timing)
        runs = [next_run(tidy, widgets.now())]
        while len(runs) < _PREVIEWED:
            runs.append(next_run(tidy, runs[-1]))
    except BadInput as error:
        st.error(widgets.plain(str(error)), icon=":material/error:")
        return False
    words, moments = in_words(tidy), ", ".join(_exact(run, tidy.zone) for run in runs)
    st.caption(f"{widgets.plain(words[0].upper() + words[1:])}. Next: {moments}")
    return True
