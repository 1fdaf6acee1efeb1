"""Judging on the same rows, and the legal ways from a proposal to a served model."""

from __future__ import annotations

import pytest

from core.dataset import Dataset
from core.errors import BadInput, IllegalTransition, ReasonRequired
from core.promotion import judge, require_reason, require_transition
from core.records import PromotionState as State
from tests.build import score


def test_without_a_champion_a_candidate_is_recommended(dataset: Dataset) -> None:
    assert judge(score(), None, dataset).promote


@pytest.mark.parametrize(
    ("mae", "promote"), [(8.0, True), (9.89, True), (9.95, False), (10.0, False), (12.0, False)]
)
def test_the_primary_metric_decides(dataset: Dataset, mae: float, *, promote: bool) -> None:
    verdict = judge(score(2, mae=mae), score(1, mae=10.0), dataset)
    assert verdict.promote is promote
    assert "mean absolute error" in verdict.reasons[0]


def test_a_gain_bought_with_a_bad_loss_elsewhere_is_not_recommended(dataset: Dataset) -> None:
    verdict = judge(score(2, mae=8.0, rmse=30.0), score(1, mae=10.0, rmse=20.0), dataset)
    assert not verdict.promote
    assert "50.0% worse" in verdict.reasons[1]


def test_scores_from_different_rows_are_not_compared(dataset: Dataset) -> None:
    with pytest.raises(BadInput, match="same rows"):
        judge(score(rows=10), score(rows=11), dataset)


LEGAL = {
    (State.PROPOSED, State.APPROVED), (State.PROPOSED, State.REJECTED),
    (State.APPROVED, State.LIVE), (State.APPROVED, State.FAILED), (State.LIVE, State.RETIRED),
}  # fmt: skip
BY_FORCE = {(s, State.APPROVED) for s in (State.RETIRED, State.FAILED, State.REJECTED)}


@pytest.mark.parametrize("now", State)
@pytest.mark.parametrize("to", State)
def test_only_legal_moves_pass(now: State, to: State) -> None:
    for forced in (False, True):
        legal = (now, to) in LEGAL or (forced and (now, to) in BY_FORCE)
        if legal:
            require_transition(now, to, forced=forced)
        else:
            with pytest.raises(IllegalTransition):
                require_transition(now, to, forced=forced)


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_an_act_that_needs_a_reason_gets_none(reason: str) -> None:
    with pytest.raises(ReasonRequired, match="goes on record"):
        require_reason(reason, "a rejection")
