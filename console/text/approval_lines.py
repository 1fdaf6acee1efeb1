"""What an approval is about, in a few lines for the dialog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from console.text import formatting
from console.text.version_pairs import evaluated_words
from core.domain.dossier import DossierSummary
from core.domain.metrics import METRICS
from core.domain.promotions import Decision, Promotion, Term
from core.rules.model.metric_comparison import change
from core.rules.model.promotion_states import named


def lines(
    promotion: Promotion,
    live: int | None,
    primary: str,
    unit: str,
    newest: str = "",
    *,
    compared: Sequence[str] = (),
) -> list[str]:
    """What changes, the error beside champion and baseline, the gates, and what can be undone.

    `newest` compares it with the live version on the newest batch; empty where it cannot be.
    `compared` has every comparison with the live version on the same rows.
    """
    changes, undo = effects(promotion.version, live)
    error = _error(promotion, primary, unit)
    told = [changes, error, *compared, newest, _gates(promotion), undo]
    return [line for line in told if line]


def back_lines(
    before: Promotion,
    live: Promotion | None,
    primary: str,
    unit: str,
    *,
    compared: Sequence[str] = (),
    newest: str = "",
) -> list[str]:
    """What a rollback changes, the figures of both versions, and the last decision about it.

    `compared` has every comparison of both on the same rows, and `newest` on the newest batch;
    without `compared`, each version's own evaluation is told.
    """
    now, version = live.version if live else None, before.version
    own = [_own(p, primary, unit) for p in (before, live) if p]
    evaluated = f"{'; '.join(own)}; these are not the same rows."
    told = [
        f"Serving answers with {named(now)} now, and with version {version} after the rollback.",
        *(compared or [evaluated]),
        newest,
        _decided(before),
        _gates(before) if before.dossier else "",
    ]
    return [line for line in told if line]


def taken_back(by: Term, now: datetime) -> str:
    """That a rollback took a version away: "was rolled back 5 min ago by ana: reason"."""
    reason = f": {by.reason.rstrip('.')}" if by.reason else ""
    return f"was rolled back {formatting.ago(by.since, now)} by {by.by}{reason}"


def _own(promotion: Promotion, primary: str, unit: str) -> str:
    """The primary metric of a version at its own evaluation."""
    if promotion.dossier is None or primary not in promotion.metrics:
        return f"Version {promotion.version} was never evaluated here"
    value = formatting.metric(primary, promotion.metrics[primary], unit)
    rows = evaluated_words(promotion.dossier)
    name = METRICS[primary].name
    return f"Version {promotion.version} had a {name} of {value} on {rows} at its evaluation"


def _decided(promotion: Promotion) -> str:
    """Who made the last decision about a version, and when; empty if there was none."""
    if not promotion.decided_by:
        return ""
    verbs = {Decision.FORCE: "forced it", Decision.ROLLBACK: "rolled back to it"}
    fallback = "forced it" if promotion.forced else "approved it"
    verb = verbs.get(promotion.decided_as, fallback) if promotion.decided_as else fallback
    at = f" on {promotion.decided_at:%Y-%m-%d at %H:%M} UTC" if promotion.decided_at else ""
    reason = f": {promotion.reason.rstrip('.')}" if promotion.reason else ""
    who = f"Last decision about version {promotion.version}: {promotion.decided_by}"
    return f"{who} {verb}{at}{reason}."


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
    rows = evaluated_words(summary)
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
