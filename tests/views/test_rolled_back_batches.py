"""A batch of an earlier epoch, and of a version that was rolled back: what page and lists say."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from console.actions import pipeline
from console.cli.main import app as cli
from console.desk import Desk
from console.queries import overview
from console.queries import status as status_queries
from core.domain.audit_event import DISMISS
from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.dossier import TrainingBatch
from core.domain.errors import IllegalTransition
from core.domain.jobs import JobKind
from core.rules.data.training_set import lesson
from core.rules.drift.batch_verdict import Stand
from core.usecases import decisions
from core.usecases.batch_facts import verdict_of
from tests.build import live, proposed, somebody, stored_batch
from tests.views.desks import at_a_desk, button, labels, page, text
from tests.views.test_one_sentence import compared as compared_batch

DRIFTED = "Price, mean rose 21.3 % (limit 15 %)."


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        yield made


def compared(desk: Desk, number: int) -> Batch:
    """A batch for which retraining is recommended."""
    return compared_batch(desk, number, asks=True, advice="retrain", why="The error rose.")


def trained(desk: Desk, version: int, batches: list[Batch], *, is_live: bool = True) -> None:
    rows = tuple(TrainingBatch(b.id, b.epoch, b.number or 0, 3) for b in batches)
    learned = lesson(batches, desk.dataset)
    make = live if is_live else proposed
    make(desk.store, version, batches=rows, learned=learned)
    with desk.store.begin() as work:
        work.lineage.trained(version, [b.id for b in batches])
        work.commit()


def go_back(desk: Desk, version: int) -> None:
    with desk.store.begin() as work:
        job = decisions.roll_back(work, actor="ben", reason="worse", to=version)
        work.promotions.make_live(work.promotions.of_version(version))
        work.audit.add("ben", "live", f"version:{version}", details={"action": "rollback"})
        work.jobs.cancel(job.id)
        work.commit()


def next_epoch(desk: Desk) -> None:
    with desk.store.begin() as work:
        work.batches.open_epoch()
        work.commit()


def taken_back(desk: Desk) -> list[Batch]:
    """Version 3 was trained on batches 0 to 5 of epoch 1, and version 2 on the first two."""
    batches = [compared(desk, number) for number in range(6)]
    trained(desk, 2, batches[:2])
    trained(desk, 3, batches)
    next_epoch(desk)
    stored_batch(desk.store, 0)
    go_back(desk, 2)
    return batches


def plain(app: AppTest) -> str:
    return text(app).replace("**", "")


def links(app: AppTest) -> str:
    return unescape(" ".join(html.proto.body for html in app.get("html")))


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli, list(arguments))
    assert done.exit_code == code, done.output
    return done.output


def stands(desk: Desk, batches: list[Batch]) -> list[Stand]:
    with desk.store.read() as work:
        return [verdict_of(work, batch).stand for batch in batches]


# A rollback


def test_after_a_rollback_no_batch_is_said_to_be_untrained(desk: Desk) -> None:
    taken_back(desk)
    (need,) = overview.overview(desk).needs
    says = "version 3, which was rolled back, was trained on them; the live version 2 was not"
    assert need.title == f"Batches 2 to 5 of epoch 1: {says}"
    assert "Make version 3 live again, or dismiss" in need.detail
    first = plain(page("overview"))
    assert says in first
    assert "no version was trained" not in first
    with desk.store.read() as work:  # the verdicts that `status` and the pages read
        newest = status_queries.newest_batches(work, desk.dataset)
    assert [v.number for v in newest.waiting] == [5, 4, 3, 2]


def test_the_drift_page_says_what_a_rollback_left_and_offers_what_ends_it(desk: Desk) -> None:
    batches = taken_back(desk)
    app = page("drift", batch="1/5")
    said = plain(app)
    assert "version 3, which was rolled back, was trained on it; the live version 2 was not" in said
    assert "Make version 3 live again, or dismiss" in said
    assert "retraining recommended" not in said
    assert "version=3" in links(app)
    assert {"Dismiss…", "Dismiss all 4…", "Train on epoch 1…"} <= set(labels(app))
    button(app, "Roll back to version 3…").click().run()
    assert "Go back to version 3" in labels(app)
    go_back(desk, 3)
    assert overview.overview(desk).needs == ()
    assert set(stands(desk, batches)) == {Stand.LEARNED}


def test_a_training_after_a_rollback_says_before_that_it_gives_the_same_model(desk: Desk) -> None:
    taken_back(desk)
    app = page("drift", batch="1/5")
    button(app, "Train on epoch 1…").click().run()
    assert "The rows and the recipe are those of version 3" in plain(app)
    assert "those of version 3" in run("train", "--epoch", "1", code=1)


def test_a_newer_version_that_was_trained_on_them_answers_them(desk: Desk) -> None:
    batches = taken_back(desk)
    trained(desk, 4, batches, is_live=False)
    assert Stand.ROLLED_BACK not in stands(desk, batches)
    assert "Batches 2 to 5" not in " ".join(n.title for n in overview.overview(desk).needs)


def test_a_batch_of_the_current_epoch_is_told_the_same(desk: Desk) -> None:
    batches = [compared(desk, number) for number in range(2)]
    trained(desk, 2, batches[:1])
    trained(desk, 3, batches)
    go_back(desk, 2)
    (need,) = overview.overview(desk).needs
    assert need.title.startswith("Batch 1: version 3, which was rolled back, was trained on it")
    assert "Train anyway…" in labels(page("drift", batch="1/1"))
    assert "those of version 3, so training again gives the same model" in run("train", code=1)


# One version in text and button


def test_text_and_button_are_about_the_same_version(desk: Desk) -> None:
    taken_back(desk)
    app = page("drift", batch="1/1")
    assert "(version 2, which is live, learned from it)" in plain(app)
    assert "Open version 2" in links(app)
    assert "Open version 3" not in links(app)
    assert "(done: version 2)" in plain(app)


# A training on the epoch of the batch that is shown


def test_the_page_of_an_older_batch_trains_on_its_epoch(desk: Desk) -> None:
    batches = [compared(desk, number) for number in range(3)]
    next_epoch(desk)
    stored_batch(desk.store, 0)
    app = page("drift", batch="1/2")
    assert "only if epoch 1 is chosen" in plain(app)
    assert "Train anyway…" not in labels(app)
    button(app, "Train on epoch 1…").click().run()
    on_drift = plain(app)
    rows = sum(b.stored for b in batches)
    assert f"Uses batches 0 to 2 of epoch 1: {rows} rows." in on_drift
    assert "Epoch 1 is not the current one." in on_drift
    app.text_area(key="train-reason").set_value("The seasons differ.")
    button(app, "Train").click().run()
    with desk.store.read() as work:
        (job,) = work.jobs.open()
    assert (job.kind, job.args) == (JobKind.TRAIN, {"epoch": 1})
    pipeline.cancel(desk, somebody(), job.id)
    other = page("pipeline")
    other.selectbox(key="train-on").select(1).run()
    button(other, "Train on epoch 1…").click().run()
    said = plain(other)
    for same in (f"Uses batches 0 to 2 of epoch 1: {rows} rows.", "Epoch 1 is not the current"):
        assert same in said


def test_a_training_answers_only_the_batches_that_it_reads(desk: Desk) -> None:
    old = compared(desk, 0)
    next_epoch(desk)
    new = compared(desk, 0)
    pipeline.request_train(desk, somebody(), epoch=1, reason="the seasons")
    assert stands(desk, [old, new]) == [Stand.TRAINING, Stand.ASKS]
    titles = [need.title for need in overview.overview(desk).needs]
    assert titles == ["Batch 0: retraining recommended"]


def test_where_the_rows_are_gone_the_page_says_so(desk: Desk) -> None:
    batch = compared(desk, 0)
    next_epoch(desk)
    stored_batch(desk.store, 0)
    with desk.store.begin() as work:
        work.holds.hold(batch.id, "ana", "wrong units", unless_released=False)
        work.commit()
    train = button(page("drift", batch="1/0"), "Train on epoch 1…")
    assert train.disabled
    assert "Every batch of epoch 1 is held (0)" in train.help


# One dismissal for all that wait alike


def test_all_batches_that_wait_alike_are_dismissed_at_once(desk: Desk) -> None:
    batches = taken_back(desk)
    app = page("drift", batch="1/3")
    button(app, "Dismiss all 4…").click().run()
    said = plain(app)
    assert "These 4 batches wait for the same reason" in said
    for number in (2, 3, 4, 5):
        assert f"Batch {number} of epoch 1: version 3, which was rolled back" in said
    app.text_area(key="drift-dismiss-reason").set_value("version 2 stays")
    button(app, "Dismiss all 4").click().run()
    with desk.store.read() as work:
        events = work.audit.latest(action=DISMISS)
    assert sorted(e.subject for e in events) == [f"batch:1/{n}" for n in (2, 3, 4, 5)]
    assert {(e.actor, e.reason) for e in events} == {("ana", "version 2 stays")}
    assert stands(desk, batches[2:]) == [Stand.DISMISSED] * 4
    assert overview.overview(desk).needs == ()
    assert "Dismiss all 4…" not in labels(page("drift", batch="1/3"))


def test_all_or_none_are_dismissed(desk: Desk) -> None:
    one, two = compared(desk, 0), compared(desk, 1)
    pipeline.dismiss_batch(desk, somebody(), one.id, reason="a fair")
    with pytest.raises(IllegalTransition, match="nothing to dismiss"):
        pipeline.dismiss_batches(desk, somebody(), [two.id, one.id], reason="a fair")
    assert stands(desk, [one, two]) == [Stand.DISMISSED, Stand.ASKS]
