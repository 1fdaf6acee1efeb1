"""The gates of a classifier: what counts for it and against it, and what is only shown."""

from __future__ import annotations

import pytest

from core.domain.dossier import Baseline, Difference, GateName, Score, Slice
from core.rules.model.judgement import judge
from tests import build

SCORES = {
    "log_loss": 0.3, "roc_auc": 0.9, "pr_auc": 0.8, "brier": 0.1, "accuracy": 0.96, "f1": 0.8,
    "calibration_error": 0.01,
}  # fmt: skip
SHARES = {
    "log_loss": 0.5, "roc_auc": 0.5, "pr_auc": 0.2, "brier": 0.16, "accuracy": 0.97, "f1": 0.45,
    "calibration_error": 0.0,
}  # fmt: skip


def score(version: int, **changes: float) -> Score:
    return Score(version, 400, SCORES | changes)


def clear(gain: float) -> dict[str, Difference]:
    """A difference of the log loss that is not chance."""
    return {"log_loss": Difference(-gain, -1.5 * gain, -0.5 * gain)}


def baseline(**changes: float) -> Baseline:
    metrics = SHARES | changes
    return Baseline(0.97, metrics, clear(0.2), {"no": 0.97, "yes": 0.03})


def test_labels_and_calibration_do_not_count_against_a_model_beside_class_shares() -> None:
    verdict = judge(score(1), None, build.class_dataset(), baseline=baseline())
    assert verdict.promote
    assert [g.name for g in verdict.gates] == [GateName.NO_OVERLAP, GateName.CLASS_SHARES]
    worse = judge(score(1), None, build.class_dataset(), baseline=baseline(brier=0.05))
    assert not worse.promote
    assert (
        "Better than the baseline (the class shares of the training rows) by log loss, "
        "but worse by Brier score" in worse.reasons[0]
    )
    assert "Brier score 0.100 against 0.050" in worse.reasons[0]


def test_accuracy_counts_where_it_is_the_primary_metric() -> None:
    by_label = build.class_dataset(primary_metric="accuracy")
    found = Baseline(0.97, SHARES, {"accuracy": Difference(-0.01, -0.02, -0.005)}, {})
    verdict = judge(score(1), None, by_label, baseline=found)
    assert not verdict.promote
    assert "accuracy 96.0 % against 97.0 % (1.0 points worse" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("seen", "passed"),
    [(Difference(-0.01, -0.03, 0.01), True), (Difference(-0.01, -0.015, -0.005), False)],
    ids=["chance", "beyond chance"],
)
def test_a_regression_of_few_rows_must_be_more_than_chance(
    seen: Difference,
    passed: bool,  # noqa: FBT001 - a parameter
) -> None:
    candidate, champion = score(2, log_loss=0.25, accuracy=0.95), score(1)
    differences = clear(0.05) | {"accuracy": seen}
    verdict = judge(candidate, champion, build.class_dataset(), differences=differences)
    gate = next(g for g in verdict.gates if g.name is GateName.NO_REGRESSION)
    assert gate.passed is passed
    assert verdict.promote is passed


def test_calibration_is_shown_and_never_asked_for() -> None:
    candidate = score(2, log_loss=0.25, calibration_error=0.3)
    differences = clear(0.05) | {"calibration_error": Difference(0.29, 0.2, 0.3)}
    assert judge(candidate, score(1), build.class_dataset(), differences=differences).promote


def test_a_class_that_pays_for_the_gain_is_named_with_its_wrong_answers() -> None:
    part = Slice("target", "yes", 60, 0.5, 0.2, Difference(0.3, 0.1, 0.5))
    verdict = judge(
        score(2, log_loss=0.25), score(1), build.class_dataset(), differences=clear(0.05),
        slices=[part],
    )  # fmt: skip
    assert not verdict.promote
    assert "target yes (30.0 points worse on 60 rows)" in verdict.reasons[0]
