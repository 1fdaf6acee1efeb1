"""Metrics of the team's own code: their section, their processes, and the gates that use them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from core.domain.dataset import Dataset
from core.domain.dossier import Baseline, Gate, GateName, OwnFigure
from core.domain.errors import DatasetError
from core.domain.evaluation import MetricLimit, OwnMetric
from core.domain.metrics import Metric, MetricUnit
from core.rules.model.judgement import judge
from core.rules.model.scoring import scoring_of
from tests.build import class_dataset, contract, score, small_dataset
from workers.evidence.own_metrics import MetricLimits, measure

MODULE = "tests.own_metrics"


def of(*metrics: Any, **more: Any) -> Dataset:
    return small_dataset(evaluation={"metrics": list(metrics)} | more)


def test_a_metric_is_a_function_or_a_table() -> None:
    table = {
        "function": "shop.metrics:Share", "name": "on_time", "label": "share on time",
        "better": "higher", "unit": "share",
    }  # fmt: skip
    dataset = of(
        "shop.metrics:weighted_error", table, gates=[{"metric": "on_time", "at_least": 0.9}]
    )
    assert dataset.evaluation.metrics == (
        OwnMetric(
            "weighted_error", "shop.metrics:weighted_error",
            Metric("weighted error", MetricUnit.NONE),
        ),
        OwnMetric(
            "on_time", "shop.metrics:Share",
            Metric("share on time", MetricUnit.SHARE, higher_is_better=True),
        ),
    )  # fmt: skip
    assert dataset.evaluation.gates == (MetricLimit("on_time", at_least=0.9),)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (3, "it is 3, and must be text or a table"),
        ("shop.metrics", "function is 'shop.metrics', and must name a function"),
        ({"name": "x"}, "function is None, and must name a function"),
        ({"function": "a:b", "unit": "euro"}, "unit must be one of "),
        ({"function": "a:b", "better": "more"}, "better must be one of lower, higher"),
        ({"function": "a:b", "name": "On Time"}, "its name is 'On Time', and must have"),
        ({"function": "a:b", "label": ""}, "label is empty"),
        ({"function": "a:B"}, "its name is 'B', and must have .* write name = in a table"),
        ({"function": "a:b", "units": "share"}, "did you mean unit"),
        ("a:mae", "the name mae is taken"),
        ("shop.metrics:late", "late is listed twice"),
    ],
)
def test_a_wrong_metric_is_refused_with_its_place(entry: object, says: str) -> None:
    with pytest.raises(DatasetError, match=rf"evaluation\.metrics, metric 2: .*{says}"):
        of("shop.metrics:late", entry)


def test_a_wrong_list_is_refused() -> None:
    with pytest.raises(DatasetError, match="metrics is 'a:b', and must be a list"):
        small_dataset(evaluation={"metrics": "a:b"})
    with pytest.raises(DatasetError, match="has 11 metrics, and may have 10"):
        of(*(f"a:m{n}" for n in range(11)))
    with pytest.raises(DatasetError, match="late is better when lower, so write at_most"):
        of("shop.metrics:late", gates=[{"metric": "late", "at_least": 1}])
    with pytest.raises(DatasetError, match="metric must be one of mae, rmse, mdape, r2, late"):
        of("shop.metrics:late", gates=[{"metric": "early", "at_most": 1}])


def gate(figure: OwnFigure, **bound: float) -> Gate:
    entry = {"function": "a:late", "better": "higher" if "at_least" in bound else "lower"}
    dataset = of(entry, gates=[{"metric": "late"} | bound])
    verdict = judge(score(2), None, dataset, own=[figure])
    assert verdict.promote is all(g.passed for g in verdict.gates)
    (found,) = (g for g in verdict.gates if g.name is GateName.METRIC_LIMIT)
    return found


LATE = Metric("late", MetricUnit.NONE)


def test_a_gate_holds_an_own_metric_to_its_bound() -> None:
    figure = OwnFigure("late", LATE, 0.25, 0.2, 0.5)
    assert gate(figure, at_most=0.25).passed
    missed = gate(figure, at_most=0.2)
    assert not missed.passed
    assert missed.says == "The late is 0.250; the dataset file requires at most 0.200."
    assert gate(figure, at_least=0.25).passed
    assert not gate(figure, at_least=0.3).passed


def test_a_metric_without_a_value_does_not_pass() -> None:
    figure = OwnFigure("late", LATE, problem="It broke.")
    missed = gate(figure, at_most=1)
    assert not missed.passed
    assert missed.says == (
        "The late was not measured, and the dataset file requires at most 1.000. It broke."
    )


ACTUAL = np.array([10.0, 20.0, 30.0, 40.0])
OFF = np.array([0, 0, 8, 16])
ROWS = {
    "temperature": np.array([0.0, 0.0, 3.0, np.nan]),
    "weather": np.array(["sun", "", "rain", "sun"], dtype=object),
}


def figures(*metrics: Any, seconds: float = 30.0) -> tuple[OwnFigure, ...]:
    dataset = of(*metrics)
    answers = {
        "candidate": {"actual": ACTUAL, "predicted": ACTUAL + 2},
        "champion": {"actual": ACTUAL, "predicted": ACTUAL + OFF},
        "baseline": {"actual": ACTUAL, "predicted": np.full(4, 25.0)},
    }
    return measure(dataset, ROWS, answers, (), MetricLimits(seconds))


def test_each_model_is_measured_with_the_rows_that_a_metric_asks_for() -> None:
    better = {"function": f"{MODULE}:within_ten", "better": "higher", "unit": "share"}
    weighted, within = figures(f"{MODULE}:weighted_error", better)
    assert (weighted.candidate, weighted.champion) == (2.0, pytest.approx((4 * 8 + 16) / 7))
    assert weighted.baseline == pytest.approx((15 + 5 + 4 * 5 + 15) / 7)
    assert (within.candidate, within.champion, within.baseline) == (1.0, 0.75, 0.5)
    assert not weighted.problem + within.problem


def test_a_function_of_scikit_learn_is_a_metric() -> None:
    (figure,) = figures("sklearn.metrics:max_error")
    assert (figure.candidate, figure.champion, figure.baseline) == (2.0, 16.0, 15.0)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tests.no_such_module:late", "failed in its step import: ModuleNotFoundError"),
        (f"{MODULE}:late", "failed in its step import: AttributeError"),
        (f"{MODULE}:raises", r"step call for the candidate \(line \d+ of .*\): KeyError: 'no such"),
        (f"{MODULE}:gives_nan", "returned nan for the candidate; it must return a finite number"),
        (f"{MODULE}:gives_a_table", "returned array.* for the candidate; it must return a finite"),
        (f"{MODULE}:wants_more", "it takes weights, and a metric gets actual, predicted, rows"),
        (f"{MODULE}:dies", "ended with exit code 9. Its last lines: out of memory"),
    ],
)
def test_a_metric_that_fails_has_a_sentence_in_place_of_a_value(name: str, says: str) -> None:
    (figure,) = figures({"function": name, "name": "late"})
    assert (figure.candidate, figure.champion, figure.baseline) == (None, None, None)
    assert figure.problem.startswith(f"The metric {name} ")
    assert re.search(says, figure.problem), figure.problem


def test_a_metric_that_hangs_is_stopped() -> None:
    (figure,) = figures(f"{MODULE}:hangs", seconds=0.5)
    assert figure.candidate is None
    assert figure.problem.startswith(
        f"The metric {MODULE}:hangs did not end within 0.5 s and was stopped; make it faster, or "
        "raise METRIC_SECONDS."
    )


def test_a_metric_may_have_no_value_for_the_baseline() -> None:
    (figure,) = figures(f"{MODULE}:only_for_the_candidate")
    assert (figure.candidate, figure.champion, figure.baseline) == (1.0, 1.0, None)
    assert not figure.problem


def test_metrics_of_classes_get_labels_and_probabilities() -> None:
    dataset = class_dataset(
        "a", "b", evaluation={"metrics": [f"{MODULE}:cost", f"{MODULE}:surprise"]}
    )
    actual = np.array(["a", "b", "b", "a"], dtype=object)
    model = contract(dataset, ("a", "b"))
    scoring = scoring_of(dataset, actual, [model])
    mine = scoring.answers(model, np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7]]))
    constant = scoring.constant(Baseline(0.75, {}, {}, {"a": 0.75, "b": 0.25}))
    answers = {"candidate": scoring.arguments(mine), "baseline": scoring.arguments(constant)}
    cost, surprise = measure(dataset, ROWS, answers, scoring.classes, MetricLimits())
    assert (cost.candidate, cost.champion, cost.baseline) == ((5 + 1) / 4, None, 10 / 4)
    assert surprise.candidate == pytest.approx(scoring.score(mine)["log_loss"])
    assert surprise.baseline == pytest.approx(scoring.score(constant)["log_loss"])
