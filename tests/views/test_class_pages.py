"""The pages and lines of a desk whose models tell classes apart."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from console.cli.output import dossier_lines
from console.desk import Desk
from console.figures import class_charts, distributions, prediction_charts
from console.queries import live_traffic, promotion
from console.text import contributions, prediction, prediction_tables
from console.text.answer_lines import answer_lines
from console.text.csv_input import Accepted
from console.text.prediction_tables import history_rows
from core.adapters.store.tables import feedback, predictions
from core.domain.dataset import Dataset
from core.domain.dossier import Baseline, ClassFigures, Curve, Difference, Score, Slice
from core.domain.profiles import ColumnProfile
from core.domain.promotions import Verdict
from core.domain.task import Task
from core.platform.dataset_file import parse_text
from core.rules.drift.recommendation import BatchScore
from core.rules.model.contract import Contract
from core.rules.model.prediction_sets import PredictionSets
from tests import build
from tests.views.desks import at_a_desk, button, page, shown, text

CHURN = """
name = "churn"
title = "Churn"
unit = "customer"
task = "binary"
positive = "gone"
[source]
kind = "upload"
[[columns]]
name = "calls"
label = "Calls"
type = "number"
role = "feature"
[[columns]]
name = "plan"
label = "Plan"
type = "category"
role = "feature"
[[columns]]
name = "outcome"
label = "Outcome"
type = "category"
role = "target"
"""
CLASSES = ("stays", "gone")
SETS = PredictionSets(0.9, 0.7, 500, 0.912, 480, 1.2)
ANSWER: dict[str, Any] = {
    "prediction_id": "p-1",
    "prediction": "stays",
    "model_version": 3,
    "probabilities": {"stays": 0.75, "gone": 0.25},
    "set": ["stays"],
    "contributions": {
        "scale": "log_odds",
        "of": "gone",
        "baseline": 0.1,
        "fields": [{"field": "calls", "effect": 1.2528}, {"field": "plan", "effect": -0.1542}],
    },
}
METRICS = {"log_loss": 0.30, "roc_auc": 0.9, "accuracy": 0.85, "calibration_error": 0.03}
LINE = Curve("gone", (0.0, 0.2, 1.0), (0.0, 0.8, 1.0))


@pytest.fixture
def churn() -> Dataset:
    return parse_text(CHURN, "churn.toml")


@pytest.fixture
def desk(tmp_path: Path, churn: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with at_a_desk(tmp_path, churn, monkeypatch) as made:
        yield made


def _contract(dataset: Dataset) -> Contract:
    return replace(build.contract(dataset, CLASSES), threshold=0.4, sets=SETS)


def _live(desk: Desk) -> Contract:
    made = _contract(desk.dataset)
    desk.serving.about = {"version": 3, "contract": json.loads(made.to_json())}  # type: ignore[attr-defined]
    desk.serving.beside = ANSWER  # type: ignore[attr-defined]
    return made


def _figures(*confusion: tuple[int, int]) -> ClassFigures:
    return ClassFigures(confusion, (LINE,), (LINE,), (LINE,), threshold=0.42)


def _evidence() -> dict[str, Any]:
    worse = {name: value * 0.9 for name, value in METRICS.items()}
    apart = {name: Difference(0.02, -0.01, 0.05) for name in METRICS}
    return {
        "task": Task.BINARY,
        "classes": CLASSES,
        "primary_metric": "log_loss",
        "candidate": Score(2, 1_000, METRICS),
        "differences": apart,
        "baseline": Baseline(0.7, worse, apart, {"stays": 0.7, "gone": 0.3}),
        "candidate_classes": _figures((650, 50), (100, 200)),
        "champion_classes": _figures((640, 60), (90, 210)),
        "slices": (Slice("target", "gone", 300, 1 / 3, 0.3, Difference(0.03, -0.01, 0.07)),),
        "importance": {"calls": 0.4, "plan": 0.1},
    }


def _proposed(desk: Desk, version: int, champion: int | None = None) -> None:
    """A version that awaits approval, compared with the champion if one is named."""
    evidence = _evidence() | {"candidate": Score(version, 1_000, METRICS)}
    compared = replace(build.dossier(version, champion), **evidence)
    if compared.champion and compared.baseline:
        compared = replace(compared, champion=Score(1, 1_000, compared.baseline.metrics))
    with desk.store.begin() as work:
        digest = work.dossiers.freeze(compared)
        work.promotions.propose(
            version, Verdict(True, ("Because.",)), compared, "trainer", digest=digest
        )
        work.commit()


def _log(desk: Desk, count: int = 1) -> list[str]:
    ids = [f"{n:08d}-0000-4000-8000-000000000000" for n in range(count)]
    answer = {
        "label": "stays", "probabilities": {"stays": 0.75, "gone": 0.25}, "set": ["stays"],
        "coverage": SETS.coverage(), "threshold": 0.4, "positive": "gone",
    }  # fmt: skip
    with desk.store.engine.begin() as connection:
        connection.execute(
            sa.insert(predictions),
            [
                {
                    "id": id_,
                    "at": build.NOON + timedelta(seconds=n),
                    "model_version": 3,
                    "inputs": {"calls": n},
                    "prediction": 0.75,
                    "answer": answer,
                }
                for n, id_ in enumerate(ids)
            ],
        )
    return ids


def test_the_form_answers_with_a_label_its_probabilities_and_the_set(desk: Desk) -> None:
    _live(desk)
    app = page("predict")
    button(app, "Predict").click().run()
    assert not app.exception, app.exception
    said = text(app)
    assert "Outcome stays" in said
    assert "is **gone** if its probability is at least 40.0 %" in said
    assert "Prediction set: **stays** · 90 % prediction set; measured coverage 91.2 %" in said
    assert "Starting from **10.0 %**, the probability of **gone** for a typical row" in said
    assert "each feature multiplies the odds of **gone**" in said
    table = app.dataframe[0].value
    assert table["Effect"].tolist() == ["x 3.5", "-14.3 %"]
    assert table["To"].tolist() == ["28.0 %", "25.0 %"]


def test_a_recorded_answer_shows_what_was_answered_then(desk: Desk) -> None:
    (id_,) = _log(desk)
    said = text(page("predict", id=id_))
    assert "Outcome stays" in said
    assert "is **gone** if its probability is at least 40.0 %" in said
    assert "Prediction set: **stays**" in said


def test_the_lineage_of_an_answer_names_its_label(desk: Desk) -> None:
    (id_,) = _log(desk)
    assert "**stays** by version 3" in text(page("audit", part="Lineage", follow=id_))


def test_the_history_lists_labels(desk: Desk) -> None:
    _live(desk)
    _log(desk, 2)
    table = page("predict", ask="History").dataframe[0].value
    assert table["Prediction"].tolist() == ["stays", "stays"]
    assert table["Probability"].tolist() == [75.0, 75.0]


def test_the_download_has_a_column_for_each_probability() -> None:
    awkward = ANSWER | {
        "probabilities": {"a|b": 0.6, "c": 0.4}, "prediction": "a|b", "set": ["a|b", "c"]
    }  # fmt: skip
    (row,) = prediction_tables.result_rows([Accepted(2, {"calls": 2})], [awkward])
    assert row == {
        "line": 2, "calls": 2, "prediction": "a|b", "probability_a|b": 0.6, "probability_c": 0.4,
        "set": r"a\|b|c", "model_version": 3, "prediction_id": "p-1", "warnings": "",
    }  # fmt: skip


def test_the_command_line_tells_the_same(desk: Desk) -> None:
    made = prediction.answered(ANSWER, {"calls": 3}, _contract(desk.dataset))
    lines = "\n".join(answer_lines(made, {"calls": ("Calls", "")}, ""))
    assert lines.startswith("stays\nprobabilities: stays 75.0 %, gone 25.0 %\n")
    assert "prediction set: stays\n  90 % prediction set; measured coverage 91.2 %" in lines
    assert "contributions to the odds of gone, from 10.0 % for a typical row:" in lines
    assert "x 3.5  Calls (3)" in lines


def test_probabilities_are_never_told_as_certain() -> None:
    told = [prediction.probability_words(p) for p in (0.0, 1e-9, 0.5, 1 - 1e-9, 1.0)]
    assert told == ["0.0 %", "< 0.1 %", "50.0 %", "> 99.9 %", "100.0 %"]


def test_the_bars_show_the_most_probable_classes_and_their_names_are_inert() -> None:
    many = {f"<b>{n}</b>": (n + 1) / 210 for n in range(20)}
    made = replace(
        prediction.answered(ANSWER, {}),
        label="<b>19</b>",
        probabilities=many,
        inside=("<b>19</b>",),
    )
    bars = prediction_charts.probabilities(made)
    assert len(bars["data"][0]["x"]) == prediction_charts.MOST_BARS
    assert "<b>19" not in json.dumps(bars)
    steps = contributions.steps(prediction.answered(ANSWER, {}), {})
    axis = prediction_charts.contributions(steps, on_log=False, of_class=True)["layout"]["xaxis"]
    assert axis["ticktext"]


def test_the_dossier_shows_scores_classes_and_segments(desk: Desk) -> None:
    build.live(desk.store, 1, gates=[build.gate("better than the class shares")])
    _proposed(desk, 2, champion=1)
    app = page("promotion", evidence="Confusion")
    said = text(app)
    assert "Log loss 0.300" in said
    assert "Accuracy 85.0 %" in said
    assert "Baseline (the class shares of the training rows): log loss 0.270" in said
    assert "Threshold: the answer is gone if its probability is at least 42.0 %." in said
    said = text(page("promotion", evidence="Curves"))
    assert "Curves of the class **gone** on the held-out rows." in said
    app = page("promotion", evidence="Segments")
    assert "The share of wrong answers on segments" in text(app)
    assert "3.3 points worse" in [v for d in app.dataframe for v in shown(d).get("Change", ())]
    app = page("promotion")
    assert "the class shares of the training rows (stays 70.0 %, gone 30.0 %)" in text(app)
    metrics = app.dataframe[-2].value["Metric"].tolist()
    assert metrics == ["Log loss", "ROC AUC", "Accuracy", "Calibration error"]


def test_the_command_line_tells_the_evidence(desk: Desk) -> None:
    _proposed(desk, 2, champion=1)
    lines = "\n".join(dossier_lines(promotion.evidence_report(desk, 2)))
    assert "log_loss 0.300, baseline 0.270: 0.030 worse" in lines


def test_a_confusion_matrix_has_its_counts_and_shares() -> None:
    drawn = class_charts.confusion(_figures((650, 50), (100, 200)), ("<i>a</i>", "b"))
    heat, strong, pale = drawn["data"]
    assert heat["z"][0] == pytest.approx([650 / 700, 50 / 700])
    assert (strong["text"], pale["text"]) == (["650", "200"], ["50", "100"])
    assert "<i>" not in json.dumps(drawn)


def test_class_shares_are_compared_and_their_names_are_inert() -> None:
    before = ColumnProfile("outcome", 10, 0, categories={"<i>a</i>": 7, "b": 3})
    after = ColumnProfile("outcome", 4, 0, categories={"b": 3, "c": 1})
    drawn = distributions.class_shares(before, after, ("before", "now"))
    assert [bars["x"] for bars in drawn["data"]] == [[70, 30, 0], [0, 75, 25]]
    assert "<i>" not in json.dumps(drawn)


def test_long_class_names_are_tilted_so_that_they_do_not_overlap() -> None:
    short, long = (
        class_charts.confusion(_figures((9, 1), (2, 8)), names)["layout"]
        for names in (CLASSES, ("electric scooter", "bicycle"))
    )
    assert (short["xaxis"]["tickangle"], long["xaxis"]["tickangle"]) == (0, -40)
    assert long["height"] > short["height"]


def test_inputs_have_the_order_of_the_dataset_whatever_the_first_row_lacks() -> None:
    def logged(**inputs: object) -> Any:
        return SimpleNamespace(
            id="1", at=build.NOON, prediction=1.0, model_version=1, answer=None, inputs=inputs,
            caller=None,
        )  # fmt: skip

    (first, _) = history_rows(
        [logged(calls=1.0), logged(plan="a", calls=2.0, old="x")], ("plan", "calls")
    )
    assert list(first) == [
        "When", "Prediction", "Range", "Actual", "Version", "Caller", "plan", "calls",
        "old", "Open",
    ]  # fmt: skip


def test_curves_of_several_classes_are_told_apart(desk: Desk) -> None:
    several = replace(_figures(), roc=(LINE, replace(LINE, of="stays")))
    drawn = class_charts.roc(several, _figures())
    names = [trace["name"] for trace in drawn["data"][1:]]
    assert names == ["Champion, gone", "Candidate, gone", "Candidate, stays"]


def test_the_overview_shows_the_share_of_wrong_answers_from_feedback(desk: Desk) -> None:
    gates = [build.gate("better than the class shares")]
    build.live(desk.store, 3, gates=gates, task=Task.BINARY, candidate=Score(3, 1_000, METRICS))
    ids = _log(desk, 20)
    with desk.store.engine.begin() as connection:
        connection.execute(
            sa.insert(feedback),
            [
                {
                    "id": f"f{id_}"[:36], "prediction_id": id_, "actual": None, "source": "",
                    "at": build.NOON, "label": "gone" if n < 5 else "stays",
                }
                for n, id_ in enumerate(ids)
            ],
        )  # fmt: skip
    told = live_traffic.feedback_error(desk)
    assert told.live is not None
    assert (told.count, told.live.error, told.live.mdape) == (20, 0.25, None)
    said = text(page("overview"))
    assert "Share of wrong answers 25.0 %" in said
    assert "20 predictions with feedback" in said


def test_the_overview_says_in_points_how_a_share_of_wrong_answers_rose(desk: Desk) -> None:
    gates = [build.gate("better than the class shares")]
    build.live(desk.store, 3, gates=gates, task=Task.BINARY, candidate=Score(3, 1_000, METRICS))
    for number, accuracy in ((0, 0.75), (1, 0.5)):
        batch = build.stored_batch(desk.store, number)
        with desk.store.begin() as work:
            work.scores.put(BatchScore(batch.id, 3, 100, {"accuracy": accuracy}, 0.1))
            work.commit()
    said = text(page("overview"))
    assert "**50.0 %**" in said
    assert "On the newest: +25.0 points against 100 held-out rows" in said


def test_an_uploaded_file_is_answered_with_labels(desk: Desk) -> None:
    _live(desk)
    app = page("predict", ask="CSV file")
    sheet = io.StringIO()
    csv.writer(sheet).writerows([["calls", "plan"], [1, "a"], [2, "b"]])
    app.file_uploader[0].set_value([("rows.csv", sheet.getvalue().encode(), "text/csv")]).run()
    button(app, "Predict 2 rows").click().run()
    assert not app.exception, app.exception
    table = app.dataframe[-1].value
    assert table["prediction"].tolist() == ["stays", "stays"]
    assert table["probability_gone"].tolist() == [25.0, 25.0]
    assert table["set"].tolist() == ["stays", "stays"]
