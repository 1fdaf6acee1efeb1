"""What needs a person about a dataset: one need for what says the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.domain.audit_event import AuditEvent
from core.domain.batches import Batch, BatchState, Epoch, EpochState
from core.domain.fleet import FailedJob, Refusal
from core.domain.jobs import JobKind
from core.domain.promotions import (
    Decision,
    FollowUp,
    ForceRequest,
    Promotion,
    PromotionState,
    Verdict,
)
from core.rules.drift.recommendation import Advice, BatchScore, Recommendation
from core.rules.drift.verdict_facts import Facts, Rule
from core.rules.model.feedback_error import Bucket
from core.rules.ops.batch_names import named_batches
from core.rules.ops.need import Need
from core.rules.ops.need_facts import NeedFacts
from core.rules.ops.needs import DISAGREE, RESTORED, SOURCE_ENDED, needs
from core.rules.ops.notification import Delivery, Event, Notice
from tests.build import NOON, dossier, small_dataset

DATASET = small_dataset()
EPOCH = Epoch(1, EpochState.OPEN, NOON)
FAILED = FailedJob(12, JobKind.TRAIN, NOON, "It failed.")
LIVE = Promotion(
    1, 1, PromotionState.LIVE, Verdict(True, ()), dossier(1), NOON, "ana", live_at=NOON
)


def of(**facts: Any) -> tuple[Need, ...]:
    return needs(DATASET, NeedFacts(**{"epoch": EPOCH} | facts))


def titles(**facts: Any) -> list[str]:
    return [need.title for need in of(**facts)]


def batch(number: int, *, epoch: int = 1, held: bool = False) -> Batch:
    held_at = NOON if held else None
    stored = BatchState.STORED
    return Batch(
        10 * epoch + number, epoch, stored, number, f"h{number}", "", 1, NOON, held_at=held_at
    )


def asks(number: int, why: str = "It moved.", **facts: Any) -> Facts:
    """A batch for which training is recommended."""
    advice = Advice(facts.pop("says", Recommendation.RETRAIN), (why,), None, "", ())
    rule = Rule(True, (why,))
    about = {"epoch": 1, "current_epoch": 1, "rule": rule, "beyond": rule, "advised": advice}
    about |= {"live": 1, **facts}
    return Facts(10 * about["epoch"] + number, number=number, **about)


def jump(number: int, mae: float = 30.0, rows: int = 60) -> BatchScore:
    return BatchScore(10 + number, 1, rows, {"mae": mae}, 2.0)


def test_nothing_needs_nobody() -> None:
    assert needs(DATASET, NeedFacts()) == ()


@pytest.mark.parametrize(
    ("numbers", "named"),
    [
        ([3], "Batch 3"),
        ([4, 3], "Batches 3 and 4"),
        ([0, 1, 2], "Batches 0 to 2"),
        ([9, 0, 1, 2, 6, 5], "Batches 0 to 2, 5, 6 and 9"),
    ],
)
def test_batches_are_named_in_ranges(numbers: list[int], named: str) -> None:
    assert named_batches(numbers) == named


def test_batches_before_a_first_model_are_one_need_that_names_them() -> None:
    (need,) = of(verdicts=tuple(asks(n, f"Price is {n}.", live=None) for n in (2, 1, 0)))
    assert need.title == "Batches 0 to 2: retraining recommended"
    assert need.detail == (
        "No model is live yet, so training is needed. One training reads them all."
    )
    assert (need.page, need.query, need.act) == ("pipeline", {}, "Train a first model")


def test_batches_with_reasons_of_their_own_are_one_need_with_the_newest_reason() -> None:
    moved = asks(7, "Price moved.", later=())
    (need,) = of(live=LIVE, verdicts=(moved, asks(5, "Size moved.", later=(7,))))
    assert need.title == "Batches 5 and 7: retraining recommended"
    assert need.detail == "One training reads them all. Batch 7: Price moved."
    assert (need.page, need.query, need.act) == ("drift", {"batch": "1/7"}, "Review batch 7")


def test_broken_batches_are_one_need_only_if_the_reason_is_the_same() -> None:
    def broken(number: int, why: str) -> Facts:
        return asks(number, why, says=Recommendation.BLOCK)

    same = of(live=LIVE, verdicts=(broken(3, "No rows."), broken(2, "No rows.")))
    assert [need.title for need in same] == ["Batches 2 and 3 look broken"]
    other = of(live=LIVE, verdicts=(broken(3, "No rows."), broken(2, "Size is 100 times larger.")))
    assert [need.title for need in other] == ["Batch 3 looks broken", "Batch 2 looks broken"]


def test_an_earlier_epoch_is_one_need() -> None:
    earlier = tuple(asks(n, epoch=1, current_epoch=2) for n in (2, 1, 0))
    (need,) = of(live=LIVE, epoch=Epoch(2, EpochState.OPEN, NOON), verdicts=earlier)
    assert need.title == "3 batches of epoch 1 need a decision"
    assert need.detail.startswith("Batches 0 to 2: no version was trained on them")


def undone(number: int, **facts: Any) -> Facts:
    """A batch that version 3 was trained on, which a rollback took away."""
    learned = ((3, PromotionState.RETIRED),)
    return asks(number, live=2, learned=learned, live_again=True, **facts)


BACK = replace(LIVE, version=2, decided_as=Decision.ROLLBACK)


@pytest.mark.parametrize(("current", "of_epoch"), [(1, ""), (2, " of epoch 1")])
def test_batches_of_a_version_that_was_rolled_back_are_never_said_to_be_untrained(
    current: int, of_epoch: str
) -> None:
    four = tuple(undone(n, current_epoch=current) for n in (5, 4, 3, 2))
    (need,) = of(live=BACK, epoch=Epoch(current, EpochState.OPEN, NOON), verdicts=four)
    assert need.title == (
        f"Batches 2 to 5{of_epoch}: version 3, which was rolled back, was trained on them; the "
        "live version 2 was not"
    )
    assert need.detail.startswith("Make version 3 live again, or dismiss")
    assert (need.page, need.query, need.act) == ("drift", {"batch": "1/5"}, "Review them")
    (one,) = of(live=BACK, verdicts=four[:1])
    assert "was trained on it; the live version 2 was not" in one.title


def test_what_is_said_of_an_earlier_epoch_is_true_of_each_of_its_batches() -> None:
    epoch = Epoch(2, EpochState.OPEN, NOON)
    old = {"epoch": 1, "current_epoch": 2}
    mixed = (asks(5, **old), asks(4, **old), undone(3, current_epoch=2), undone(2, current_epoch=2))
    held = tuple(asks(n, held=True, **old) for n in (1, 0))
    found = {need.title: need.detail for need in of(live=BACK, epoch=epoch, verdicts=mixed + held)}
    assert list(found) == [
        (
            "Batches 2 and 3 of epoch 1: version 3, which was rolled back, was trained on them; "
            "the live version 2 was not"
        ),
        "2 batches of epoch 1 need a decision",
        "2 batches of epoch 1 are held back",
    ]
    untrained = [detail for detail in found.values() if "no version was trained" in detail]
    assert [detail.partition(":")[0] for detail in untrained] == ["Batches 4 and 5"]


@pytest.mark.parametrize("answer", ["dismissed_by", "training", "learned"])
def test_an_answered_batch_needs_nobody(answer: str) -> None:
    told = {"dismissed_by": "ana", "training": 7, "learned": ((1, PromotionState.LIVE),)}
    assert titles(live=LIVE, verdicts=(asks(1, **{answer: told[answer]}),)) == []


def test_the_newest_error_stands_for_those_before_it() -> None:
    batches = tuple(batch(n) for n in (4, 3, 2))
    scores = (jump(2), jump(3), jump(4, 60.0))
    (need,) = of(live=LIVE, approved=3.0, batches=batches, scores=scores)
    assert need.title == "Live model's error on batch 4 is 20 times the error it was approved with"
    assert need.detail.endswith("Also far above it: batches 2 and 3.")
    assert (need.urgent, need.seen, need.query) == (True, "batch:1/4", {"batch": "1/4"})
    seen = {"approved": 3.0, "batches": batches, "scores": scores, "live": LIVE}
    assert titles(**seen, seen=frozenset({"batch:1/4"})) == []
    (newer,) = of(**seen, seen=frozenset({"batch:1/2"}))
    assert newer.detail.endswith("Also far above it: batch 3.")


@pytest.mark.parametrize(
    "facts",
    [
        {"scores": (jump(4, 5.0),)},
        {"scores": (jump(4, rows=3),)},
        {"batches": (batch(4, held=True),)},
        {"verdicts": (asks(4, says=Recommendation.BLOCK, released=True, learned=((1, "LIVE"),)),)},
        {"live": None},
    ],
)
def test_an_error_that_says_nothing_of_the_model_is_no_alert(facts: dict[str, Any]) -> None:
    told = {"live": LIVE, "approved": 3.0, "batches": (batch(4),), "scores": (jump(4),)}
    assert [t for t in titles(**told | facts) if "Live model" in t] == []


def test_feedback_far_above_the_approved_error_is_an_alert() -> None:
    bucket = Bucket(NOON, NOON, 40, 30.0, None, (1,), 2.0)
    (need,) = needs(DATASET, NeedFacts(live=LIVE, approved=3.0), bucket)
    assert "from feedback is 10 times" in need.title
    assert needs(DATASET, NeedFacts(live=LIVE, approved=20.0), bucket) == ()


def candidate(version: int, *, promote: bool) -> Promotion:
    proposed, verdict = PromotionState.PROPOSED, Verdict(promote, ("Because.",))
    about = dossier(version, 1)
    return Promotion(version, version, proposed, verdict, about, NOON, "t", dossier_digest="d")


def test_candidates_come_as_they_are_recommended_today() -> None:
    two = (candidate(4, promote=False), candidate(3, promote=True))
    assert titles(live=LIVE, candidates=two) == [
        "Version 3 awaits approval (recommended)",
        "Version 4 awaits approval (not recommended)",
    ]
    assert titles(live=LIVE, candidates=two, judging=frozenset({3, 4})) == []
    weak = tuple(candidate(n, promote=False) for n in (9, 8, 7, 6, 5, 4))
    (need,) = of(live=LIVE, candidates=weak)
    assert need.title == "Versions 4 to 9 await approval (not recommended)"
    assert (need.act, need.query) == ("Review version 9", {"version": "9"})
    assert titles(live=LIVE, candidates=(*two, weak[0]))[1] == (
        "Versions 4 and 9 await approval (not recommended)"
    )
    other = replace(LIVE, version=2)
    (need, _) = of(live=other, candidates=two, unjudged={4: FAILED})
    assert need.title == "Version 4 awaits approval (to be re-evaluated)"
    assert "Its re-evaluation failed (job 12): It failed." in need.detail


def test_a_failed_job_is_told_once() -> None:
    left_out = Facts(14, 1, 4, 1, rule=None, advised=None)
    about = {"batches": (batch(4),), "verdicts": (left_out,)}
    (last,) = of(failed_jobs=(FAILED,), uncompared={14: FAILED}, **about)
    assert (last.title, last.query, last.urgent) == (
        "The last train job failed", {"job": "12"}, True,
    )  # fmt: skip
    (need,) = of(uncompared={14: FAILED}, **about)
    assert need.title == "Batch 4 has not been compared yet"
    assert need.detail == "Its comparison failed: It failed."


def test_missing_batches_are_one_need() -> None:
    (need,) = of(arrived=(0, 1, 3, 4, 8))
    assert need.title == "Batches 2 and 5 to 7 are missing"
    assert titles(arrived=(1,)) == ["Batch 0 is missing"]


def test_follow_ups_are_one_need() -> None:
    tasks = tuple(FollowUp(n, f"version:{n}", f"Look at {n}.", NOON, "ana") for n in (2, 1, 12))
    (need,) = of(follow_ups=(*tasks, tasks[0]))
    assert need.title == "Follow up on versions 1, 2 and 12"
    assert need.detail == "Look at 2. Look at 1. Look at 12."
    assert titles(follow_ups=tasks[:1]) == ["Follow up on version 2"]


def test_serving_that_answers_with_another_version_is_an_alert() -> None:
    (need,) = of(live=LIVE, served={"http://a": 1, "http://b": None})
    assert (need.title, need.urgent) == (DISAGREE, True)
    assert need.detail == "Version 1 is live, but serving at http://b answers with nothing."
    refused = (Refusal("http://a", "version 1: no contract"),)
    (need,) = of(live=LIVE, refusals=refused)
    assert need.detail == "http://a refuses version 1: no contract"


def test_the_rest_is_told_too_and_alerts_come_first() -> None:
    request = ForceRequest(1, 3, "now", NOON, "eve")
    notice = Notice(
        1, "u", Event.BREACH, "s", "Drift.", NOON, Delivery.GIVEN_UP, 9, NOON, failure="HTTP 500"
    )
    restored = AuditEvent(1, NOON, "driftdesk", "put back", "version:1", "It was moved.", {})
    found = titles(
        forces=(request,), undelivered=notice, restored=restored,
        epoch=Epoch(1, EpochState.EXHAUSTED, NOON),
    )  # fmt: skip
    assert found == [
        "A notification was not delivered",
        "Version 3 awaits a second approver",
        SOURCE_ENDED,
        RESTORED,
    ]
