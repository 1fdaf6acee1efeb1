"""Limits, scores, advice and history in the store, on SQLite and on MariaDB."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa

from core.adapters.store import Store
from core.domain.drift import DriftReport, Reason, Reference
from core.domain.errors import BadInput, ReasonRequired
from core.rules.data.profile import profile_number, profile_text
from core.rules.drift.compare import compare
from core.rules.drift.recommendation import Advice, BatchScore, Recommendation, advise
from core.rules.drift.report import drift_report
from core.usecases import decisions
from tests.build import profile, stored_batch


def test_the_newest_limit_wins_and_a_reset_gives_it_back(store: Store) -> None:
    price, bed = ("price", "mean"), ("bed", "75")
    for wanted in ({price: 0.2, bed: 0.3}, {price: 0.4}, {bed: None}):
        with store.begin() as work:
            decisions.set_limits(work, store.dataset, wanted, actor="ana", reason="calm season")
            work.commit()
    with store.read() as work:
        assert work.limits.in_force() == {price: 0.4}
        entries = work.limits.history()
        (last, *_) = work.audit.latest(subject="limits")
    assert [(e.column, e.value, e.actor) for e in entries[:2]] == [
        ("bed", None, "ana"), ("price", 0.4, "ana"),
    ]  # fmt: skip
    assert last.details == {"bed_75": {"from": 0.3, "to": 0.15, "reset": True}}
    assert last.reason == "calm season"


def test_limits_without_a_reason_or_sense_change_nothing(store: Store) -> None:
    with store.begin() as work:
        with pytest.raises(ReasonRequired):
            decisions.set_limits(work, store.dataset, {("bed", "50"): 1.0}, actor="a", reason=" ")
        with pytest.raises(BadInput):
            decisions.set_limits(work, store.dataset, {("bed", "50"): -1.0}, actor="a", reason="x")
    with store.read() as work:
        assert (work.limits.in_force(), work.limits.history()) == ({}, [])


def test_a_score_is_kept_once_a_batch_and_version(store: Store) -> None:
    first = BatchScore(1, 3, 81, {"mae": 5.0, "r2": -0.5}, 2.5)
    with store.begin() as work:
        work.scores.put(replace(first, metrics={"mae": 9.0}))
        work.scores.put(first)
        work.scores.put(BatchScore(2, 3, 0, {}, note="n" * 900))
        work.scores.put(BatchScore(1, 4, 81, {"mae": 1.0}, 1.0))
        work.commit()
    with store.read() as work:
        one, other = work.scores.of(3, [1, 2, 7])
        assert work.scores.of(9, [1]) == []
    assert one == first
    assert (other.metrics, len(other.note)) == ({}, 500)


def test_tails_bands_and_advice_come_back_as_they_went_in(store: Store) -> None:
    rng = np.random.default_rng(3)
    print("seed", 3)
    first, second = (
        (profile_number("price", rng.pareto(1.0, 500)), profile_text("city", {city: 300}, 9))
        for city in ("Ñandú 🏠", "=1+1")
    )
    one = stored_batch(store, 0, profiles=first)
    two = stored_batch(store, 1, profiles=second)
    report = drift_report(first, second, store.dataset)
    assert len(report.measures) == 5
    assert {r.change for r in report.measure_reasons} >= {"city_mix", "city_new"}
    advice = advise(store.dataset, [report], champion=None, error=None)
    with store.begin() as work:
        assert work.batches.profile("batch", one.id) == first
        for _ in range(2):
            work.drift.put(two, Reference.PREVIOUS, "batch 0", report, advice)
        work.commit()
    with store.read() as work:
        (kept,) = work.drift.latest()
        assert kept.report == report
        assert any(c.band for c in kept.report.changes)
        assert work.drift.advice(two.id) == advice
        assert work.drift.advice(one.id) is None


def test_how_far_an_estimate_is_off_is_kept(store: Store) -> None:
    first, second = (
        replace(profile_number("price", np.arange(1.0, 500.0) * rise), error=0.001)
        for rise in (1.0, 1.1)
    )
    batch = stored_batch(store, 0, profiles=(first,))
    report = compare([first], [second], store.dataset)
    with store.begin() as work:
        work.drift.put(batch, Reference.PREVIOUS, "none", report)
        work.commit()
    with store.read() as work:
        assert work.batches.profile("batch", batch.id) == (first,)
        (kept,) = work.drift.latest()
    assert kept.report == report
    assert kept.report.error == pytest.approx(1.1 * 0.002, rel=0.01)


def test_profiles_and_reports_from_before_are_read(store: Store) -> None:
    batch = stored_batch(store, 0)
    with store.begin() as work:
        work.drift.put(batch, Reference.PREVIOUS, "none", compare(None, (), store.dataset))
        work.commit()
    with store.engine.connect() as connection:
        empty = connection.execute(
            sa.text("SELECT COUNT(*) FROM column_profiles WHERE tails IS NULL")
        ).scalar()
    assert empty == len(store.dataset.compared)
    with store.read() as work:
        assert all(p.tails is None for p in work.batches.profile("batch", batch.id))
        assert work.drift.advice(batch.id) is None


def test_history_has_a_batch_once_and_in_order(store: Store) -> None:
    batches = [stored_batch(store, n) for n in range(3)]
    before = [profile("price")]
    with store.begin() as work:
        for n, batch in enumerate(batches):
            report = compare(before, [profile("price", mean=10.0 + n)], store.dataset)
            work.drift.put(batch, Reference.PREVIOUS, f"batch {n - 1}", report)
            work.drift.put(batch, Reference.CHAMPION, "version 1", report)
        again = compare(before, [profile("price", mean=99.0)], store.dataset)
        work.drift.put(batches[0], Reference.CHAMPION, "version 2", again)
        stamp = work.drift.stamp()
        work.commit()
    with store.read() as work:
        cells = work.drift.cells(Reference.CHAMPION)
        assert list(dict.fromkeys(c.batch_number for c in cells)) == [0, 1, 2]
        (mean,) = [c for c in cells if c.batch_number == 0 and c.column == "price"
                   and c.statistic == "mean"]  # fmt: skip
        assert mean.ratio == pytest.approx(8.9)  # the newer champion's
        assert [c.batch_number for c in work.drift.cells(Reference.PREVIOUS, 1)] == [2] * 20
        assert [n for _, _, n in work.drift.compared(2)] == [2, 1]
        assert work.drift.stamp() == stamp


def test_a_batch_stays_in_question_until_it_is_answered(store: Store) -> None:
    stored = [stored_batch(store, number) for number in range(8)]
    asking, advised, calm, dismissed, learned, newer, held, latest = stored
    with store.begin() as work:
        for batch in (asking, dismissed, learned, newer):
            report = DriftReport(True, (Reason("It rose."),), ())
            work.drift.put(batch, Reference.PREVIOUS, "batch 0", report)
        for batch, what in ((advised, Recommendation.RETRAIN), (calm, Recommendation.IGNORE)):
            advice = Advice(what, ("Because.",), None, "", ())
            report = DriftReport(False, (Reason("Within."),), ())
            work.drift.put(batch, Reference.PREVIOUS, "batch 0", report, advice)
        work.audit.add("ana", "dismiss", dismissed.subject, reason="seen")
        work.lineage.trained(2, [learned.id])
        work.lineage.trained(3, [newer.id])
        work.holds.hold(held.id, "ana", "odd", unless_released=False)
        work.commit()
    with store.read() as work:
        found = work.batches.in_question(latest.id, 2, "dismiss", 10)
        (first,) = work.batches.in_question(latest.id, 2, "dismiss", 1)
    assert [b.id for b in found] == [b.id for b in (held, newer, advised, asking)]
    assert first.id == held.id
