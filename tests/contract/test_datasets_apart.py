"""Two datasets in one database: no method of the store, opened for one, touches the other."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from core.adapters.store import Store, Work
from core.adapters.store.expired import Cutoffs, Kind
from core.adapters.store.migrate import prepare_dataset
from core.adapters.store.part import Part
from core.adapters.store.scope import DATASET, EVERY, UnscopedQuery, is_scoped
from core.adapters.store.tables import feedback, jobs, metadata, predictions, replicas, rows_table
from core.domain.batches import Batch, BatchState, EpochState, QuarantinedRow
from core.domain.dataset import Dataset
from core.domain.drift import DriftReport, Finding, Measure, Measured, Reason, Reference, StatChange
from core.domain.errors import DriftdeskError
from core.domain.forward_scores import ForwardScore
from core.domain.jobs import JobKind, JobState
from core.domain.predictions import LoggedPrediction, Search
from core.domain.promotions import Cause, Decision, Verdict
from core.rules.drift.live_windows import Window
from core.rules.drift.recommendation import BatchScore
from core.rules.ops.notification import Event
from core.rules.ops.schedule import Task, Timing
from tests import build
from tests.build import NOON

LATER = NOON + timedelta(days=1)
THEIRS = "theirs"
SCOPED = [table for table in metadata.sorted_tables if is_scoped(table)]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return build.small_dataset()


@pytest.fixture
def theirs(store: Store, database_url: str) -> Store:
    other = build.small_dataset(name="theirs")
    prepare_dataset(database_url, other)
    return Store(store.engine, other, lambda: LATER)


@pytest.fixture
def ours(store: Store) -> Store:
    return Store(store.engine, store.dataset, lambda: LATER)


def report(says: str) -> DriftReport:
    change = StatChange("rides", "mean", 1.0, 2.0, 1.0, 0.5, Finding.BREACH)
    measured = Measured("rides", Measure.NULLS, 0.0, 0.5, 0.5, 0.1, Finding.BREACH)
    reason = (Reason(says),)
    return DriftReport(True, reason, (change,), (measured,), reason)


@dataclass
class Filled:
    """What a dataset has after `fill`."""

    batch: Batch
    waiting: Batch
    job_id: int
    prediction: str
    digest: str
    uid: str
    window: Window


def fill(store: Store, says: str, first: int = 1) -> Filled:
    """A row at least in every table of a dataset; versions and numbers from `first` on."""
    batch = build.stored_batch(store, first)
    build.live(store, first, points=None)
    build.proposed(store, first + 1, champion=first)
    prediction = f"{'beef' if says == THEIRS else 'cafe'}{first:04}"
    with store.transaction() as work:
        b, name = work.batches, store.dataset.name
        waiting = b.receive(1, f"{says}{first}", f"{says}{first}.json", 9, origin=f"{says}/x")
        second = b.receive(1, f"{says}q{first}", f"{says}q{first}.json", 9)
        rows = [QuarantinedRow(1, says, "{}")]
        b.store(second, epoch=1, number=first + 1, stored=1, quarantined=rows, gap=0, note=says)
        work.holds.hold(batch.id, says, says, unless_released=False)
        for n, reference in enumerate(Reference):
            work.drift.put(batch, reference, f"{says}{n}", report(says), reference_id=second.id)
        work.scores.put(BatchScore(batch.id, first, 3, {"mae": 1.0}, 1.0, says))
        work.forward_scores.put(ForwardScore(first, batch.id, 3, {"mae": 1.0}, note=says))
        work.lineage.trained(first, [batch.id])
        work.limits.set({("rides", "mean"): 0.25}, actor=says, reason=says)
        work.force_requests.ask_force(first + 1, says, says, "d")
        work.force_requests.open_follow_up(f"version:{first}", says, says, Cause.FORCED)
        work.schedules.add(Timing("0 4 * * *", "UTC"), Task.INGEST, NOON, says)
        uid = work.notifications.add(Event.BREACH, says, says)
        ended, _ = work.jobs.request(JobKind.TRAIN, {"note": says}, says)
        work.jobs.claim(ended.id, 1, says, timedelta(minutes=1))
        work.jobs.log(ended.id, says)
        work.jobs.finish(ended.id, says, JobState.FAILED, error=says)
        job, _ = work.jobs.request(JobKind.DRIFT, {"note": says}, says)
        work.jobs.claim(job.id, 1, says, -timedelta(minutes=1))
        said = {"at": NOON, "model_version": first, "inputs": {"x": says}, "prediction": 1.0}
        work._connection.execute(sa.insert(predictions).values(id=prediction, **said))
        work._connection.execute(
            sa.insert(feedback).values(
                id=f"f{prediction}", prediction_id=prediction, actual=2.0, at=NOON, source=says
            )
        )
        work._connection.execute(
            sa.insert(replicas).values(
                id="r" if first == 1 else prediction, url=says, model_version=first, digest="d",
                refused=says, started_at=NOON, heard_at=LATER,
            )
        )  # fmt: skip
        before = work.traffic.last()
        window = Window(first, NOON, NOON, prediction, 1, 0, report(says))
        work.traffic.add(window, (build.profile("rides"),), before)
        work.audit.add(says, "act", f"batch:1/{first}", reason=says)
        digest = work.promotions.of_version(first).dossier_digest
        assert name in (store.dataset.name, THEIRS)
    return Filled(batch, waiting, job.id, prediction, digest, uid, window)


def everything(connection: sa.Connection, name: str) -> dict[str, list[Any]]:
    """Every row of a dataset, by table."""
    every = {DATASET: EVERY}
    return {
        t.name: list(
            connection.execute(
                sa.select(t).where(t.c.dataset == name).order_by(*t.primary_key.columns),
                execution_options=every,
            )
        )
        for t in SCOPED
    }


def pool(at: Filled, store: Store) -> dict[str, Any]:
    """A value for each parameter of the store's methods, by name: all name their things."""
    with store.read() as work:
        promotion = work.promotions.waiting()[0]
        (request, *_), (notice, *_) = work.force_requests.open_forces(), work.notifications.latest()
        (schedule, *_), job = work.schedules.all(), work.jobs.get(at.job_id)
        follow_up, window = work.force_requests.follow_ups()[0], work.traffic.last()
    assert window
    return {
        "actor": "ana", "action": "act", "cause": Cause.FORCED,
        "subject": "batch:1/1", "text": "x", "reason": "r",
        "owner": THEIRS, "owner_id": at.batch.id, "profiles": [], "epoch": 1, "number": 1,
        "batch_id": at.batch.id, "batch": replace(at.waiting, number=1),
        "before": at.waiting.id + 99, "after": 0,
        "live": None, "dismissed": "act", "limit": 50, "note": "n", "gap": 0, "stored": 1,
        "quarantined": [], "content_hash": "hash1", "origins": ["theirs/x"], "beginning": THEIRS,
        "spool": "theirs1.json", "size": 9, "digest": at.digest, "version": promotion.version,
        "versions": range(9), "batch_ids": [at.batch.id, at.waiting.id],
        "reference": Reference.PREVIOUS, "reference_name": "theirs0", "report": report("r"),
        "prediction_id": at.prediction, "ids": [at.prediction], "follow_up_id": follow_up.id,
        "request": request,
        "outcome": "withdrawn", "unless_released": False, "key": "drift", "at": NOON,
        "job_id": at.job_id, "attempt": 1, "lease": timedelta(minutes=1), "message": "m",
        "share": 0.5, "stage": "s", "kind": JobKind.DRIFT, "args": {}, "job": job,
        "max_attempts": 3, "wanted": {("rides", "mean"): 0.75}, "event": Event.TEST,
        "notice": notice, "why": "w", "uid": at.uid, "promotion": promotion,
        "promotion_id": promotion.id, "decision": Decision.FORCE, "failure": "f",
        "verdict": Verdict(True, ("r",)), "dossier": promotion.dossier,
        "added": [1], "reasons": {}, "timing": Timing("0 4 * * *", "UTC"), "task": Task.INGEST,
        "next_run_at": LATER, "schedule": schedule, "schedule_id": schedule.id,
        "until": LATER, "count": 1, "most": 9, "window_id": window.id, "window": window,
        "search": Search(id_prefix=at.prediction[:6]), "names": ["rides"], "held_out": None,
        "chunks": [], "kept": timedelta(days=1),
        "found": [LoggedPrediction(at.prediction, NOON, 1, {}, 1.0)],
        "cutoffs": Cutoffs(rows=0, epochs=0, predictions=LATER, log_lines=LATER),
        "state": JobState.FAILED, "dataset": None,
        "other_than": "nobody", "first": NOON.date(), "end": (LATER + timedelta(days=1)).date(),
    }  # fmt: skip


