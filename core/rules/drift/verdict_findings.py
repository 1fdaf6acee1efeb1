"""The three findings of a batch's comparisons, as the verdict about it takes them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.domain.batches import Batch
from core.domain.drift import Reason, Reference, breach_reasons
from core.domain.jobs import Job, JobState
from core.rules.drift.recommendation import Advice
from core.rules.drift.references import in_words
from core.rules.drift.verdict_facts import Rule


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """A report's verdict; `advice` is stored with the comparison with the previous batch.

    `reference_name` is as in `StoredReport`.
    """

    batch_id: int
    reference: Reference
    retrain: bool
    reasons: tuple[Reason, ...]
    advice: Advice | None
    measure_reasons: tuple[Reason, ...] = ()
    reference_name: str = ""


def findings(rows: Sequence[VerdictRow]) -> tuple[Rule | None, Rule | None, Advice | None]:
    """The findings: the drift rule's, that of breaches beyond noise, and the recommendation."""
    if not rows:
        return None, None, None
    by = {row.reference: row for row in rows}
    ordered = [by[r] for r in Reference if r in by]
    asking = [row for row in ordered if row.retrain]
    asking.sort(key=lambda row: row.reasons[0].could_be_noise)
    first = by.get(Reference.PREVIOUS)
    calm = _says(first or rows[0], (first or rows[0]).reasons[0])
    reasons = [_says(row, row.reasons[0]) for row in asking] or [calm]
    breaches = [(row, reason) for row in ordered for reason in breach_reasons(row)]
    sure = [_says(row, reason) for row, reason in breaches if not reason.could_be_noise]
    noise = [f"Nothing is beyond its noise band. {_says(*told)}" for told in breaches[:1]]
    return (
        Rule(bool(asking), tuple(reasons)),
        Rule(bool(sure), tuple(sure or noise or [calm])),
        first.advice if first else None,
    )


def will_read(training: Job, batch: Batch, current_epoch: int) -> bool:
    """Whether an open training will read a batch's rows.

    It is on the batch's epoch, the current one unless it names another, and it starts after the
    rows were stored.
    """
    if training.args.get("epoch", current_epoch) != batch.epoch:
        return False
    running = training.state is JobState.RUNNING
    if not running or training.started_at is None or batch.stored_at is None:
        return True
    return training.started_at >= batch.stored_at


def _says(row: VerdictRow, reason: Reason) -> str:
    is_breach = row.retrain or reason in row.measure_reasons
    by_champion = is_breach and row.reference is Reference.CHAMPION
    against = in_words(row.reference, row.reference_name)
    return (f"Against {against}, " if by_champion else "") + reason.says
