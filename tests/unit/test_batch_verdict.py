"""One verdict per batch: a table of situations, with every pair that once contradicted itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.drift import RetrainWhen
from core.domain.promotions import PromotionState
from core.rules.drift.batch_verdict import DECIDES, Stand, verdict
from core.rules.drift.recommendation import Advice, Recommendation
from core.rules.drift.training_reason import why_a_reason
from core.rules.drift.verdict_facts import Facts, Rule

ROSE = "Version 1 errs by 9 on this batch's 80 held-out rows, +21.1 %: it rose."
DRIFTED = "Price, mean rose 21.3 % (limit 15 %)."
WITHIN = "Every statistic is within its limit."
FAULT = "price is 1,000 times larger."

ASKS, CALM = Rule(True, (DRIFTED,)), Rule(False, (WITHIN,))
RETRAIN = Advice(Recommendation.RETRAIN, (ROSE,), None, "", ())
IGNORE = Advice(Recommendation.IGNORE, ("All breaches could be noise.",), None, "", ())
BLOCK = Advice(Recommendation.BLOCK, (FAULT,), None, "", ())
FIRST = replace(RETRAIN, reasons=("No model is live yet, so train.",), no_champion=True)
_BMI = "BMI: 1 of 111 values lies far outside the former range 18 to 42: -999,999."
FAR = replace(IGNORE, reasons=(_BMI, "Every other statistic is within its limit."), far=(_BMI,))
BEYOND = Rule(True, ("Status: 100.0 % of the values are new (limit 5 %): sold (100.0 %).",))
NOISE = Rule(False, ("Nothing is beyond its noise band. Price, mean rose. Could be noise.",))
NOTHING = Facts(7, 1, 2, 1, ASKS, RETRAIN, live=4, beyond=ASKS, when=RetrainWhen.RULE)
BY_NOISE = {"when": RetrainWhen.BEYOND_NOISE}
BY_ADVICE = {"when": RetrainWhen.RECOMMENDATION}
LIVE_LEARNED = ((4, PromotionState.LIVE),)
ROLLED_BACK = ((5, PromotionState.RETIRED),)
BY_ROOT = {"held": True, "held_by": "root", "held_because": "wrong units."}
WAITS, REJECTED = ((5, PromotionState.PROPOSED),), ((5, PromotionState.REJECTED),)

TABLE = [
    ({"rule": None, "advised": None}, Stand.UNCOMPARED, "Batch 2 has not been compared yet."),
    ({}, Stand.ASKS, "Batch 2: retraining recommended. Rule: Price, mean rose"),
    ({"advised": None}, Stand.ASKS, "Batch 2: retraining recommended. Price, mean rose"),
    ({"advised": FIRST, "live": None} | BY_ADVICE, Stand.ASKS, "Recommendation: No model is live"),
    (
        {"rule": CALM, "beyond": NOISE, "advised": FIRST} | BY_ADVICE,
        Stand.CALM,
        (
            "no retraining needed. Nothing is beyond its noise band. Price, mean rose. Could be "
            "noise. It was compared before version 4 went live, and not with that version's rows."
        ),
    ),
    (
        {"beyond": BEYOND, "advised": FIRST} | BY_ADVICE,
        Stand.ASKS,
        "It was compared before version 4 went live, and not with that version's rows.",
    ),
    (
        {"rule": CALM},
        Stand.CALM,
        (
            "Batch 2: no retraining needed. Rule: Every statistic is within its limit. "
            "Recommendation: Version 1 errs by 9 on this batch's 80 held-out rows, +21.1 %: it "
            "rose. The dataset file lets the drift rule decide"
        ),
    ),
    (
        {"advised": IGNORE},
        Stand.ASKS,
        (
            "Batch 2: retraining recommended. Rule: Price, mean rose 21.3 % (limit 15 %). "
            "Recommendation: All breaches could be noise. The dataset file lets the drift rule"
        ),
    ),
    ({"rule": CALM} | BY_ADVICE, Stand.ASKS, "Recommendation: Version 1 errs"),
    ({"rule": CALM} | BY_ADVICE, Stand.ASKS, "is within its limit. The dataset file lets the reco"),
    (
        {"advised": IGNORE} | BY_ADVICE,
        Stand.CALM,
        (
            "Batch 2: no retraining needed. Recommendation: All breaches could be noise. Rule: "
            "Price, mean rose 21.3 % (limit 15 %). The dataset file lets the recommendation decide"
        ),
    ),
    (
        {"advised": None} | BY_ADVICE,
        Stand.ASKS,
        "Batch 2: retraining recommended. Price, mean rose",
    ),
    (
        {"rule": CALM, "advised": IGNORE} | BY_ADVICE,
        Stand.CALM,
        "no retraining needed. All breaches",
    ),
    (
        {"beyond": NOISE} | BY_NOISE,
        Stand.CALM,
        (
            "Beyond noise: Nothing is beyond its noise band. Price, mean rose. Could be noise. "
            "Rule: Price, mean rose 21.3 % (limit 15 %). Recommendation: Version 1"
        ),
    ),
    ({"beyond": NOISE} | BY_NOISE, Stand.CALM, "lets breaches beyond noise decide"),
    (
        {"beyond": BEYOND, "rule": CALM, "advised": IGNORE} | BY_NOISE,
        Stand.ASKS,
        "retraining recommended. Beyond noise: Status: 100.0 % of the values are new",
    ),
    ({"advised": BLOCK} | BY_ADVICE, Stand.BROKEN, "Batch 2 looks broken. price is 1,000"),
    ({"advised": BLOCK} | BY_NOISE, Stand.BROKEN, "Batch 2 looks broken. price is 1,000"),
    (
        {"advised": BLOCK, "released": True, "beyond": BEYOND} | BY_ADVICE,
        Stand.ASKS,
        "Beyond noise: Status: 100.0 %",
    ),
    (
        {"advised": BLOCK, "released": True, "beyond": NOISE} | BY_ADVICE,
        Stand.CALM,
        "lets breaches beyond noise decide",
    ),
    ({"rule": CALM, "advised": IGNORE}, Stand.CALM, "Batch 2: no retraining needed. Every"),
    ({"rule": CALM, "advised": None}, Stand.CALM, "Batch 2: no retraining needed."),
    ({"advised": BLOCK}, Stand.BROKEN, "Batch 2 looks broken. price is 1,000 times"),
    ({"rule": CALM, "advised": BLOCK}, Stand.BROKEN, "Batch 2 looks broken."),
    ({"advised": BLOCK, "held": True}, Stand.HELD, "Batch 2 is held back: it looks broken."),
    (BY_ROOT, Stand.HELD, "Batch 2 is held by root: wrong units. It waits to be released. When"),
    (BY_ROOT | {"rule": None, "advised": None}, Stand.HELD, "Batch 2 is held by root: wrong un"),
    ({"rule": CALM, "advised": BLOCK, "released": True}, Stand.CALM, "no retraining needed"),
    ({"advised": BLOCK, "released": True}, Stand.ASKS, "retraining recommended. Rule: Price, mean"),
    (
        {"advised": BLOCK, "held": True, "epoch": 0, "rows_removed": True},
        Stand.HELD,
        "larger. Its rows were removed, so a release changes nothing: dismiss it.",
    ),
    (
        BY_ROOT | {"epoch": 0, "rows_removed": True},
        Stand.HELD,
        "wrong units. Its rows were removed, so a release changes nothing: dismiss it.",
    ),
    ({"held": True, "dismissed_by": "ben"}, Stand.DISMISSED, "stays held back: ben dismissed it"),
    ({"learned": LIVE_LEARNED}, Stand.LEARNED, "version 4, which is live, learned from it"),
    ({"learned": WAITS}, Stand.LEARNED, "version 5 learned from it and awaits approval"),
    (
        {"learned": WAITS, "unfit": frozenset({5})},
        Stand.UNFIT,
        (
            "no further retraining needed (version 5 learned from it, and is not recommended). "
            "Review version 5: reject it, or force it with a reason."
        ),
    ),
    ({"learned": (*WAITS, *LIVE_LEARNED), "unfit": frozenset({5})}, Stand.LEARNED, "version 4, wh"),
    ({"learned": REJECTED}, Stand.UNFIT, "version 5 learned from it and was rejected). The live v"),
    (
        {"advised": FAR} | BY_ADVICE,
        Stand.DOUBTFUL,
        "but it has values far outside the former range. Recommendation: BMI",
    ),
    ({"advised": FAR, "rule": CALM} | BY_ADVICE, Stand.DOUBTFUL, "-999,999. Every other statistic"),
    ({"advised": FAR, "released": True, "rule": CALM}, Stand.CALM, "no retraining needed."),
    ({"advised": FAR}, Stand.ASKS, "Batch 2: retraining recommended. Rule: Price, mean rose"),
    (
        {"learned": ROLLED_BACK, "live_again": True},
        Stand.ROLLED_BACK,
        (
            "Batch 2: version 5, which was rolled back, was trained on it; the live version 4 was "
            "not. Make version 5 live again, or dismiss what needs no action."
        ),
    ),
    ({"learned": ROLLED_BACK}, Stand.ROLLED_BACK, "version 5, which was live before, was trained"),
    (
        {"learned": ROLLED_BACK, "current_epoch": 2, "later": (3,)},
        Stand.ROLLED_BACK,
        "Batch 2 of epoch 1: version 5, which was live before, was trained on it; the live",
    ),
    ({"learned": ROLLED_BACK, "training": 9}, Stand.TRAINING, "job 9 is open"),
    ({"learned": ROLLED_BACK, "dismissed_by": "ben"}, Stand.DISMISSED, "ben dismissed it"),
    ({"learned": (*WAITS, *ROLLED_BACK)}, Stand.LEARNED, "version 5 learned from it and awaits"),
    ({"learned": ROLLED_BACK, "live": 6}, Stand.LEARNED, "version 5 learned from it and was live"),
    ({"learned": (*ROLLED_BACK, *LIVE_LEARNED)}, Stand.LEARNED, "version 4, which is live"),
    ({"training": 9}, Stand.TRAINING, "Batch 2: retraining requested, job 9 is open."),
    ({"later": (3,)}, Stand.ASKS, "Batch 3 came after it"),
    ({"later": (3, 4)}, Stand.ASKS, "2 batches came after it"),
    ({"dismissed_by": "ben", "dismissed_because": "a fair"}, Stand.DISMISSED, "ben dismissed it"),
    ({"current_epoch": 2}, Stand.ASKS, "Batch 2 of epoch 1: retraining recommended."),
    ({"current_epoch": 2}, Stand.ASKS, "only if epoch 1 is chosen (driftdesk train --epoch 1)."),
    ({"current_epoch": 2, "rows_removed": True}, Stand.ASKS, "no training can read them"),
    ({"names_epoch": True}, Stand.ASKS, "Batch 2 of epoch 1: retraining recommended."),
]


@pytest.mark.parametrize(("changes", "stand", "says"), TABLE)
def test_every_situation_has_one_sentence(changes: dict[str, Any], stand: Stand, says: str) -> None:
    found = verdict(replace(NOTHING, **changes))
    assert (found.stand, says in found.sentence) == (stand, True), found.sentence


@pytest.mark.parametrize("changes", [row[0] for row in TABLE])
def test_no_sentence_contradicts_itself(changes: dict[str, Any]) -> None:
    found = verdict(replace(NOTHING, **changes))
    said = found.sentence
    named = [name for name in ("Rule: ", "Beyond noise: ", "Recommendation: ") if name in said]
    assert len(named) != 1
    assert bool(named) == (f"{DECIDES[found.decided_by]}." in said)
    if named:
        assert min(map(said.index, named)) == said.index(named_after(found.decided_by))
    assert "within its limit" not in found.title
    assert found.asks <= found.waits
    assert not (found.is_answered and found.waits)


@pytest.mark.parametrize("changes", [row[0] for row in TABLE])
def test_a_version_that_was_trained_on_it_is_named_and_no_other(changes: dict[str, Any]) -> None:
    facts = replace(NOTHING, **changes)
    found = verdict(facts)
    said = f"{found.title} {found.besides}"
    if found.learned_by is None:
        assert "learned from it" not in said.replace("no version has learned from it", "")
        assert "was trained on it" not in said
    else:
        assert found.learned_by in dict(facts.learned)
        assert f"ersion {found.learned_by}" in said
    if facts.learned:
        assert "no version has learned" not in said


def test_one_answer_fits_batches_of_an_epoch_that_wait_for_the_same() -> None:
    one = verdict(NOTHING)
    assert one.is_like(verdict(replace(NOTHING, batch_id=8, number=3)))
    for other in (
        {"current_epoch": 2, "epoch": 2}, {"learned": ROLLED_BACK}, {"advised": BLOCK},
        {"learned": LIVE_LEARNED}, BY_ROOT,
    ):  # fmt: skip
        assert not one.is_like(verdict(replace(NOTHING, batch_id=8, **other)))
        assert not verdict(replace(NOTHING, batch_id=8, **other)).is_like(one)
    undone = replace(NOTHING, learned=ROLLED_BACK)
    assert verdict(undone).is_like(verdict(replace(undone, batch_id=8)))
    other_version = replace(undone, learned=((6, PromotionState.RETIRED),))
    assert not verdict(undone).is_like(verdict(other_version))
    held = verdict(replace(NOTHING, **BY_ROOT))
    assert not held.is_like(held)  # each is looked at


def named_after(decided_by: RetrainWhen) -> str:
    return {"rule": "Rule: ", "beyond_noise": "Beyond noise: "}.get(decided_by, "Recommendation: ")


@given(
    st.sampled_from(RetrainWhen),
    st.sampled_from([ASKS, CALM]),
    st.sampled_from([BEYOND, NOISE]),
    st.sampled_from([RETRAIN, IGNORE, None]),
)
def test_one_finding_decides_whatever_the_others_say(
    when: RetrainWhen, rule: Rule, beyond: Rule, advised: Advice | None
) -> None:
    found = verdict(replace(NOTHING, when=when, rule=rule, beyond=beyond, advised=advised))
    wanted = {
        RetrainWhen.RULE: rule.asks,
        RetrainWhen.BEYOND_NOISE: beyond.asks,
        RetrainWhen.RECOMMENDATION: advised is RETRAIN if advised else beyond.asks,
    }[when]
    assert found.required == found.asks == found.waits == wanted
    assert found.stand is (Stand.ASKS if wanted else Stand.CALM)
    assert bool(why_a_reason([found], None)) == (not wanted)  # `train` follows the same verdict


@pytest.mark.parametrize("when", RetrainWhen)
@pytest.mark.parametrize("learned", [(), ROLLED_BACK, LIVE_LEARNED, WAITS])
def test_no_sentence_says_that_no_model_is_live_beside_a_live_one(
    when: RetrainWhen, learned: tuple[tuple[int, PromotionState], ...]
) -> None:
    found = verdict(replace(NOTHING, advised=FIRST, beyond=BEYOND, when=when, learned=learned))
    assert "No model is live yet" not in found.sentence


def test_a_cancelled_training_leaves_the_question_open() -> None:
    assert verdict(replace(NOTHING, training=9)).waits is False
    assert verdict(NOTHING).waits is True


def test_what_was_learned_is_not_asked_for_again_after_a_re_check() -> None:
    first = verdict(replace(NOTHING, advised=None, learned=LIVE_LEARNED, number=0))
    assert (first.waits, first.asks, first.required) == (False, False, True)
    assert first.title == (
        "Batch 0: no further retraining needed (version 4, which is live, learned from it)"
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"rule": CALM, "advised": IGNORE},
            "Batch 2: no retraining needed. Every statistic is within its limit.",
        ),
        ({"rule": None, "advised": None}, "has not been compared yet"),
        ({"advised": BLOCK}, "Batch 2 looks broken: price is"),
        ({"learned": LIVE_LEARNED}, "no further retraining needed"),
        ({"dismissed_by": "ben"}, "ben dismissed it"),
        ({"training": 9}, "job 9 is open"),
    ],
)
def test_a_reason_is_asked_for_with_the_verdict(changes: dict[str, Any], says: str) -> None:
    assert says in why_a_reason([verdict(replace(NOTHING, **changes))], None)


def test_an_earlier_batch_that_waits_is_reason_enough_and_a_broken_one_is_not_passed_over() -> None:
    calm, earlier = verdict(replace(NOTHING, rule=CALM, advised=IGNORE)), verdict(NOTHING)
    broken = verdict(replace(NOTHING, advised=BLOCK, number=1))
    assert why_a_reason([calm, earlier], None) == ""
    assert "Batch 1 looks broken" in why_a_reason([earlier, broken], None)
    assert "version 5" in why_a_reason([earlier], 5)
    assert why_a_reason([], None) == ""


def test_an_earlier_epoch_needs_a_reason_and_what_is_known_already_is_said() -> None:
    asks = verdict(NOTHING)
    assert why_a_reason([asks], None, 1) == "Epoch 1 is not the current one."
    both = why_a_reason([asks], 3, 1)
    assert both.startswith("Epoch 1 is not the current one. The rows and the recipe are those of")
    assert "version 3, so training again gives the same model." in both


def test_a_rolled_back_version_is_no_reason_to_train_by_itself() -> None:
    undone = verdict(replace(NOTHING, learned=ROLLED_BACK))
    assert (undone.waits, undone.asks, undone.is_answered) == (True, False, False)
    assert "Make version 5 live again" in why_a_reason([undone], None)


def test_rows_of_an_earlier_epoch_are_no_reason_to_train() -> None:
    gone = verdict(replace(NOTHING, current_epoch=2))
    assert (gone.waits, gone.asks) == (True, False)
    assert "not of the current epoch" in gone.sentence
