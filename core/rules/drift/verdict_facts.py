"""What the verdict about one batch depends on. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from core.domain.drift import RetrainWhen
from core.domain.promotions import PromotionState
from core.rules.drift.recommendation import Advice, Recommendation
from core.rules.drift.rolled_back import RolledBack


@dataclass(frozen=True, slots=True)
class Rule:
    """A verdict over all references, such as the drift rule's; reasons to retrain come first."""

    asks: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a batch's verdict depends on.

    `rule` is the drift rule's verdict, `beyond` the verdict from all breaches beyond their noise
    bands, and `advised` the recommendation; `when` says which of the three decides.

    With `names_epoch` the sentence names the epoch even if it is the current one. `learned` has
    the versions that were trained on the batch's content, newest first, and `unfit` the versions
    that await approval and are not recommended; `training` is the open
    training job that will read its rows. `held_by` and `held_because` are empty if a `held` batch
    is held because it looks broken, and not by a person. A `released` batch no longer counts as
    broken. `later` are the epoch's batches that came after it; `dismissed_by` and
    `dismissed_because` are of the person who decided against training. `live_again`: the live
    version went live by a rollback.
    """

    batch_id: int
    epoch: int
    number: int
    current_epoch: int
    rule: Rule | None
    advised: Advice | None
    live: int | None = None
    learned: tuple[tuple[int, PromotionState], ...] = ()
    training: int | None = None
    held: bool = False
    held_by: str = ""
    held_because: str = ""
    released: bool = False
    later: tuple[int, ...] = ()
    dismissed_by: str = ""
    dismissed_because: str = ""
    names_epoch: bool = False
    rows_removed: bool = False
    beyond: Rule | None = None
    when: RetrainWhen = RetrainWhen.RECOMMENDATION
    unfit: frozenset[int] = frozenset()
    live_again: bool = False

    @property
    def name(self) -> str:
        """The batch's name: with its epoch, unless that is the current one."""
        short = self.is_current and not self.names_epoch
        return f"Batch {self.number}" + ("" if short else f" of epoch {self.epoch}")

    @property
    def is_current(self) -> bool:
        """Whether a training now would read its rows."""
        return self.epoch == self.current_epoch

    @property
    def decided_by(self) -> RetrainWhen:
        """The finding that decides.

        The breaches beyond noise replace a missing recommendation (older reports), an outdated one,
        and one to block a batch that a person has released.
        """
        if self.when is not RetrainWhen.RECOMMENDATION:
            return self.when
        replaced = self.advised is None or self.is_outdated or (self.released and self._blocks)
        return RetrainWhen.BEYOND_NOISE if replaced else self.when

    @property
    def is_outdated(self) -> bool:
        """Whether the recommendation was to train a first model, and a version is live now."""
        return self.advised is not None and self.advised.no_champion and self.live is not None

    @property
    def deciding(self) -> Rule | None:
        """What it finds; None if the batch has not been compared."""
        if self.decided_by is RetrainWhen.RECOMMENDATION and self.advised is not None:
            return Rule(self.advice_asks, (self.advised.lead, *self.advised.reasons))
        return self.rule if self.decided_by is RetrainWhen.RULE else self.beyond or self.rule

    @property
    def has_far_values(self) -> bool:
        """Whether values of the batch lie far outside the former range, and nobody released it."""
        return self.advised is not None and bool(self.advised.far) and not self.released

    @property
    def asks(self) -> bool:
        """Whether the verdict that decides requires retraining."""
        return self.deciding is not None and self.deciding.asks

    @property
    def rule_asks(self) -> bool:
        """Whether the drift rule requires retraining."""
        return self.rule is not None and self.rule.asks

    @property
    def advice_asks(self) -> bool:
        """Whether the recommendation is to retrain."""
        return self.advised is not None and self.advised.recommendation is Recommendation.RETRAIN

    @property
    def looks_broken(self) -> bool:
        """Whether the recommendation is to block the batch, and nobody has released it."""
        return self._blocks and not self.released

    @property
    def _blocks(self) -> bool:
        return self.advised is not None and self.advised.recommendation is Recommendation.BLOCK

    @property
    def rolled_back(self) -> RolledBack | None:
        """What became of the version that learned from it last, if the live one is an older one."""
        if self.live is None or self.live in dict(self.learned) or not self.learned:
            return None
        version, state = self.learned[0]
        if state is not PromotionState.RETIRED or self.live > version:
            return None
        return RolledBack(version, self.live, self.live_again)
