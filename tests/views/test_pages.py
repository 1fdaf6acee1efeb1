"""Every page on all kinds of data: empty, normal, unreachable services, hostile text."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import streamlit as st
from streamlit.testing.v1 import AppTest

from console.desk import Desk
from console.web import reading
from core.adapters.store import Store
from core.adapters.store.tables import promotions
from core.domain.dataset import Dataset
from core.domain.dossier import Difference, Replay, Slice
from core.domain.drift import Reference
from core.domain.job_results import SourceEnded
from core.domain.jobs import JobKind, JobState
from core.platform.settings import Settings
from core.rules.drift.compare import compare
from core.usecases import decisions, forced_promotions
from tests import build
from tests.build import contract, live, proposed, somebody, stored_batch
from tests.databases import migrated
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.models import tiny_model
from tests.stacks import ROOT
from tests.views.fleets import html, html_rows

DATA = "Training data and files"
PAGES = ["overview", "pipeline", "drift", "promotion", "predict", "audit", "services"]


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(url, dataset)
    settings = Settings(
        _env_file=None, data_dir=tmp_path, database_url=url, actor="ana",
        mlflow_tracking_uri="http://127.0.0.1:1", data_api_url="http://127.0.0.1:1",
        serving_url="http://127.0.0.1:1",
    )  # fmt: skip
    made = Desk(
        settings, dataset, Store.open(url, dataset),
        FakeQueue(), FakeRegistry(), FakeServing(),  # type: ignore[arg-type]
    )  # fmt: skip
    monkeypatch.setattr("console.web.session.Desk.make", lambda *_: made)
    monkeypatch.setattr("console.web.session.read_settings", lambda: settings)
    st.cache_resource.clear()
    yield made
    made.store.close()
    st.cache_resource.clear()


def page(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "console" / "web" / "app.py"), default_timeout=30)
    for key, value in query.items():
        app.query_params[key] = value
    if name != "overview":
        app.switch_page(f"views/{name}.py")
    app.run()
    assert not app.exception, app.exception
    return app


def text(app: AppTest) -> str:
    kinds = ("title", "markdown", "caption", "info", "warning", "success", "metric")
    shown = [f"{getattr(e, 'label', '')} {e.value}" for kind in kinds for e in getattr(app, kind)]
    said = "\n".join([*shown, *(e.value.replace("\\", "") for e in app.error)])
    return said.replace("\u00a0", " ")


def button(app: AppTest, label: str) -> Any:
    return next(b for b in app.button if b.label == label)


def with_report(desk: Desk, *, retrain: bool = True) -> None:
    first, second = stored_batch(desk.store, 0), stored_batch(desk.store, 1)
    with desk.store.begin() as work:
        before = work.batches.profile("batch", first.id)
        after = [build.profile("price", mean=50.0), *before[1:]] if retrain else before
        report = compare(before, after, desk.dataset)
        work.drift.put(
            second, Reference.PREVIOUS, "epoch 1, batch 0", report, reference_id=first.id
        )
        work.commit()


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_page_says_what_to_do_first(desk: Desk, name: str) -> None:
    app = page(name)
    assert app.title[0].value == name.capitalize()
    hints = {
        "overview": "Welcome",
        "pipeline": "Ingest next batch",
        "drift": "Pipeline",
        "promotion": "No model has been trained yet",
        "predict": "No model is live yet",
        "audit": "No events yet",
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
    monkeypatch.setattr("console.web.session.Desk.make", lambda *_: broken)
    app = page(name)
    if name == "predict":  # the form needs no database
        app.session_state["ask"] = "History"
        app.run()
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
    assert "Batch 1\\: retraining recommended" in said
    assert "400\\.0 %" in said


def test_training_after_a_batch_without_drift_needs_a_reason(desk: Desk) -> None:
    with_report(desk, retrain=False)
    assert "Batch 1\\: no retraining needed" in text(page("drift"))
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
    app = AppTest.from_file(
        str(ROOT / "console" / "web" / "views" / "drift.py"), default_timeout=30
    )
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
    assert "Version 3 was already rejected by ben" in text(app)
    assert "force it with a reason" in text(app)


def test_a_version_from_elsewhere_can_be_forced_with_a_reason(desk: Desk) -> None:
    desk.registry.publish(
        b"x", job="9", parameters={}, metrics={}, tags={}, signature=None, requirements=[]
    )
    app = page("promotion")
    button(app, "Force…").click().run()
    app.text_area(key="force-reason").set_value("from the old pipeline")
    app.text_input(key="force-typed").set_value("force 1")
    button(app, "Force").click().run()
    with desk.store.read() as work:
        assert work.promotions.of_version(1).forced
        assert work.audit.latest()[0].reason == "from the old pipeline"


def published(desk: Desk, *jobs: str) -> None:
    for job in jobs:
        desk.registry.publish(
            job.encode(), job=job, parameters={}, metrics={}, tags={}, signature=None,
            requirements=[],
        )  # fmt: skip


def digest(desk: Desk, version: int) -> str:
    return next(v.digest for v in desk.registry.versions() if v.version == version)


def test_serving_and_registry_in_disagreement_is_said(desk: Desk) -> None:
    published(desk, "1")
    live(desk.store, 1, digest=digest(desk, 1))
    desk.registry.set_champion(1)
    assert "answers with nothing" in text(page("promotion"))
    assert "answers with nothing" in text(page("overview"))
    desk.serving.about = {"version": 1}  # type: ignore[attr-defined]
    reading.clear_cache()
    assert "serving answers with it" in text(page("promotion"))


def test_what_is_said_of_the_live_version_follows_a_change_at_once(desk: Desk) -> None:
    """Answers of MLflow and serving are kept for seconds; not for another live version."""
    published(desk, "1")
    proposed(desk.store, 1, digest=digest(desk, 1))
    assert "Nothing is live yet." in text(page("promotion"))
    assert "answers with nothing" not in text(page("overview"))
    with desk.store.begin() as work:
        job = build.approve(work, 1)
        work.promotions.make_live(work.promotions.of_version(1))
        work.jobs.cancel(job.id)
        work.commit()
    desk.registry.set_champion(1)
    assert "answers with nothing" in text(page("overview"))
    desk.serving.about = {"version": 1}  # type: ignore[attr-defined]
    said = text(page("promotion"))
    assert "Nothing is live yet." not in said


def test_an_alias_that_was_moved_behind_our_back_is_said_and_can_be_put_back(desk: Desk) -> None:
    published(desk, "1", "2")
    live(desk.store, 1, digest=digest(desk, 1))
    desk.serving.about = {"version": 2}  # type: ignore[attr-defined]
    desk.registry.set_champion(2)
    assert "Somebody changed the alias in MLflow" in text(page("overview")).replace("\\", "")
    app = page("promotion")
    assert "names version 2 as champion, but version 1 was decided here" in text(app)
    button(app, "Put the registry back to version 1…").click().run()
    app.text_area(key="put-back-reason").set_value("a mistake")
    button(app, "Put it back").click().run()
    assert desk.registry.champion() == 1
    with desk.store.read() as work:
        assert work.audit.latest()[0].details["found"] == 2


def test_a_dossier_shows_gates_figures_and_material(desk: Desk) -> None:
    proposed(
        desk.store, 3, champion=2, promote=False,
        gates=[build.gate("better", passed=False, says="It could be chance.")],
        differences={"mae": Difference(-2.0, -5.0, 1.0)},
        slices=(Slice("state", "Maine", 60, 9.0, 10.0, Difference(-1.0, -2.0, 0.5)),),
        importance={"bed": 0.3}, data_digest="d" * 64, parity=1e-7,
        replay=Replay(10, 0, 0.2),
    )  # fmt: skip
    for tab in ("Differences", "Segments", "Predictions", "Importance", DATA):
        app = page("promotion", evidence=tab)
        assert "It could be chance" in text(app)
    assert "20 %** of predictions change" in text(page("promotion", evidence=DATA))


def test_a_stale_dossier_cannot_be_approved_and_can_be_made_anew(desk: Desk) -> None:
    published(desk, "1", "2", "3")
    live(desk.store, 1)
    proposed(desk.store, 3, champion=2)
    app = page("promotion", version="3")
    assert "compares it with version 2, but version 1 is live now" in text(app)
    assert button(app, "Approve…").disabled
    button(app, "Re-evaluate").click().run()
    with desk.store.read() as work:
        assert [j.kind for j in work.jobs.open()] == [JobKind.JUDGE]


def test_with_the_registry_away_the_evidence_is_shown_and_nothing_is_decided(desk: Desk) -> None:
    proposed(desk.store, 3)
    desk.registry.away = True  # type: ignore[attr-defined]
    assert "MLflow is unreachable" in text(page("overview"))
    app = page("promotion")
    assert "MLflow at nowhere did not answer" in text(app)
    assert "Gates" in text(app)
    button(app, "Approve…").click().run()
    button(app, "Approve and serve it").click().run()
    with desk.store.read() as work:
        assert work.promotions.of_version(3).state == "PROPOSED"
        assert work.jobs.open() == []


def test_no_line_of_code_is_taken_for_text(desk: Desk) -> None:
    """Streamlit prints a bare string expression of a page's script."""
    for script in (ROOT / "console" / "web" / "views").glob("*.py"):
        body = ast.parse(script.read_text(encoding="utf-8")).body[1:]
        assert not [
            e for e in body if isinstance(e, ast.Expr) and isinstance(e.value, ast.Constant)
        ]
    assert st.config.get_option("runner.magicEnabled") is False


