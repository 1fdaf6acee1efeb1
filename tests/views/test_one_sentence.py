"""All pages, the command line and the webhook show the same verdict about a batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from console.cli.main import app as cli
from console.cli.status import A_SERVICE_IS_DOWN
from console.desk import Desk
from console.queries import overview
from console.queries.service_checks import Service
from console.web import reading, session
from core.adapters.rq_queue import WorkerInfo
from core.adapters.store.tables import batches
from core.domain.batches import Batch, BatchState, EpochState
from core.domain.dataset import Dataset
from core.domain.dossier import TrainingBatch
from core.domain.drift import (
    DriftReport,
    Finding,
    Reason,
    Reference,
    RetrainWhen,
    StatChange,
)
from core.domain.job_results import BatchCompared
from core.domain.jobs import JobKind, JobState
from core.rules.data.training_set import lesson
from core.rules.drift.batch_verdict import DECIDES
from core.rules.drift.live_windows import Window
from core.rules.drift.recommendation import Advice, BatchScore, Recommendation, advise, error_change
from core.rules.drift.recommendation import earlier as compared_with
from core.usecases.batch_facts import WATCHED, verdict_of
from tests import build
from tests.build import live, proposed, rolled_back, stored_batch
from tests.views.desks import at_a_desk, button, labels, page, text

WITHIN = "Every statistic is within its limit."
ROSE = "Version 1 errs by 9 on this batch's 80 held-out rows, +21.1 %: it rose."
DRIFTED = "Price, mean rose 21.3 % (limit 15 %)."


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        yield made


def compared(desk: Desk, number: int, *, asks: bool, advice: str = "", why: str = ROSE) -> Batch:
    batch = stored_batch(desk.store, number)
    found = Advice(Recommendation(advice), (why,), None, "", ()) if advice else None
    with desk.store.begin() as work:
        report = DriftReport(asks, (Reason(DRIFTED if asks else WITHIN),), ())
        against = f"epoch 1, batch {number - 1}"
        work.drift.put(batch, Reference.PREVIOUS, against, report, found, reference_id=1)
        work.commit()
    return batch


def sentence(desk: Desk, batch: Batch) -> str:
    with desk.store.read() as work:
        return verdict_of(work, batch).sentence


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli, list(arguments))
    assert done.exit_code == code, done.output
    return done.output


def plain(app: AppTest) -> str:
    return text(app).replace("**", "")


@pytest.mark.parametrize(
    ("asks", "advice", "title"),
    [
        (True, "retrain", "Batch 1: retraining recommended"),
        (False, "retrain", "Batch 1: no retraining needed"),
        (True, "ignore", "Batch 1: retraining recommended"),
        (True, "block", "Batch 1 looks broken"),
        (False, "block", "Batch 1 looks broken"),
        (False, "ignore", "Batch 1: no retraining needed"),
    ],
)
def test_everywhere_the_same_sentence_stands(
    desk: Desk,
    asks: bool,  # noqa: FBT001 - a parameter
    advice: str,
    title: str,
) -> None:
    compared(desk, 0, asks=False, advice="ignore")
    batch = compared(desk, 1, asks=asks, advice=advice)
    said = sentence(desk, batch)
    assert title in said
    first = plain(page("overview"))
    waits = asks or advice == "block"
    assert (title in first, "No action required" in first) == (waits, not waits)
    assert said in plain(page("pipeline"))
    # The page of the findings has each reason once, below the verdict.
    assert f"{said.partition('. ')[0]}." in (on_drift := plain(page("drift")))
    assert on_drift.count(DRIFTED) == asks
    assert run("drift", "--show").startswith(said)
    document = json.loads(run("drift", "--show", "--json"))
    assert document[0]["verdict"]["title"] in said


@pytest.mark.parametrize(
    ("when", "rule", "recommended", "trains"),
    [
        (RetrainWhen.RULE, "decides", "does not decide", False),
        (RetrainWhen.RECOMMENDATION, "does not decide", "decides", True),
        (RetrainWhen.BEYOND_NOISE, "decides if beyond noise", "does not decide", False),
    ],
)
def test_where_two_findings_stand_it_is_said_which_decides(
    desk: Desk,
    when: RetrainWhen,
    rule: str,
    recommended: str,
    trains: bool,  # noqa: FBT001 - a parameter
) -> None:
    desk.store.dataset = replace(desk.dataset, retrain_when=when)
    compared(desk, 1, asks=False, advice="retrain")
    said = plain(page("drift"))
    assert "No drift." not in said
    headings = [line for line in said.splitlines() if line.strip().startswith("##### :")]
    badges = [line.partition("-badge[")[2].rstrip("]") for line in headings]
    assert [h.partition(" :blue")[0].partition(" :gray")[0].strip() for h in headings] == [
        "##### :material/rule: Drift rule: no breach",
        "##### :material/model_training: Recommendation when compared: :orange[retrain]",
    ]
    assert badges == [rule, recommended]
    assert f"{DECIDES[when]}." in said
    assert ("Train" in labels(page("pipeline"))) is trains  # without a reason
    assert run("drift", "--show").splitlines()[1] == f"decides: {when.value}"
    shown = json.loads(run("drift", "--show", "--json"))[0]["verdict"]
    assert (shown["decided_by"], shown["required"]) == (when.value, trains)


def test_training_anyway_says_what_the_verdict_is(desk: Desk) -> None:
    compared(desk, 1, asks=False, advice="ignore")
    for name, label in (("pipeline", "Train anyway"), ("drift", "Train anyway…")):
        app = page(name)
        button(app, label).click().run()
        assert "Batch 1: no retraining needed. Every statistic is within its limit." in plain(app)


def test_training_on_the_same_rows_is_said_before_it_is_queued(desk: Desk) -> None:
    batch = compared(desk, 0, asks=True)
    proposed(desk.store, 4, learned=lesson([batch], desk.dataset))
    app = page("pipeline")
    button(app, "Train anyway").click().run()
    assert "The rows and the recipe are those of version 4" in plain(app)
    assert "those of version 4" in run("train", code=1)
    run("train", "--reason", "is it still the same?")
    with desk.store.read() as work:
        (job,) = work.jobs.open()
    assert (job.kind, job.args) == (JobKind.TRAIN, {"anyway": True})


@pytest.mark.parametrize(
    ("asks", "advice", "title"),
    [
        (True, "retrain", "Batch 0: retraining recommended"),
        (False, "block", "Batch 0 looks broken"),
    ],
)
def test_a_question_stays_until_it_is_answered_however_many_batches_follow(
    desk: Desk,
    asks: bool,  # noqa: FBT001 - a parameter
    advice: str,
    title: str,
) -> None:
    compared(desk, 0, asks=asks, advice=advice)
    for number in range(1, WATCHED + 2):
        compared(desk, number, asks=False, advice="ignore")
    assert title in run("status", code=A_SERVICE_IS_DOWN)
    assert title in plain(page("overview"))
    run("batch", "dismiss", "1/0", "--reason", "seen")
    assert title not in run("status", code=A_SERVICE_IS_DOWN)
    assert "No action required" in plain(page("overview"))


def test_a_batch_is_dismissed_with_a_reason(desk: Desk) -> None:
    batch = compared(desk, 0, asks=True)
    app = page("drift")
    button(app, "Dismiss…").click().run()
    app.text_area(key="drift-dismiss-reason").set_value("a fair is on")
    button(app, "Dismiss it").click().run()
    assert "ana dismissed it: a fair is on" in sentence(desk, batch)
    assert "No action required" in text(page("overview"))
    assert "Dismiss…" not in labels(page("drift"))


def test_a_batch_is_dismissed_on_the_command_line(desk: Desk) -> None:
    entry = str(compared(desk, 1, asks=True).id)
    assert "Say why" in run("batch", "dismiss", entry, code=1)
    assert "ana dismissed it: a fair" in run("batch", "dismiss", entry, "--reason", "a fair")
    assert "nothing to dismiss" in run("batch", "dismiss", entry, "--reason", "again", code=1)


def test_batches_of_an_earlier_epoch_wait_in_one_line_until_they_are_answered(desk: Desk) -> None:
    entries = [str(compared(desk, number, asks=True).id) for number in range(3)]
    with desk.store.begin() as work:
        work.batches.open_epoch()
        work.commit()
    (need,) = overview.overview(desk).needs
    assert need.title == "3 batches of epoch 1 need a decision"
    assert need.detail.startswith("Batches 0 to 2: no version was trained on them")
    run("batch", "dismiss", entries[2], "--reason", "a fair")
    run("batch", "dismiss", entries[0], "--reason", "a fair")
    (need,) = overview.overview(desk).needs
    assert need.title == "Batch 1 of epoch 1: retraining recommended"


def test_a_comparison_that_failed_is_told_until_the_batch_is_compared(desk: Desk) -> None:
    """The comparison of a later batch went well, so the last job of its kind did not fail."""
    left_out = stored_batch(desk.store, 0)
    failed = drift_job(desk, left_out, JobState.FAILED)
    assert titles(desk) == ["The last drift job failed"]
    drift_job(desk, compared(desk, 1, asks=False), JobState.SUCCEEDED)
    (need,) = overview.overview(desk).needs
    assert need.title == "Batch 0 has not been compared yet"
    assert need.detail == "Its comparison failed: It was too much."
    assert need.query == {"job": str(failed)}
    assert need.title in text(page("overview"))
    again = drift_job(desk, left_out, None)
    assert titles(desk) == []  # it is on its way
    with desk.store.begin() as work:
        report = DriftReport(False, (Reason(WITHIN),), ())
        work.drift.put(left_out, Reference.PREVIOUS, "", report, None)
        work.jobs.finish(again, "me", JobState.SUCCEEDED)
        work.commit()
    assert titles(desk) == []


def test_the_drift_step_tells_of_the_batch_that_it_leads_to(desk: Desk) -> None:
    """A hold, or a person, compares an older batch again."""
    older = compared(desk, 0, asks=True)
    compared(desk, 1, asks=False, advice="ignore")
    with desk.store.begin() as work:
        job, _ = work.jobs.request(JobKind.DRIFT, {}, "ana", key=f"drift:{older.id}")
        work.jobs.claim(job.id, 1, "me", timedelta(seconds=60))
        result = BatchCompared(batch=0, epoch=1)
        work.jobs.finish(job.id, "me", JobState.SUCCEEDED, result=result)
        work.commit()
    said = text(page("pipeline"))
    assert "Batch 0: retraining recommended" in said
    assert "Batch 1: no retraining needed" not in said


def drift_job(desk: Desk, batch: Batch, ended: JobState | None) -> int:
    """A comparison that runs, or that has ended."""
    with desk.store.begin() as work:
        job, _ = work.jobs.request(JobKind.DRIFT, {}, "ana", key=f"drift:{batch.id}")
        work.jobs.claim(job.id, 1, "me", timedelta(seconds=60))
        if ended:
            error = "It was too much." if ended is JobState.FAILED else ""
            work.jobs.finish(job.id, "me", ended, error=error)
        work.commit()
    return job.id


def titles(desk: Desk) -> list[str]:
    return [need.title for need in overview.overview(desk).needs]


# One error, one population


def test_overview_and_advice_take_the_error_of_the_same_batches(desk: Desk) -> None:
    """Both exclude identical batches of an earlier epoch, on which the error was high."""
    live(desk.store, 1)
    old = stored_batch(desk.store, 0)
    with desk.store.begin() as work:
        work.scores.put(BatchScore(old.id, 1, 100, {"mae": 9000.0}, 400.0))
        work.batches.open_epoch()
        work.commit()
    one, two = stored_batch(desk.store, 0), stored_batch(desk.store, 1)
    scores = [BatchScore(one.id, 1, 100, {"mae": 10.0}, 1.0)]
    scores.append(BatchScore(two.id, 1, 100, {"mae": 12.11}, 1.0))
    with desk.store.begin() as work:
        for score in scores:
            work.scores.put(score)
        before = compared_with(work.batches.stored(2), two)
        change = error_change(
            scores[1], [s for s in scores if s.batch_id in {b.id for b in before}]
        )
        advice = advise(desk.dataset, [], champion=1, error=change)
        report = DriftReport(False, (Reason(WITHIN),), ())
        work.drift.put(two, Reference.PREVIOUS, "epoch 2, batch 0", report, advice, reference_id=1)
        work.commit()
    assert "+21.1 % against 10 USD on 100 rows of 1 earlier batch of this epoch" in sentence(
        desk, two
    )
    app = page("overview")
    assert (
        "On the newest: +21.1 % against 100 held-out rows of 1 earlier batch of this epoch"
        in text(app)
    )


# What the live model's own figures ask


def test_a_live_error_far_beyond_the_approved_one_is_told_first(desk: Desk) -> None:
    live(desk.store, 1)  # approved with 10
    batch = compared(desk, 3, asks=False, advice="ignore")
    with desk.store.begin() as work:
        work.scores.put(BatchScore(batch.id, 1, 80, {"mae": 180.0}, 30.0))
        work.commit()
    need = overview.overview(desk).needs[0]
    assert need.title == "Live model's error on batch 3 is 18 times the error it was approved with"
    assert need.query == {"batch": "1/3"}
    assert need.urgent
    (head,) = (h for h in page("overview").subheader if h.value == "Action required")
    assert "from 2 times the error that it was approved with" in head.help


def test_an_alert_stays_until_a_person_has_seen_it_however_many_batches_follow(desk: Desk) -> None:
    live(desk.store, 1)  # approved with 10
    batches = [compared(desk, number, asks=False, advice="ignore") for number in (3, 4)]
    with desk.store.begin() as work:
        work.scores.put(BatchScore(batches[0].id, 1, 80, {"mae": 180.0}, 30.0))
        work.scores.put(BatchScore(batches[1].id, 1, 80, {"mae": 9.0}, 3.0))
        work.commit()
    app = page("overview")
    assert "error on batch 3 is 18 times" in text(app)
    button(app, "Mark as seen").click().run()
    assert "18 times" not in text(page("overview"))
    with desk.store.read() as work:
        (event,) = work.audit.latest(action="see alert")
    assert (event.actor, event.subject, event.details["version"]) == ("ana", "batch:1/3", 1)
    assert "no open alert" in run("seen", "batch:1/3", code=1)
    live(desk.store, 2)  # its own error is another matter
    with desk.store.begin() as work:
        work.scores.put(BatchScore(batches[0].id, 2, 80, {"mae": 190.0}, 30.0))
        work.commit()
    assert "19 times" in text(page("overview"))
    assert "has seen the alert about batch 3" in run("seen", "batch:1/3")


def test_an_alert_stays_when_the_next_epoch_begins(desk: Desk) -> None:
    live(desk.store, 1)  # approved with 10
    batch = compared(desk, 3, asks=False, advice="ignore")
    with desk.store.begin() as work:
        work.scores.put(BatchScore(batch.id, 1, 80, {"mae": 180.0}, 30.0))
        work.batches.set_epoch(1, EpochState.CLOSED)
        work.batches.open_epoch()
        work.commit()
    first = compared(desk, 0, asks=False, advice="ignore")
    with desk.store.begin() as work:
        work.scores.put(BatchScore(first.id, 1, 80, {"mae": 9.0}, 3.0))
        work.commit()
    assert "error on batch 3 of epoch 1 is 18 times" in text(page("overview"))
    assert "has seen the alert about batch 3" in run("seen", "batch:1/3")
    assert "18 times" not in text(page("overview"))


def test_the_strip_tells_the_live_models_health(desk: Desk) -> None:
    said = text(page("overview"))
    assert "Welcome" in said
    batch = compared(desk, 0, asks=False, advice="ignore")
    assert "Approve a version to serve it." in text(page("overview"))
    live(desk.store, 1)
    with desk.store.begin() as work:
        work.scores.put(BatchScore(batch.id, 1, 80, {"mae": 180.0}, 30.0))
        work.commit()
    said = text(page("overview"))
    assert ":red[**180 USD**]" in said
    assert "batch 1/0, 80 held-out rows; 18 times the approved 10 USD" in said
    assert "No actual value has been reported." in said
    assert "Too few requests" in said


def test_an_error_on_a_broken_batch_says_nothing_of_the_model(desk: Desk) -> None:
    live(desk.store, 1)
    batch = compared(desk, 3, asks=True, advice="block", why="price is 100 times larger.")
    with desk.store.begin() as work:
        work.scores.put(BatchScore(batch.id, 1, 80, {"mae": 180.0}, 30.0))
        work.commit()
    assert not any("Live model" in n.title for n in overview.overview(desk).needs)


@pytest.mark.parametrize(("band", "told"), [(0.1, True), (9.0, False)])
def test_live_traffic_that_drifted_by_more_than_noise_is_told(
    desk: Desk,
    band: float,
    told: bool,  # noqa: FBT001 - a parameter
) -> None:
    live(desk.store, 1)
    change = StatChange("price", "mean", 10.0, 38.5, 2.85, 0.15, Finding.BREACH, band)
    report = DriftReport(
        True, (Reason("Price, mean rose 285.0 % (limit 15 %).", "price_mean"),), (change,)
    )
    window = Window(1, build.NOON, build.NOON, "p", 200, 0, report)
    with desk.store.begin() as work:
        assert work.traffic.add(window, (), None)
        work.commit()
    said = text(page("overview"))
    assert ("Live traffic has drifted from the rows that version 1" in said) is told
    assert ("Price, mean rose 285.0 %" in said) is told


# Gaps, names, services


def test_a_gap_that_was_filled_is_told_by_neither_overview_nor_ledger(desk: Desk) -> None:
    stored_batch(desk.store, 0)
    stored_batch(desk.store, 3)
    assert "Batches 1 and 2 are missing" in text(page("overview"))
    with desk.store.begin() as work:
        for number in (1, 2):  # the source gave them after all
            batch = work.batches.receive(1, f"late{number}", f"l{number}.json", 1)
            work.batches.store(
                batch, epoch=1, number=number, stored=1, quarantined=[], gap=0, note=""
            )
        work.commit()
    assert "are missing" not in text(page("overview"))


def test_a_long_epoch_has_no_batch_missing_that_came(desk: Desk) -> None:
    stored_batch(desk.store, 0)
    entry = {
        "epoch": 1,
        "state": BatchState.STORED,
        "bytes": 1,
        "received_at": build.NOON,
        "note": "",
    }
    entries = [
        entry | {"number": n, "stored_key": f"{n}", "content_hash": f"{n}", "spool": f"{n}.json"}
        for n in range(1, 601)
    ]
    with desk.store.engine.begin() as connection:
        connection.execute(sa.insert(batches), entries)
    assert "missing" not in text(page("overview"))
    said = page("pipeline", view="Batches", epoch="1")
    figures = {m.label: m.value for m in said.metric}
    assert (figures["Batches stored"], figures["Missing"]) == ("601", "0")


def test_an_answer_is_kept_by_the_questions_whole_name(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one(_desk: Desk) -> str:
        return "one"

    def other(_desk: Desk) -> str:
        return "other"

    for question, module in ((one, "console.one"), (other, "console.other")):
        question.__module__, question.__qualname__ = module, "status"
    monkeypatch.setattr(session, "desk", lambda: desk)
    monkeypatch.setattr(reading, "query", lambda question, *args, **_: question(desk, *args))
    reading.clear_cache()
    assert [reading.query_cached(60, q) for q in (one, other)] == ["one", "other"]


@pytest.mark.parametrize(
    ("healthy", "code"), [((True, True), 0), ((True, None), 0), ((True, False), A_SERVICE_IS_DOWN)]
)
def test_status_ends_with_a_code_when_a_service_is_down(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, healthy: tuple[bool | None, ...], code: int
) -> None:
    found = [Service(f"Service {n}", h, "says", 1.0, "", "") for n, h in enumerate(healthy)]
    monkeypatch.setattr("console.queries.health.look", lambda _desk: found)
    run("status", code=code)
    assert json.loads(run("status", "--json", code=code))["services"][0]["healthy"] is True


def test_status_says_by_its_code_that_a_person_has_something_to_do(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.queries.health.look", lambda _desk: [])
    run("status", "--check")
    compared(desk, 0, asks=True, advice="retrain")
    run("status")
    assert "todo       Batch 0: retraining recommended" in run("status", "--check", code=4)
    needs = json.loads(run("status", "--check", "--json", code=4))["needs"]
    assert (needs[0]["page"], needs[0]["act"]) == ("pipeline", "Train a first model")
    down = Service("MLflow", False, "says", 1.0, "", "")
    monkeypatch.setattr("console.queries.health.look", lambda _desk: [down])
    run("status", "--check", code=A_SERVICE_IS_DOWN)


def test_a_rollback_without_a_reason_lists_what_can_come_back(desk: Desk) -> None:
    assert run("rollback", code=1).startswith("Nothing is live")
    live(desk.store, 1)
    assert "no version was live before version 1" in run("rollback", code=1)
    live(desk.store, 2)
    live(desk.store, 3)
    said = run("rollback", code=1)
    heads = [line.split("  ")[0] for line in said.splitlines() if line.startswith("version ")]
    assert heads == ["version 2", "version 1"]
    assert "  mae 10 USD, rmse 20 USD" in said
    assert "approved by" in said
    assert "the default" in said.splitlines()[1]
    assert "goes on record with a reason" in run("rollback", "--to", "2", code=1)


def test_a_rollback_that_goes_nowhere_by_itself_names_the_versions(desk: Desk) -> None:
    rolled_back(desk.store)
    said = run("rollback", "--reason", "x", code=1)
    assert "version 3 was live before" in said
    assert "driftdesk rollback --to 3 --reason" in said
    listed = run("rollback", code=1)
    assert "rollback --to VERSION --reason WHY" in listed
    assert "  was rolled back just now by ben: worse in the field" in listed
    assert "  Evaluation of version 3" in listed


def test_a_job_that_nobody_takes_is_told_within_seconds(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    button(page("pipeline"), "Ingest next batch").click().run()
    monkeypatch.setattr("console.queries.health.look", lambda _desk: [])
    assert "nobody takes" not in run("status")  # it was asked for just now
    with desk.store.read() as work:
        now = work.now
    monkeypatch.setattr(desk.store, "_clock", lambda: now + timedelta(seconds=6))
    reading.clear_cache()
    assert "No worker of the queue work is alive" in text(page("pipeline"))
    frozen = WorkerInfo("w1", "work", "idle", now - timedelta(seconds=6))
    desk.queue.crew = [frozen]  # type: ignore[attr-defined]
    said = run("status")
    assert "w1 (last heard 12 s ago). It may be frozen" in said
    reading.clear_cache()
    assert "It may be frozen" in text(page("pipeline"))
    desk.queue.crew = [replace(frozen, state="busy")]  # type: ignore[attr-defined]
    assert "frozen" not in run("status")  # it waits its turn


# Passports


def passport(subject: str, code: int = 0) -> Any:
    said = run("passport", subject, "--json", code=code)
    return json.loads(said) if code == 0 else said


def test_a_batch_is_named_by_its_epoch_and_number(desk: Desk) -> None:
    stored_batch(desk.store, 5)  # so that ids and numbers differ
    first = stored_batch(desk.store, 3)
    with desk.store.begin() as work:
        work.audit.add("ana", "looked", f"batch:{first.id}")  # a record's old way: the id
        work.audit.add("ana", "looked again", first.subject)
        work.batches.open_epoch()
        work.commit()
    second = stored_batch(desk.store, 3)
    for said in ("batch:1/3", "batch 3 of epoch 1", f"batch-id:{first.id}"):
        found = passport(said)
        assert (found["subject"], found["batches"][0]["id"]) == ("batch:1/3", first.id)
        assert [e["action"] for e in found["decisions"]] == ["looked", "looked again"]
    for said in ("batch:3", "batch:2/3", "batch 3"):
        assert passport(said)["batches"][0]["id"] == second.id
    assert "batch:1/3" in run("passport", "batch:1/3")
    refused = passport("batch:1", code=1)
    assert "There is no batch 1 in epoch 2" in refused
    assert "use batch-id:1" in refused
    for nonsense in ("batch:x", "batch:/3", "batch:1/2/3", "batch:" + "9" * 40, "batch:٣"):
        assert "batch 3 of epoch 2" in passport(nonsense, code=1)


def test_the_audit_page_follows_a_batch(desk: Desk) -> None:
    compared(desk, 3, asks=True)
    app = page("audit", part="Lineage", follow="batch:1/3")
    assert "Batch 3: retraining recommended" in text(app)


def test_joining_is_said_on_page_and_command_line(desk: Desk) -> None:
    app = page("pipeline")
    run("ingest")
    assert "Job 1 (ingest) is already queued; you joined it." in run("ingest")
    assert json.loads(run("ingest", "--json"))["joined"] is True
    assert "Job 1 (ingest) is open. A run of all steps" in run("ingest", "--train", code=1)
    button(app, "Ingest next batch").click().run()
    assert [t.value for t in app.toast] == ["Job 1 (ingest) is already queued; you joined it."]
    with desk.store.read() as work:
        assert len(work.jobs.recent()) == 1
        assert [e.action for e in work.audit.latest(action="join ingest")] == ["join ingest"] * 3
        assert work.jobs.recent()[0].kind is JobKind.INGEST


def test_a_batch_whose_version_is_not_recommended_is_not_answered_in_green(desk: Desk) -> None:
    compared(desk, 0, asks=False, advice="ignore")
    live(desk.store, 1)
    batch = compared(desk, 1, asks=True, advice="retrain")
    learned = TrainingBatch(batch.id, batch.epoch, batch.number, 3)
    proposed(desk.store, 2, champion=1, promote=False, batches=(learned,))
    said = sentence(desk, batch)
    assert "(version 2 learned from it, and is not recommended)" in said
    assert "Review version 2: reject it, or force it with a reason." in said
    assert said in plain(page("pipeline"))
    assert run("drift", "--show").startswith(said)
    on_drift = page("drift")
    assert not on_drift.success
    assert any("version 2 learned from it, and is not" in w.value for w in on_drift.warning)
    first = plain(page("overview"))
    assert "orange[batch 1/1]" in first.replace("**", "")
