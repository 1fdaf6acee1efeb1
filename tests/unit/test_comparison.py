"""One difference, told in one way: which is better, by how much, and in words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.domain.dossier import Difference
from core.domain.metrics import METRICS, METRICS_OF, MetricUnit
from core.domain.task import Task
from core.rules.model.judgement import judge
from core.rules.model.metric_comparison import Sense, certainty, change, improvement, sense, signed
from tests import build
from tests.build import score

SEED = 20261128


@pytest.mark.parametrize(
    ("metric", "value", "reference", "says"),
    [
        ("mae", 45_320.0, 42_158.0, "7.5 % worse"),
        ("mae", 8.0, 15.0, "46.7 % better"),
        ("mae", 10.0, 10.0, "the same"),
        ("mae", 0.0, 0.0, "the same"),
        ("mae", 0.9, 0.0, "0.9 worse, from 0"),
        ("mae", 10.0, 10.0001, "less than 0.1 % better"),
        ("rmse", math.nan, 1.0, "worse"),
        ("mdape", 0.129, 0.12, "0.9 points worse"),
        ("r2", 0.81, 0.76, "0.050 better"),
        ("r2", 0.76, 0.81, "0.050 worse"),
        ("r2", 0.9, 1.0, "0.100 worse"),
        ("r2", 0.81, 0.81, "the same"),
    ],
)
def test_a_difference_in_words(metric: str, value: float, reference: float, says: str) -> None:
    assert change(metric, value, reference) == says


def test_a_perfect_reference_cannot_be_beaten_and_anything_else_is_worse_beyond_measure() -> None:
    assert improvement("mae", 0.9, 0.0) == -math.inf
    assert improvement("r2", 0.99, 1.0) == -math.inf
    assert improvement("mae", 0.0, 0.0) == 0.0
    assert improvement("r2", 1.0, 1.0) == 0.0


@pytest.mark.parametrize("metric", METRICS)
def test_words_sense_and_figure_never_contradict_each_other(metric: str) -> None:
    print(f"seed {SEED}")
    dice = np.random.default_rng(SEED)
    ends = [0.0, 1.0, 1e-12, 1e12, math.nan, math.inf]
    for _ in range(2000):
        pair = dice.lognormal(0, 4, 2) if metric != "r2" else 1.0 - dice.lognormal(-1, 2, 2)
        value, reference = (float(x if dice.random() < 0.7 else dice.choice(ends)) for x in pair)
        if metric == "r2":
            value, reference = min(value, 1.0), min(reference, 1.0)
        found, gain = sense(metric, value, reference), improvement(metric, value, reference)
        said = change(metric, value, reference)
        assert (gain > 0) is (found is Sense.BETTER), (value, reference)
        assert (gain < 0) is (found is Sense.WORSE), (value, reference)
        if METRICS[metric].higher_is_better or METRICS[metric].unit is not MetricUnit.NONE:
            better, worse = ("better", "higher"), ("worse", "lower")
        else:  # of a loss without a unit, lower is better
            better, worse = ("better", "lower"), ("worse", "higher")
        assert any(word in said for word in better) is (found is Sense.BETTER), said
        assert any(word in said for word in worse) is (found is Sense.WORSE), said
        assert not said.startswith(("-", "+"))


@pytest.mark.parametrize("primary", METRICS_OF[Task.REGRESSION])
def test_a_model_that_is_no_better_never_passes_the_better_gate(primary: str) -> None:
    print(f"seed {SEED}")
    dice = np.random.default_rng(SEED)
    dataset = build.small_dataset(primary_metric=primary)
    for _ in range(500):
        one, other = (float(x) for x in dice.choice([0.0, *dice.lognormal(0, 3, 4)], 2))
        if METRICS[primary].higher_is_better:
            one, other = 1.0 - one, 1.0 - other
        if sense(primary, one, other) is Sense.BETTER:
            one, other = other, one
        verdict = judge(score(3, **{primary: one}), score(2, **{primary: other}), dataset)
        assert not verdict.promote, (one, other)
        assert not next(g.passed for g in verdict.gates if g.name == "better"), (one, other)


@pytest.mark.parametrize(
    ("metric", "low", "high", "means"),
    [
        ("mae", 421.9, 679.4, Sense.WORSE),
        ("mae", -9.0, -1.0, Sense.BETTER),
        ("mae", -9.0, 1.0, Sense.SAME),
        ("r2", 0.01, 0.05, Sense.BETTER),
        ("r2", -0.05, -0.01, Sense.WORSE),
        ("r2", 0.0, 0.0, Sense.SAME),
        ("mae", math.nan, math.nan, Sense.SAME),
    ],
)
def test_an_interval_says_on_which_side_of_zero_it_is(
    metric: str, low: float, high: float, means: Sense
) -> None:
    assert certainty(metric, Difference((low + high) / 2, low, high)) is means


def test_a_signed_difference_has_its_unit() -> None:
    assert signed("mae", -4873.2) == "-4,873"
    assert signed("mdape", 0.009) == "+0.9 points"
    assert signed("r2", 0.05) == "+0.050"
    assert signed("mae", 0.0) == "0"
