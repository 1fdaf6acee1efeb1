"""The facts of every dataset at once: a fixed number of queries, each about all of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from core.adapters.store.every_dataset import EveryDataset
from core.adapters.store.tables import batches, jobs, promotions, schedules
from core.domain.fleet import FleetFacts, NewestBatch
from core.domain.jobs import JobState

_OPEN = tuple(state for state in JobState if not state.is_over)


def read_facts(connection: sa.Connection, names: Collection[str]) -> dict[str, FleetFacts]:
    """The facts about each of these datasets, in the order of the names."""
    every = EveryDataset(connection, names)
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    p, j, b, t = promotions.c, jobs.c, batches.c, schedules.c
    live = sa.select(p.dataset, p.version, p.live_at).where(p.live_key.is_(True))
    for name, row in every.rows(live):
        found[name] |= {"live_version": row.version, "live_since": row.live_at}
    counted = sa.select(j.dataset, j.state, sa.func.count()).where(j.state.in_(_OPEN))
    for name, (_, state, number) in every.rows(counted.group_by(j.dataset, j.state)):
        found[name].setdefault("open_jobs", {})[state] = int(number)
    last = sa.select(sa.func.max(b.id)).group_by(b.dataset)
    newest = sa.select(b.dataset, b.id, b.epoch, b.number, b.state, b.received_at)
    for name, row in every.rows(newest.where(b.id.in_(last))):
        found[name]["newest_batch"] = NewestBatch(*row[1:])
    following = sa.select(t.dataset, sa.func.min(t.next_run_at)).group_by(t.dataset)
    for name, row in every.rows(following):
        found[name]["next_run_at"] = row[1]
    return {name: replace(FleetFacts(name), **found[name]) for name in names}
