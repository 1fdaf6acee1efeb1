"""The batches of every dataset that may need a person, and what their verdicts follow from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from core.adapters.store.batch_queries import may_wait
from core.adapters.store.drift import as_verdict
from core.adapters.store.every_dataset import EveryDataset, record
from core.adapters.store.job_leases import SELECT_JOB, as_job
from core.adapters.store.part import select, whole
from core.adapters.store.tables import (
    audit,
    batch_scores,
    batches,
    drift_reports,
    epochs,
    jobs,
    promotions,
    trained_on,
)
from core.domain.audit_event import DISMISS, ITSELF
from core.domain.batches import Batch, BatchState, Epoch
from core.domain.fleet import FailedJob
from core.domain.jobs import Job, JobKind, JobState
from core.domain.promotions import Decision, Promotion, PromotionState
from core.rules.data.batch_ledger import ARRIVED
from core.rules.drift.recommendation import BatchScore
from core.rules.drift.verdict_facts import Facts
from core.rules.drift.verdict_findings import VerdictRow, findings, will_read

NEWEST, EARLIER = 12, 50
"""The newest batches of each dataset, and those that may wait, which are looked at."""

_STORED = batches.c.state == BatchState.STORED

_Conditions = Sequence[sa.ColumnElement[bool]]
_Learned = tuple[tuple[int, PromotionState], ...]


def batches_in_question(
    every: EveryDataset, valid: _Conditions, live: Mapping[str, Promotion]
) -> dict[str, dict[str, Any]]:
    """The fields of `NeedFacts` about batches, by dataset; `live` has the live versions."""
    p = promotions.c
    current = _epochs(every)
    newest = every.gather(_batches(every.newest(batches, NEWEST, _STORED)), record(Batch))
    up_to = sa.select(p.version).where(p.dataset == trained_on.c.dataset, p.live_key.is_(True))
    learned = trained_on.c.version <= up_to.scalar_subquery()
    waits = may_wait(valid, DISMISS, learned)
    asked = every.newest(batches, NEWEST + EARLIER, _STORED, *waits)
    earlier = every.gather(_batches(asked), record(Batch))
    looked_at = {
        name: tuple({b.id: b for b in (*of, *earlier.get(name, ()))}.values())
        for name, of in newest.items()
    }
    facts = _verdicts(every, looked_at, current, live, valid)
    uncompared = _failed_comparisons(
        every, {f.batch_id for of in facts.values() for f in of if f.rule is None}
    )
    scores = _scores(every, [batch.id for of in newest.values() for batch in of])
    arrived = _arrived(every)
    return {
        name: {
            "epoch": epoch,
            "batches": newest.get(name, ()),
            "verdicts": facts.get(name, ()),
            "scores": scores.get(name, ()),
            "uncompared": uncompared.get(name, {}),
            "arrived": arrived.get(name, ()),
        }
        for name, epoch in current.items()
    }


def _epochs(every: EveryDataset) -> dict[str, Epoch]:
    """The current epoch of each dataset that has one."""
    e = epochs.c
    last = sa.select(e.dataset, sa.func.max(e.number)).group_by(e.dataset)
    query = sa.select(e.dataset, *whole(epochs).selected_columns)
    rows = every.rows(query.where(sa.tuple_(e.dataset, e.number).in_(last)))
    return {name: record(Epoch)(row) for name, row in rows}


def _batches(ids: sa.Subquery) -> sa.Select[Any]:
    """These batches, newest first."""
    b = batches.c
    columns = select(Batch, batches).selected_columns
    query = sa.select(b.dataset, *columns).join(ids, ids.c.id == b.id)
    return query.order_by(b.id.desc())


def _verdicts(
    every: EveryDataset,
    looked_at: Mapping[str, Sequence[Batch]],
    current: Mapping[str, Epoch],
    live: Mapping[str, Promotion],
    valid: _Conditions,
) -> dict[str, tuple[Facts, ...]]:
    """What the verdicts about these batches follow from, without the finding that decides."""
    ids = {batch.id for of in looked_at.values() for batch in of}
    reports = _reports(every, ids)
    dismissed = _dismissed(every, looked_at, valid)
    told = {id_: findings(rows) for id_, rows in reports.items()}
    asking = [id_ for id_, of in told.items() if any(f and f.asks for f in of[:2]) or of[2]]
    learned = _learned(every, asking)
    trainings = every.gather(_trainings(), _job)
    numbers = _later(every, looked_at)
    found = {}
    for name, of in looked_at.items():
        epoch = current[name].number if name in current else 0
        facts, serves = [], live.get(name)
        for batch in of:
            rule, beyond, advised = told.get(batch.id, (None, None, None))
            by_person = batch.is_held and batch.held_by not in (None, ITSELF)
            actor, because = dismissed.get((name, batch.subject), ("", ""))
            training = (j.id for j in trainings.get(name, ()) if will_read(j, batch, epoch))
            facts.append(
                Facts(
                    batch.id,
                    batch.epoch,
                    batch.number or 0,
                    epoch,
                    rule=rule,
                    beyond=beyond,
                    advised=advised,
                    live=serves.version if serves else None,
                    live_again=serves is not None and serves.decided_as is Decision.ROLLBACK,
                    learned=learned.get(batch.id, ()),
                    training=next(training, None),
                    later=tuple(
                        number
                        for id_, of_epoch, number in numbers.get(name, ())
                        if of_epoch == batch.epoch and id_ > batch.id
                    ),
                    held=batch.is_held,
                    rows_removed=batch.rows_removed_at is not None,
                    released=batch.released_at is not None,
                    held_by=str(batch.held_by) if by_person else "",
                    held_because=batch.hold_reason or "" if by_person else "",
                    dismissed_by=actor,
                    dismissed_because=because,
                )
            )
        found[name] = tuple(facts)
    return found


def _reports(every: EveryDataset, ids: Collection[int]) -> dict[int, list[VerdictRow]]:
    """The newest report of each batch against each reference."""
    d = drift_reports.c
    columns = (c for c in select(VerdictRow, drift_reports).selected_columns)
    query = sa.select(d.dataset, *columns).where(d.batch_id.in_(ids)).order_by(d.id.desc())
    newest: dict[int, dict[str, VerdictRow]] = {}
    for _, row in every.rows(query):
        of = newest.setdefault(row.batch_id, {})
        if row.reference not in of:
            of[row.reference] = as_verdict(row)
    return {id_: list(of.values()) for id_, of in newest.items()}


def _dismissed(
    every: EveryDataset, looked_at: Mapping[str, Sequence[Batch]], valid: _Conditions
) -> dict[tuple[str, str], tuple[str, str]]:
    """Who dismissed which batch and why, by dataset and subject."""
    a = audit.c
    subjects = {batch.subject for of in looked_at.values() for batch in of}
    query = sa.select(a.dataset, a.subject, a.actor, a.reason).where(
        a.action == DISMISS, a.subject.in_(subjects), *valid
    )
    rows = every.rows(query.order_by(a.id))
    return {(name, row.subject): (row.actor, row.reason) for name, row in rows}


def _learned(every: EveryDataset, ids: Collection[int]) -> dict[int, _Learned]:
    """The versions that were trained on a batch or on one of equal content, newest first."""
    b, t, p = batches.c, trained_on.c, promotions.c
    same = batches.alias("same")
    equal = sa.and_(
        same.c.dataset == b.dataset,
        same.c.content_hash == b.content_hash,
        (same.c.id == b.id) | ((b.content_hash != "") & (same.c.read_again == b.read_again)),
    )
    query = (
        sa.select(b.dataset, b.id, t.version, p.state)
        .join(same, equal)
        .join(trained_on, sa.and_(t.dataset == b.dataset, t.batch_id == same.c.id))
        .join(promotions, sa.and_(p.dataset == b.dataset, p.version == t.version))
        .where(b.id.in_(ids))
        .order_by(t.version.desc())
        .distinct()
    )
    found: dict[int, _Learned] = {}
    for _, (_, id_, version, state) in every.rows(query):
        found[id_] = (*found.get(id_, ()), (version, PromotionState(state)))
    return found


def _trainings() -> sa.Select[Any]:
    """The open trainings."""
    j = jobs.c
    is_open = (j.kind == JobKind.TRAIN, j.state.in_([s for s in JobState if not s.is_over]))
    return sa.select(j.dataset, *SELECT_JOB.selected_columns).where(*is_open).order_by(j.id.desc())


def _job(row: Any) -> Job:
    fields = dict(row._mapping)
    fields.pop("dataset")
    return as_job(**fields)


def _later(
    every: EveryDataset, looked_at: Mapping[str, Sequence[Batch]]
) -> dict[str, tuple[tuple[int, int, int], ...]]:
    """The stored batches from the oldest of these on, as (id, epoch, number), by number."""
    b = batches.c
    oldest = min((batch.id for of in looked_at.values() for batch in of), default=0)
    query = sa.select(b.dataset, b.id, b.epoch, b.number).where(_STORED, b.id > oldest)
    return every.gather(query.order_by(b.number), lambda row: (row.id, row.epoch, row.number or 0))


def _failed_comparisons(
    every: EveryDataset, ids: Collection[int]
) -> dict[str, dict[int, FailedJob]]:
    """The newest comparison of each of these batches, if it failed."""
    if not ids:
        return {}
    j, keys = jobs.c, {f"drift:{id_}": id_ for id_ in ids}
    of_batch = (j.kind == JobKind.DRIFT, j.key.in_(keys), j.dataset.in_(every.names))
    last = sa.select(sa.func.max(j.id)).where(*of_batch).group_by(j.dataset, j.key)
    query = sa.select(j.dataset, j.id, j.kind, j.finished_at, j.error, j.key).where(
        j.id.in_(last), j.state == JobState.FAILED
    )
    found: dict[str, dict[int, FailedJob]] = {}
    for name, row in every.rows(query):
        found.setdefault(name, {})[keys[row.key]] = FailedJob(*row[1:5])
    return found


def _scores(every: EveryDataset, ids: Collection[int]) -> dict[str, tuple[BatchScore, ...]]:
    """The live version's errors on these batches, oldest first."""
    s, p = batch_scores.c, promotions.c
    columns = select(BatchScore, batch_scores).selected_columns
    query = (
        sa.select(s.dataset, *columns)
        .join(promotions, sa.and_(p.dataset == s.dataset, p.version == s.version))
        .where(p.live_key.is_(True), s.batch_id.in_(ids))
        .order_by(s.batch_id)
    )
    found = every.gather(query, record(BatchScore))
    return {name: tuple(score for score in of if score.metrics) for name, of in found.items()}


def _arrived(every: EveryDataset) -> dict[str, tuple[int, ...]]:
    """The numbers of the current epoch's batches where some are missing, in ascending order."""
    b, e = batches.c, epochs.c
    newest = sa.select(sa.func.max(e.number)).where(e.dataset == b.dataset).scalar_subquery()
    came = (b.epoch == newest, b.number.is_not(None), b.state.in_(ARRIVED))
    span = sa.func.max(b.number) - sa.func.min(b.number) + 1
    lacking = sa.or_(span > sa.func.count(sa.distinct(b.number)), sa.func.min(b.number) > 0)
    some = sa.select(b.dataset).where(*came).group_by(b.dataset).having(lacking)
    names = {name for name, _ in every.rows(some)}
    if not names:
        return {}
    numbers = sa.select(b.dataset, b.number).where(*came, b.dataset.in_(names)).distinct()
    return every.gather(numbers.order_by(b.number), lambda row: int(row.number))
