"""Where the pipeline stands, in figures: what is measured from outside, read at one moment.

Each question looks at what is open, at the newest of something, or at sums that are kept ready; no
table is read from end to end, however long the desk has been in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from core.notice import Delivery
from core.records import BatchState, EpochState, JobKind, JobState, PromotionState
from core.store.replicas import ALIVE
from core.store.tallies import Tally, read_tallies
from core.tables import (
    batches,
    drift_reports,
    epochs,
    jobs,
    live_windows,
    notifications,
    promotions,
    replicas,
)

_OPEN = (JobState.REQUESTED.value, JobState.QUEUED.value, JobState.RUNNING.value)
_UNDELIVERED = (Delivery.PENDING.value, Delivery.GIVEN_UP.value)


@dataclass(frozen=True, slots=True)
class OpenJobs:
    """Jobs of one kind in one state, and since when the oldest of them was asked for."""

    kind: JobKind
    state: JobState
    number: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class LastBatch:
    """The batch that was stored last; `quarantined_in_epoch` counts rows of its whole epoch."""

    epoch: int
    number: int
    stored_at: datetime
    stored: int
    quarantined: int
    quarantined_in_epoch: int


@dataclass(frozen=True, slots=True)
class LastDrift:
    """What the newest comparison with one reference found."""

    reference: str
    breached: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything at one moment. What does not exist yet is None or is not there."""

    now: datetime
    tallies: list[Tally]
    open_jobs: list[OpenJobs]
    last_batch: LastBatch | None
    exhausted: bool
    drift: list[LastDrift]
    champion: int | None
    live_since: datetime | None
    candidates: int
    undelivered: dict[str, int]
    live_window_drifted: bool | None
    replicas: dict[int, int]


def read_figures(connection: sa.Connection, now: datetime) -> Figures:
    """The figures as they are now."""
    champion = connection.execute(
        sa.select(promotions.c.version, promotions.c.live_at).where(promotions.c.live_key.is_(True))
    ).one_or_none()
    window = connection.execute(
        sa.select(live_windows.c.drifted).order_by(live_windows.c.id.desc()).limit(1)
    ).scalar_one_or_none()
    epoch = connection.execute(
        sa.select(epochs.c.state).order_by(epochs.c.number.desc()).limit(1)
    ).scalar_one_or_none()
    return Figures(
        now=now,
        tallies=read_tallies(connection),
        open_jobs=_open_jobs(connection),
        last_batch=_last_batch(connection),
        exhausted=epoch == EpochState.EXHAUSTED.value,
        drift=_drift(connection),
        champion=champion.version if champion else None,
        live_since=champion.live_at if champion else None,
        candidates=_number(connection, promotions.c.state == PromotionState.PROPOSED.value),
        undelivered=_undelivered(connection),
        live_window_drifted=None if window is None else bool(window),
        replicas=_replicas(connection, now),
    )


def _number(connection: sa.Connection, where: sa.ColumnElement[bool]) -> int:
    return int(connection.execute(sa.select(sa.func.count()).where(where)).scalar_one())


def _open_jobs(connection: sa.Connection) -> list[OpenJobs]:
    query = (
        sa.select(
            jobs.c.kind, jobs.c.state, sa.func.count(), sa.func.min(jobs.c.requested_at)
        )
        .where(jobs.c.state.in_(_OPEN))
        .group_by(jobs.c.kind, jobs.c.state)
    )  # fmt: skip
    return [
        OpenJobs(JobKind(kind), JobState(state), int(number), oldest)
        for kind, state, number, oldest in connection.execute(query)
    ]


def _last_batch(connection: sa.Connection) -> LastBatch | None:
    stored = batches.c.state == BatchState.STORED.value
    last = connection.execute(
        sa.select(batches).where(stored).order_by(batches.c.id.desc()).limit(1)
    ).one_or_none()
    if last is None:
        return None
    rejected = connection.execute(
        sa.select(sa.func.sum(batches.c.quarantined)).where(stored, batches.c.epoch == last.epoch)
    ).scalar_one()
    return LastBatch(
        last.epoch, last.number, last.stored_at, last.stored, last.quarantined, int(rejected)
    )


def _drift(connection: sa.Connection) -> list[LastDrift]:
    newest = connection.execute(
        sa.select(drift_reports.c.batch_id).order_by(drift_reports.c.id.desc()).limit(1)
    ).scalar_one_or_none()
    if newest is None:
        return []
    found = connection.execute(
        sa.select(drift_reports.c.reference, drift_reports.c.retrain)
        .where(drift_reports.c.batch_id == newest)
        .order_by(drift_reports.c.id)
    )
    last = {reference: bool(retrain) for reference, retrain in found}
    return [LastDrift(reference, breached) for reference, breached in last.items()]


def _undelivered(connection: sa.Connection) -> dict[str, int]:
    query = (
        sa.select(notifications.c.state, sa.func.count())
        .where(notifications.c.state.in_(_UNDELIVERED))
        .group_by(notifications.c.state)
    )
    found = {state: int(number) for state, number in connection.execute(query)}
    return {state.lower(): found.get(state, 0) for state in _UNDELIVERED}


def _replicas(connection: sa.Connection, now: datetime) -> dict[int, int]:
    query = (
        sa.select(replicas.c.model_version, sa.func.count())
        .where(replicas.c.heard_at > now - ALIVE)
        .group_by(replicas.c.model_version)
    )
    return {int(version or 0): int(number) for version, number in connection.execute(query)}
