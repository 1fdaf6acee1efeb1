"""What helps a candidate that is not recommended: the sentence beside its decision. Pure."""

from __future__ import annotations

from typing import NamedTuple

from core.domain.dossier import DossierSummary
from core.domain.promotions import Promotion, PromotionState
from core.rules.model.metric_comparison import Sense, certainty
from core.rules.model.promotion_states import BASELINES, named

MORE_ROWS = "Ingest the next batch and train again: each training uses all batches of the epoch."
"""What to do about a model that is not clearly better than the baseline."""


class NextStep(NamedTuple):
    """What helps, in words; `ingests` if it begins with the next batch."""

    says: str
    ingests: bool = False


def next_step(promotion: Promotion, live: int | None) -> NextStep | None:
    """What can be done about a candidate whose gates are not all passed; None if they are.

    A gate that blocks says so itself, and so does a gate of the team's own.
    """
    failed, summary = promotion.failed_gates, promotion.dossier
    if promotion.state is not PromotionState.PROPOSED or not failed or summary is None:
        return None
    if any(gate.blocks for gate in failed):
        return None
    if any(gate.name in BASELINES for gate in failed):
        return NextStep(f"{_by_chance(summary, against_baseline=True)}{MORE_ROWS}", ingests=True)
    if live is not None and any(gate.compares for gate in failed):
        kept = named(live)
        says = f"{kept[0].upper()}{kept[1:]} stays live. Reject this one, or train on more batches."
        return NextStep(f"{_by_chance(summary, against_baseline=False)}{says}")
    return None


def _by_chance(summary: DossierSummary, *, against_baseline: bool) -> str:
    """That the primary metric's difference is not certain on so few rows; empty if it is."""
    compared = summary.baseline if against_baseline else summary
    difference = compared.differences.get(summary.primary_metric) if compared else None
    if difference is None or certainty(summary.primary_metric, difference) is not Sense.SAME:
        return ""
    rows = summary.candidate.rows
    return f"On {rows:,} held-out row{'' if rows == 1 else 's'} the difference could be chance. "
