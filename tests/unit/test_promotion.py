"""Judging on the same rows, and the legal ways from a proposal to a served model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.domain.dataset import Dataset
from core.domain.dossier import Gate, GateName
from core.domain.errors import BadInput, IllegalTransition, ReasonRequired, StaleDossier
from core.domain.promotions import Decision, Promotion, Verdict
from core.domain.promotions import PromotionState as State
from core.rules.model.judgement import judge
from core.rules.model.promotion_states import (
    Seen,
    allows,
    require_current,
    require_decidable,
    require_reason,
    require_seen,
)
from core.rules.model.verdict_validity import Standing, recommend
from core.rules.ops.notification import promoted
from tests import build
from tests.build import NOON, score


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
    assert "50.0 % worse" in verdict.reasons[0]
    assert "better" not in " ".join(verdict.reasons)


def test_scores_from_different_rows_are_not_compared(dataset: Dataset) -> None:
    with pytest.raises(BadInput, match="same rows"):
        judge(score(rows=10), score(rows=11), dataset)


ENDED = (State.RETIRED, State.FAILED, State.REJECTED, State.SUPERSEDED)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("decision", Decision)
def test_a_candidate_can_be_decided_and_only_force_and_rollback_revive_an_ended_one(
    state: State, decision: Decision
) -> None:
    revived = decision in (Decision.FORCE, Decision.ROLLBACK) and state in ENDED
    assert allows(state, decision) is (state is State.PROPOSED or revived)


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_an_act_that_needs_a_reason_gets_none(reason: str) -> None:
    with pytest.raises(ReasonRequired, match="goes on record"):
        require_reason(reason, "a rejection")


def decided(state: State, as_: Decision, **more: object) -> Promotion:
    return Promotion(
        1, 3, state, Verdict(True, ("Good.",)), build.dossier(3), NOON, "trainer",
        decided_at=NOON, decided_by="ann", decided_as=as_, dossier_digest="d", **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("promotion", "says"),
    [
        (
            decided(State.REJECTED, Decision.REJECT),
            "was already rejected by ann on 2026-11-23 at 12:00 UTC; to promote it, force it",
        ),
        (decided(State.APPROVED, Decision.APPROVE), "wait until that has ended"),
        (decided(State.LIVE, Decision.ROLLBACK), "live already, rolled back to by ann"),
        (decided(State.RETIRED, Decision.FORCE, forced=True), "forced by ann"),
        (decided(State.FAILED, Decision.APPROVE), "did not come to be served"),
        (decided(State.SUPERSEDED, Decision.SUPERSEDE), "re-evaluate it"),
    ],
)
@pytest.mark.parametrize("second", [Decision.APPROVE, Decision.REJECT])
def test_a_second_decision_is_told_what_the_first_was_and_what_can_be_done(
    promotion: Promotion, says: str, second: Decision
) -> None:
    with pytest.raises(IllegalTransition) as refused:
        require_decidable(promotion, second)
    assert says in str(refused.value)


def candidate(*gates: tuple[str, bool], champion: int | None = 1) -> Promotion:
    """A version whose open gates are given, each with whether it only compares."""
    dossier = build.dossier(
        2,
        champion,
        gates=[
            Gate(GateName(name), False, f"{name} is open.", compares=compares)
            for name, compares in gates
        ],
    )
    return Promotion(
        1, 2, State.PROPOSED, Verdict(not gates, ("Because.",)), dossier, NOON, "trainer",
        dossier_digest="abc",
    )  # fmt: skip


def test_an_open_gate_needs_force_and_the_refusal_names_it_and_says_how() -> None:
    promotion = candidate(("better", True), ("no regression", True))
    with pytest.raises(IllegalTransition) as refused:
        require_current(promotion, "abc", 1)
    said = str(refused.value)
    assert "2 gates: better, no regression" in said
    assert "driftdesk force 2 --reason" in said


def test_while_nothing_is_live_only_comparisons_may_stay_open() -> None:
    require_current(candidate(("better", True)), "abc", None)
    require_current(candidate(), "abc", None)
    with pytest.raises(IllegalTransition, match="better than the median"):
        require_current(candidate(("better", True), ("better than the median", False)), "abc", None)


def test_what_was_not_recommended_before_there_were_gates_needs_force() -> None:
    old = replace(candidate(), verdict=Verdict(False, ("It was worse.",)))
    with pytest.raises(IllegalTransition, match="It was worse"):
        require_current(old, "abc", 1)


def test_a_decision_holds_for_the_live_version_that_was_seen() -> None:
    require_seen(Seen(7), 7)
    require_seen(None, 8)
    with pytest.raises(StaleDossier, match="Version 8 is live now; when you looked, it was"):
        require_seen(Seen(7), 8)


@pytest.mark.parametrize(
    ("promotion", "live", "judging", "standing", "approvable"),
    [
        (candidate(), 1, (), Standing.RECOMMENDED, True),
        (candidate(), 9, (), Standing.STALE, False),
        (candidate(), 9, (2,), Standing.JUDGING, False),
        (candidate(("better", True)), 1, (), Standing.NOT_RECOMMENDED, False),
        (candidate(("better", True)), None, (), Standing.NOT_RECOMMENDED, True),
        (replace(candidate(), dossier_digest=""), 1, (), Standing.UNJUDGED, False),
        (replace(candidate(), state=State.LIVE), 2, (), Standing.RECOMMENDED, False),
    ],
)
def test_a_recommendation_holds_while_its_comparison_does(
    promotion: Promotion,
    live: int | None,
    judging: tuple[int, ...],
    standing: Standing,
    *,
    approvable: bool,
) -> None:
    found = recommend(promotion, live, judging)
    assert (found.standing, found.approvable) == (standing, approvable)
    assert bool(found.passes_over) is (standing is Standing.NOT_RECOMMENDED and live is None)


def test_the_first_open_gate_is_the_reason_not_the_gain() -> None:
    promotion = replace(
        candidate(("no worse segment", True)),
        verdict=Verdict(False, ("The mean absolute error is 46.8% better.", "Worse in Maine.")),
    )
    assert recommend(promotion, 1).says == "no worse segment is open."


def test_a_gain_is_told_with_the_gate_that_is_open_in_spite_of_it() -> None:
    promotion = candidate(("no worse segment", True))
    summary = promotion.dossier
    assert summary
    metrics = {name: value / 2 for name, value in summary.candidate.metrics.items()}
    better = replace(summary.candidate, metrics=metrics)
    champion = replace(summary.candidate, version=1)
    promotion = replace(promotion, dossier=replace(summary, candidate=better, champion=champion))
    assert recommend(promotion, 1).says == (
        "The mean absolute error is 50.0 % better than that of version 1, but a gate is not "
        "passed: no worse segment is open."
    )
    blocked = tuple(replace(gate, blocks=True) for gate in summary.gates)
    worthless = replace(summary, candidate=better, champion=champion, gates=blocked)
    assert recommend(replace(promotion, dossier=worthless), 1).says == "no worse segment is open."


@pytest.mark.parametrize(
    ("as_", "forced", "says"),
    [
        (Decision.APPROVE, False, "Version 3 is live (approved by ann)."),
        (Decision.FORCE, True, "Version 3 is live (forced by ann)."),
        (Decision.ROLLBACK, False, "Version 3 is live again (rolled back to by ann)."),
    ],
)
def test_the_notice_about_a_live_version_says_how_it_was_decided(
    as_: Decision, says: str, *, forced: bool
) -> None:
    assert promoted(decided(State.LIVE, as_, forced=forced)) == says
