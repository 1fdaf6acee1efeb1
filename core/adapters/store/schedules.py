"""Schedules, changed by compare-and-set."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.adapters.store.part import Part, whole
from core.adapters.store.tables import schedules
from core.domain.errors import DecidedAlready, Missing
from core.rules.ops.schedule import Schedule, Task, Timing


def _schedule(cron: str, zone: str, **columns: Any) -> Schedule:
    return Schedule(timing=Timing(cron, zone), **columns)


def _unchanged(schedule: Schedule) -> list[sa.ColumnElement[bool]]:
    return [schedules.c.id == schedule.id, schedules.c.revision == schedule.revision]


class Schedules(Part):
    """The schedules; bound to one transaction."""

    def add(self, timing: Timing, task: Task, next_run_at: datetime, actor: str) -> Schedule:
        """Store a new schedule."""
        schedule_id = self._insert(
            schedules,
            cron=timing.cron,
            zone=timing.zone,
            task=task,
            created_at=self._now,
            created_by=actor[:200],
            revision=1,
            next_run_at=next_run_at,
            note="",
        )
        return self.get(schedule_id)

    def get(self, schedule_id: int) -> Schedule:
        """The schedule of that id.

        Raises:
            Missing: there is none.
        """
        for schedule in self._schedules(whole(schedules).where(schedules.c.id == schedule_id)):
            return schedule
        raise Missing(f"There is no schedule {schedule_id}.")

    def all(self, limit: int = 100) -> list[Schedule]:
        """Every schedule, oldest first."""
        return self._schedules(whole(schedules).order_by(schedules.c.id).limit(limit))

    def due(self, limit: int = 100) -> list[Schedule]:
        """The due schedules, the longest overdue first, without paused ones."""
        query = (
            whole(schedules)
            .where(schedules.c.next_run_at <= self._now)
            .order_by(schedules.c.next_run_at, schedules.c.id)
            .limit(limit)
        )
        return self._schedules(query)

    def _schedules(self, query: sa.Select[Any]) -> list[Schedule]:
        return [_schedule(**row._mapping) for row in self._connection.execute(query)]

    def take(self, schedule: Schedule, next_run_at: datetime | None) -> bool:
        """Claim the due run; False if another process did.

        Locks the row until the commit, so what the claimer writes happens exactly once.
        """
        return self._changed(schedule, next_run_at=next_run_at)

    def ran(self, schedule_id: int, note: str, job_id: int | None = None) -> None:
        """Record the outcome of the claimed run."""
        values: dict[str, Any] = {"note": note}
        if job_id is not None:
            values |= {"last_run_at": self._now, "last_job_id": job_id}
        self._update(schedules, schedules.c.id == schedule_id, **values)

    def change(self, schedule: Schedule, **values: Any) -> Schedule:
        """Update a schedule, if it is unchanged since the person saw it.

        Raises:
            Missing: it was removed meanwhile.
            DecidedAlready: another person changed it meanwhile.
        """
        if not self._changed(schedule, **values, revision=schedule.revision + 1):
            self._too_late(schedule)
        return self.get(schedule.id)

    def remove(self, schedule: Schedule) -> None:
        """Delete a schedule, if it is unchanged since the person saw it.

        Raises:
            Missing: it was removed meanwhile.
            DecidedAlready: another person changed it meanwhile.
        """
        if not self._delete(schedules, *_unchanged(schedule)):
            self._too_late(schedule)

    def _changed(self, schedule: Schedule, **values: Any) -> bool:
        where = _unchanged(schedule)
        if "revision" not in values:
            where.append(schedules.c.next_run_at == schedule.next_run_at)
        return self._update(schedules, *where, **values)

    def _too_late(self, schedule: Schedule) -> None:
        self.get(schedule.id)
        raise DecidedAlready(
            f"Schedule {schedule.id} was changed by another person meanwhile. Open it again."
        )
