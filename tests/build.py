"""Plain factories: what tests are about, with everything else filled in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from core import decisions
from core.contract import Contract, describe
from core.dataset import Dataset, parse
from core.profile import Profiler
from core.records import Batch, ColumnProfile, Job, Score, Verdict
from core.roles import Actor, Role
from core.store import Store, Work
from core.store.rows import arrow_schema

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def somebody(name: str = "ana", role: Role | None = Role.ADMIN) -> Actor:
    """Who acts; by default one who may do everything."""
    return Actor(name, role, "a test")


def small_dataset(**changes: Any) -> Dataset:
    """A dataset that has nothing to do with houses."""
    document: dict[str, Any] = {
        "name": "rides",
        "title": "Bike rides",
        "fit_on": "value",
        "primary_metric": "rmse",
        "columns": [
            {"name": "rides", "type": "number", "role": "target", "nullable": False},
            {"name": "temperature", "type": "number", "role": "feature"},
            {"name": "weather", "type": "category", "role": "feature"},
            {"name": "station", "type": "code", "role": "identifier", "drift": False},
        ],
    }
    return parse(document | changes, "rides.toml")


def profile(column: str, **values: Any) -> ColumnProfile:
    filled = {"count": 100, "nulls": 0, "mean": 10.0, "std": 2.0, "q50": 10.0, "q75": 12.0}
    return ColumnProfile(column, **filled | values)


def contract(dataset: Dataset) -> Contract:
    profiler = Profiler(dataset)
    for column in dataset.columns:
        values = ["a", "b", "a"] if column.is_text else np.array([1.0, 2.0, 3.0])
        profiler.add(column.name, values)
    return describe(dataset, profiler.finish())


def score(version: int = 2, rows: int = 100, **metrics: float) -> Score:
    return Score(version, rows, {"mae": 10.0, "rmse": 20.0, "mdape": 0.2, "r2": 0.5} | metrics)


def chunk(dataset: Dataset, rows: int = 3, **columns: list[Any]) -> pa.RecordBatch:
    """Rows as the store takes them; `columns` replaces whole columns."""
    values: dict[str, Any] = {}
    for column in dataset.columns:
        values[column.name] = ["x"] * rows if column.is_text else [1.0] * rows
        if column.type == "date":
            values[column.name] = [None] * rows
    values |= {"row_number": list(range(rows)), "held_out": [0] * rows} | columns
    return pa.RecordBatch.from_pydict(values, schema=arrow_schema(dataset))


def stored_batch(
    store: Store, number: int = 0, *, profiles: tuple[ColumnProfile, ...] = (), rows: int = 3
) -> Batch:
    """A batch that came in and was stored, with its rows and its profile."""
    with store.begin() as work:
        epoch = work.batches.epoch() or work.batches.open_epoch()
        batch = work.batches.receive(epoch.number, f"hash{number}", f"b{number}.json", 100)
        work.batches.store(
            batch, epoch=epoch.number, number=number, stored=rows, quarantined=[], gap=0, note=""
        )
        seen = profiles or tuple(profile(c.name) for c in store.dataset.compared)
        work.batches.add_profile("batch", batch.id, seen)
        work.rows.load(epoch.number, batch.id, [chunk(store.dataset, rows)])
        work.commit()
        return work.batches.get(batch.id)


def dossier(version: int, champion: int | None = None, **parts: Any) -> dict[str, Any]:
    """The evidence about a version; `parts` replaces whole parts."""
    return {
        "digest": "d",
        "job": 1,
        "primary_metric": "mae",
        "candidate": {"version": version, "metrics": score().metrics},
        "champion": {"version": champion, "metrics": score().metrics} if champion else None,
        "training_rows": 80,
        "held_out_rows": 20,
        "overlap": 0,
        "batches": [{"id": 1, "epoch": 1, "number": 0, "rows": 100}],
        "differences": {},
        "gates": [],
        "slices": [],
        "importance": {},
        "replay": {"requests": 0, "unreadable": 0, "moved": 0.0},
        "points": {"actual": [1.0, 2.0], "candidate": [1.1, 1.9]},
        "golden": [],
    } | parts


def proposed(
    store: Store,
    version: int = 1,
    *,
    promote: bool = True,
    champion: int | None = None,
    **parts: Any,
) -> None:
    """A version that waits for a decision."""
    with store.begin() as work:
        content = dossier(version, champion, **parts)
        work.promotions.propose(
            version,
            Verdict(promote, ("Because.",)),
            content,
            "trainer",
            digest=work.dossiers.freeze(version, content),
        )
        work.commit()


def approve(
    work: Work, version: int, *, champion: int | None = None, actor: str = "ana", reason: str = ""
) -> Job:
    """An approval on the dossier as it is on record."""
    digest = work.promotions.of_version(version).dossier_digest
    return decisions.approve(
        work, version, actor=actor, champion=champion, digest=digest, reason=reason
    )


def live(store: Store, version: int = 1, **parts: Any) -> None:
    """A version that is served, as far as the database knows."""
    proposed(store, version, **parts)
    with store.begin() as work:
        job = approve(work, version)
        work.promotions.make_live(work.promotions.of_version(version))
        work.audit.add("ana", "live", f"version:{version}", details={"action": "approve"})
        work.jobs.cancel(job.id)
        work.commit()
