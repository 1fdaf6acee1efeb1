"""Plain factories: what tests are about, with everything else filled in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from core.adapters.store import Store, Work
from core.adapters.store.rows import arrow_schema
from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.dossier import Dossier, Gate, GateName, Points, Score, TrainingBatch
from core.domain.job_results import JobResult
from core.domain.jobs import Job, JobKind, JobState
from core.domain.profiles import ColumnProfile
from core.domain.promotions import Verdict
from core.platform.dataset_file import parse
from core.rules.access.roles import Actor, Role
from core.rules.data.profile import Profiler
from core.rules.model.contract import Contract, describe
from core.usecases import decisions

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


def class_dataset(*labels: str, **changes: Any) -> Dataset:
    """A dataset whose target is one of these classes, "no" and "yes" without any."""
    labels = labels or ("no", "yes")
    return small_dataset(
        **{
            "task": "binary" if len(labels) == 2 else "multiclass",
            "primary_metric": "log_loss",
            "columns": [
                {"name": "kind", "type": "category", "role": "target", "nullable": False},
                {"name": "temperature", "type": "number", "role": "feature"},
                {"name": "weather", "type": "category", "role": "feature"},
            ],
        }
        | changes
    )


def profile(column: str, **values: Any) -> ColumnProfile:
    filled = {"count": 100, "nulls": 0, "mean": 10.0, "std": 2.0, "q50": 10.0, "q75": 12.0}
    return ColumnProfile(column, **filled | values)


def contract(dataset: Dataset, classes: tuple[str, ...] = ()) -> Contract:
    """A contract; a classifier's has the classes "no" and "yes", or those that are given."""
    profiler = Profiler(dataset)
    for column in dataset.columns:
        values = ["a", "b", "a"] if column.is_text else np.array([1.0, 2.0, 3.0])
        if column.type == "boolean":
            values = ["true", "false", "true"]
        profiler.add(column.name, values)
    if dataset.task.is_classifier:
        classes = classes or ("no", "yes")
    return describe(dataset, profiler.finish(), classes)


def score(version: int = 2, rows: int = 100, **metrics: float) -> Score:
    return Score(version, rows, {"mae": 10.0, "rmse": 20.0, "mdape": 0.2, "r2": 0.5} | metrics)


def chunk(dataset: Dataset, rows: int = 3, **columns: list[Any]) -> pa.RecordBatch:
    """Rows as the store takes them; `columns` replaces whole columns."""
    values: dict[str, Any] = {}
    for column in dataset.columns:
        values[column.name] = ["x"] * rows if column.is_text else [1.0] * rows
        if column.type in ("date", "timestamp"):
            values[column.name] = [None] * rows
        elif column.type == "boolean":
            values[column.name] = [True] * rows
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


GATES = tuple(GateName)[:5]
"""What a dossier has: the first two always, the others beside a champion."""


def gate(name: str, *, passed: bool = True, says: str = "Fine.") -> Gate:
    """A gate of a dossier."""
    return Gate(GateName(name), passed, says, compares=name in GATES[2:])


def dossier(version: int, champion: int | Score | None = None, **parts: Any) -> Dossier:
    """The evidence about a version; `parts` replaces whole parts, `gates` single ones by name."""
    theirs = score(champion, 20) if isinstance(champion, int) else champion
    gates = {name: gate(name) for name in GATES[: None if champion else 2]}
    gates |= {entry.name: entry for entry in parts.pop("gates", [])}
    whole = Dossier(
        job=1,
        digest="d",
        primary_metric="mae",
        training_rows=80,
        held_out_rows=20,
        candidate=score(version, 20),
        champion=theirs,
        batches=(TrainingBatch(1, 1, 0, 100),),
        gates=tuple(gates.values()),
        points=Points((1.0, 2.0), (1.1, 1.9)),
    )
    return replace(whole, **parts)


def proposed(
    store: Store,
    version: int = 1,
    *,
    promote: bool = True,
    champion: int | Score | None = None,
    **parts: Any,
) -> None:
    """A version that awaits approval."""
    with store.begin() as work:
        content = dossier(version, champion, **parts)
        work.promotions.propose(
            version,
            Verdict(promote, ("Because.",)),
            content,
            "trainer",
            digest=work.dossiers.freeze(content),
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
    """A version that is served, as far as the database knows; judged against the one before."""
    with store.read() as work:
        before = work.promotions.live_version()
    proposed(store, version, **{"champion": before} | parts)
    with store.begin() as work:
        job = approve(work, version)
        work.promotions.make_live(work.promotions.of_version(version))
        work.audit.add("ana", "live", f"version:{version}", details={"action": "approve"})
        work.jobs.cancel(job.id)
        work.commit()


def ended(store: Store, kind: JobKind, result: JobResult | None = None) -> int:
    """A job that succeeded; its id."""
    with store.begin() as work:
        job, _ = work.jobs.request(kind, {}, "ana")
        work.jobs.claim(job.id, 1, "w", timedelta(days=1))
        work.jobs.finish(job.id, "w", JobState.SUCCEEDED, result=result)
        work.commit()
    return job.id


def rolled_back(store: Store, reason: str = "worse in the field") -> None:
    """Version 3 was live, and a rollback went to version 2."""
    for version in (2, 3):
        live(store, version)
    with store.begin() as work:
        job = decisions.roll_back(work, actor="ben", reason=reason)
        work.promotions.make_live(work.promotions.of_version(2))
        about = {"action": "rollback"}
        work.audit.add("ben", "live", "version:2", reason=reason, details=about)
        work.jobs.cancel(job.id)
        work.commit()
