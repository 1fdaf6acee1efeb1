"""A classifier's metrics are those of scikit-learn, also of resampled rows, and never NaN."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from core.domain.errors import NothingToTrainOn
from core.domain.metrics import METRICS_OF
from core.domain.task import Task
from core.rules.model import class_evaluation
from core.rules.model.class_curves import MOST_CURVES, MOST_POINTS, class_figures
from core.rules.model.class_metrics import Answers, best_threshold, score

SEED = 11


def answers(classes: int, rows: int = 500, seed: int = SEED, skill: float = 0.5) -> Answers:
    dice = np.random.default_rng(seed)
    actual = dice.integers(0, classes, rows)
    probabilities = dice.dirichlet(np.ones(classes), rows)
    probabilities[np.arange(rows), actual] += skill
    probabilities = np.round(probabilities + 0.01, 2)  # so that there are ties
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Answers(actual, probabilities, probabilities.argmax(axis=1), classes == 2)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_the_metrics_are_those_of_scikit_learn(classes: int) -> None:
    given_ = answers(classes)
    actual, p = given_.actual, given_.probabilities
    flags = np.eye(classes)[actual]
    found = score(given_)
    positive = p[:, 1] if classes == 2 else p
    brier = metrics.brier_score_loss(actual, positive) if classes == 2 else ((p - flags) ** 2).sum(
        axis=1).mean()  # fmt: skip
    expected = {
        "log_loss": metrics.log_loss(actual, p),
        "roc_auc": metrics.roc_auc_score(actual, positive, multi_class="ovr"),
        "pr_auc": metrics.average_precision_score(actual if classes == 2 else flags, positive),
        "brier": brier,
        "accuracy": metrics.accuracy_score(actual, given_.answered),
        "f1": metrics.f1_score(actual, given_.answered, average="macro"),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert tuple(found) == METRICS_OF[Task.BINARY]


def test_the_calibration_error_is_the_mean_distance_of_bins() -> None:
    probability = np.array([0.05, 0.05, 0.95, 0.95])
    given_ = Answers(
        np.array([0, 0, 1, 0]), np.column_stack([1 - probability, probability]),
        np.array([0, 0, 1, 1]), True,
    )  # fmt: skip
    assert score(given_)["calibration_error"] == pytest.approx(0.5 * 0.05 + 0.5 * 0.45)


@pytest.mark.parametrize("classes", [2, 5])
def test_weights_count_rows_again(classes: int) -> None:
    given_ = answers(classes)
    drawn = np.random.default_rng(2).integers(0, 500, 500)
    weights = np.bincount(drawn, minlength=500).astype(np.float64)
    assert score(given_, weights) == pytest.approx(score(given_.of(np.sort(drawn))), abs=1e-12)


ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10)), min_size=1, max_size=30)


@given(ROWS, st.booleans())
def test_no_rows_and_no_probabilities_give_nan(
    rows: list[tuple[int, int]],
    is_binary: bool,  # noqa: FBT001 - a parameter
) -> None:
    actual = np.array([min(a, 1) if is_binary else a for a, _ in rows], dtype=np.intp)
    p = np.array([n / 10 for _, n in rows])
    columns: list[NDArray[np.float64]] = [1 - p, p] if is_binary else [1 - p, p, np.zeros(len(p))]
    probabilities = np.column_stack(columns)
    given_ = Answers(actual, probabilities, probabilities.argmax(axis=1), is_binary)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(list(score(given_).values())).all()
        names = ["a", "b", "c"][: len(columns)]
        figures = class_figures(given_, names)
    assert np.sum(figures.confusion) == len(rows)
    for curve in (*figures.roc, *figures.precision_recall, *figures.calibration):
        assert len(curve.x) == len(curve.y) <= MOST_POINTS
        assert all(0 <= v <= 1 for v in (*curve.x, *curve.y))


def test_without_rows_there_is_no_score() -> None:
    with pytest.raises(NothingToTrainOn, match="No row is held out"):
        answers(2, rows=0)


@pytest.mark.parametrize("classes", [2, 4])
def test_a_better_model_is_found_beyond_chance_and_the_same_one_is_not(classes: int) -> None:
    found = class_evaluation.differences(answers(classes), answers(classes, skill=0.2))
    assert found["log_loss"].high < 0 < found["roc_auc"].low
    same = class_evaluation.differences(answers(classes), answers(classes))
    assert all((d.difference, d.low, d.high) == (0, 0, 0) for d in same.values())


def test_an_interval_of_a_sample_is_that_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = answers(2, 6000), answers(2, 6000, skill=0.45)
    whole = class_evaluation.differences(one, other)
    monkeypatch.setattr(class_evaluation, "MOST_VALUES", 0)
    part = class_evaluation.differences(one, other)
    for name, d in whole.items():
        assert part[name].difference == d.difference
        assert part[name].high - part[name].low == pytest.approx(d.high - d.low, rel=0.4), name


def test_class_shares_are_the_baseline() -> None:
    learned = np.array([0] * 30 + [1] * 70)
    found = class_evaluation.baseline(learned, ("no", "yes"), answers(2))
    assert found
    assert (found.value, found.shares) == (0.7, {"no": 0.3, "yes": 0.7})
    assert found.metrics["roc_auc"] == 0.5
    assert found.differences["log_loss"].high < 0
    assert class_evaluation.baseline(learned[:0], ("no", "yes"), answers(2)) is None


def test_curves_are_of_the_positive_class_of_each_class_or_of_their_mean() -> None:
    for classes, of in ((2, ["b"]), (3, ["a", "b", "c"]), (MOST_CURVES + 1, [""])):
        names = [chr(ord("a") + n) for n in range(classes)]
        figures = class_figures(answers(classes), names, 0.4)
        for curves in (figures.roc, figures.precision_recall, figures.calibration):
            assert [c.of for c in curves] == of
            assert all(list(c.x) == sorted(c.x) for c in curves)
        for curve in figures.roc:
            assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
        assert figures.threshold == 0.4


def test_a_thinned_curve_keeps_its_area() -> None:
    given_ = answers(2, 5000)
    (curve,) = class_figures(given_, ("no", "yes")).roc
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(score(given_)["roc_auc"], abs=0.01)


def test_the_threshold_finds_a_rare_class() -> None:
    dice = np.random.default_rng(SEED)
    positive = dice.random(2000) < 0.1
    probability = np.clip(dice.normal(0.1 + 0.2 * positive, 0.05), 0, 1)
    chosen = best_threshold(positive, probability)
    assert 0.15 < chosen < 0.25
    every = {t / 100: metrics.f1_score(positive, probability >= t / 100, average="macro")
             for t in range(1, 100)}  # fmt: skip
    assert every[chosen] == max(every.values())
    assert best_threshold(positive, positive * 0.6 + 0.2) == 0.5