OTHERS: dict[str, list[dict[str, Any]]] = {
    "batches.close": [{"state": BatchState.SKIPPED}],
    "batches.set_epoch": [{"state": EpochState.CLOSED}],
    "batches.in_state": [{"state": state} for state in BatchState],
    "promotions.latest": [{"state": None}],
    "promotions.propose": [{"dossier": None}],
    "dossiers.freeze": [{"dossier": build.dossier(9)}],
    "batches.profile": [{"owner": "batch"}],
    "batches.add_profile": [{"owner": "batch"}],
    "expired.count": [{"kind": kind} for kind in Kind],
    "expired.delete": [{"kind": kind} for kind in Kind],
    "scores.put": [{"score": BatchScore(1, 1, 3, {}, 1.0, "")}],
    "forward_scores.put": [{"score": ForwardScore(1, 1, 3, {})}],
    "traffic.requests": [{"after": None}],
    "traffic.waiting": [{"after": None}],
    "traffic.add": [{"after": None}],
    "jobs.asked_since": [{"key": key} for key in ("drift", "train")],
    "jobs.newest_of": [{"key": key} for key in ("drift", "train")],
    "jobs.latest_of": [{"key": key} for key in ("drift", "train")],
    "rows.chunks": [{"every": 1}],
}
"""Values for single methods where the one of the pool has another type."""