def test_candidates_stand_in_a_queue_that_says_which_are_stale(desk: Desk) -> None:
    published(desk, "1")
    live(desk.store, 1)
    for version in range(2, 10):
        proposed(desk.store, version, champion=1 if version % 2 else None)
    app = page("promotion")
    said = text(app)
    assert "8 versions await approval" in said
    assert sum("to be re-evaluated" in b.label for b in app.button) == 2
    assert "and 3 older ones" in said


@pytest.mark.whole
@pytest.mark.parametrize("name", ["overview", "promotion", "audit"])
def test_a_thousand_of_everything_is_shown_in_bounds(desk: Desk, name: str) -> None:
    live(desk.store, 1)
    with desk.store.begin() as work:
        for version in range(2, 302):
            content = build.dossier(version, 1)
            work.promotions.propose(
                version, build.Verdict(True, ("Because.",)), content, "trainer",
                digest=work.dossiers.freeze(content),
            )  # fmt: skip
            work.audit.add("trainer", "propose", f"version:{version}")
        for n in range(1000):
            job, _ = work.jobs.request(JobKind.INGEST, {}, "ana", key=str(n))
            work.jobs.claim(job.id, 1, "w", build.NOON - build.NOON)
            work.jobs.finish(job.id, "w", JobState.SUCCEEDED, result=SourceEnded(note=f"Done {n}."))
            work.audit.add("ana", "request ingest", f"job:{job.id}")
        work.commit()
    app = page(name)
    assert len(app.markdown) < 100
    assert all(len(frame.value) <= 1000 for frame in app.dataframe)
    if name == "promotion":  # a version that is too old for the list still has its address
        assert "### Version 7 " in text(page(name, version="7"))


