"""When the live model's own figures ask for a person."""

from __future__ import annotations

import pytest

from core.rules.drift.recommendation import FEWEST_SCORED, BatchScore
from core.rules.model.feedback_error import Bucket, Outcome, of_version
from core.rules.ops.live_alerts import TIMES, batch_error, feedback_error
from tests import build

MONEY = build.small_dataset(
    columns=[
        {"name": "price", "type": "number", "role": "target", "unit": "USD"},
        {"name": "size", "type": "number", "role": "feature"},
    ]
)


def score(mae: float, rows: int = 100, spread: float = 1.0) -> BatchScore:
    return BatchScore(1, 1, rows, {"mae": mae}, spread)


@pytest.mark.parametrize(
    ("judged", "found", "told"),
    [
        (10.0, score(180.0), True),
        (10.0, score(10.0 * TIMES), True),
        (10.0, score(10.0 * TIMES - 0.1), False),
        (10.0, score(180.0, rows=FEWEST_SCORED - 1), False),
        (10.0, score(30.0, spread=1000.0), False),  # chance alone does as much
        (None, score(180.0), False),
        (0.0, score(0.0), False),
        (0.0, score(9.0), True),
        (10.0, BatchScore(1, 1, 5, {}, note="too few"), False),
    ],
)
def test_an_error_is_told_from_twice_the_approved_one(
    judged: float | None,
    found: BatchScore,
    told: bool,  # noqa: FBT001 - a parameter
) -> None:
    assert (batch_error(judged, found, 3, MONEY) is not None) is told


def test_the_sentence_names_batch_times_and_rows() -> None:
    alert = batch_error(10.0, score(180.0), 3, MONEY)
    assert alert
    assert alert.title == "Live model's error on batch 3 is 18 times the error it was approved with"
    assert alert.detail == "180 USD on 100 held-out rows, against 10 USD."


@pytest.mark.parametrize(("count", "mae", "told"), [(20, 25.0, True), (19, 25.0, False)])
def test_what_people_said_later_counts_from_so_many_answers_on(
    count: int,
    mae: float,
    told: bool,  # noqa: FBT001 - a parameter
) -> None:
    bucket = Bucket(build.NOON, build.NOON, count, mae, None, (1,))
    assert (feedback_error(10.0, bucket, MONEY) is not None) is told
    assert feedback_error(10.0, None, MONEY) is None


def test_a_few_wrong_labels_may_be_chance_and_many_are_not() -> None:
    dataset = build.class_dataset()

    def told(wrong: int) -> bool:
        labels = ["no"] * wrong + ["yes"] * (FEWEST_SCORED - wrong)
        outcomes = [Outcome(build.NOON, 1, "yes", label) for label in labels]
        return feedback_error(0.05, of_version(outcomes, 1), dataset) is not None

    assert [told(wrong) for wrong in (0, 2, 8, 20)] == [False, False, True, True]


def test_wrong_labels_are_told_as_their_share() -> None:
    found = BatchScore(1, 1, 400, {"accuracy": 0.7}, 0.46)
    alert = batch_error(0.1, found, 3, build.class_dataset())
    assert alert
    assert alert.detail == "30.0 % on 400 held-out rows, against 10.0 %."
