"""The Pipeline page and the command line at the end of an epoch, and with held batches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from console.actions import batch_holds, pipeline
from console.cli.main import app as command_line
from console.desk import Desk
from core.adapters.spool import LocalSpool
from core.domain.batches import EpochState
from core.domain.dataset import Dataset
from core.domain.errors import ConfirmationRequired, NothingToTrainOn, ReasonRequired
from core.usecases.retention import Keep, Retention
from tests.build import somebody, stored_batch
from tests.views.desks import at_a_desk, button, labels, page, text


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        yield made


def two_epochs(desk: Desk, *, ended: bool = False) -> None:
    """Epoch 1 with two batches of three rows, and epoch 2 with one; `ended`: with both again."""
    stored_batch(desk.store, 0)
    second = stored_batch(desk.store, 1)
    with desk.store.begin() as work:
        work.batches.end_epoch(1)
        work.lineage.trained(1, [second.id - 1])
        work.batches.open_epoch()
        work.commit()
    stored_batch(desk.store, 0)
    if ended:
        stored_batch(desk.store, 1)


def asked(desk: Desk) -> list[dict[str, Any]]:
    with desk.store.read() as work:
        return [job.args for job in work.jobs.recent()]


# The end of an epoch


def test_an_ingest_that_ends_the_epoch_counts_what_leaves_and_asks_first(desk: Desk) -> None:
    two_epochs(desk, ended=True)
    app = page("pipeline")
    assert "Batch 1 is the last batch of the source" in text(app)
    assert {"Ingest next batch…", "Run all…"} <= set(labels(app))
    button(app, "Ingest next batch…").click().run()
    assert asked(desk) == []
    said = text(app)
    assert "The 6 rows of epoch 2 leave training" in said
    assert "no version was trained on 3 of them" in said  # batch 0 came again, batch 1 is unknown
    assert "The 6 kept rows of epoch 1 are kept no longer: retention removes them" in said
    button(app, "Restart and ingest the first batch").click().run()
    assert asked(desk) == [{}]


def test_a_restart_counts_the_same_and_keeps_its_reason(desk: Desk) -> None:
    two_epochs(desk)
    app = page("pipeline")
    assert "Ingest next batch" in labels(app)  # the end is not next
    button(app, "Restart source").click().run()
    assert "The 3 rows of epoch 2 leave training" in text(app)
    app.text_area(key="restart-reason").set_value("The source was mended.")
    button(app, "Restart and ingest the first batch").click().run()
    assert asked(desk) == [{"restart_epoch": 2, "reason": "The source was mended."}]


def test_what_a_second_tab_has_not_seen_is_not_ended(desk: Desk) -> None:
    two_epochs(desk, ended=True)
    for ends in (None, 1):  # nothing was confirmed, or the end of another epoch
        with pytest.raises(ConfirmationRequired, match="The 6 rows of epoch 2 leave"):
            pipeline.request_ingest(desk, somebody(), ends=ends)
        with pytest.raises(ConfirmationRequired):
            pipeline.request_ingest(desk, somebody(), restart=True, ends=ends)
    assert asked(desk) == []


def test_with_a_manual_restart_an_ingest_ends_nothing(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_a_desk(tmp_path, dataset, monkeypatch, source_restart="manual") as desk:
        two_epochs(desk, ended=True)
        app = page("pipeline")
        assert "Batch 1 is the last batch of the source" in text(app)
        button(app, "Ingest next batch").click().run()
        assert asked(desk) == [{}]


# Rows of earlier epochs


def test_an_earlier_epoch_is_trained_on_by_choice_and_with_a_reason(desk: Desk) -> None:
    two_epochs(desk)
    app = page("pipeline")
    assert app.selectbox(key="train-on").value == 0
    app.selectbox(key="train-on").select(1).run()
    button(app, "Train on epoch 1…").click().run()
    app.text_area(key="train-reason").set_value("Compare the seasons.")
    button(app, "Train").click().run()
    assert asked(desk) == [{"epoch": 1}]
    with desk.store.read() as work:
        (event,) = work.audit.latest(action="request train")
    assert event.reason == "Compare the seasons."


def test_an_epoch_without_rows_cannot_be_trained_on(desk: Desk) -> None:
    two_epochs(desk)
    with pytest.raises(ReasonRequired, match="Epoch 1 is not the current one"):
        pipeline.request_train(desk, somebody(), epoch=1)
    for _ in Retention(desk.store, LocalSpool(Path("none")), Keep(epochs=0)).run("ana"):
        pass
    with pytest.raises(NothingToTrainOn, match="rows of epoch 1 were removed"):
        pipeline.request_train(desk, somebody(), epoch=1, reason="x")
    app = page("pipeline", view="Batches", epoch="1")
    said = text(app)
    assert "Rows removed 6" in said
    assert "Rows stored 0" in said
    notes = [str(n) for n in app.dataframe[0].value["Note"]]
    assert all(n.startswith("Rows removed ") for n in notes)


# Held batches


def test_a_held_batch_is_named_and_released_with_a_reason(desk: Desk) -> None:
    stored_batch(desk.store, 0)
    stored_batch(desk.store, 1)
    batch_holds.hold_batch(desk, somebody(), 2, reason="Prices in cents.")
    app = page("pipeline", view="Batches")
    said = text(app)
    assert "Batch 1 is held: Prices in cents." in said
    assert "Held: Prices in cents." in str(app.dataframe[0].value["Note"].tolist())
    button(app, "Release…").click().run()
    button(app, "Release it").click().run()
    assert "reason" in text(app)
    button(app.run(), "Release…").click().run()
    app.text_area(key="release-reason").set_value("They were right.")
    button(app, "Release it").click().run()
    with desk.store.read() as work:
        assert not any(b.is_held for b in work.batches.stored(1))
        assert work.audit.latest(action="release batch")[0].reason == "They were right."


def test_a_batch_is_held_by_hand(desk: Desk) -> None:
    stored_batch(desk.store, 0)
    app = page("pipeline", view="Batches")
    button(app, "Hold a batch").click().run()
    app.text_area(key="hold-reason").set_value("Wrong city.")
    button(app, "Hold it").click().run()
    assert "Batch 0 is held: Wrong city." in text(app.run())


# The command line


@pytest.fixture
def command(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    settings = desk.settings
    for name in ("data_dir", "database_url", "mlflow_tracking_uri", "data_api_url", "serving_url"):
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
    monkeypatch.setenv("ACTOR", "ana")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    monkeypatch.setattr("console.desk.Desk.make", lambda *_: desk)
    structlog.reset_defaults()
    yield lambda *words: CliRunner().invoke(command_line, list(words))
    structlog.reset_defaults()


def test_the_command_line_asks_in_the_same_way_for_both(desk: Desk, command: Any) -> None:
    two_epochs(desk, ended=True)
    for words in (("ingest",), ("ingest", "--restart")):
        said = command(*words)
        assert said.exit_code == 1
        assert "The 6 rows of epoch 2 leave training" in said.output
        assert "--yes" in said.output
    assert asked(desk) == []
    said = command("ingest", "--restart", "--yes", "--reason", "Mended.")
    assert said.exit_code == 0, said.output
    assert "The 6 rows of epoch 2 leave training" in said.output
    assert asked(desk) == [{"restart_epoch": 2, "reason": "Mended."}]
    assert "last batch of the source" in command("status").output


def test_hold_and_release_by_command(desk: Desk, command: Any) -> None:
    two_epochs(desk)
    assert "reason" in command("batch", "hold", "3").output
    held = command("batch", "hold", "3", "--reason", "Wrong city.", "--json")
    assert json.loads(held.output)["hold_reason"] == "Wrong city."
    assert "held       batch 0, entry 3: Wrong city." in command("status").output
    said = command("train")
    assert said.exit_code == 1
    assert "Every batch of epoch 2 is held (0)" in said.output
    assert command("batch", "release", "3", "--reason", "Right.").exit_code == 0
    assert "is not held" in command("batch", "release", "3", "--reason", "Right.").output
    assert "no batch 7" in command("batch", "hold", "7", "--reason", "x").output


def test_rows_are_exported_by_command(desk: Desk, command: Any, tmp_path: Path) -> None:
    two_epochs(desk)
    listed = command("rows", "list").output
    assert "epoch 1: 6 rows in 2 batches, 3 not used in training yet" in listed
    file = tmp_path / "one.csv"
    said = command("rows", "export", str(file), "--epoch", "1")
    assert said.exit_code == 0, said.output
    assert "6 rows" in said.output
    assert len(file.read_text(encoding="utf-8").splitlines()) == 7


def test_an_ended_epoch_is_named_as_ended(desk: Desk, command: Any) -> None:
    stored_batch(desk.store, 0)
    with desk.store.begin() as work:
        work.batches.end_epoch(1)
        work.commit()
        assert work.batches.epochs()[0].state is EpochState.EXHAUSTED
    assert "served its last batch of epoch 1" in text(page("pipeline"))
    assert "served its last batch of epoch 1" in command("status").output
