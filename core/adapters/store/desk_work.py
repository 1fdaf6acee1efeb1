"""One transaction over all datasets: what the whole desk asks, and which datasets it knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.adapters.store import desk_search
from core.adapters.store.audit import Audit
from core.adapters.store.feedback import live_feedback
from core.adapters.store.fleet_facts import read_facts
from core.adapters.store.need_facts import read_need_facts
from core.adapters.store.part import Part
from core.adapters.store.tables import batches, datasets, job_tallies, jobs, predictions
from core.domain.audit_event import ITSELF
from core.domain.batches import BatchState
from core.domain.errors import DecidedAlready, Missing
from core.domain.fleet import Cost, FleetFacts, Hit, KnownDataset, OpenJob
from core.domain.jobs import JobKind, JobState
from core.rules.access.roles import Actor
from core.rules.model.feedback_error import Bucket
from core.rules.ops.need_facts import NeedFacts

_OPEN = tuple(state for state in JobState if not state.is_over)


class DeskWork(Part):
    """The questions about all datasets, bound to one transaction.

    `audit` is the trail of the whole desk: `audit.add(..., dataset=NAME)`, "" for a fact of the
    whole desk; `audit.latest(..., datasets=[...])`, of all without it.
    """

    def __init__(self, connection: sa.Connection, now: datetime, by: Actor | None = None) -> None:
        super().__init__(connection, now)
        self.now = now
        self.audit = Audit(connection, now, by, dataset="")

    def dataset_of_job(self, job_id: int) -> str:
        """The name of the job's dataset.

        Raises:
            Missing: there is no such job.
        """
        name = self._value(sa.select(jobs.c.dataset).where(jobs.c.id == job_id))
        if name is None:
            raise Missing(f"There is no job {job_id}.")
        return str(name)

    def dataset_of_prediction(self, prediction_id: str) -> str | None:
        """The name of the dataset that a recorded prediction belongs to, or None."""
        p = predictions.c
        name: str | None = self._value(sa.select(p.dataset).where(p.id == prediction_id))
        return name

    def fleet(self, names: Collection[str]) -> dict[str, FleetFacts]:
        """The facts about each of these datasets, in a fixed number of queries."""
        return read_facts(self._connection, names)

    def needs(self, names: Collection[str]) -> dict[str, NeedFacts]:
        """What the needs of each of these datasets follow from, in a fixed number of queries."""
        return read_need_facts(self._connection, names, self._now)

    def feedback_errors(self, names: Collection[str]) -> dict[str, Bucket]:
        """The live versions' errors from feedback, in one query of bounded cost."""
        return live_feedback(self._connection, names)

    def queued_or_waiting(self, kinds: Collection[JobKind] = ()) -> list[OpenJob]:
        """The open jobs of these kinds, of all kinds without any; oldest request first."""
        j = jobs.c
        columns = (j.dataset, j.kind, j.id, j.attempt, j.state, j.requested_at)
        query = sa.select(*columns).where(j.state.in_(_OPEN)).order_by(j.requested_at, j.id)
        if kinds:
            query = query.where(j.kind.in_(kinds))
        return [OpenJob(*row) for row in self._connection.execute(query)]

    def costs(self, names: Collection[str]) -> dict[str, Cost]:
        """What each of these datasets costs; in a fixed number of queries."""
        b, t, p = batches.c, job_tallies.c, predictions.c
        kept = (b.state == BatchState.STORED) & b.rows_removed_at.is_(None)
        rows = sa.func.sum(sa.case((kept, b.stored), else_=0))
        stored = self._by_name(names, b.dataset, rows, sa.func.sum(b.bytes))
        answered = self._by_name(names, p.dataset, sa.func.count())
        seconds: dict[str, dict[str, float]] = {name: {} for name in names}
        worked = sa.select(t.dataset, t.kind, sa.func.sum(t.seconds))
        worked = worked.where(t.dataset.in_(names)).group_by(t.dataset, t.kind)
        for name, kind, total in self._connection.execute(worked):
            seconds[name][kind] = float(total)
        costs = {}
        for name in names:
            (held, received), (count,) = stored.get(name, (0, 0)), answered.get(name, (0,))
            costs[name] = Cost(name, held, received, count, seconds[name])
        return costs

    def _by_name(
        self, names: Collection[str], of: sa.Column[str], *sums: sa.ColumnElement[Any]
    ) -> dict[str, tuple[int, ...]]:
        query = sa.select(of, *sums).where(of.in_(names)).group_by(of)
        return {name: tuple(map(int, rest)) for name, *rest in self._connection.execute(query)}

    def search(self, text: str, titles: Mapping[str, str], limit: int = 20) -> list[Hit]:
        """What the text names in these datasets, given as name and title; at most `limit` hits.

        It is part of a dataset's name or title, the number of a version, job or batch (also
        `job 12`), or at least four characters of the beginning of a prediction's id.
        """
        return desk_search.search(self._connection, text, titles, limit)

    # The datasets that the desk knows

    def known(self) -> dict[str, KnownDataset]:
        """Every dataset that was ever seen, by name."""
        found = self._all(KnownDataset, sa.select(datasets).order_by(datasets.c.name))
        return {dataset.name: dataset for dataset in found}

    def saw(self, name: str, digest: str, actor: str = ITSELF) -> bool:
        """Record the digest of a dataset's file; returns whether it is new or changed.

        A changed digest is on record as `revise dataset`, the first one is not.
        """
        this = datasets.c.name == name
        before = self._value(sa.select(datasets.c.digest).where(this))
        if before == digest:
            return False
        values = {"digest": digest, "seen_at": self._now}
        if before is None:
            self._insert(datasets, name=name, disabled_by="", reason="", **values)
            return True
        if self._update(datasets, this, datasets.c.digest == before, **values):
            details = {"before": before, "digest": digest}
            about = f"dataset:{name}"
            self.audit.add(actor, "revise dataset", about, details=details, dataset=name)
        return True

    def disable(self, name: str, by: str, reason: str) -> KnownDataset:
        """Disable a dataset; on record as `disable dataset`.

        Raises:
            Missing: it was never seen.
            DecidedAlready: it is disabled.
        """
        values = {"disabled_at": self._now, "disabled_by": by[:200], "reason": reason}
        if not self._change(name, datasets.c.disabled_at.is_(None), **values):
            raise DecidedAlready(f"The dataset {name} is disabled already.")
        about = f"dataset:{name}"
        self.audit.add(by, "disable dataset", about, reason=reason, dataset=name)
        return self.known()[name]

    def enable(self, name: str, by: str) -> KnownDataset:
        """Enable a dataset; on record as `enable dataset`.

        Raises:
            Missing: it was never seen.
            DecidedAlready: it is not disabled.
        """
        values = {"disabled_at": None, "disabled_by": "", "reason": ""}
        if not self._change(name, datasets.c.disabled_at.is_not(None), **values):
            raise DecidedAlready(f"The dataset {name} is not disabled.")
        self.audit.add(by, "enable dataset", f"dataset:{name}", dataset=name)
        return self.known()[name]

    def _change(self, name: str, unchanged: sa.ColumnElement[bool], **values: Any) -> bool:
        this = datasets.c.name == name
        if self._update(datasets, this, unchanged, **values):
            return True
        if self._value(sa.select(datasets.c.name).where(this)) is None:
            raise Missing(f"This desk has never seen a dataset {name!r}.")
        return False
