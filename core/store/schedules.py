"""The schedules: what is queued by itself, changed only by compare-and-set."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.errors import DecidedAlready, Missing
from core.schedule import Schedule, Task, Timing
from core.tables import schedules


def _schedule(row: sa.Row[Any]) -> Schedule:
    fields = dict(row._mapping)
    timing = Timing(fields.pop("cron"), fields.pop("zone"))
    return Schedule(**fields | {"timing": timing, "task": Task(fields["task"])})


class Schedules:
    """The schedules, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def add(self, timing: Timing, task: Task, next_run_at: datetime, actor: str) -> Schedule:
        """Keep a new schedule."""
        inserted = self._connection.execute(
            sa.insert(schedules).values(
                cron=timing.cron,
                zone=timing.zone,
                task=task.value,
                created_at=self._now,
                created_by=actor[:200],
                revision=1,
                next_run_at=next_run_at,
                note="",
            )
        )
        (schedule_id,) = inserted.inserted_primary_key or (0,)
        return self.get(int(schedule_id))

    def get(self, schedule_id: int) -> Schedule:
        """The schedule of that id.

        Raises:
            Missing: there is none.
        """
        row = self._connection.execute(
            sa.select(schedules).where(schedules.c.id == schedule_id)
        ).one_or_none()
        if row is None:
            raise Missing(f"There is no schedule {schedule_id}.")
        return _schedule(row)

    def all(self, limit: int = 100) -> list[Schedule]:
        """Every schedule, oldest first."""
        query = sa.select(schedules).order_by(schedules.c.id).limit(limit)
        return [_schedule(row) for row in self._connection.execute(query)]

    def due(self, limit: int = 100) -> list[Schedule]:
        """The schedules whose time has come, the longest due first; none that is paused."""
        query = (
            sa.select(schedules)
            .where(schedules.c.next_run_at <= self._now)
            .order_by(schedules.c.next_run_at, schedules.c.id)
            .limit(limit)
        )
        return [_schedule(row) for row in self._connection.execute(query)]

    def take(self, schedule: Schedule, next_run_at: datetime | None) -> bool:
        """Take the run that is due, if nobody has: False says that somebody was first.

        Locks the row until the commit, so what the taker writes happens exactly once.
        """
        return self._changed(schedule, next_run_at=next_run_at)

    def ran(self, schedule_id: int, note: str, job_id: int | None = None) -> None:
        """Note how the run that was taken went about."""
        values: dict[str, Any] = {"note": note}
        if job_id is not None:
            values |= {"last_run_at": self._now, "last_job_id": job_id}
        self._connection.execute(
            sa.update(schedules).where(schedules.c.id == schedule_id).values(**values)
        )

    def change(self, schedule: Schedule, **values: Any) -> Schedule:
        """Change what a person sees, if it is still what they saw.

        Raises:
            Missing: it was removed meanwhile.
            DecidedAlready: somebody changed it meanwhile.
        """
        if not self._changed(schedule, **values, revision=schedule.revision + 1):
            self._too_late(schedule)
        return self.get(schedule.id)

    def remove(self, schedule: Schedule) -> None:
        """Delete a schedule, if it is still what the person saw.

        Raises:
            Missing: it was removed meanwhile.
            DecidedAlready: somebody changed it meanwhile.
        """
        gone = self._connection.execute(
            sa.delete(schedules).where(
                schedules.c.id == schedule.id, schedules.c.revision == schedule.revision
            )
        )
        if not gone.rowcount:
            self._too_late(schedule)

    def _changed(self, schedule: Schedule, **values: Any) -> bool:
        where = [schedules.c.id == schedule.id, schedules.c.revision == schedule.revision]
        if "revision" not in values:
            where.append(schedules.c.next_run_at == schedule.next_run_at)
        changed = self._connection.execute(sa.update(schedules).where(*where).values(**values))
        return changed.rowcount > 0

    def _too_late(self, schedule: Schedule) -> None:
        self.get(schedule.id)
        raise DecidedAlready(
            f"Schedule {schedule.id} was changed by somebody else meanwhile. Look at it again."
        )
