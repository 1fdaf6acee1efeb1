"""The schedules: what is queued by itself, when next, and what can be done about it."""

from __future__ import annotations

from datetime import datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import streamlit as st

from console import parts, schedules, session, words
from core.errors import BadInput
from core.roles import Right
from core.schedule import (
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
    """Every schedule, and the way to a new one."""
    found = session.ask(schedules.schedules)
    if found is None:
        return
    if not found:
        st.info(
            "Nothing is queued by itself. A schedule asks for the next batch every hour, day or "
            "week, or when a cron line says so.",
            icon=":material/event_repeat:",
        )
    for schedule in found:
        with st.container(border=True):
            _card(schedule)
    if st.button(
        "Add a schedule…",
        icon=":material/add:",
        type="primary" if not found else "secondary",
        **parts.only(Right.SCHEDULE),
    ):
        ask_timing(None)


def _card(schedule: Schedule) -> None:
    badge = ":orange-badge[paused]" if schedule.is_paused else ":green-badge[active]"
    said = words.TASKS[schedule.task]
    st.markdown(
        f"{badge} **{said[0].upper() + said[1:]}**, {parts.plain(in_words(schedule.timing))}",
        help=f"Schedule {schedule.id}: cron `{schedule.timing.cron}`",
    )
    lines = []
    if schedule.next_run_at:
        lines.append(
            f"Next {words.ahead(schedule.next_run_at, parts.now())}: "
            f"{_exact(schedule.next_run_at, schedule.timing.zone)}"
        )
    if schedule.last_run_at:
        lines.append(f"Last {words.ago(schedule.last_run_at, parts.now())}")
    if schedule.note:
        lines.append(parts.plain(schedule.note))
    lines.append(f"Added by {parts.plain(schedule.created_by)}")
    st.caption(" · ".join(lines))
    if schedules.is_overdue(schedule, parts.now()):
        st.warning(
            "It is overdue: no reconciler looks after schedules. Start one: "
            "`python -m workers reconcile`, and see the Services page.",
            icon=":material/build:",
        )
    _buttons(schedule)


def next_by_itself() -> None:
    """When something is queued by itself next, in a few words."""
    schedule = session.known(schedules.soonest)
    if schedule and schedule.next_run_at:
        when = words.ahead(schedule.next_run_at, parts.now())
        if schedules.is_overdue(schedule, parts.now()):
            when = "overdue, see Services"
        st.caption(
            f"By schedule: {words.TASKS[schedule.task]}, {when}",
            help=f"{_exact(schedule.next_run_at, schedule.timing.zone)}; see Schedule below.",
        )


def _exact(moment: datetime, zone: str) -> str:
    try:
        local = moment.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):  # a zone that this machine does not know
        return f"{moment:%Y-%m-%d %H:%M} UTC"
    return f"{local:%a %Y-%m-%d %H:%M} {local.tzname()}"


def _buttons(schedule: Schedule) -> None:
    row = st.container(horizontal=True)
    pause = ("Resume", ":material/play_arrow:", schedules.resume, "goes on")
    if not schedule.is_paused:
        pause = ("Pause", ":material/pause:", schedules.pause, "is paused")
    label, icon, action, done = pause
    look = parts.only(Right.SCHEDULE)
    row.button(
        label,
        key=f"pause-{schedule.id}",
        icon=icon,
        on_click=session.act,
        args=(f"Schedule {schedule.id} {done}.", action, schedule),
        **look,
    )
    if row.button("Edit…", key=f"edit-{schedule.id}", icon=":material/edit:", **look):
        ask_timing(schedule)
    if row.button("Remove…", key=f"remove-{schedule.id}", icon=":material/delete:", **look):
        confirm_remove(schedule)


@parts.dialog("Remove the schedule")
def confirm_remove(schedule: Schedule) -> None:
    """Say what is lost before it is."""
    st.write(
        f"Nothing is queued {parts.plain(in_words(schedule.timing))} any more. "
        "The jobs that it queued stay, and so does the record of it."
    )

    def remove() -> None:
        session.act(f"Schedule {schedule.id} is removed.", schedules.remove, schedule)

    parts.confirm("Remove it", remove)


@lru_cache(maxsize=1)
def _zones() -> list[str]:
    return ["UTC", *sorted(available_timezones() - {"UTC"})]


@parts.dialog("Schedule")
def ask_timing(schedule: Schedule | None) -> None:
    """When, and what: the next runs are shown before anything is kept."""
    before = schedule.timing if schedule else Timing("0 6 * * *")
    task = st.radio(
        "What",
        list(Task),
        index=list(Task).index(schedule.task) if schedule else 0,
        format_func={
            Task.INGEST: "Ingest the next batch, and compare it",
            Task.ALL: "Run all: train too, if the batch has drifted",
        }.__getitem__,
    )
    line = _line(before)
    zones = _zones()
    zone = st.selectbox(
        "Time zone", zones, index=zones.index(before.zone) if before.zone in zones else 0
    )
    timing = Timing(line, zone)
    fits = _preview(timing)

    def save() -> None:
        if schedule:
            done = f"Schedule {schedule.id} is changed."
            session.act(done, schedules.edit, schedule, timing, task)
        else:
            session.act("The schedule is added.", schedules.add, timing, task)

    parts.confirm("Save", save, disabled=not fits)


def _line(before: Timing) -> str:
    """The cron line that the fields add up to."""
    cadence, minute, hour, day = cadence_of(before.cron)
    chosen = st.segmented_control(
        "How often",
        list(Cadence),
        default=cadence,
        required=True,
        format_func=lambda c: "Cron line" if c is Cadence.CRON else c.value.capitalize(),
    )
    if chosen is Cadence.CRON:
        typed = st.text_input(
            "Cron line",
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
    """The next runs, or what is wrong; says whether the timing can be kept."""
    try:
        tidy = require_timing(timing)
        runs = [next_run(tidy, parts.now())]
        while len(runs) < _PREVIEWED:
            runs.append(next_run(tidy, runs[-1]))
    except BadInput as error:
        st.error(parts.plain(str(error)), icon=":material/error:")
        return False
    st.caption(
        f"{parts.plain(in_words(tidy)[0].upper() + in_words(tidy)[1:])}. Next: "
        + ", ".join(_exact(run, tidy.zone) for run in runs)
    )
    return True
