"""Schedules: what an operator may do about them and ask of them, on record like every act."""

from __future__ import annotations

from datetime import datetime, timedelta

from console.access import needs
from console.desk import Desk
from core.errors import IllegalTransition
from core.roles import Actor, Right
from core.schedule import Schedule, Task, Timing, in_words, next_run, require_timing

_PATIENCE = timedelta(seconds=30)
"""A reconciler looks every two seconds; after this long there is none."""


def schedules(desk: Desk) -> list[Schedule]:
    """Every schedule, oldest first."""
    with desk.store.read() as work:
        return work.schedules.all()


def soonest(desk: Desk) -> Schedule | None:
    """The schedule that is due next, if any is."""
    waiting = [s for s in schedules(desk) if s.next_run_at]
    return min(waiting, key=lambda s: (s.next_run_at, s.id), default=None)


def is_overdue(schedule: Schedule, now: datetime) -> bool:
    """Whether nobody fired it although it was due: no reconciler runs."""
    return schedule.next_run_at is not None and now - schedule.next_run_at > _PATIENCE


def schedule(desk: Desk, schedule_id: int) -> Schedule:
    """One schedule.

    Raises:
        Missing: there is none of that id.
    """
    with desk.store.read() as work:
        return work.schedules.get(schedule_id)


@needs(Right.SCHEDULE)
def add(desk: Desk, actor: Actor, timing: Timing, task: Task) -> Schedule:
    """Queue something again and again from now on.

    Raises:
        BadInput: the cron line or the time zone cannot be used.
    """
    timing = require_timing(timing)
    with desk.store.begin(by=actor) as work:
        made = work.schedules.add(timing, task, next_run(timing, work.now), actor.name)
        work.audit.add(actor.name, "add schedule", _subject(made), details=_details(timing, task))
        work.commit()
    return made


@needs(Right.SCHEDULE)
def edit(desk: Desk, actor: Actor, seen: Schedule, timing: Timing, task: Task) -> Schedule:
    """Change when a schedule is due, or what it queues; one that is paused stays so.

    Raises:
        BadInput: the cron line or the time zone cannot be used.
        Missing, DecidedAlready: it was removed or changed meanwhile.
    """
    timing = require_timing(timing)
    with desk.store.begin(by=actor) as work:
        due = None if seen.is_paused else next_run(timing, work.now)
        made = work.schedules.change(
            seen, cron=timing.cron, zone=timing.zone, task=task.value, next_run_at=due
        )
        details = {"before": _details(seen.timing, seen.task), "after": _details(timing, task)}
        work.audit.add(actor.name, "edit schedule", _subject(seen), details=details)
        work.commit()
    return made


@needs(Right.SCHEDULE)
def pause(desk: Desk, actor: Actor, seen: Schedule) -> Schedule:
    """Let nothing come due until somebody resumes it.

    Raises:
        IllegalTransition: it is paused already.
        Missing, DecidedAlready: it was removed or changed meanwhile.
    """
    if seen.is_paused:
        raise IllegalTransition(f"Schedule {seen.id} is paused already.")
    with desk.store.begin(by=actor) as work:
        made = work.schedules.change(seen, next_run_at=None)
        work.audit.add(actor.name, "pause schedule", _subject(seen))
        work.commit()
    return made


@needs(Right.SCHEDULE)
def resume(desk: Desk, actor: Actor, seen: Schedule) -> Schedule:
    """Go on from now; what came due while it was paused is not made up for.

    Raises:
        IllegalTransition: it is not paused.
        BadInput: its time zone is no longer known.
        Missing, DecidedAlready: it was removed or changed meanwhile.
    """
    if not seen.is_paused:
        raise IllegalTransition(f"Schedule {seen.id} is not paused.")
    with desk.store.begin(by=actor) as work:
        made = work.schedules.change(seen, next_run_at=next_run(seen.timing, work.now))
        work.audit.add(actor.name, "resume schedule", _subject(seen))
        work.commit()
    return made


@needs(Right.SCHEDULE)
def remove(desk: Desk, actor: Actor, seen: Schedule) -> None:
    """Delete a schedule; the jobs that it queued stay.

    Raises:
        Missing, DecidedAlready: it was removed or changed meanwhile.
    """
    with desk.store.begin(by=actor) as work:
        work.schedules.remove(seen)
        details = _details(seen.timing, seen.task)
        work.audit.add(actor.name, "remove schedule", _subject(seen), details=details)
        work.commit()


def _subject(schedule: Schedule) -> str:
    return f"schedule:{schedule.id}"


def _details(timing: Timing, task: Task) -> dict[str, str]:
    return {
        "cron": timing.cron,
        "zone": timing.zone,
        "task": task.value,
        "in words": in_words(timing),
    }
