"""What speaks for and against a candidate: figures on the same rows, and the gates they open."""

from __future__ import annotations

import numpy as np
import pytest

from core.domain.dossier import Difference, Gate, GateName, Score, Slice
from core.domain.errors import IllegalTransition, StaleDossier
from core.domain.promotions import Promotion, PromotionState, Verdict
from core.rules.model import evaluation
from core.rules.model.judgement import judge
from core.rules.model.paired_bootstrap import differences
from core.rules.model.promotion_states import require_current
from tests import build
from tests.build import NOON, score

SEED = 7


def rows(count: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    actual = rng.lognormal(12, 0.6, count)
    return actual, rng.normal(0, 1, count), rng.normal(0, 1, count)


def test_two_models_that_err_alike_differ_by_an_interval_around_zero() -> None:
    actual, one, other = rows()
    found = differences(actual, actual * (1 + 0.1 * one), actual * (1 + 0.1 * other))
    for name in ("mae", "mdape"):
        assert found[name].low < 0 < found[name].high
        assert found[name].low <= found[name].difference <= found[name].high


def test_a_model_that_errs_half_as_much_is_better_beyond_doubt() -> None:
    actual, one, _ = rows()
    found = differences(actual, actual * (1 + 0.05 * one), actual * (1 + 0.1 * one))
    assert all(found[name].high < 0 for name in ("mae", "rmse", "mdape"))
    assert found["r2"].low > 0


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    covered = 0
    for _ in range(60):
        actual = np.full(200, 100.0)
        mine, theirs = rng.normal(0, 8, 200), rng.normal(0, 10, 200)
        found = differences(actual, actual + mine, actual + theirs)["mae"]
        covered += found.low <= (8 - 10) * np.sqrt(2 / np.pi) <= found.high
    assert covered >= 52  # 57 of 60 expected; fewer than 52 has a chance of 1 in 200


def test_slices_are_cut_by_target_and_by_group_and_small_ones_left_out() -> None:
    actual, one, _ = rows()
    group = np.array(["north"] * 300 + ["south"] * 80 + ["isle"] * 20, dtype=object)
    wrong = np.where(group == "south", 0.5, 0.1)
    found = evaluation.slices(
        actual, actual * (1 + wrong * one), actual * (1 + 0.1 * one), {"region": group}
    )
    by = {(s.by, s.value): s for s in found}
    assert sum(s.rows for s in found if s.by == "target") == 400
    assert ("region", "isle") not in by
    south = by["region", "south"]
    assert south.rows == 80
    assert south.difference is not None
    assert south.difference.low > 0
    assert by["region", "north"].difference is not None


def test_importance_is_of_the_columns_that_matter() -> None:
    rng = np.random.default_rng(SEED)
    columns = {
        "a": rng.normal(0, 1, 500),
        "b": rng.normal(0, 1, 500),
        "t": np.full(500, "x", object),
    }
    actual = 3 * columns["a"] + rng.normal(0, 0.1, 500)
    found = evaluation.importance(lambda c: 3 * c["a"], columns, actual, ["a", "b", "t"])
    assert found["a"] > 5
    assert found["b"] == found["t"] == 0


def test_answers_that_move_are_counted() -> None:
    before = np.array([100.0, 100.0, 100.0, -100.0])
    assert evaluation.moved(before, np.array([110.0, 111.0, 89.0, -100.0])) == 0.5
    assert evaluation.moved(np.array([]), np.array([])) == 0.0


# The gates


def gate(verdict: Verdict, name: str) -> bool:
    return next(g.passed for g in verdict.gates if g.name == name)


def test_a_better_score_that_could_be_chance_is_not_recommended() -> None:
    dataset = build.small_dataset()
    candidate, champion = score(3, rmse=18.0), score(2)
    certain = judge(candidate, champion, dataset, differences={"rmse": Difference(-2, -3, -1)})
    chance = judge(candidate, champion, dataset, differences={"rmse": Difference(-2, -5, 1)})
    assert certain.promote
    assert not chance.promote
    assert not gate(chance, "statistically significant")
    assert "is not significant" in " ".join(chance.reasons)


def test_a_slice_that_pays_for_the_rest_is_named() -> None:
    paying = Slice("state", "Maine", 60, 130.0, 100.0, Difference(30, 10, 50))
    unclear = Slice("state", "Ohio", 60, 130.0, 100.0, Difference(30, -10, 70))
    dataset = build.small_dataset()
    verdict = judge(score(3, rmse=10.0), score(2), dataset, slices=[paying, unclear])
    assert not verdict.promote
    assert "state Maine (30.0 % worse on 60 rows)" in " ".join(verdict.reasons)
    assert "Ohio" not in " ".join(verdict.reasons)


def test_a_slice_on_which_the_champion_is_perfect_counts_too() -> None:
    perfect = Slice("state", "Maine", 60, 0.9, 0.0, Difference(0.9, 0.5, 1.3))
    verdict = judge(score(3, rmse=10.0), score(2), build.small_dataset(), slices=[perfect])
    assert not gate(verdict, "no worse segment")
    assert "0.9 worse, from 0" in verdict.reasons[0]


def test_an_interval_on_the_wrong_side_is_clearly_worse() -> None:
    worse = {"rmse": Difference(550, 421.9, 679.4)}
    verdict = judge(score(3, rmse=570.0), score(2), build.small_dataset(), differences=worse)
    said = " ".join(verdict.reasons)
    assert "Significantly worse than version 2" in said
    assert "is not significant" not in said


def test_two_identical_models_do_not_differ() -> None:
    same = {"rmse": Difference(0.0, 0.0, 0.0)}
    verdict = judge(score(3), score(2), build.small_dataset(), differences=same)
    assert not verdict.promote
    assert "is the same" in verdict.reasons[0]
    assert "There is no difference to version 2." in verdict.reasons


def test_where_only_a_slice_fails_the_slice_is_the_reason() -> None:
    paying = [Slice("state", "Maine", 60, 130.0, 100.0, Difference(30, 10, 50))]
    verdict = judge(score(3, rmse=10.0), score(2), build.small_dataset(), slices=paying)
    assert verdict.reasons == (
        "Significantly worse than version 2 on state Maine (30.0 % worse on 60 rows).",
    )


def against_the_median(actual: np.ndarray, predicted: np.ndarray, primary: str = "mae") -> Verdict:
    found = evaluation.baseline(actual, actual, predicted)
    mine = Score(1, len(actual), evaluation.score(actual, predicted))
    return judge(mine, None, build.small_dataset(primary_metric=primary), baseline=found)


@pytest.mark.parametrize("primary", ["mae", "rmse", "mdape", "r2"])
def test_a_first_model_that_is_worth_more_than_the_median_is_recommended(primary: str) -> None:
    actual, one, _ = rows(60)
    verdict = against_the_median(actual, actual * (1 + 0.1 * one), primary)
    assert verdict.promote, verdict.reasons
    assert (
        "Clearly better than the baseline (the median of the training rows)" in verdict.reasons[0]
    )


def test_a_first_model_that_is_worth_no_more_than_the_median_is_not_recommended() -> None:
    actual, one, _ = rows()
    noise = float(np.median(actual)) * np.exp(0.6 * one)
    verdict = against_the_median(actual, noise)
    assert not verdict.promote
    assert not gate(verdict, "better than the median")
    assert [g.compares for g in verdict.gates if not g.passed] == [False]
    assert not against_the_median(actual, np.full(len(actual), float(np.median(actual)))).promote


def test_a_gain_on_a_few_large_values_alone_does_not_beat_the_median() -> None:
    actual, _, _ = rows()
    predicted = np.full(len(actual), float(np.median(actual)) * 0.4)
    large = actual > np.quantile(actual, 0.8)
    predicted[large] = actual[large]
    verdict = against_the_median(actual, predicted)
    assert (
        evaluation.score(actual, predicted)["mae"]
        < evaluation.score(actual, np.full(len(actual), float(np.median(actual))))["mae"]
    )
    assert not verdict.promote
    assert "median absolute percentage error" in verdict.reasons[0]


def test_without_training_rows_there_is_no_median() -> None:
    actual, _, _ = rows()
    assert evaluation.baseline(np.array([]), actual, actual) is None


@pytest.mark.parametrize("with_champion", [True, False])
def test_rows_on_both_sides_block_whatever_the_scores_say(*, with_champion: bool) -> None:
    champion = score(2) if with_champion else None
    verdict = judge(score(3, rmse=1.0), champion, build.small_dataset(), overlap=2)
    assert not verdict.promote
    assert not gate(verdict, "no overlap")
    assert "2 held-out rows" in " ".join(verdict.reasons)


def candidate(champion: int | None = 1, gates: list[Gate] | None = None) -> Promotion:
    dossier = build.dossier(2, champion, gates=gates or [])
    return Promotion(
        1, 2, PromotionState.PROPOSED, Verdict(True, ()), dossier, NOON, "ana",
        dossier_digest="abc",
    )  # fmt: skip


def test_an_approval_holds_for_the_dossier_that_was_looked_at() -> None:
    require_current(candidate(), "abc", 1)
    with pytest.raises(StaleDossier, match="re-evaluated since"):
        require_current(candidate(), "older", 1)
    with pytest.raises(StaleDossier, match="version 3 is live now"):
        require_current(candidate(), "abc", 3)
    with pytest.raises(StaleDossier, match="compares it with nothing"):
        require_current(candidate(champion=None), "abc", 3)


def test_a_blocking_gate_refuses_an_approval() -> None:
    gates = [Gate(GateName.NO_OVERLAP, passed=False, says="2 rows.", blocks=True)]
    with pytest.raises(IllegalTransition, match="2 rows"):
        require_current(candidate(gates=gates), "abc", 1)
