"""The verdict about one batch, in one sentence. Pure.

A comparison has three findings: that of the drift rule, the breaches beyond noise, and the
recommendation. The dataset file's `retrain_when` names the one that decides. This module combines
it with what was done since. All pages, the command line, `train`, `TRAIN_ON_DRIFT` and the webhook
use the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.domain.drift import RetrainWhen
from core.domain.promotions import PromotionState
from core.rules.drift.recommendation import Recommendation
from core.rules.drift.verdict_facts import Facts, Rule

DECIDES = {
    RetrainWhen.RULE: "The dataset file lets the drift rule decide",
    RetrainWhen.BEYOND_NOISE: "The dataset file lets breaches beyond noise decide",
    RetrainWhen.RECOMMENDATION: "The dataset file lets the recommendation decide",
}
"""Added to a verdict whose findings differ: which one decides."""

_NAMES = {
    RetrainWhen.RULE: "Rule",
    RetrainWhen.BEYOND_NOISE: "Beyond noise",
    RetrainWhen.RECOMMENDATION: "Recommendation",
}


class Stand(StrEnum):
    """The standing of a batch.

    ASKS, BROKEN, HELD and ROLLED_BACK wait for a person; ROLLED_BACK: a version was trained on it,
    and an older one is live again. TRAINING: a job that will train on it is open. LEARNED, UNFIT
    and DISMISSED are answered; UNFIT: no version that learned from it is fit to go live. CALM:
    nothing is to be done; DOUBTFUL: nor here, but some of its values look broken.
    """

    UNCOMPARED = "not compared"
    CALM = "no retraining needed"
    DOUBTFUL = "has values far outside the former range"
    ASKS = "retraining recommended"
    BROKEN = "looks broken"
    HELD = "held"
    ROLLED_BACK = "trained on, rolled back"
    TRAINING = "training"
    LEARNED = "trained on"
    UNFIT = "trained on, not recommended"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class BatchVerdict:
    """One batch's standing: `title` is the verdict, `detail` why.

    `besides` is the detail without the reasons of the findings, for where these are listed anyway.
    `decided_by` names the finding that decides, and `required` says whether it required retraining,
    whatever was done since. `rule_asks` and `recommendation` are findings of the comparison.
    `learned_by` is the version trained on it that the title or the detail is about, if any.
    """

    batch_id: int
    epoch: int
    number: int
    stand: Stand
    title: str
    detail: str
    besides: str
    rule_asks: bool
    recommendation: str
    is_current: bool
    decided_by: RetrainWhen
    required: bool
    learned_by: int | None = None

    @property
    def sentence(self) -> str:
        """Verdict and reason together."""
        return f"{self.title}. {self.detail}".strip()

    @property
    def waits(self) -> bool:
        """Whether it waits for a person."""
        return self.stand in (Stand.ASKS, Stand.BROKEN, Stand.HELD, Stand.ROLLED_BACK)

    @property
    def looks_broken(self) -> bool:
        """Whether the recommendation was to block it, whatever came since."""
        return self.recommendation == Recommendation.BLOCK.value

    @property
    def is_answered(self) -> bool:
        """Whether a version in use or to be decided was trained on it, or a person dismissed it."""
        return self.stand in (Stand.LEARNED, Stand.UNFIT, Stand.DISMISSED)

    @property
    def asks(self) -> bool:
        """Whether it justifies a training on the current rows; `TRAIN_ON_DRIFT` starts one."""
        return self.stand is Stand.ASKS and self.is_current

    def is_like(self, other: BatchVerdict) -> bool:
        """Whether one answer fits both: batches of one epoch that wait for the same reason.

        What is held or looks broken is looked at batch by batch.
        """
        is_open = self.waits and self.stand in (Stand.ASKS, Stand.ROLLED_BACK)
        mine, others = ((v.epoch, v.stand, v.learned_by) for v in (self, other))
        return is_open and mine == others


def verdict(facts: Facts) -> BatchVerdict:
    """The verdict about a batch."""
    stand, title, detail = _stand(facts, _why(facts))
    besides = _stand(facts, "")[2]
    if stand in (Stand.ASKS, Stand.BROKEN) and (since := _since(facts)):
        detail, besides = f"{detail} {since}".strip(), f"{besides} {since}".strip()
    return BatchVerdict(
        facts.batch_id,
        facts.epoch,
        facts.number,
        stand,
        f"{facts.name}{title}",
        detail,
        besides,
        facts.rule_asks,
        facts.advised.recommendation.value if facts.advised else "",
        facts.is_current,
        facts.decided_by,
        facts.asks,
        _learner(facts, stand),
    )


def _stand(facts: Facts, why: str) -> tuple[Stand, str, str]:
    if facts.rule is None and not facts.held:
        return Stand.UNCOMPARED, " has not been compared yet", "Check drift compares it."
    if facts.dismissed_by:
        because = f"{facts.dismissed_by} dismissed it: {facts.dismissed_because}"
        so_far = "stays held back" if facts.held else "needs no action"
        return Stand.DISMISSED, f" {so_far}: {because}", _then(why)
    if facts.held:
        return Stand.HELD, *_held(facts, why)
    if facts.asks or facts.looks_broken:
        return _answered(facts, why) if facts.learned else _unanswered(facts, why)
    if facts.has_far_values and not facts.learned:
        return Stand.DOUBTFUL, f": no retraining needed, but it {Stand.DOUBTFUL}", why
    return Stand.CALM, ": no retraining needed", why


def _learner(facts: Facts, stand: Stand) -> int | None:
    """The version that is named as trained on the batch: the live one, else the newest."""
    if stand not in (Stand.LEARNED, Stand.UNFIT, Stand.ROLLED_BACK):
        return None
    return facts.live if facts.live in dict(facts.learned) else facts.learned[0][0]


def _answered(facts: Facts, why: str) -> tuple[Stand, str, str]:
    if undone := facts.rolled_back:
        if facts.training is not None:
            return _in_training(facts.training, why)
        return Stand.ROLLED_BACK, f": {undone.title()}", f"{undone.to_do} {_then(why)}".strip()
    covered = f": no further retraining needed ({_learned(facts)})"
    if what_to_do := _of_unfit(facts):
        return Stand.UNFIT, covered, f"{what_to_do} {_then(why)}".strip()
    return Stand.LEARNED, covered, _then(why)


def _of_unfit(facts: Facts) -> str:
    """What to do about a batch whose versions are not fit to go live; empty if one is."""
    version, state = facts.learned[0]
    if facts.live in dict(facts.learned):
        return ""
    if state is PromotionState.PROPOSED and version in facts.unfit:
        return (
            f"Review version {version}: reject it, or force it with a reason. A training with more "
            "batches or another recipe may give a better one."
        )
    if state in (PromotionState.REJECTED, PromotionState.FAILED):
        return (
            "The live version has not learned from it. A training with more batches or another "
            "recipe may give a version that can go live."
        )
    return ""


def _held(facts: Facts, why: str) -> tuple[str, str]:
    """A hold by a person has that person's reason, another one what looks broken."""
    waits = "It waits to be released."
    if facts.rows_removed:
        waits = "Its rows were removed, so a release changes nothing: dismiss it."
    if not facts.held_by:
        return " is held back: it looks broken", f"{why} {waits}".strip()
    because = facts.held_because.rstrip(" .") or "no reason is on record"
    return f" is held by {facts.held_by}: {because}", f"{waits} {_then(why)}".strip()


