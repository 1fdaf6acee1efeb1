"""Reading and changing schedules; every change goes on record."""

from __future__ import annotations

from datetime import datetime, timedelta

from console.actions.access import needs
from console.desk import Desk
from core.domain.errors import IllegalTransition
from core.rules.access.roles import Actor, Right
from core.rules.ops.schedule import Schedule, Task, Timing, in_words, next_run, require_timing

_OVERDUE_AFTER = timedelta(seconds=30)
"""The reconciler checks every two seconds; after this time none is running."""


def schedules(desk: Desk) -> list[Schedule]:
    """Every schedule, oldest first."""
    with desk.store.read() as work:
        return work.schedules.all()


def soonest(desk: Desk) -> Schedule | None:
    """The schedule that is due next, if any."""
    waiting = [s for s in schedules(desk) if s.next_run_at]
    return min(waiting, key=lambda s: (s.next_run_at, s.id), default=None)


def is_overdue(schedule: Schedule, now: datetime) -> bool:
    """Whether it is overdue: no reconciler is running."""
    return schedule.next_run_at is not None and now - schedule.next_run_at > _OVERDUE_AFTER


def schedule(desk: Desk, schedule_id: int) -> Schedule:
    """One schedule.

    Raises:
        Missing: there is none of that id.
    """
    with desk.store.read() as work:
        return work.schedules.get(schedule_id)


@needs(Right.SCHEDULE)
def add(desk: Desk, actor: Actor, timing: Timing, task: Task) -> Schedule:
    """Add a schedule.

    Raises:
        BadInput: the cron line or the time zone cannot be used.
    """
    timing = require_timing(timing)
    with desk.store.transaction(actor) as work:
        added = work.schedules.add(timing, task, next_run(timing, work.now), actor.name)
        details = _details(timing, task)
        work.audit.add(actor.name, "add schedule", _subject(added), details=details)
    return added


@needs(Right.SCHEDULE)
def edit(desk: Desk, actor: Actor, schedule: Schedule, timing: Timing, task: Task) -> Schedule:
    """Change the timing or task of a schedule; a paused one stays paused.

    Raises:
        BadInput: the cron line or the time zone cannot be used.
        Missing, DecidedAlready: it was removed or changed meanwhile.
    """
    timing = require_timing(timing)
    before, after = _details(schedule.timing, schedule.task), _details(timing, task)
    with desk.store.transaction(actor) as work:
        due = None if schedule.is_paused else next_run(timing, work.now)
        edited = work.schedules.change(
            schedule, cron=timing.cron, zone=timing.zone, task=task.value, next_run_at=due
        )
        details = {"before": before, "after": after}
        work.audit.add(actor.name, "edit schedule", _subject(schedule), details=details)
    return edited


@needs(Right.SCHEDULE)
def pause(desk: Desk, actor: Actor, schedule: Schedule) -> Schedule:
    """Pause a schedule.

    Raises:
        IllegalTransition: it is paused already.
        Missing, DecidedAlready: it was removed or changed meanwhile.
    """
    if schedule.is_paused:
        raise IllegalTransition(f"Schedule {schedule.id} is paused already.")
    with desk.store.transaction(actor) as work:
        paused = work.schedules.change(schedule, next_run_at=None)
        work.audit.add(actor.name, "pause schedule", _subject(schedule))
    return paused


@needs(Right.SCHEDULE)
def resume(desk: Desk, actor: Actor, schedule: Schedule) -> Schedule:
    """Resume a schedule; runs that were due while it was paused are not made up.

    Raises:
        IllegalTransition: it is not paused.
        BadInput: its time zone is no longer known.
        Missing, DecidedAlready: it was removed or changed meanwhile.
    """
    if not schedule.is_paused:
        raise IllegalTransition(f"Schedule {schedule.id} is not paused.")
    with desk.store.transaction(actor) as work:
        due = next_run(schedule.timing, work.now)
        resumed = work.schedules.change(schedule, next_run_at=due)
        work.audit.add(actor.name, "resume schedule", _subject(schedule))
    return resumed


@needs(Right.SCHEDULE)
def remove(desk: Desk, actor: Actor, schedule: Schedule) -> None:
    """Delete a schedule; the jobs that it queued stay.

    Raises:
        Missing, DecidedAlready: it was removed or changed meanwhile.
    """
    with desk.store.transaction(actor) as work:
        work.schedules.remove(schedule)
        details = _details(schedule.timing, schedule.task)
        work.audit.add(actor.name, "remove schedule", _subject(schedule), details=details)


def _subject(schedule: Schedule) -> str:
    return f"schedule:{schedule.id}"


def _details(timing: Timing, task: Task) -> dict[str, str]:
    words = in_words(timing)
    return {"cron": timing.cron, "zone": timing.zone, "task": task.value, "in words": words}
