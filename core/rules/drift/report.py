"""A drift report: the drift rule, the additional measures, and their noise bands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from core.domain.dataset import Dataset
from core.domain.drift import DriftReport, Reason, distorts
from core.domain.profiles import ColumnProfile
from core.rules.data.far_values import FarValues, far_values
from core.rules.drift.compare import compare
from core.rules.drift.measures import measure, reasons
from core.rules.drift.noise_band import annotate


def drift_report(
    reference: Sequence[ColumnProfile] | None,
    current: Sequence[ColumnProfile],
    dataset: Dataset,
    *,
    share: float = 1.0,
) -> DriftReport:
    """The comparison of a batch with one reference.

    `share` is its part of the batch's allowed false alarm rate (see `annotate`).
    Without a reference nothing is measured, and retraining is required.
    """
    report = compare(reference, current, dataset)
    if reference is None:
        return report
    measured = measure(reference, current, dataset)
    measure_reasons = reasons(measured, reference, current, dataset)
    report = replace(report, measures=measured, measure_reasons=measure_reasons)
    report = annotate(report, reference, current, share=share)
    return explained(report, far_values(reference, current, dataset))


def explained(report: DriftReport, far: Iterable[FarValues]) -> DriftReport:
    """The report whose reasons name the far values that made a change, if some did."""
    facts = {one.column: one.fact for one in far}
    moved = {c.name: facts[c.column] for c in report.checks if distorts(c, facts)}

    def all_of(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
        return tuple(replace(r, far=_as_cause(moved.get(r.change, ""))) for r in reasons)

    return replace(
        report, reasons=all_of(report.reasons), measure_reasons=all_of(report.measure_reasons)
    )


def _as_cause(fact: str) -> str:
    return f"{fact[0].upper()}{fact[1:]}" if fact else ""
