"""What the pages say of a version on batches that are newer than it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.cli.output import dossier_lines
from console.desk import Desk
from console.queries import promotion
from console.queries.forward_scores import forward_report
from core.domain.dataset import Dataset
from core.domain.dossier import Difference, NewerRows
from core.domain.evaluation import SplitDate
from core.domain.forward_scores import ForwardScore
from core.domain.metrics import METRICS_OF
from core.domain.task import Task
from tests import build
from tests.build import live, proposed
from tests.views.desks import at_a_desk, button, page, shown, text


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        yield made


def put(desk: Desk, version: int, batch_id: int, mae: float, **values: Any) -> None:
    metrics = {"mae": mae, "rmse": 2 * mae, "mdape": 0.2, "r2": 0.5}
    with desk.store.begin() as work:
        work.forward_scores.put(ForwardScore(version, batch_id, 500, metrics, **values))
        work.commit()


def tables(app: Any) -> str:
    return "\n".join(shown(frame).to_csv(index=False) for frame in app.dataframe)


def test_the_newest_batch_that_is_newer_than_both_is_a_fact_of_the_approval(desk: Desk) -> None:
    live(desk.store, 1, coverage=0.91)
    proposed(desk.store, 2, champion=1, coverage=0.9)
    older, newest = (build.stored_batch(desk.store, n) for n in (3, 4))
    put(desk, 1, older.id, 20)
    for version, mae in ((1, 31), (2, 35)):
        put(desk, version, newest.id, mae, coverage=0.71)
    says = (
        "Batch 1/4 is newer than versions 2 and 1: mean absolute error 35 against 31 "
        "(12.9 % worse), on the same 500 rows."
    )
    covers = (
        "The prediction interval covered 71.0 % of the rows of batch 1/4; at the evaluation that "
        "share was 90.0 %."
    )
    app = page("promotion", version="2")
    assert says in text(app)
    assert covers in text(app)
    assert "1/4,500,35 USD,71.0 %,31 USD,12.9 % worse" in tables(app)
    button(app, "Approve…").click().run()
    assert text(app).count(says) == 2, "the dialog says it, too"


def test_any_two_versions_are_compared_on_the_newest_batch_that_both_were_scored_on(
    desk: Desk,
) -> None:
    live(desk.store, 1)
    live(desk.store, 2)
    proposed(desk.store, 3, champion=2)
    batch = build.stored_batch(desk.store, 4)
    for version, mae in ((1, 40), (2, 31), (3, 35)):
        put(desk, version, batch.id, mae)
    app = page("promotion", version="3")
    assert "newer than versions 3 and 2: mean absolute error 35 against 31 (12.9 %" in text(app)
    tile = next(m for m in app.metric if m.label == "On the newest batch")
    assert (tile.value, tile.delta) == ("12.9 % worse", "than version 2, batch 1/4, 500 rows")
    app = page("promotion", version="3", against="1")
    assert "newer than versions 3 and 1: mean absolute error 35 against 40 (12.5 %" in text(app)
    assert "1/4,500,35 USD,-,40 USD,12.5 % better" in tables(app)
    assert "newer than versions 3 and 2" in text(page("promotion", version="3", against="nine"))


def test_where_no_rows_are_newer_than_both_the_page_says_so(desk: Desk) -> None:
    live(desk.store, 1)
    proposed(desk.store, 2, champion=1)
    put(desk, 1, build.stored_batch(desk.store, 3).id, 20)
    app = page("promotion", version="2")
    assert "No scored batch is newer than versions 2 and 1." in text(app)
    tile = next(m for m in app.metric if m.label == "On newer batches")
    assert (tile.value, tile.delta) == (
        "none yet",
        "no scored batch is newer than versions 2 and 1",
    )


def test_the_live_version_is_looked_at_beside_the_one_before_it(desk: Desk) -> None:
    live(desk.store, 1)
    live(desk.store, 2)
    batch = build.stored_batch(desk.store, 4)
    for version, mae in ((1, 40), (2, 31)):
        put(desk, version, batch.id, mae)
    app = page("promotion", version="2")
    assert "Batch 1/4 is newer than versions 2 and 1" in text(app)
    tile = next(m for m in app.metric if m.label == "On the newest batch")
    assert (tile.value, tile.delta) == ("22.5 % better", "than version 1, batch 1/4, 500 rows")


def test_a_batch_that_the_other_version_has_no_score_on_says_so(desk: Desk) -> None:
    live(desk.store, 1)
    proposed(desk.store, 2, champion=1)
    older, newest = (build.stored_batch(desk.store, n) for n in (3, 4))
    put(desk, 1, newest.id, 31)
    for batch in (older, newest):
        put(desk, 2, batch.id, 35)
    said = tables(page("promotion", version="2"))
    assert "1/3,500,35 USD,-,not scored,-" in said
    assert "None" not in said


def test_the_overview_shows_the_live_version_on_each_newer_batch(desk: Desk) -> None:
    live(desk.store, 1, coverage=0.91)
    first, second = (build.stored_batch(desk.store, n) for n in (1, 2))
    put(desk, 1, first.id, 20, coverage=0.9)
    put(desk, 1, second.id, 35, coverage=0.7)
    app = page("overview")
    assert "On batches newer than the model" in text(app)
    assert (
        "covered 70.0 % of the rows of batch 1/2; at the evaluation that share was 91.0 %"
        in text(app)
    )
    assert "1/2,500,35 USD,70.0 %\n1/1,500,20 USD,90.0 %" in tables(app)
    assert forward_report(desk, 1).says == "", "the live version is not compared with itself"


def test_a_batch_that_could_not_be_scored_says_why(desk: Desk) -> None:
    live(desk.store, 1)
    batch = build.stored_batch(desk.store, 1)
    with desk.store.begin() as work:
        why = "Version 1 cannot be scored: its file is gone."
        work.forward_scores.put(ForwardScore(1, batch.id, 0, {}, note=why))
        work.commit()
    assert why in text(page("overview"))


def test_the_dossier_tells_the_split_date_and_both_models_on_newer_rows(desk: Desk) -> None:
    live(desk.store, 1)
    split = SplitDate("prev_sold_date", 20_500.0, "2026-02-16")
    metrics = {"mae": 35.0, "rmse": 40.0, "mdape": 0.2, "r2": 0.5}
    differences = {name: Difference(4.0, 1.0, 7.0) for name in metrics}
    newer = NewerRows((3, 4), 900, metrics, metrics | {"mae": 31.0}, differences)
    proposed(
        desk.store, 2, champion=1, split=split, compared_after=split, newer=newer,
        differences={"mae": Difference(1.0, 0.5, 2.0)},
    )  # fmt: skip
    app = page("promotion", version="2")
    said = text(app)
    assert "all later than 2026-02-16" in said
    assert "Trained on 80 rows up to 2026-02-16 (prev_sold_date)." in said
    assert "Both models on batches 3, 4, newer than all their training batches" in said
    assert "Mean absolute error,35 USD,31 USD" in tables(app)
    lines = "\n".join(dossier_lines(promotion.evidence_report(desk, 2)))
    assert "newer than both models: batch 3, 4, 900 rows" in lines
    assert "mae: 35 against 31" in lines
    assert "trained on rows up to 2026-02-16 (prev_sold_date)" in lines


def test_a_classifier_has_sets_and_scores_of_another_task_are_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = dict.fromkeys(METRICS_OF[Task.BINARY], 0.5)
    with at_a_desk(tmp_path, build.class_dataset(), monkeypatch) as made:
        live(made.store, 1, coverage=0.9)
        first, second = (build.stored_batch(made.store, n) for n in (1, 2))
        put(made, 1, first.id, 20, coverage=0.9)
        with made.store.begin() as work:
            work.forward_scores.put(ForwardScore(1, second.id, 500, metrics, coverage=0.7))
            work.commit()
        report = forward_report(made, 1)
        assert [row.number for row in report.rows] == [2]
        assert report.coverage == (
            "The prediction sets covered 70.0 % of the rows of batch 1/2; at the evaluation that "
            "share was 90.0 %."
        )
        app = page("overview")
        assert "In the set" in tables(app)
        assert "1/2,500,0.500,70.0 %" in tables(app)
