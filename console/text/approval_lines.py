"""What an approval is about, in a few lines for the dialog."""

from __future__ import annotations

from collections.abc import Iterator

from console.text import formatting
from core.domain.dossier import DossierSummary
from core.domain.metrics import METRICS
from core.domain.promotions import Promotion
from core.rules.model.metric_comparison import change
from core.rules.model.promotion_states import named


def lines(promotion: Promotion, live: int | None, primary: str, unit: str) -> list[str]:
    """What changes, the error beside champion and baseline, the gates, and what can be undone."""
    changes, undo = effects(promotion.version, live)
    return [changes, _error(promotion, primary, unit), _gates(promotion), undo]


def effects(version: int, live: int | None) -> tuple[str, str]:
    """What a promotion changes, and what can be undone."""
    return (
        f"Serving answers with {named(live)} now, and with version {version} if it is promoted.",
        f"You can roll back to version {live} at any time."
        if live is not None
        else "There is nothing to roll back to, because nothing was live before.",
    )


def _error(promotion: Promotion, primary: str, unit: str) -> str:
    """The primary metric against the champion's and the baseline's."""
    summary = promotion.dossier
    if summary is None or primary not in summary.candidate.metrics:
        return "It was never evaluated here."
    mine, name = summary.candidate.metrics[primary], METRICS[primary].heading
    rows = formatting.count(summary.candidate.rows, "held-out row")
    beside = [
        f"the {who} has {formatting.metric(primary, theirs, unit)} "
        f"({change(primary, mine, theirs)})"
        for who, theirs in _others(summary, primary)
    ]
    text = f"{name} {formatting.metric(primary, mine, unit)} on {rows}"
    return f"{'; '.join([text, *beside])}."


def _others(summary: DossierSummary, primary: str) -> Iterator[tuple[str, float]]:
    """The metric of the champion and of the baseline, where they are known."""
    for who, metrics in (
        ("champion", summary.champion.metrics if summary.champion else {}),
        ("baseline", summary.baseline.metrics if summary.baseline else {}),
    ):
        if primary in metrics:
            yield who, metrics[primary]


def _gates(promotion: Promotion) -> str:
    failed = promotion.failed_gates
    if not failed:
        return "Every gate is passed."
    return f"Not passed: {', '.join(gate.name for gate in failed)}."
