"""The facts of every dataset at once: a fixed number of queries, each about all of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.adapters.store.dossier_json import readable_summary
from core.adapters.store.replicas import ALIVE
from core.adapters.store.tables import (
    audit,
    batch_scores,
    batches,
    drift_reports,
    follow_ups,
    force_requests,
    jobs,
    notifications,
    promotions,
    replicas,
    schedules,
    trained_on,
)
from core.domain.audit_event import DISMISS
from core.domain.drift import Reason, Reference
from core.domain.fleet import (
    BatchErrors,
    FailedJob,
    FleetFacts,
    NewestBatch,
    NewestReport,
    OpenCandidate,
    Refusal,
)
from core.domain.jobs import JobState
from core.domain.promotions import PromotionState
from core.rules.ops.live_alerts import SEEN
from core.rules.ops.notification import Delivery

SCORED = 12
"""The batches whose error a line of the fleet shows."""

JOBS_LOOKED_THROUGH = 10_000
"""The newest jobs of the desk, among which the failed ones are found."""

_OPEN = tuple(state for state in JobState if not state.is_over)

_Found = dict[str, Any]


def read_facts(
    connection: sa.Connection, names: Collection[str], now: datetime
) -> dict[str, FleetFacts]:
    """The facts about each of these datasets, in the order of the names."""
    facts = _Facts(connection, names)
    facts.live()
    facts.open_work()
    facts.newest()
    facts.counts()
    facts.replicas(now)
    return {name: replace(FleetFacts(name), **facts.found[name]) for name in names}


class _Facts:
    """What was found so far, by dataset, as the fields of `FleetFacts`."""

    def __init__(self, connection: sa.Connection, names: Collection[str]) -> None:
        self._connection = connection
        self._names = tuple(names)
        self.found: dict[str, _Found] = {name: {} for name in names}

    def _rows(self, query: sa.Select[Any]) -> Iterable[tuple[str, Any]]:
        """The rows whose first column, the dataset, is one of the names."""
        column = query.selected_columns[0]
        for row in self._connection.execute(query.where(column.in_(self._names))):
            yield row[0], row

    def _gather(self, query: sa.Select[Any], field: str, make: Callable[[Any], Any]) -> None:
        """A tuple of records from the rows of each dataset."""
        for name, row in self._rows(query):
            of = self.found[name]
            of[field] = (*of.get(field, ()), make(row))

    def live(self) -> None:
        """The live version, and its error on the newest batches that it was scored on."""
        p, s = promotions.c, batch_scores.c
        is_live = p.live_key.is_(True)
        live = sa.select(p.dataset, p.version, p.live_at, p.dossier).where(is_live)
        for name, row in self._rows(live):
            evidence = readable_summary(row.version, row.dossier)
            approved = evidence.candidate.metrics if evidence else {}
            about = {"live_version": row.version, "live_since": row.live_at, "approved": approved}
            self.found[name] |= about
        place = sa.func.row_number().over(partition_by=s.dataset, order_by=s.batch_id.desc())
        scored = (
            sa.select(s.dataset, s.batch_id, s.version, place.label("place"))
            .join(promotions, sa.and_(p.dataset == s.dataset, p.version == s.version))
            .where(is_live, s.dataset.in_(self._names))
            .subquery()
        )
        same = (s.batch_id == scored.c.batch_id, s.version == scored.c.version)
        newest = (
            sa.select(s.dataset, s.batch_id, s.rows, s.metrics, s.spread)
            .join(scored, sa.and_(*same))
            .where(scored.c.place <= SCORED)
            .order_by(s.batch_id)
        )
        self._gather(newest, "errors", lambda r: BatchErrors(*r[1:]))
        self._name_scored()

    def _name_scored(self) -> None:
        """Give the scored batches their numbers, drop held ones, and mark alerts that were seen."""
        b, a = batches.c, audit.c
        ids = {e.batch_id for of in self.found.values() for e in of.get("errors", ())}
        numbered = sa.select(b.dataset, b.id, b.epoch, b.number, b.held_at).where(b.id.in_(ids))
        known = {row.id: row for _, row in self._rows(numbered)}
        subjects = {f"batch:{row.epoch}/{row.number}" for row in known.values()}
        events = sa.select(a.dataset, a.subject, a.details).where(
            a.action == SEEN, a.subject.in_(subjects)
        )
        seen = {
            (name, row.subject)
            for name, row in self._rows(events)
            if row.details.get("version") == self.found[name].get("live_version")
        }
        for name, of in self.found.items():
            of["errors"] = tuple(
                _numbered(e, known.get(e.batch_id), {s for n, s in seen if n == name})
                for e in of.get("errors", ())
                if not (e.batch_id in known and known[e.batch_id].held_at)
            )

    def open_work(self) -> None:
        """Open candidates, open jobs, and jobs that failed and were not made good."""
        p, j = promotions.c, jobs.c
        waiting = (
            sa.select(p.dataset, p.version, p.recommended, p.proposed_at)
            .where(p.state == PromotionState.PROPOSED.value)
            .order_by(p.version.desc())
        )
        self._gather(waiting, "candidates", lambda r: OpenCandidate(*r[1:]))
        counted = sa.select(j.dataset, j.state, sa.func.count()).where(j.state.in_(_OPEN))
        for name, (_, state, number) in self._rows(counted.group_by(j.dataset, j.state)):
            self.found[name].setdefault("open_jobs", {})[state] = int(number)
        oldest = sa.select(sa.func.max(j.id) - JOBS_LOOKED_THROUGH).scalar_subquery()
        over = (
            sa.select(sa.func.max(j.id))
            .where(j.state.in_((JobState.FAILED, JobState.SUCCEEDED)), j.id > oldest)
            .group_by(j.dataset, j.kind)
        )
        failed = (
            sa.select(j.dataset, j.id, j.kind, j.finished_at, j.error)
            .where(j.id.in_(over), j.state == JobState.FAILED)
            .order_by(j.id.desc())
        )
        self._gather(failed, "failed_jobs", lambda r: FailedJob(*r[1:]))

    def newest(self) -> None:
        """The newest batch, and the newest comparison with the batch before."""
        b, d = batches.c, drift_reports.c
        last = sa.select(sa.func.max(b.id)).group_by(b.dataset)
        newest = sa.select(b.dataset, b.id, b.epoch, b.number, b.state, b.received_at)
        for name, row in self._rows(newest.where(b.id.in_(last))):
            self.found[name]["newest_batch"] = NewestBatch(*row[1:])
        with_previous = d.reference == Reference.PREVIOUS.value
        last = sa.select(sa.func.max(d.id)).where(with_previous).group_by(d.dataset)
        report = sa.select(
            d.dataset, d.batch_id, d.epoch, d.batch_number, d.retrain, d.reasons,
            d.measure_reasons, d.created_at, d.advice,
        )  # fmt: skip
        found = list(self._rows(report.where(d.id.in_(last))))
        answered = self._answered([row for _, row in found])
        for name, row in found:
            reasons, measured = (
                tuple(map(Reason.from_json, r or ())) for r in (row.reasons, row.measure_reasons)
            )
            compared = (row.batch_id, row.epoch, row.batch_number, row.retrain)
            recommended = str((row.advice or {}).get("recommendation", ""))
            self.found[name]["drift"] = NewestReport(
                *compared, reasons, measured, row.created_at, recommended, row.batch_id in answered
            )

    def _answered(self, reports: list[Any]) -> set[int]:
        """The ids of those batches that a person dismissed, or that a version was trained on."""
        ids = {(r.dataset, f"batch:{r.epoch}/{r.batch_number}"): r.batch_id for r in reports}
        t, a = trained_on.c, audit.c
        trained = sa.select(t.dataset, t.batch_id).where(t.batch_id.in_(ids.values())).distinct()
        dismissed = sa.select(a.dataset, a.subject).where(
            a.action == DISMISS, a.subject.in_({subject for _, subject in ids})
        )
        return {row.batch_id for _, row in self._rows(trained)} | {
            ids[key] for _, row in self._rows(dismissed) if (key := tuple(row)) in ids
        }

    def counts(self) -> None:
        """The next run, and what waits for a person or for the network."""
        t = schedules.c
        following = sa.select(t.dataset, sa.func.min(t.next_run_at)).group_by(t.dataset)
        for name, row in self._rows(following):
            self.found[name]["next_run_at"] = row[1]
        for field, table, where in (
            ("follow_ups", follow_ups, follow_ups.c.closed_at.is_(None)),
            ("force_requests", force_requests, force_requests.c.open_key.is_not(None)),
            ("held_batches", batches, batches.c.held_at.is_not(None)),
            ("undelivered", notifications, notifications.c.state == Delivery.GIVEN_UP),
        ):
            of = table.c.dataset
            for name, row in self._rows(sa.select(of, sa.func.count()).where(where).group_by(of)):
                self.found[name][field] = int(row[1])

    def replicas(self, now: datetime) -> None:
        """The replicas of serving that reported lately, and what they refuse."""
        r = replicas.c
        for name, row in self._rows(
            sa.select(r.dataset, r.url, r.refused).where(r.heard_at > now - ALIVE).order_by(r.url)
        ):
            of = self.found[name]
            of["replicas"] = of.get("replicas", 0) + 1
            if row.refused:
                of["refusals"] = (*of.get("refusals", ()), Refusal(row.url, row.refused))


def _numbered(errors: BatchErrors, batch: Any, seen: Collection[str]) -> BatchErrors:
    """With the batch's epoch and number, and whether its subject is among those that were seen."""
    if batch is None:
        return errors
    is_seen = f"batch:{batch.epoch}/{batch.number}" in seen
    return replace(errors, epoch=batch.epoch, number=batch.number or 0, seen=is_seen)