OF_THE_WHOLE_DESK = {"audit.flush", "audit.head", "audit.verify", "deliveries.accept"}
"""There is one chain of the trail, and one record of deliveries."""


def subjects(work: Work) -> dict[str, Any]:
    found = {name: part for name, part in vars(work).items() if isinstance(part, Part)}
    return found | {"rows": work.rows, "expired": work.expired, "work": work}


def methods(work: Work) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public method of every part; a new one is here by itself."""
    for name, part in sorted(subjects(work).items()):
        of = ["metrics_snapshot"] if part is work else sorted(dir(part))
        for method in of:
            if method[0] != "_" and callable(getattr(part, method)):
                yield f"{name}.{method}", getattr(part, method)


def calls(name: str, method: Callable[..., Any], values: dict[str, Any]) -> list[dict[str, Any]]:
    """The arguments: only those that it needs, and all that the pool has."""
    found = []
    for other in OTHERS.get(name, [{}]):
        for every in (False, True):
            given = {}
            for p in inspect.signature(method).parameters.values():
                if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                    continue
                if p.default is p.empty or p.name in other or (every and p.name in values):
                    known = values | other
                    assert p.name in known, f"{name} has a new parameter {p.name}: give it a value"
                    given[p.name] = known[p.name]
            if given not in found:
                found.append(given)
    return found


def ask(work: Work, method: Callable[..., Any], given: dict[str, Any]) -> str:
    """What a method answers, as text; a refusal is an answer too."""
    try:
        with work.attempt():
            answer = method(**given)
            return repr(list(answer) if isinstance(answer, Iterator) else answer)
    except DriftdeskError as error:
        return f"{type(error).__name__}: {error}"


def changing(engine: sa.Engine) -> list[str]:
    """The statements from now on that change rows."""
    seen: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def see(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.split(maxsplit=1)[0] in ("INSERT", "UPDATE", "DELETE", "LOAD"):
            seen.append(statement)

    return seen


def audit_all(ours: Store, theirs: Store, values: dict[str, Any]) -> dict[str, str]:
    """Call everything for our dataset; returns the answers of what changes nothing."""
    answers = {}
    rows, other = sa.select(rows_table(theirs.dataset)), theirs.dataset.name
    with ours.begin() as work:
        names = [(name, given) for name, m in methods(work) for given in calls(name, m, values)]
        there = everything(work._connection, other)
        stored = work._connection.execute(rows).all()
    changes = changing(ours.engine)
    for n, (name, given) in enumerate(names):
        changes.clear()
        with ours.begin() as work:
            said = ask(work, dict(methods(work))[name], given)
            if name not in OF_THE_WHOLE_DESK:
                shown = said
                for echo in ("theirs/x", *(v for v in given.values() if isinstance(v, str))):
                    shown = shown.replace(echo, "")
                assert THEIRS not in shown, f"{name} shows it: {said}"
            work.audit.flush()
            if changes:
                assert everything(work._connection, other) == there, f"{name} changed it"
                assert work._connection.execute(rows).all() == stored, f"{name} changed its rows"
            elif name not in OF_THE_WHOLE_DESK:
                answers[f"{name} {n}"] = said
    return answers


def test_no_method_for_one_dataset_shows_or_changes_anything_of_the_other(
    ours: Store, theirs: Store
) -> None:
    fill(ours, "ours")
    fill(theirs, THEIRS)
    values = pool(fill(theirs, THEIRS, first=3), theirs)
    with ours.read() as work:
        there = everything(work._connection, THEIRS)
    assert [name for name, rows in there.items() if not rows] == []
    first = audit_all(ours, theirs, values)
    assert len(first) > 100
    fill(theirs, THEIRS, first=11)
    assert audit_all(ours, theirs, values) == first  # neither a count nor a choice has moved
    with ours.read() as work:
        assert work.audit.verify() is None


def test_two_datasets_have_epochs_numbers_versions_and_open_jobs_of_their_own(
    ours: Store, theirs: Store
) -> None:
    fill(theirs, THEIRS)
    fill(ours, "ours")
    for store in (ours, theirs):
        with store.read() as work:
            assert [e.number for e in work.batches.epochs()] == [1]
            assert work.promotions.live_version() == 1
            assert [p.version for p in work.promotions.waiting()] == [2]
            assert [j.kind for j in work.jobs.open()] == [JobKind.DRIFT]
            assert work.rows.count(epoch=1) == 3


def test_a_statement_for_no_dataset_is_not_run(ours: Store) -> None:
    plain = ours.engine.execution_options(**{DATASET: None})
    some = (sa.select(jobs.c.id), sa.update(jobs).values(stage=""), sa.delete(jobs))
    hidden = sa.select(sa.func.count()).select_from(sa.select(jobs.c.id).subquery())
    for statement in (*some, hidden, sa.insert(replicas).values(id="r")):
        with plain.connect() as connection, pytest.raises(UnscopedQuery):
            connection.execute(statement)


def test_a_statement_for_all_datasets_says_so(ours: Store, theirs: Store) -> None:
    at = fill(theirs, THEIRS)
    with ours.desk() as desk:
        assert desk.dataset_of_job(at.job_id) == THEIRS
        assert desk.dataset_of_prediction(at.prediction) == THEIRS
        with pytest.raises(UnscopedQuery):
            desk._connection.execute(sa.insert(replicas).values(id="r"))


def test_an_outer_join_must_be_bound_by_hand(ours: Store) -> None:
    joined = predictions.outerjoin(feedback, feedback.c.prediction_id == predictions.c.id)
    with ours.read() as work, pytest.raises(UnscopedQuery, match="outer join"):
        work._connection.execute(sa.select(feedback.c.id).select_from(joined))
