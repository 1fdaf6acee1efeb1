"""Every page on every kind of data: empty, normal, a broken backend, hostile text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from console.desk import Desk
from core import decisions
from core.dataset import Dataset
from core.drift import compare
from core.records import JobKind, JobState, Reference
from core.settings import Settings
from core.store import Store
from core.store.schema import migrate
from tests import build
from tests.build import contract, proposed, stored_batch
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.models import tiny_model
from tests.stacks import ROOT

PAGES = ["pipeline", "drift", "promotion", "predict", "services"]


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    migrate(url, dataset)
    settings = Settings(
        _env_file=None, data_dir=tmp_path, database_url=url, actor="ana",
        mlflow_tracking_uri="http://127.0.0.1:1", data_api_url="http://127.0.0.1:1",
        serving_url="http://127.0.0.1:1",
    )  # fmt: skip
    made = Desk(
        settings, dataset, Store.open(url, dataset),
        FakeQueue(), FakeRegistry(), FakeServing(),  # type: ignore[arg-type]
    )  # fmt: skip
    monkeypatch.setattr("console.session.Desk.make", lambda _settings: made)
    st.cache_resource.clear()
    yield made
    made.store.close()
    st.cache_resource.clear()


def page(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "console" / "app.py"), default_timeout=30)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    if name != "pipeline":
        app.switch_page(f"views/{name}.py").run()
    assert not app.exception, app.exception
    return app


def text(app: AppTest) -> str:
    kinds = ("title", "markdown", "caption", "info", "warning", "error", "success", "metric")
    return "\n".join(
        f"{getattr(e, 'label', '')} {e.value}" for kind in kinds for e in getattr(app, kind)
    )


def button(app: AppTest, label: str) -> Any:
    return next(b for b in app.button if b.label == label)


def with_report(desk: Desk, *, retrain: bool = True) -> None:
    first, second = stored_batch(desk.store, 0), stored_batch(desk.store, 1)
    with desk.store.begin() as work:
        before = work.batches.profile("batch", first.id)
        after = [build.profile("price", mean=50.0), *before[1:]] if retrain else before
        report = compare(before, after, desk.dataset)
        work.drift.put(second, Reference.PREVIOUS, "epoch 1, batch 0", report)
        work.commit()


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_page_says_what_to_do_first(desk: Desk, name: str) -> None:
    app = page(name)
    assert app.title[0].value == name.capitalize()
    hints = {
        "pipeline": "Ingest next batch",
        "drift": "Pipeline",
        "promotion": "No model has been trained yet",
        "predict": "No model is live yet",
        "services": "Start",
    }
    assert hints[name] in text(app)


@pytest.mark.parametrize("name", PAGES)
def test_a_broken_database_is_said_and_no_traceback_shown(
    desk: Desk, name: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Store.open("mysql+pymysql://nobody@127.0.0.1:1/none", dataset)
    desk.serving.about = {"version": 3, "contract": json.loads(contract(dataset).to_json())}  # type: ignore[attr-defined]
    broken = Desk(desk.settings, dataset, away, desk.queue, desk.registry, desk.serving)
    monkeypatch.setattr("console.session.Desk.make", lambda _settings: broken)
    app = page(name)
    if name == "predict":  # the form needs no database
        app.segmented_control(key="show").set_value("History").run()
        assert not app.exception
    assert "DATABASE_URL" in text(app)


def test_ingest_is_queued_once_however_often_it_is_clicked(desk: Desk) -> None:
    app = page("pipeline")
    button(app, "Ingest next batch").click().run()
    assert "queued" in text(app)
    with desk.store.read() as work:
        (job,) = work.jobs.recent()
        (event,) = work.audit.latest()
    assert (job.kind, job.state, job.actor) == (JobKind.INGEST, JobState.QUEUED, "ana")
    assert event.action == "request ingest"
    assert button(app, "Ingest next batch").disabled
    assert desk.queue.entries == [(JobKind.INGEST, job.id, 1)]  # type: ignore[attr-defined]


def test_with_redis_away_a_job_is_on_record_all_the_same(desk: Desk) -> None:
    desk.queue.away = True  # type: ignore[attr-defined]
    app = page("pipeline")
    button(app, "Ingest next batch").click().run()
    assert "requested" in text(app)


def test_a_running_job_shows_progress_and_can_be_cancelled(desk: Desk) -> None:
    with desk.store.begin() as work:
        job, _ = work.jobs.request(JobKind.INGEST, {}, "ana")
        work.jobs.claim(job.id, 1, "w", build.NOON - build.NOON)
        work.jobs.progress(job.id, "w", 0.4, "reading batch 3")
        work.jobs.log(job.id, "Received 9 bytes.")
        work.commit()
    app = page("pipeline")
    assert "Received 9 bytes." in app.code[0].value
    button(app, "Cancel").click().run()
    with desk.store.read() as work:
        assert work.jobs.get(job.id).cancel_requested


def test_a_failed_job_says_why_and_can_be_retried(desk: Desk) -> None:
    with desk.store.begin() as work:
        job, _ = work.jobs.request(JobKind.INGEST, {}, "ana")
        work.jobs.claim(job.id, 1, "w", build.NOON - build.NOON)
        work.jobs.finish(job.id, "w", JobState.FAILED, error="The data API cannot be reached.")
        work.commit()
    app = page("pipeline")
    assert "cannot be reached" in text(app)
    button(app, "Retry").click().run()
    with desk.store.read() as work:
        assert (work.jobs.get(job.id).state, work.jobs.get(job.id).attempt) == (JobState.QUEUED, 2)


def test_the_drift_page_gives_the_verdict_in_words(desk: Desk) -> None:
    with_report(desk)
    said = text(page("drift"))
    assert "This batch asks for training" in said
    assert "400\\.0 %" in said


def test_a_calm_batch_is_said_to_be_calm_and_training_asks_for_a_reason(desk: Desk) -> None:
    with_report(desk, retrain=False)
    assert "No drift" in text(page("drift"))
    app = page("pipeline")
    button(app, "Train anyway").click().run()
    app.text_area(key="train-reason").set_value("new recipe")
    button(app, "Train").click().run()
    with desk.store.read() as work:
        (event,) = work.audit.latest()
    assert (event.action, event.reason) == ("request train", "new recipe")


def test_a_batch_has_an_address_of_its_own(desk: Desk) -> None:
    with_report(desk)
    with desk.store.read() as work:
        first = work.batches.stored(1)[0]
    with desk.store.begin() as work:
        report = compare(None, work.batches.profile("batch", first.id), desk.dataset)
        work.drift.put(first, Reference.PREVIOUS, "none", report)
        work.commit()
    app = AppTest.from_file(str(ROOT / "console" / "views" / "drift.py"), default_timeout=30)
    app.query_params["batch"] = str(first.id)
    app.run()
    assert not app.exception
    assert app.selectbox[0].value == "epoch 1, batch 0"


def test_approve_goes_through_a_dialog_and_queues_the_promotion(desk: Desk) -> None:
    proposed(desk.store, 3)
    app = page("promotion")
    assert "Version 3" in text(app)
    button(app, "Approve…").click().run()
    button(app, "Approve and serve it").click().run()
    with desk.store.read() as work:
        assert work.promotions.of_version(3).state == "APPROVED"
        assert [j.kind for j in work.jobs.open()] == [JobKind.PROMOTE]


def test_a_rejection_without_a_reason_is_refused_in_words(desk: Desk) -> None:
    proposed(desk.store, 3)
    app = page("promotion")
    button(app, "Reject…").click().run()
    button(app, "Reject").click().run()
    assert "Say why" in text(app)
    with desk.store.read() as work:
        assert work.promotions.of_version(3).state == "PROPOSED"


def test_who_comes_second_is_told_so(desk: Desk) -> None:
    proposed(desk.store, 3)
    app = page("promotion")
    button(app, "Approve…").click().run()
    with desk.store.begin() as work:
        decisions.reject(work, 3, actor="ben", reason="no")
        work.commit()
    button(app, "Approve and serve it").click().run()
    assert "REJECTED" in text(app)


def test_a_version_from_elsewhere_can_be_forced_with_a_reason(desk: Desk) -> None:
    desk.registry.publish(
        b"x", job="9", parameters={}, metrics={}, tags={}, signature=None, requirements=[]
    )
    app = page("promotion")
    button(app, "Force…").click().run()
    app.text_area(key="decision-reason").set_value("from the old pipeline")
    button(app, "Force").click().run()
    with desk.store.read() as work:
        assert work.promotions.of_version(1).forced
        assert work.audit.latest()[0].reason == "from the old pipeline"


def test_serving_and_registry_in_disagreement_is_said(desk: Desk) -> None:
    proposed(desk.store, 1)
    with desk.store.begin() as work:
        job = decisions.approve(work, 1, actor="ana", champion=None)
        work.promotions.make_live(work.promotions.of_version(1))
        work.jobs.cancel(job.id)
        work.commit()
    assert "serving answers with nothing" in text(page("promotion"))
    desk.serving.about = {"version": 1}  # type: ignore[attr-defined]
    assert "serving answers with it" in text(page("promotion"))


def test_the_form_follows_from_the_model_and_the_answer_names_its_version(desk: Desk) -> None:
    made = contract(desk.dataset)
    assert tiny_model(made)
    desk.serving.about = {"version": 3, "contract": json.loads(made.to_json())}  # type: ignore[attr-defined]
    app = page("predict")
    labels = {w.label for kind in ("number_input", "selectbox") for w in getattr(app, kind)}
    assert labels == {
        "Status", "Bedrooms", "Bathrooms", "Lot size (acres)", "City", "State", "ZIP code",
        "House size (sq ft)",
    }  # fmt: skip
    app.number_input(key="field-bed").set_value(5)
    button(app, "Predict").click().run()
    assert "250,000 USD" in text(app)
    assert "Version 3" in text(app)
    assert desk.serving.asked[0]["bed"] == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["pipeline", "promotion"])
def test_hostile_text_is_shown_inert(desk: Desk, name: str) -> None:
    hostile = "<script>alert(1)</script> [x](javascript:alert(1)) :red[x]"
    stored_batch(desk.store, 0)
    proposed(desk.store, 3)
    with desk.store.begin() as work:
        work.jobs.request(JobKind.DRIFT, {}, hostile, key="drift:1")
        decisions.reject(work, 3, actor=hostile, reason=hostile)
        work.commit()
    said = text(page(name))
    assert "\\<script\\>" in said
    assert "[x](javascript" not in said
    assert ":red[x]" not in said