def _unanswered(facts: Facts, why: str) -> tuple[Stand, str, str]:
    if facts.training is not None:
        return _in_training(facts.training, why)
    if facts.looks_broken:
        return Stand.BROKEN, " looks broken", f"{why} No training starts by itself.".strip()
    return Stand.ASKS, ": retraining recommended", why


def _in_training(job: int, why: str) -> tuple[Stand, str, str]:
    return Stand.TRAINING, f": retraining requested, job {job} is open", _then(why)


def _why(facts: Facts) -> str:
    """The reason of the finding that decides, and the reasons of others that differ from it.

    If two findings require retraining, both reasons are given. An outdated recommendation is
    replaced by what it was compared without.
    """
    if not facts.is_outdated or facts.live in dict(facts.learned):
        return _reasons(facts)
    version = f"version {facts.live}"
    note = f"It was compared before {version} went live, and not with that version's rows."
    return f"{_reasons(facts)} {note}".strip()


def _reasons(facts: Facts) -> str:
    if facts.looks_broken and facts.advised is not None:
        return facts.advised.lead
    if facts.deciding is None or facts.rule is None:
        return ""
    findings = {facts.decided_by: facts.deciding, RetrainWhen.RULE: facts.rule}
    if facts.advised is not None and not facts.is_outdated:
        findings.setdefault(
            RetrainWhen.RECOMMENDATION, Rule(facts.advice_asks, (facts.advised.lead,))
        )
    of_worth = {
        which: finding.reasons[0]
        for which, finding in findings.items()
        if which is facts.decided_by
        or (finding.reasons[0] != facts.deciding.reasons[0] and (finding.asks or facts.asks))
    }
    if len(of_worth) == 1:
        return facts.deciding.reasons[0]
    sentences = [f"{_NAMES[which]}: {reason}" for which, reason in of_worth.items()]
    return f"{' '.join(sentences)} {DECIDES[facts.decided_by]}."


def _then(why: str) -> str:
    """Reasons that no longer call for a decision."""
    return f"When it was compared: {why}" if why else ""


def _learned(facts: Facts) -> str:
    versions = dict(facts.learned)
    if facts.live in versions:
        return f"version {facts.live}, which is live, learned from it"
    version, state = facts.learned[0]
    if state is PromotionState.PROPOSED and version in facts.unfit:
        return f"version {version} learned from it, and is not recommended"
    became = {
        PromotionState.PROPOSED: "and awaits approval",
        PromotionState.APPROVED: "and is being promoted",
        PromotionState.REJECTED: "and was rejected",
        PromotionState.FAILED: "and its promotion failed",
        PromotionState.RETIRED: "and was live before",
    }
    return f"version {version} learned from it {became.get(state, '')}".strip()


def _since(facts: Facts) -> str:
    """What happened since, to a batch that still waits."""
    if not facts.is_current and facts.rows_removed:
        return "Its rows were removed, so no training can read them."
    if not facts.is_current:
        return (
            "Its rows are not of the current epoch: a training reads them only if epoch "
            f"{facts.epoch} is chosen (driftdesk train --epoch {facts.epoch})."
        )
    if not facts.later:
        return ""
    if len(facts.later) == 1:
        return f"Batch {facts.later[0]} came after it, and no version has learned from it since."
    return f"{len(facts.later)} batches came after it, and no version has learned from it since."
