"""The pipeline's metrics, read at one moment.

Each query reads open or newest rows or running sums; none scans a whole table.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.adapters.store.part import Part
from core.adapters.store.replicas import ALIVE
from core.adapters.store.run_counts import Tally, read_tallies
from core.adapters.store.tables import (
    batches,
    drift_reports,
    epochs,
    jobs,
    live_windows,
    notifications,
    promotions,
    replicas,
)
from core.domain.batches import BatchState, EpochState
from core.domain.jobs import JobKind, JobState
from core.domain.promotions import PromotionState
from core.rules.ops.notification import Delivery

_OPEN = (JobState.REQUESTED, JobState.QUEUED, JobState.RUNNING)
_UNDELIVERED = (Delivery.PENDING, Delivery.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class OpenJobs:
    """Jobs of one kind in one state, and the request time of the oldest."""

    kind: JobKind
    state: JobState
    number: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class LastBatch:
    """The batch stored last; `quarantined_in_epoch` counts rows of its epoch."""

    epoch: int
    number: int
    stored_at: datetime
    stored: int
    quarantined: int
    quarantined_in_epoch: int


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """All metrics at one moment; what does not exist is None or missing.

    `drift` says for each reference whether the newest batch's comparison with it has a breach.
    """

    now: datetime
    tallies: list[Tally]
    open_jobs: list[OpenJobs]
    last_batch: LastBatch | None
    exhausted: bool
    drift: dict[str, bool]
    champion: int | None
    live_since: datetime | None
    candidates: int
    undelivered: dict[str, int]
    live_window_drifted: bool | None
    replicas: dict[int, int]


class Metrics(Part):
    """The queries of the metrics; bound to one transaction."""

    def read(self) -> MetricsSnapshot:
        """All metrics."""
        live = sa.select(promotions.c.version, promotions.c.live_at)
        champion = self._connection.execute(live.where(promotions.c.live_key.is_(True)))
        version, live_since = champion.one_or_none() or (None, None)
        window = self._newest(live_windows.c.drifted, live_windows.c.id)
        proposed = promotions.c.state == PromotionState.PROPOSED.value
        return MetricsSnapshot(
            now=self._now,
            tallies=read_tallies(self._connection),
            open_jobs=self._open_jobs(),
            last_batch=self._last_batch(),
            exhausted=self._newest(epochs.c.state, epochs.c.number) is EpochState.EXHAUSTED,
            drift=self._drift(),
            champion=version,
            live_since=live_since,
            candidates=int(self._value(sa.select(sa.func.count()).where(proposed))),
            undelivered=self._undelivered(),
            live_window_drifted=None if window is None else bool(window),
            replicas=self._replicas(),
        )

    def _newest(self, column: sa.Column[Any], by: sa.Column[Any]) -> Any:
        return self._value(sa.select(column).order_by(by.desc()).limit(1))

    def _open_jobs(self) -> list[OpenJobs]:
        group = (jobs.c.kind, jobs.c.state)
        query = sa.select(*group, sa.func.count(), sa.func.min(jobs.c.requested_at))
        rows = self._connection.execute(query.where(jobs.c.state.in_(_OPEN)).group_by(*group))
        return [OpenJobs(*row) for row in rows]

    def _last_batch(self) -> LastBatch | None:
        b = batches.c
        stored = b.state == BatchState.STORED
        columns = (b.epoch, b.number, b.stored_at, b.stored, b.quarantined)
        query = sa.select(*columns).where(stored).order_by(b.id.desc()).limit(1)
        last = self._connection.execute(query).one_or_none()
        if last is None:
            return None
        rejected = sa.select(sa.func.sum(b.quarantined)).where(stored, b.epoch == last.epoch)
        return LastBatch(*last, int(self._value(rejected)))

    def _drift(self) -> dict[str, bool]:
        report = drift_reports.c
        newest = self._newest(report.batch_id, report.id)
        if newest is None:
            return {}
        query = sa.select(report.reference, report.retrain).where(report.batch_id == newest)
        rows = self._connection.execute(query.order_by(report.id))
        return {reference: bool(retrain) for reference, retrain in rows}

    def _undelivered(self) -> dict[str, int]:
        state = notifications.c.state
        numbers = self._counts(state, state.in_(_UNDELIVERED))
        return {state.value.lower(): numbers.get(state, 0) for state in _UNDELIVERED}

    def _replicas(self) -> dict[int, int]:
        alive = replicas.c.heard_at > self._now - ALIVE
        numbers = self._counts(replicas.c.model_version, alive)
        return {int(version or 0): number for version, number in numbers.items()}

    def _counts(self, column: sa.Column[Any], where: sa.ColumnElement[bool]) -> dict[Any, int]:
        query = sa.select(column, sa.func.count()).where(where).group_by(column)
        return {value: int(number) for value, number in self._connection.execute(query)}
