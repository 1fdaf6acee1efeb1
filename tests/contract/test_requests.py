"""What is asked for while a job is open: joined where it is the same, refused where it is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from console.actions import pipeline
from console.desk import Desk
from console.text import formatting
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.drift import RetrainWhen
from core.domain.errors import IllegalTransition, JobUnderWay, Missing, ReasonRequired
from core.domain.jobs import Job, JobKind
from core.platform.settings import Settings
from core.rules.ops.schedule import Task, Timing
from core.usecases.decisions import request
from tests import build
from tests.build import somebody, stored_batch
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from workers.reconciler.schedules import _fire

ANA, BEN = somebody("ana"), somebody("ben")


@pytest.fixture
def desk(store: Store, dataset: Dataset, tmp_path: Path) -> Desk:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    return Desk(
        settings, dataset, store, FakeQueue(), FakeRegistry(), FakeServing(),  # type: ignore[arg-type]
    )  # fmt: skip


def on_record(desk: Desk) -> list[tuple[str, str, str]]:
    with desk.store.read() as work:
        return [(e.actor, e.action, e.subject) for e in work.audit.latest()][::-1]


def test_the_same_request_joins_the_open_job_and_that_is_on_record(desk: Desk) -> None:
    first = pipeline.request_ingest(desk, ANA)
    second = pipeline.request_ingest(desk, BEN)
    assert (first.joined, second.joined, second.id) == (False, True, first.id)
    assert formatting.joined(second) == f"Job {first.id} (ingest) is already queued; you joined it."
    assert on_record(desk) == [
        ("ana", "request ingest", f"job:{first.id}"),
        ("ben", "join ingest", f"job:{first.id}"),
    ]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [({"restart": True, "ends": 1}, "A restart"), ({"then_train": True}, "A run of all steps")],
)
def test_a_request_for_something_else_is_refused_by_name(
    desk: Desk, wanted: dict[str, Any], says: str
) -> None:
    stored_batch(desk.store, 0)
    open_job = pipeline.request_ingest(desk, ANA)
    with pytest.raises(JobUnderWay) as refused:
        pipeline.request_ingest(desk, BEN, **wanted)
    assert str(refused.value) == (
        f"Job {open_job.id} (ingest) is open. {says} can be queued once it is over."
    )
    with desk.store.read() as work:
        (job,) = work.jobs.recent()
    assert job.args == {}
    assert [actor for actor, _, _ in on_record(desk)] == ["ana"]


def test_an_ingest_is_not_taken_for_the_restart_that_is_open(desk: Desk) -> None:
    stored_batch(desk.store, 0)
    pipeline.request_ingest(desk, ANA, restart=True, ends=1)
    with pytest.raises(JobUnderWay, match="with restart_epoch=1"):
        pipeline.request_ingest(desk, BEN)


def test_a_comparison_that_followed_by_itself_is_joined(desk: Desk) -> None:
    batch = stored_batch(desk.store, 0)
    with desk.store.begin() as work:
        args = {"batch_id": batch.id, "then_train": False}
        work.jobs.request(JobKind.DRIFT, args, "driftdesk", key=f"drift:{batch.id}")
        work.commit()
    assert pipeline.request_drift(desk, ANA).joined


def test_a_training_that_is_open_is_joined_without_a_reason(desk: Desk) -> None:
    stored_batch(desk.store, 0)
    first = pipeline.request_train(desk, ANA, reason="a try")
    assert pipeline.request_train(desk, BEN).id == first.id
    assert on_record(desk)[-1] == ("ben", "join train", f"job:{first.id}")


def test_a_schedule_is_left_out_whatever_the_open_ingest_does(desk: Desk) -> None:
    stored_batch(desk.store, 0)
    open_job = pipeline.request_ingest(desk, ANA, restart=True, ends=1)
    with desk.store.begin() as work:
        made = work.schedules.add(Timing("0 * * * *"), Task.ALL, build.NOON, "ana")
        assert _fire(work, made) is None
        assert f"ingest {open_job.id} was" in work.schedules.get(made.id).note
        work.commit()
    assert on_record(desk)[-1][1] == "left out"


def test_every_caller_is_refused_in_the_same_place(store: Store) -> None:
    with store.begin() as work:
        job, _ = request(work, JobKind.TRAIN, {"anyway": True}, actor="ana")
        with pytest.raises(JobUnderWay) as refused:
            request(work, JobKind.TRAIN, {}, actor="driftdesk")
        assert refused.value.job_id == job.id
        again, is_new = request(
            work, JobKind.TRAIN, {"anyway": True, "x": "", "reason": "mine"}, actor="ben"
        )
        assert (again, is_new) == (replace(job, joined=True), False)


# Training and dismissing


def compared(desk: Desk, *, asks: bool, advice: str = "") -> Any:
    """A batch with a report, and with advice where a recommendation is named."""
    from core.domain.drift import DriftReport, Reason, Reference
    from core.rules.drift.recommendation import Advice, Recommendation

    batch = stored_batch(desk.store, 0)
    reason = "Price, mean rose 21.3 %." if asks else "Every statistic is within its limit."
    found = Advice(Recommendation(advice), ("It rose.",), None, "", ()) if advice else None
    with desk.store.begin() as work:
        report = DriftReport(asks, (Reason(reason),), ())
        work.drift.put(batch, Reference.PREVIOUS, "none", report, found)
        work.commit()
    return batch


def last_request(desk: Desk) -> tuple[Job, Any]:
    with desk.store.read() as work:
        return work.jobs.recent(1, JobKind.TRAIN)[0], work.audit.latest(1)[0]


@pytest.mark.parametrize(
    ("when", "asks", "advice"),
    [
        (RetrainWhen.RULE, True, "ignore"),
        (RetrainWhen.RULE, True, ""),
        (RetrainWhen.RECOMMENDATION, False, "retrain"),
        (RetrainWhen.BEYOND_NOISE, True, "ignore"),
    ],
)
def test_the_verdict_is_reason_enough_and_goes_on_record(
    desk: Desk,
    when: RetrainWhen,
    asks: bool,  # noqa: FBT001 - a parameter
    advice: str,
) -> None:
    desk.store.dataset = replace(desk.dataset, retrain_when=when)
    compared(desk, asks=asks, advice=advice)
    pipeline.request_train(desk, ANA)
    _, event = last_request(desk)
    assert event.reason.startswith("Batch 0: retraining recommended. ")
    assert event.details["retrain_when"] == when
    assert event.details["drift_rule"] is asks
    assert event.details["recommendation"] == advice


@pytest.mark.parametrize(
    ("when", "asks", "advice", "says"),
    [
        (RetrainWhen.RULE, False, "ignore", "Every statistic is within its limit."),
        (RetrainWhen.RULE, False, "retrain", "The dataset file lets the drift rule decide."),
        (
            RetrainWhen.RECOMMENDATION,
            True,
            "ignore",
            "The dataset file lets the recommendation decide.",
        ),
    ],
)
def test_the_refusal_says_what_decided(
    desk: Desk,
    when: RetrainWhen,
    asks: bool,  # noqa: FBT001 - a parameter
    advice: str,
    says: str,
) -> None:
    desk.store.dataset = replace(desk.dataset, retrain_when=when)
    compared(desk, asks=asks, advice=advice)
    with pytest.raises(ReasonRequired) as refused:
        pipeline.request_train(desk, ANA)
    assert str(refused.value).startswith("Batch 0: no retraining needed. ")
    assert f"{says} Say why to train anyway." in str(refused.value)
    pipeline.request_train(desk, ANA, reason="a try")
    assert last_request(desk)[1].reason == "a try"


def test_without_a_batch_there_is_nothing_to_train_on(desk: Desk) -> None:
    with pytest.raises(Missing, match="No batch has been stored yet"):
        pipeline.request_train(desk, ANA)


def test_a_dismissal_needs_a_reason_and_lasts(desk: Desk) -> None:
    batch = compared(desk, asks=True)
    with pytest.raises(ReasonRequired):
        pipeline.dismiss_batch(desk, ANA, batch.id, reason=" ")
    pipeline.dismiss_batch(desk, ANA, batch.id, reason="a fair")
    assert on_record(desk)[-1] == ("ana", "dismiss batch", "batch:1/0")
    with pytest.raises(IllegalTransition, match="ana dismissed it: a fair"):
        pipeline.dismiss_batch(desk, BEN, batch.id, reason="again")
    with pytest.raises(ReasonRequired, match="ana dismissed it"):
        pipeline.request_train(desk, BEN)