def test_a_force_names_each_gate_that_is_not_passed(desk: Desk) -> None:
    published(desk, "1")
    gates = [build.gate("no worse segment", passed=False, says="Worse in Ohio.")]
    proposed(desk.store, 1, promote=False, gates=gates)
    app = page("promotion")
    button(app, "Force…").click().run()
    assert "**no worse segment**: Worse in Ohio" in text(app)
    app.text_area(key="force-reason").set_value("needed")
    button(app, "Force").click().run()
    assert "Type force 1 to confirm" in text(app)
    with desk.store.read() as work:
        assert work.promotions.of_version(1).state == "PROPOSED"


def test_the_second_person_confirms_and_the_first_cannot(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposed(desk.store, 3)
    with desk.store.begin() as work:
        forced_promotions.force(work, 3, actor="ana", champion=None, reason="needed", reviewers=2)
        work.commit()
    assert button(page("promotion"), "Confirm…").disabled  # it was ana who asked
    assert "awaits a second approver" in text(page("overview"))
    monkeypatch.setattr("console.web.session.actor", lambda *_: somebody("ben"))
    app = page("promotion")
    button(app, "Confirm…").click().run()
    button(app, "Confirm and serve it").click().run()
    with desk.store.read() as work:
        assert work.promotions.of_version(3).state == "APPROVED"


def test_a_forced_version_is_followed_up_until_somebody_says_what_they_found(desk: Desk) -> None:
    proposed(desk.store, 3)
    with desk.store.begin() as work:
        forced_promotions.force(work, 3, actor="ana", champion=None, reason="needed")
        work.commit()
    assert "Follow up on version 3" in text(page("overview"))
    app = page("promotion", tab="Follow-ups")
    button(app, "Close…").click().run()
    app.text_area(key="follow-up-note").set_value("it did well")
    button(app, "Close it").click().run()
    assert "Follow up on" not in text(page("overview"))


def test_the_history_tells_who_why_and_how_long(desk: Desk) -> None:
    live(desk.store, 1)
    live(desk.store, 2)
    app = page("promotion", tab="History")
    terms, versions = (frame.value for frame in app.dataframe)
    assert list(terms["Version"]) == ["/promotion?version=2", "/promotion?version=1"]
    assert "still live" in terms["Duration"][0]
    assert list(versions["State"]) == ["live", "retired"]


def test_the_overview_leads_to_what_waits(desk: Desk) -> None:
    with_report(desk)
    proposed(desk.store, 3)
    with desk.store.begin() as work:
        job, _ = work.jobs.request(JobKind.INGEST, {}, "ana")
        work.jobs.claim(job.id, 1, "w", build.NOON - build.NOON)
        work.jobs.finish(job.id, "w", JobState.FAILED, error="The data API cannot be reached.")
        work.commit()
    said = text(page("overview"))
    assert "Version 3 awaits approval \\(recommended\\)" in said
    assert "Batch 1\\: retraining recommended" in said
    assert "The last ingest job failed" in said


# The record


def test_the_trail_is_verified_and_the_first_altered_event_named(desk: Desk) -> None:
    proposed(desk.store, 3)
    for n in range(3):
        with desk.store.begin() as work:
            work.audit.add("ana", "act", f"job:{n}")
            work.commit()
    app = page("audit")
    button(app, "Verify the audit log").click().run()
    assert "3 events verified" in text(app)
    with desk.store.begin() as work:
        work.audit._connection.exec_driver_sql("UPDATE audit SET actor = 'eve' WHERE id = 2")
        work.commit()
    app = page("audit")
    button(app, "Verify the audit log").click().run()
    assert "**Event 2** is the first altered" in text(app)


def test_the_trail_is_filtered_by_the_address(desk: Desk) -> None:
    with desk.store.begin() as work:
        for n in range(60):
            work.audit.add("ana" if n % 2 else "ben", "act", f"job:{n}")
        work.commit()
    app = page("audit")
    assert len(html_rows(app)) == 50
    button(app, "Older").click().run()
    assert "follow=job:0" in html_rows(app)[-1]["About"]
    assert {row["Who"] for row in html_rows(page("audit", actor="ben"))} == {"ben"}
    assert "No event matches" in text(page("audit", about="job:99"))
    beyond = page("audit", before="9" * 30)
    assert not beyond.exception
    assert len(html_rows(beyond)) == 50
    assert len(html_rows(page("audit", when="Last day"))) == 50
    with desk.store.begin() as work:
        work.audit._connection.exec_driver_sql("UPDATE audit SET at = '2020-01-01 00:00:00.000000'")
        work.commit()
    assert "No event matches" in text(page("audit", when="Last day"))


def test_a_reason_can_be_read_in_full_whatever_its_length(desk: Desk) -> None:
    long = "It was <i>worse</i> in the field, " * 20 + "said the field."
    with desk.store.begin() as work:
        work.audit.add("ana", "approve", "version:3", reason="Good enough.")
        work.audit.add("ana", "reject", "version:4", reason=long)
        work.commit()
    drawn = html(page("audit"))
    assert '<td data-label="Reason">Good enough.</td>' in drawn
    (folded,) = re.findall("<details>(.*?)</details>", drawn)
    assert folded.endswith("said the field.")
    assert "<i>" not in drawn
    assert 'href="audit?part=Lineage&amp;follow=version:3">version:3</a>' in drawn


def test_one_id_is_followed_the_whole_way(desk: Desk) -> None:
    batch = stored_batch(desk.store, 0)
    with desk.store.begin() as work:
        report = compare(None, work.batches.profile("batch", batch.id), desk.dataset)
        work.drift.put(batch, Reference.PREVIOUS, "none", report)
        job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
        work.commit()
    batches = [{"id": batch.id, "epoch": 1, "number": 0, "rows": 3}]
    live(desk.store, 3, batches=batches, job=job.id)
    with desk.store.begin() as work:
        work.predictions._connection.exec_driver_sql(
            "INSERT INTO predictions (dataset, id, at, model_version, inputs, prediction) "
            "VALUES ('real_estate', 'p-1', '2026-11-24 10:00:00', 3, '{\"bed\": 3}', 250000.0)"
        )
        work.commit()
    app = page("audit", part="Lineage", follow="p-1")
    said = text(app)
    assert "250,000" in said
    assert "Version 3" in said
    drawn = html(app)
    assert '<a href="drift?batch=1/0">1/0</a>' in drawn
    assert "ana approved version 3 (recommended)." in drawn
    assert '<td data-label="Drift rule">retrain</td>' in drawn
    assert "Enter a prediction id" in text(page("audit", part="Lineage", follow="nothing"))
    assert "no prediction 0a0a" in text(page("audit", part="Lineage", follow="0a0a"))
    assert "one of version 3, job 7" in text(page("audit", part="Lineage", follow="house:3"))


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


def test_a_dossier_that_cannot_be_read_costs_its_version_alone(desk: Desk) -> None:
    """As after a downgrade: the row was written by a newer version of driftdesk."""
    proposed(desk.store, 1)
    proposed(desk.store, 2)
    with desk.store.engine.begin() as connection:
        newer = sa.update(promotions).where(promotions.c.version == 2)
        connection.execute(
            newer.values(dossier=sa.literal({"format": 99, "candidate": {}}, sa.JSON))
        )
    assert "Version 1 awaits approval" in text(page("overview"))
    assert "Its stored dossier cannot be read" in text(page("promotion", version="2"))
