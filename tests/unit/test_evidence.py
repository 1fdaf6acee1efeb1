"""What speaks for and against a candidate: figures on the same rows, and the gates they open."""

from __future__ import annotations

import numpy as np
import pytest

from core import evidence
from core.errors import IllegalTransition, StaleDossier
from core.evidence import Difference, Slice
from core.promotion import is_best, judge, require_current
from core.records import Promotion, PromotionState, Verdict
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
    found = evidence.differences(actual, actual * (1 + 0.1 * one), actual * (1 + 0.1 * other))
    for name in ("mae", "mdape"):
        assert found[name].low < 0 < found[name].high
        assert found[name].low <= found[name].difference <= found[name].high


def test_a_model_that_errs_half_as_much_is_better_beyond_doubt() -> None:
    actual, one, _ = rows()
    found = evidence.differences(actual, actual * (1 + 0.05 * one), actual * (1 + 0.1 * one))
    assert all(found[name].high < 0 for name in ("mae", "rmse", "mdape"))
    assert found["r2"].low > 0


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    covered = 0
    for _ in range(60):
        actual = np.full(200, 100.0)
        mine, theirs = rng.normal(0, 8, 200), rng.normal(0, 10, 200)
        found = evidence.differences(actual, actual + mine, actual + theirs)["mae"]
        covered += found.low <= (8 - 10) * np.sqrt(2 / np.pi) <= found.high
    assert covered >= 52  # 57 of 60 expected; fewer than 52 has a chance of 1 in 200


def test_slices_are_cut_by_target_and_by_group_and_small_ones_left_out() -> None:
    actual, one, _ = rows()
    group = np.array(["north"] * 300 + ["south"] * 80 + ["isle"] * 20, dtype=object)
    wrong = np.where(group == "south", 0.5, 0.1)
    found = evidence.slices(
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
    found = evidence.importance(lambda c: 3 * c["a"], columns, actual, ["a", "b", "t"])
    assert found["a"] > 5
    assert found["b"] == found["t"] == 0


def test_answers_that_move_are_counted() -> None:
    before = np.array([100.0, 100.0, 100.0, -100.0])
    assert evidence.moved(before, np.array([110.0, 111.0, 89.0, -100.0])) == 0.5
    assert evidence.moved(np.array([]), np.array([])) == 0.0


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
    assert not gate(chance, "beyond chance")
    assert "could be chance" in " ".join(chance.reasons)


def test_a_slice_that_pays_for_the_rest_is_named() -> None:
    paying = Slice("state", "Maine", 60, 130.0, 100.0, Difference(30, 10, 50))
    unclear = Slice("state", "Ohio", 60, 130.0, 100.0, Difference(30, -10, 70))
    dataset = build.small_dataset()
    verdict = judge(score(3, rmse=10.0), score(2), dataset, slices=[paying, unclear])
    assert not verdict.promote
    assert "state Maine (30% on 60 rows)" in " ".join(verdict.reasons)
    assert "Ohio" not in " ".join(verdict.reasons)


def test_the_best_is_the_one_with_the_best_primary_metric_and_nothing_else() -> None:
    dataset = build.small_dataset()
    worse_slice = [Slice("state", "Maine", 60, 130.0, 100.0, Difference(30, 10, 50))]
    verdict = judge(score(3, rmse=10.0), score(2), dataset, slices=worse_slice)
    assert (verdict.promote, is_best(verdict)) == (False, True)
    assert not is_best(judge(score(3, rmse=21.0), score(2), dataset))
    assert not is_best(judge(score(3, rmse=10.0), score(2), dataset, overlap=1))
    assert is_best(judge(score(3), None, dataset))


@pytest.mark.parametrize("with_champion", [True, False])
def test_rows_on_both_sides_block_whatever_the_scores_say(*, with_champion: bool) -> None:
    champion = score(2) if with_champion else None
    verdict = judge(score(3, rmse=1.0), champion, build.small_dataset(), overlap=2)
    assert not verdict.promote
    assert not gate(verdict, "no overlap")
    assert "2 held-out rows" in " ".join(verdict.reasons)


def candidate(champion: int | None = 1, gates: list[dict[str, object]] | None = None) -> Promotion:
    dossier = build.dossier(2, champion, gates=gates or [])
    return Promotion(
        1, 2, PromotionState.PROPOSED, Verdict(True, ()), dossier, NOON, "ana",
        dossier_digest="abc",
    )  # fmt: skip


def test_an_approval_holds_for_the_dossier_that_was_looked_at() -> None:
    require_current(candidate(), "abc", 1)
    with pytest.raises(StaleDossier, match="look again"):
        require_current(candidate(), "older", 1)
    with pytest.raises(StaleDossier, match="version 3 is live now"):
        require_current(candidate(), "abc", 3)
    with pytest.raises(StaleDossier, match="compares it with nothing"):
        require_current(candidate(champion=None), "abc", 3)


def test_a_blocking_gate_refuses_an_approval() -> None:
    gates = [{"name": "no overlap", "passed": False, "says": "2 rows.", "blocks": True}]
    with pytest.raises(IllegalTransition, match="2 rows"):
        require_current(candidate(gates=gates), "abc", 1)
